"""What a file defines, under the names that an import into a namespace gives it.

The rules are those of cloudify-common 7.0.5: `dsl_parser.elements.imports` renames what sections define, and
`dsl_parser.framework.parser` what refers to it. A name gets the namespace and `--` before it, unless it
begins with `cloudify.`, and, where it refers to something, unless it is that of a type that is no data type.
In calls, the input of `get_input` and the node of `get_property` and `get_attribute` are names.

The parser renames in place, and looks at each node of the text once. So what an alias stands for is renamed
for all of its places, or for none, depending on which place comes first. Where that would show, and where
the parser can't rename at all, there is a problem instead of a result.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, assert_never

import msgspec

from resolver.blueprint.imports import IMPORTS, VERSION
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.blueprint.positions import EntryLocation
from resolver.dsl.budget import NODE, Budget
from resolver.dsl.definitions import NAMESPACE_DELIMITER, OWN_PREFIX, InputType
from resolver.dsl.problems import Problem, Reason

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from resolver.blueprint.document import Blueprint
    from resolver.core.location import Path, Position

_NODE_CALLS: Final = frozenset({"get_property", "get_attribute"})
_NAMING_CALLS: Final = _NODE_CALLS | {"get_input"}
_RELATIVE: Final = frozenset({"SELF", "SOURCE", "TARGET"})
_TYPES: Final = frozenset(map(str, InputType))


class Leaf(msgspec.Struct, frozen=True):
    """A value. In a mapping, calls are renamed; a list is left alone.

    Args:
        is_name: whether a text is a name.
    """

    is_name: bool = False


class Fields(msgspec.Struct, frozen=True):
    """A mapping of some known names.

    Args:
        of: what stands under each; what stands under others is left alone.
        or_name: whether a name may stand in its place, such as that of an operation.
    """

    of: dict[str, Rule]
    or_name: bool = False


class Entries(msgspec.Struct, frozen=True):
    """A mapping of any names.

    Args:
        of: what stands under each.
        are_names: whether they are renamed, too.
    """

    of: Rule
    are_names: bool = False


class Items(msgspec.Struct, frozen=True):
    """A list.

    Args:
        of: what its items are.
        always: whether each is renamed, whatever it begins with.
    """

    of: Rule
    always: bool = False


Rule: TypeAlias = Leaf | Fields | Entries | Items

_NAME: Final = Leaf(is_name=True)
_DATA: Final = Leaf()
_PROPERTY: Final = Fields({"default": _DATA, "type": _NAME})
_INPUT: Final = Fields({"default": _DATA, "type": _NAME, "item_type": _NAME, "constraints": Items(_DATA)})
_SCALING: Final = Fields(dict.fromkeys(("min_instances", "max_instances", "default_instances"), _NAME))
_TYPE_INTERFACES: Final = Entries(
    Entries(Fields({"implementation": _NAME, "inputs": Entries(_INPUT)}, or_name=True))
)
_NODE_INTERFACES: Final = Entries(Entries(Fields({"implementation": _NAME, "inputs": _DATA}, or_name=True)))
_VALUE: Final = Fields({"value": _NAME})
_LABEL: Final = Fields({"values": _NAME})

SECTIONS: Final[dict[Any, Rule]] = {
    "inputs": _INPUT,
    "plugins": Fields({"properties": Entries(Fields({"type": _NAME, "value": _NAME}), are_names=True)}),
    "node_types": Fields(
        {
            "derived_from": _NAME,
            "interfaces": _TYPE_INTERFACES,
            "properties": Entries(_PROPERTY),
            "runtime_properties": Entries(_PROPERTY),
        }
    ),
    "relationships": Fields(
        {
            "derived_from": _NAME,
            "properties": Entries(_PROPERTY),
            "source_interfaces": _TYPE_INTERFACES,
            "target_interfaces": _TYPE_INTERFACES,
        }
    ),
    "node_templates": Fields(
        {
            "type": _NAME,
            "capabilities": Fields({"scalable": Fields({"properties": _SCALING})}),
            "interfaces": _NODE_INTERFACES,
            "relationships": Items(
                Fields(
                    {
                        "type": _NAME,
                        "target": _NAME,
                        "properties": _NAME,
                        "source_interfaces": _NODE_INTERFACES,
                        "target_interfaces": _NODE_INTERFACES,
                    }
                )
            ),
            "properties": _NAME,
        }
    ),
    "policy_types": Fields({"properties": Entries(_PROPERTY)}),
    "policy_triggers": Fields({"parameters": Entries(_PROPERTY)}),
    "groups": Fields(
        {
            "members": Items(_NAME),
            "policies": Entries(
                Fields(
                    {
                        "type": _NAME,
                        "properties": _NAME,
                        "triggers": Entries(Fields({"type": _NAME, "parameters": _NAME}), are_names=True),
                    }
                ),
                are_names=True,
            ),
        }
    ),
    "policies": Fields({"type": _NAME, "properties": _SCALING, "targets": Items(_NAME, always=True)}),
    "workflows": Fields({"mapping": _NAME, "parameters": Entries(_INPUT)}, or_name=True),
    "outputs": _VALUE,
    "capabilities": _VALUE,
    "data_types": Fields(
        {
            "properties": Entries(_PROPERTY),
            "description": _NAME,
            "derived_from": _NAME,
            "version": _NAME,
        }
    ),
    "labels": _LABEL,
    "blueprint_labels": _LABEL,
    "resource_tags": _NAME,
}
"""What an entry of each section is; leaves that only numbers or unused texts may stand in are left out."""

_NODE_STEPS: Final = 3
"""Steps that looking at a node counts as."""

_DROPPED: Final = frozenset({"dsl_definitions", IMPORTS, VERSION})


def prefixed(namespace: str, name: object) -> str:
    """A name with the namespace before it."""
    return f"{namespace}{NAMESPACE_DELIMITER}{name}"


class NamespacedBlueprint:
    """A file under the names that it has for its importer. Satisfies `resolver.dsl.source.Source`.

    `name` and `digest` are those of the file, and `documents` has the one that is renamed. Each mapping with
    an intrinsic function's name among its keys is a new object, so that a call has a result of its own in
    each namespace; `position_of` gives its place in the file.

    Args:
        blueprint: the file as it was read, of one document.
        namespace: the whole namespace.
        budget: what the run may spend.
    """

    def __init__(self, blueprint: Blueprint, namespace: str, budget: Budget) -> None:
        self.blueprint = blueprint
        self.namespace = namespace
        self.name = blueprint.name
        self.digest = blueprint.digest
        self.line_at = blueprint.line_at
        renaming = _Renaming(blueprint, namespace, budget)
        self.documents = [renaming.root(document) for document in blueprint.documents]
        self.problems = tuple(renaming.problems)
        """Why it can't be renamed; the document is of no use then."""
        self._calls = renaming.calls

    def __repr__(self) -> str:
        return f"<NamespacedBlueprint {self.name!r} in {self.namespace!r}>"

    def position_of(self, node: Mapping[Any, Any]) -> Position | None:
        """The position in the file of a mapping that has an intrinsic function's name among its keys."""
        _, written = self._calls.get(id(node), (None, node))
        return self.blueprint.position_of(written)

    def call(self, mark: int) -> dict[Any, Any]:
        """The call with some `id()`."""
        return self._calls[mark][0]

    def entry(self, path: Path) -> EntryLocation:
        """The entry of the file that became the one at a path of the document."""
        prefix = prefixed(self.namespace, "")
        if len(path) > 1 and isinstance(path[1], str):
            path = (path[0], path[1].removeprefix(prefix), *path[2:])
        return EntryLocation(self.blueprint, path)


class _Mode(enum.Enum):
    """What is done with the calls in a value."""

    LEFT = enum.auto()
    """Nothing: the parser does not look here."""
    RENAMED = enum.auto()
    """They are renamed."""
    IN_PLACE = enum.auto()
    """All but `get_input` with a list, of which the parser changes a copy: a first look at an operation."""
    AGAIN = enum.auto()
    """Only `get_input` with a list: a second look, which ends at each call that the first one renamed."""


class _Renaming:
    def __init__(self, blueprint: Blueprint, namespace: str, budget: Budget) -> None:
        self._blueprint = blueprint
        self._namespace = namespace
        self._budget = budget
        self.calls: dict[int, tuple[dict[Any, Any], dict[Any, Any]]] = {}
        """Each new mapping of a call, and the one that was read, by the `id()` of the new one."""
        self.problems: list[Problem] = []
        self._known: dict[tuple[int, _Mode], Any] = {}
        self._marks: dict[int, int] = {}
        self._aliased = {id(alias.target.data) for alias in blueprint.parsed.aliases}
        """What aliases stand for. Of texts, those that are equal may count, too."""
        self._leaves: set[int] = set()
        self._uses: dict[int, bool] = {}
        self._names_of: set[object] = set()

    def root(self, document: object) -> Any:  # noqa: ANN401 - documents are plain data
        """The document with its sections renamed."""
        if not isinstance(document, dict):
            return document
        return {
            section: self._section(section, entries)
            for section, entries in document.items()
            if section not in _DROPPED
        }

    def _section(self, section: object, entries: Any) -> Any:  # noqa: ANN401 - same
        if not isinstance(entries, dict):
            return self._data(entries, _Mode.LEFT)
        if id(entries) in self._blueprint.parsed.spans:
            self._refuse("a section that is a call can't be renamed", entries)
        rule = SECTIONS.get(section)
        self._budget.spend(_NODE_STEPS * len(entries), NODE * len(entries))
        return {self._name(name, entry): self._entry(rule, entry) for name, entry in entries.items()}

    def _entry(self, rule: Rule | None, entry: Any) -> Any:  # noqa: ANN401 - same
        """One entry of a section: it has no namespace itself, but what stands in it has."""
        if isinstance(entry, str) and (rule == _NAME or (isinstance(rule, Fields) and rule.or_name)):
            return self._leaf(entry, is_name=True)
        if isinstance(entry, dict) and isinstance(rule, Fields):
            return self._fields(rule, entry)
        return self._data(entry, _Mode.LEFT)

    def _apply(self, rule: Rule, node: Any, *, again: bool) -> Any:  # noqa: ANN401 - same
        """A node by its rule.

        Args:
            rule: what it is.
            node: what was read.
            again: whether the parser had a first look at it.
        """
        match rule:
            case Leaf():
                return self._leaf(node, is_name=rule.is_name, again=again)
            case Fields() if isinstance(node, str) and rule.or_name:
                return self._leaf(node, is_name=True, again=again)
            case Fields() if isinstance(node, dict):
                if rule.or_name:
                    node, again = self._data(node, _Mode.IN_PLACE), True
                return self._fields(rule, node, again=again)
            case Entries() if isinstance(node, dict):
                self._budget.spend(_NODE_STEPS * len(node), NODE * len(node))
                entries = {
                    self._name(name, entry) if rule.are_names else name: self._apply(
                        rule.of, entry, again=again
                    )
                    for name, entry in node.items()
                }
                return self._noted(node, entries)
            case Items() if isinstance(node, list):
                return self._items(rule, node, again=again)
            case Fields() | Entries() | Items():
                return self._data(node, _Mode.LEFT)
            case _:
                assert_never(rule)

    def _fields(self, rule: Fields, node: dict[Any, Any], *, again: bool = False) -> dict[Any, Any]:
        self._budget.spend(_NODE_STEPS * len(node), NODE * len(node))
        fields = {
            name: self._apply(rule.of[name], field, again=again)
            if name in rule.of
            else self._data(field, _Mode.LEFT)
            for name, field in node.items()
        }
        return self._noted(node, fields)

    def _items(self, rule: Items, node: list[Any], *, again: bool) -> list[Any]:
        self._budget.spend(_NODE_STEPS * len(node), NODE * len(node))
        if not rule.always:
            return [self._apply(rule.of, item, again=again) for item in node]
        if self._mark(node) in self._leaves:
            self._refuse("an alias of a list of targets can't be renamed", node)
        self._leaves.add(self._mark(node))
        return [prefixed(self._namespace, item) for item in node]

    def _name(self, name: object, entry: object) -> object:
        """The name of a definition."""
        if not isinstance(name, str):
            self._refuse("a name that is not text can't be put into a namespace", entry)
            return name
        if name.startswith(OWN_PREFIX):
            return name
        if isinstance(entry, (dict, list)):
            # A merge key brings names along, which the parser renames wherever they are merged in.
            if (name, id(entry)) in self._names_of:
                self._refuse("names that are merged in at two places can't be renamed", entry)
            self._names_of.add((name, id(entry)))
        return prefixed(self._namespace, name)

    def _leaf(self, node: Any, *, is_name: bool, again: bool = False) -> Any:  # noqa: ANN401 - same
        if isinstance(node, dict):
            renamed = self._data(node, _Mode.AGAIN if again else _Mode.RENAMED)
            self._leaves.add(self._mark(node))
            return renamed
        if not isinstance(node, str):
            self._leaves.add(self._mark(node))
            return self._data(node, _Mode.LEFT)
        is_name = is_name and node not in _TYPES and not node.startswith(OWN_PREFIX)
        self._note_use(node, is_name=is_name)
        self._leaves.add(self._mark(node))
        return self._prefixed(node) if is_name else node

    def _prefixed(self, name: object) -> str:
        self._budget.spend(1, len(self._namespace))
        return prefixed(self._namespace, name)

    def _data(self, node: Any, mode: _Mode) -> Any:  # noqa: ANN401 - same
        """A value with the calls in it renamed, or left as they are, but copied."""
        if not isinstance(node, (dict, list, tuple)):
            if self._aliased and mode is not _Mode.AGAIN:
                self._note_use(node, is_name=False)
            return node
        known = self._known.get((id(node), mode))
        if known is not None:
            return known
        self._budget.spend(_NODE_STEPS * (1 + len(node)))
        if isinstance(node, dict):
            new: Any = self._mapping(node, mode)
        else:
            new = type(node)(self._data(item, mode) for item in node)
        if all(one is other for one, other in zip(_items_of(new), _items_of(node), strict=True)):
            new = node
        if isinstance(node, dict) and (id(node) in self._blueprint.parsed.spans or id(node) in self.calls):
            new = self._noted(node, dict(node) if new is node else new)
        self._known[id(node), mode] = new
        if new is not node:
            self._marks[id(new)] = self._mark(node)
        return new

    def _mark(self, node: object) -> int:
        """The `id()` of the node that was read, of which one may have been made."""
        return self._marks.get(id(node), id(node))

    def _mapping(self, node: dict[Any, Any], mode: _Mode) -> dict[Any, Any]:
        names_something = not _NAMING_CALLS.isdisjoint(node)
        if mode is _Mode.LEFT or not names_something:
            if mode is _Mode.LEFT and names_something:
                self._note_use(node, is_name=False)
            return self._each(node, mode)
        if mode is not _Mode.AGAIN:
            self._note_use(node, is_name=True)
        renamed: dict[Any, Any] = {}
        for name, argument in node.items():
            if name == "get_input" and isinstance(argument, list):
                renamed[name] = self._input_path(node, argument, mode)
            elif name not in _NAMING_CALLS:
                renamed[name] = self._data(argument, mode)
            elif mode is _Mode.AGAIN:
                return {**node, **renamed}  # the parser stops here
            elif name == "get_input":
                renamed[name] = self._input_name(node, argument)
            else:
                renamed[name] = self._node_path(node, argument, mode)
        return renamed

    def _each(self, node: dict[Any, Any], mode: _Mode) -> dict[Any, Any]:
        """The values of a mapping; the parser stops at one that it has looked at as a whole before."""
        if self._aliased and mode is not _Mode.LEFT:  # else each node has one place
            values = list(node.values())
            at = next((n for n, value in enumerate(values) if self._was_looked_at(value)), len(values))
            if self._names_something(values[at : at + 1], {"get_input"}) or self._names_something(
                values[at + 1 :]
            ):
                self._refuse_alias(values[at])
        return {name: self._data(value, mode) for name, value in node.items()}

    def _was_looked_at(self, value: object) -> bool:
        return self._mark(value) in self._leaves and self._is_one(value)

    def _names_something(self, value: object, functions: Container[str] = _NAMING_CALLS) -> bool:
        """Whether a value holds a mapping with the name of one of these functions."""
        pending = [value]
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                if any(name in functions for name in item):
                    return True
                pending.extend(item.values())
            elif isinstance(item, (list, tuple)):
                pending.extend(item)
            self._budget.spend()
        return False

    def _is_one(self, node: object) -> bool:
        """Whether the same object stands for one node of the text: equal scalars may be one object, too."""
        return isinstance(node, (dict, list)) or id(node) in self._aliased

    def _input_path(self, node: dict[Any, Any], argument: list[Any], mode: _Mode) -> list[Any]:
        if not argument:
            self._refuse("a call without an input can't be renamed", node)
            return argument
        path: list[Any] = [self._data(item, mode) for item in argument]
        if isinstance(argument[0], str) and mode is not _Mode.IN_PLACE:
            path[0] = self._prefixed(argument[0])
        return path

    def _input_name(self, node: dict[Any, Any], argument: object) -> Any:  # noqa: ANN401 - same
        if isinstance(argument, dict):
            self._refuse("a computed input can't be renamed", node)
            return argument
        self._note_use(argument, is_name=True)
        self._leaves.add(self._mark(argument))
        return self._prefixed(argument)

    def _node_path(self, node: dict[Any, Any], argument: object, mode: _Mode) -> Any:  # noqa: ANN401 - same
        if not isinstance(argument, list) or not argument or isinstance(argument[0], (dict, list)):
            self._refuse("a computed node can't be renamed", node)
            return argument
        self._leaves.add(self._mark(argument))
        path = [self._data(item, mode) for item in argument[1:]]
        if argument[0] in _RELATIVE:
            return [argument[0], *path]
        self._note_use(argument[0], is_name=True)
        return [self._prefixed(argument[0]), *path]

    def _noted(self, node: dict[Any, Any], new: dict[Any, Any]) -> dict[Any, Any]:
        """Note a new mapping, if it is a call, with the one that was read."""
        if id(node) in self.calls:
            self.calls[id(new)] = new, self.calls[id(node)][1]
        elif id(node) in self._blueprint.parsed.spans:
            self.calls[id(new)] = new, node
        return new

    def _note_use(self, node: object, *, is_name: bool) -> None:
        """Note whether a node with an alias is renamed where it stands; it can't be both."""
        if self._uses.setdefault(self._mark(node), is_name) is not is_name and self._is_one(node):
            self._refuse_alias(node)

    def _refuse_alias(self, node: object) -> None:
        self._refuse("what an alias stands for is renamed in one place and not in another", node)

    def _refuse(self, message: str, node: object) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            return
        text, parsed = self._blueprint.text, self._blueprint.parsed
        node = self.calls.get(id(node), (None, node))[1]
        aliases = (alias.start for alias in parsed.aliases if alias.target.data is node)
        span = parsed.spans.get(id(node))
        start = next(aliases, 0) if span is None else span.start
        self.problems.append(
            text.problem(
                Reason.IMPORT_REFUSED,
                f"{message}, so the file can't be merged into the namespace {self._namespace!r}",
                text.position_at(start),
            )
        )


def _items_of(node: Any) -> Iterable[Any]:  # noqa: ANN401 - same
    return node.values() if isinstance(node, dict) else node
