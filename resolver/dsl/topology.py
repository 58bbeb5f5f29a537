"""Where `get_property` leads in a topology of TOSCA: over requirements to nodes and their capabilities.

The rules are those of TOSCA Simple Profile 1.3, section 4.4.2, and of the paths of TOSCA 2.0, section 10.3.
What a type may add that is not in reach, and what a requirement is only given at run time, is `Unknown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.dsl.inheritance import Kind, OutOfReachError, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver.core.location import Path
    from resolver.dsl.definitions import Definitions
    from resolver.dsl.inheritance import Part

MAX_HOPS = 50
"""Most requirements that are followed in a row."""

_AT_RUN_TIME = Unknown("what fulfils the requirement is not known before deployment")
_NOT_STATIC = Unknown("where its path leads is not known before deployment")
_FILTERED = Unknown("in a node filter it means each node that may fulfil the requirement")
_NO_END = Unknown("the call stands in no relationship that one requirement makes")
_REFINED = Unknown("the node's type changes what the relationship or capability type declares")

_HOSTED_ON = frozenset({"tosca.relationships.HostedOn", "tosca:HostedOn"})
_TOO_MANY = Unknown("its path leads to too many relationships")

MAX_LISTED = 1_000
"""Most relationships that a path with `ALL` leads over."""

_KEYWORDS = ("RELATIONSHIP", "CAPABILITY", "SOURCE", "TARGET", "ALL")


class Entity(NamedTuple):
    """What has properties: a node template, a relationship, or a capability of a node.

    Args:
        kind: the kind of its type.
        type: the name of its type; None for none, `Unknown` where it is not known.
        given: what stands under `properties`.
        here: the path that says what SELF, SOURCE and TARGET mean in these.
        link: where it leads; None for what is no relationship.
    """

    kind: Kind
    type: object
    given: object
    here: Path
    link: Link | None = None

    def property(self, definitions: Definitions, name: object) -> Part:
        """Its own value of a property, or the default of its type; None without either."""
        return definitions.types.property(self.kind, self.type, self.given, name)


class Link(NamedTuple):
    """What a relationship is made by.

    Args:
        requirement: the name of the requirement.
        source: the node that has it.
        target: the node that fulfils it; None where that is chosen later.
        capability: the name of the capability there, or of its type, if the template has one.
        wanted: the type of capability that the source's type asks for; `Unknown` when that is not known.
    """

    requirement: str
    source: str
    target: str | None
    capability: object
    wanted: object


class FoundProperty(NamedTuple):
    """Where some words lead.

    Args:
        start: the property; None when there is none.
        here: the path that says what SELF means in it.
        rest: the words behind the property's name: steps into its value.
    """

    start: Part
    here: Path = ()
    rest: Sequence[Any] = ()


class FoundProperties(NamedTuple):
    """All that a path leads to.

    Args:
        each: the properties.
        is_list: whether their values are given as a list.
    """

    each: Sequence[FoundProperty]
    is_list: bool = False


def entity_of(definitions: Definitions, word: object, here: Path) -> Entity | Unknown | None:
    """What the first word of a path means: a node or relationship template, or where the call stands.

    Args:
        definitions: the topology and its types.
        word: the word.
        here: where the call stands, as a path in the topology.

    Returns:
        None when there is nothing of that name, or the word has no meaning there.
    """
    if word not in ("SELF", "SOURCE", "TARGET", "HOST"):
        return _node(definitions, word) or _template(definitions, word)
    match here:
        case ("node_templates", _, "node_filter", *_) | (
            "node_templates",
            _,
            "requirements",
            int(),
            _,
            "node_filter",
            *_,
        ):
            return _FILTERED
        case ("node_templates", node, "requirements", int(number), name, *_):
            around = _relationship(definitions, str(node), number, name)
        case ("node_templates", node, *_):
            around = _node(definitions, node)
        case ("relationship_templates", name, *_):
            around = _template(definitions, name)
        case _:
            return None
    if word == "SELF" or around is None or (word == "HOST" and around.kind is Kind.NODE):
        return around
    return _end(definitions, around, word) if word != "HOST" and around.kind is Kind.RELATIONSHIP else None


def find_property(definitions: Definitions, start: Entity, words: Sequence[Any]) -> FoundProperty:
    """Find the property of TOSCA 1.x that words behind an entity's name lead to.

    Args:
        definitions: the topology and its types.
        start: the entity.
        words: a property and steps, or a requirement or capability before these.
    """
    own = start.property(definitions, words[0])
    if own is not None or len(words) == 1 or start.kind is not Kind.NODE:
        return FoundProperty(own, start.here, words[1:])
    relationships = list(_relationships(definitions, start, words[0]))
    if not relationships:
        return _of(definitions, _capability(definitions, start, words[0]), words[1:])
    if len(relationships) > 1:
        return FoundProperty(_AT_RUN_TIME)
    return _of(definitions, _fulfilled(definitions, relationships[0]), words[1:])


def find_on_hosts(definitions: Definitions, start: Entity, words: Sequence[Any]) -> FoundProperty:
    """Find a property of the nearest of a node's hosts that has it, or a capability with it.

    Args:
        definitions: the topology and its types.
        start: the node template that is hosted.
        words: a property and steps, or a capability before these.
    """
    for _ in range(MAX_HOPS):
        hosts = [each for each in _relationships(definitions, start) if _is_hosting(definitions, each)]
        host = _end(definitions, hosts[0], "TARGET") if len(hosts) == 1 else _AT_RUN_TIME
        if isinstance(host, Unknown):
            break
        start = host
        found = _of(definitions, host, words)
        if found.start is None and len(words) > 1:
            found = _of(definitions, _capability(definitions, host, words[0]), words[1:])
        if found.start is not None:
            return found
    return FoundProperty(_AT_RUN_TIME)


def find_along(definitions: Definitions, start: Entity, words: Sequence[Any]) -> FoundProperties:
    """Follow a path of TOSCA 2.0.

    Args:
        definitions: the topology and its types.
        start: where it begins.
        words: keywords, names and indexes, a property, and steps.
    """
    if start.kind is Kind.NODE and _is_index(words[0]) and words[0] == 0:
        words = words[1:]  # the first of the nodes that are made of the template
    reached, is_list = [start], False
    for _ in range(MAX_HOPS):
        following, rest = _step(definitions, reached, words)
        if following is None:
            break
        is_list = is_list or (words[0] == "RELATIONSHIP" and "ALL" in words[2 : len(words) - len(rest)])
        entities = [each for each in following if isinstance(each, Entity)]
        if len(entities) < len(following) or len(entities) > MAX_LISTED:
            astray = [each for each in following if not isinstance(each, Entity)]
            return FoundProperties((FoundProperty(astray[0] if astray else _TOO_MANY),))
        reached, words = entities, rest
    if not words or words[0] in _KEYWORDS:
        return FoundProperties((FoundProperty(_NOT_STATIC),))
    return FoundProperties([_of(definitions, each, words) for each in reached], is_list)


def _step(
    definitions: Definitions, reached: Sequence[Entity], words: Sequence[Any]
) -> tuple[list[Entity | Unknown | None] | None, Sequence[Any]]:
    """Follow one keyword of a path from all that was reached.

    Returns:
        What it leads to, and the words behind it; None when the next word is no such keyword.
    """
    following: list[Entity | Unknown | None] = []
    are_nodes = all(each.kind is Kind.NODE for each in reached)
    are_relationships = all(each.kind is Kind.RELATIONSHIP for each in reached)
    match words:
        case ["RELATIONSHIP", str(name), *rest] if are_nodes:
            index: object = 0
            if rest and (rest[0] == "ALL" or _is_index(rest[0])):
                index, *rest = rest
            for node in reached:
                if len(following) <= MAX_LISTED:
                    following += _at_index(definitions, node, name, index)
        case ["CAPABILITY", str(name), *rest] if rest and are_nodes:
            following += [_capability(definitions, each, name) for each in reached]
        case ["CAPABILITY", *rest] if rest and are_relationships:
            following += [_fulfilled(definitions, each) for each in reached]
        case ["SOURCE" | "TARGET" as end, *rest] if are_relationships:
            following += [_end(definitions, each, end) for each in reached]
        case _:
            return None, words
    return following, rest


def _is_index(word: object) -> bool:
    return isinstance(word, int) and not isinstance(word, bool)


def _of(definitions: Definitions, entity: Entity | Unknown | None, words: Sequence[Any]) -> FoundProperty:
    """A property of what was found."""
    if not isinstance(entity, Entity):
        return FoundProperty(entity)
    if not words:
        return FoundProperty(_NOT_STATIC)
    return FoundProperty(entity.property(definitions, words[0]), entity.here, words[1:])


def _node(definitions: Definitions, name: object) -> Entity | None:
    template = definitions.node(name) if isinstance(name, str) else None
    if template is None or not isinstance(name, str):
        return None
    return Entity(Kind.NODE, template.get("type"), template.get("properties"), ("node_templates", name))


def _template(definitions: Definitions, name: object) -> Entity | None:
    """A relationship template, with its ends where one requirement alone uses it."""
    template = definitions.relationship_template(name) if isinstance(name, str) else None
    if template is None or not isinstance(name, str):
        return None
    links = [
        each.link
        for node in definitions.node_names()
        for each in _relationships(definitions, Entity(Kind.NODE, None, None, ("node_templates", node)))
        if each.here == ("relationship_templates", name)
    ]
    link = links[0] if len(links) == 1 else None
    here = ("relationship_templates", name)
    return Entity(Kind.RELATIONSHIP, template.get("type"), template.get("properties"), here, link)


# relationships


def _relationships(definitions: Definitions, node: Entity, name: object = None) -> Iterator[Entity]:
    """The relationships that a node template's requirements make: those of one name, or all."""
    requirements = (definitions.node(str(node.here[1])) or {}).get("requirements")
    for number, entry in enumerate(requirements if isinstance(requirements, list) else ()):
        definitions.budget.spend()
        for key in entry if isinstance(entry, dict) else ():
            if name is None or key == name:
                found = _relationship(definitions, str(node.here[1]), number, key)
                if found is not None:
                    yield found


def _relationship(definitions: Definitions, node: str, number: int, name: object) -> Entity | None:
    """The relationship that one entry among a node template's requirements makes."""
    template = definitions.node(node) or {}
    requirements = template.get("requirements")
    entry = requirements[number] if isinstance(requirements, list) and number < len(requirements) else None
    if not isinstance(entry, dict) or name not in entry:
        return None
    assigned = entry[name] if isinstance(entry[name], dict) else {"node": entry[name]}
    declared = _requirement(definitions, template.get("type"), name)
    target = assigned.get("node")
    is_chosen = isinstance(target, str) and definitions.node(target) is not None
    wanted = declared if isinstance(declared, Unknown) else declared.get("capability")
    link = Link(str(name), node, target if is_chosen else None, assigned.get("capability"), wanted)
    here: Path = ("node_templates", node, "requirements", number, str(name))
    by = assigned.get("relationship")
    if isinstance(by, str):
        shared = definitions.relationship_template(by)
        if shared is not None:
            here = ("relationship_templates", by)
            return Entity(Kind.RELATIONSHIP, shared.get("type"), shared.get("properties"), here, link)
    by = by if isinstance(by, dict) else {"type": by}
    type_name = by.get("type")
    if type_name is None:
        type_name = declared if isinstance(declared, Unknown) else _type_in(declared.get("relationship"))
    return Entity(Kind.RELATIONSHIP, type_name, by.get("properties"), here, link)


def _requirement(definitions: Definitions, type_name: object, name: object) -> Mapping[Any, Any] | Unknown:
    """What a node type says of a requirement; what it derives from may say more."""
    whole: dict[Any, Any] = {}
    try:
        for _, entry in definitions.types.ancestry(Kind.NODE, type_name):
            requirements = entry.get("requirements")
            for each in requirements if isinstance(requirements, list) else ():
                definitions.budget.spend()
                if isinstance(each, dict) and name in each:
                    declared = each[name] if isinstance(each[name], dict) else {"capability": each[name]}
                    whole = {**declared, **whole}
    except OutOfReachError as error:
        if "capability" not in whole:
            return Unknown(error.why)
    return whole


def _type_in(declared: object) -> object:
    """The type that a definition names for a capability or relationship, where it changes nothing of it."""
    if not isinstance(declared, dict):
        return declared
    return _REFINED if declared.get("properties") else declared.get("type")


def _end(definitions: Definitions, relationship: Entity, word: object) -> Entity | Unknown:
    """The node at one end of a relationship."""
    link = relationship.link
    if link is None:
        return _NO_END
    return _node(definitions, link.source if word == "SOURCE" else link.target) or _AT_RUN_TIME


def _is_hosting(definitions: Definitions, relationship: Entity) -> bool:
    """Whether a relationship says that its target is a host, by its type or else its requirement's name."""
    if isinstance(relationship.type, str):
        try:
            ancestry = definitions.types.ancestry(Kind.RELATIONSHIP, relationship.type)
            return any(name in _HOSTED_ON for name, _ in ancestry)
        except OutOfReachError:
            pass
    return relationship.link is not None and relationship.link.requirement == "host"


def _at_index(definitions: Definitions, node: Entity, name: str, index: object) -> list[Entity | Unknown]:
    """The relationship of a requirement that an index names, or all."""
    found = list(_relationships(definitions, node, name))
    requirements = (definitions.node(str(node.here[1])) or {}).get("requirements") or ()
    entries = [entry[name] for entry in requirements if isinstance(entry, dict) and name in entry]
    if any(isinstance(entry, dict) and not _MANY.isdisjoint(entry) for entry in entries):
        return [_AT_RUN_TIME]
    if index != "ALL":
        return [found[index]] if isinstance(index, int) and 0 <= index < len(found) else [_AT_RUN_TIME]
    declared = _requirement(definitions, node.type, name)
    least = [_AT_RUN_TIME] if isinstance(declared, Unknown) else declared.get("count_range")
    is_all = least is None or (isinstance(least, list) and least[:1] <= [len(found)])
    return [*found] if found and is_all else [_AT_RUN_TIME]


_MANY = frozenset({"count", "occurrences", "optional"})
"""What an entry among requirements says when it may make no relationship, or several."""


# capabilities


def _capability(definitions: Definitions, node: Entity, name: object) -> Entity | Unknown | None:
    """A capability of a node template; None when it has none of that name."""
    assigned: Any = definitions.node(str(node.here[1]))
    for step in ("capabilities", name, "properties"):
        assigned = assigned.get(step) if isinstance(assigned, dict) and isinstance(step, str) else None
    type_name: object = None
    try:
        declared = _capabilities(definitions, node).get(name)
        if declared is None and assigned is None:
            return None
        type_name = _type_in(declared)
    except OutOfReachError as error:
        type_name = Unknown(error.why)
    return Entity(Kind.CAPABILITY, type_name, assigned, node.here)


def _capabilities(definitions: Definitions, node: Entity) -> dict[Any, Any]:
    """What a node's type says of its capabilities.

    Raises:
        OutOfReachError: a type that may say more is not in the tree.
    """
    found: dict[Any, Any] = {}
    for _, entry in definitions.types.ancestry(Kind.NODE, node.type):
        capabilities = entry.get("capabilities")
        definitions.budget.spend(len(capabilities) if isinstance(capabilities, dict) else 0)
        for name, declared in capabilities.items() if isinstance(capabilities, dict) else ():
            if isinstance(declared, dict):
                nearer = found.get(name)
                found[name] = {**declared, **(nearer if isinstance(nearer, dict) else {})}
            else:
                found.setdefault(name, declared)
    return found


def _fulfilled(definitions: Definitions, relationship: Entity) -> Entity | Unknown | None:
    """The capability that a relationship leads to: the named one, or the only one of the type asked for."""
    link = relationship.link
    node = None if link is None else _node(definitions, link.target)
    if link is None or node is None:
        return _AT_RUN_TIME
    if link.capability is not None:
        named = _capability(definitions, node, link.capability)
        if named is not None:
            return named
    wanted = link.wanted if link.capability is None else link.capability
    if isinstance(wanted, Unknown):
        return wanted
    try:
        of_type = [
            name
            for name, declared in _capabilities(definitions, node).items()
            if _derives(definitions, _type_in(declared), wanted)
        ]
    except OutOfReachError as error:
        return Unknown(error.why)
    return _capability(definitions, node, of_type[0]) if len(of_type) == 1 else _AT_RUN_TIME


def _derives(definitions: Definitions, name: object, ancestor: object) -> bool:
    """Whether a capability type is another one or derives from it; types may have several names."""
    if isinstance(name, Unknown) or not isinstance(ancestor, str):
        return False
    types = definitions.types
    wanted = next((entry for _, entry in types.ancestry(Kind.CAPABILITY, ancestor)), None)
    return any(entry is wanted for _, entry in types.ancestry(Kind.CAPABILITY, name))
