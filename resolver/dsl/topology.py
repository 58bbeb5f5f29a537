"""Where `get_property` leads in a topology of TOSCA: over requirements to nodes, and to their capabilities.

The rules are those of TOSCA Simple Profile 1.3, section 4.4.2, and of the paths of TOSCA 2.0, section 10.2.1.
What a type may add to a capability, and what a requirement is only given at run time, is `Unknown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.dsl.inheritance import Typed, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.dsl.definitions import Definitions
    from resolver.dsl.inheritance import Part

MAX_HOPS = 50
"""Most requirements that are followed in a row."""

_AT_RUN_TIME = Unknown("what fulfils the requirement is not known before deployment")
_FROM_TYPE = Unknown("the capability's type may add to what is written here")


class FoundProperty(NamedTuple):
    """Where some words lead.

    Args:
        start: the property; None when there is none.
        node: the node template that it is of.
        rest: the words behind the property's name: steps into its value.
    """

    start: Part
    node: str
    rest: Sequence[Any]


def find_property(definitions: Definitions, node: str, words: Sequence[Any]) -> FoundProperty:
    """Find the property that words behind a node's name lead to.

    Args:
        definitions: the topology and its types.
        node: the name of a node template that there is.
        words: a property and steps, or what leads to another entity before these.
    """
    if definitions.dialect.prefix:
        return _along_path(definitions, node, words)
    template = definitions.node(node) or {}
    own = definitions.property(template, words[0])
    if own is not None or len(words) == 1:
        return FoundProperty(own, node, words[1:])
    targets = _targets(template, words[0])
    if not targets:
        return _of_capability(definitions, node, words[0], words[1:])
    return _of_target(definitions, targets, words[1:])


def find_on_hosts(definitions: Definitions, node: str, words: Sequence[Any]) -> FoundProperty:
    """Find a property of the nearest of a node's hosts that has it.

    Args:
        definitions: the topology and its types.
        node: the name of the node template that is hosted.
        words: a property and steps.
    """
    for _ in range(MAX_HOPS):
        targets = _targets(definitions.node(node) or {}, "host")
        name = targets[0][0] if len(targets) == 1 else None
        host = None if name is None else definitions.node(name)
        if name is None or host is None:
            return FoundProperty(_AT_RUN_TIME, node, ())
        node = name
        found = definitions.property(host, words[0])
        if found is not None:
            return FoundProperty(found, node, words[1:])
    return FoundProperty(_AT_RUN_TIME, node, ())


def target_of(definitions: Definitions, node: str, index: object) -> str | None:
    """The node template that a node's requirement names by its place in the list; None without one."""
    requirements = (definitions.node(node) or {}).get("requirements")
    if not isinstance(requirements, list) or not isinstance(index, int) or index >= len(requirements):
        return None
    entry = requirements[index]
    found = [_target(each)[0] for each in entry.values()] if isinstance(entry, dict) else []
    return found[0] if len(found) == 1 else None


def _along_path(definitions: Definitions, node: str, words: Sequence[Any]) -> FoundProperty:
    """Follow a path of TOSCA 2.0."""
    for _ in range(MAX_HOPS):
        if words[:1] == ["CAPABILITY"] and len(words) > 2:  # noqa: PLR2004 - its name and a property
            return _of_capability(definitions, node, words[1], words[2:])
        if words[:1] != ["RELATIONSHIP"]:
            break
        targets = _targets(definitions.node(node) or {}, words[1]) if len(words) > 1 else []
        words = words[2:]
        if type(words[:1]) is list and words[:1] == [0] and type(words[0]) is int:
            words, targets = words[1:], targets[:1]
        if words[:1] == ["CAPABILITY"]:
            return _of_target(definitions, targets, words[1:])
        name = targets[0][0] if len(targets) == 1 else None
        if words[:1] != ["TARGET"] or name is None or definitions.node(name) is None:
            return FoundProperty(_AT_RUN_TIME, node, ())
        node, words = name, words[1:]
    if not words or words[0] in ("RELATIONSHIP", "CAPABILITY", "SOURCE", "TARGET"):
        return FoundProperty(_AT_RUN_TIME, node, ())
    return FoundProperty(definitions.property(definitions.node(node) or {}, words[0]), node, words[1:])


def _targets(template: Mapping[Any, Any], name: object) -> list[tuple[str | None, object]]:
    """What a node template says of a requirement: each time the node, and the capability by its name."""
    requirements = template.get("requirements")
    return [
        _target(entry[name])
        for entry in (requirements if isinstance(requirements, list) else ())
        if isinstance(entry, dict) and isinstance(name, str) and name in entry
    ]


def _target(assigned: object) -> tuple[str | None, object]:
    if isinstance(assigned, dict):
        node = assigned.get("node")
        return (node if isinstance(node, str) else None), assigned.get("capability")
    return (assigned if isinstance(assigned, str) else None), None


def _of_target(
    definitions: Definitions, targets: Sequence[tuple[str | None, object]], words: Sequence[Any]
) -> FoundProperty:
    """A property of the capability that a requirement names; where it names none, its type decides."""
    node, capability = targets[0] if len(targets) == 1 else (None, None)
    if node is None or capability is None or definitions.node(node) is None:
        return FoundProperty(_AT_RUN_TIME, "", ())
    return _of_capability(definitions, node, capability, words)


def _of_capability(definitions: Definitions, node: str, name: object, words: Sequence[Any]) -> FoundProperty:
    """A property of a node's capability: what is written in the template, to which types may add."""
    assigned: Any = definitions.node(node)
    for step in ("capabilities", name, "properties"):
        assigned = assigned.get(step) if isinstance(assigned, dict) and isinstance(step, str) else None
    if words and isinstance(assigned, dict) and isinstance(words[0], str) and words[0] in assigned:
        return FoundProperty(Typed(assigned[words[0]], _FROM_TYPE, _FROM_TYPE), node, words[1:])
    return FoundProperty(_FROM_TYPE, node, ())
