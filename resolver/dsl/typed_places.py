"""Find `get_secret` calls that give text where a blueprint declares another type.

A key alone gives the stored text, whatever it looks like. Types are those that the blueprint and its imports
declare themselves; for what stays with the manager nothing is said. Cloudify's parser checks the types of
properties, of inputs and of defaults, and refuses text there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.dsl.definitions import InputType
from resolver.dsl.inheritance import MAX_ANCESTRY, Kind, OutOfReachError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from resolver.core.location import Path
    from resolver.dsl.definitions import Definitions

ANY = "*"
"""Stands in a pattern for any name."""

_OPERATION = (ANY, ANY, "inputs", ANY)

_DECLARATIONS = (
    ("inputs", ANY),
    *((kind.value, ANY, "properties", ANY) for kind in Kind),
    ("policy_types", ANY, "properties", ANY),
    ("policy_triggers", ANY, "parameters", ANY),
    ("workflows", ANY, "parameters", ANY),
    (Kind.NODE.value, ANY, "interfaces", *_OPERATION),
    (Kind.RELATIONSHIP.value, ANY, "source_interfaces", *_OPERATION),
    (Kind.RELATIONSHIP.value, ANY, "target_interfaces", *_OPERATION),
)
"""Where declarations stand, each a mapping with a type and a default."""

_LONGEST_NAME = 80

_WANTED = {
    InputType.BOOLEAN: "a boolean",
    InputType.DICT: "a mapping",
    InputType.FLOAT: "a number",
    InputType.INTEGER: "a whole number",
    InputType.LIST: "a list",
}
"""What the types that take no text take, in words."""


class Misfit(NamedTuple):
    """A place whose type does not take the text that a call gives.

    Args:
        path: the place.
        call: the call.
        wanted: what the type takes, in words.
    """

    path: Path
    call: Mapping[Any, Any]
    wanted: str


def misfits(document: object, definitions: Definitions, texts: Container[int]) -> Iterator[Misfit]:
    """The places of a document where a call gives text and the type takes none.

    Args:
        document: the document.
        definitions: what it and its imports define.
        texts: the `id()` of the calls that give text.
    """
    if not isinstance(document, dict):
        return
    template = definitions.dialect.template
    typed = _TypedPlaces(definitions, texts)
    sections = definitions.dialect.sections(document)
    for place in typed.of_sections(sections):
        is_within = template and place.path[0] in ("inputs", "node_templates")
        yield place._replace(path=(template, *place.path)) if is_within else place


class _TypedPlaces:
    def __init__(self, definitions: Definitions, texts: Container[int]) -> None:
        self._definitions = definitions
        self._types = definitions.types
        self._budget = definitions.budget
        self._texts = texts
        self._wanting: dict[tuple[Kind, str], bool] = {}
        self._own_wanting: dict[tuple[Kind, str], bool] = {}
        self._words: dict[str, str] = {}

    def of_sections(self, sections: Mapping[Any, Any]) -> Iterator[Misfit]:
        for pattern in _DECLARATIONS:
            for path, declared in _matches(sections, pattern):
                self._budget.spend()
                if isinstance(declared, dict):
                    yield from self._value((*path, "default"), declared.get("default"), declared)
        for path, node in _matches(sections, ("node_templates", ANY)):
            if not isinstance(node, dict):
                continue
            yield from self._properties(path, node, Kind.NODE)
            relationships = node.get("relationships")
            for number, entry in enumerate(relationships if isinstance(relationships, list) else ()):
                if isinstance(entry, dict):
                    yield from self._properties((*path, "relationships", number), entry, Kind.RELATIONSHIP)

    def _properties(self, path: Path, owner: Mapping[Any, Any], kind: Kind) -> Iterator[Misfit]:
        """The places in the properties of a node template or a relationship."""
        given = owner.get("properties")
        type_name = owner.get("type")
        if isinstance(given, dict) and id(given) not in self._texts and self._is_wanting(kind, type_name):
            yield from self._parts((*path, "properties"), given, kind, type_name, 0)

    def _parts(
        self, path: Path, given: Mapping[Any, Any], kind: Kind, type_name: object, depth: int
    ) -> Iterator[Misfit]:
        self._budget.spend(1 + len(given))
        for name, value in given.items():
            if not isinstance(value, (dict, list)):
                continue
            try:
                declared = self._types.declared(kind, type_name, name)
            except OutOfReachError:
                continue
            if declared is not None:
                yield from self._value((*path, name), value, declared.declaration, depth)

    def _value(self, path: Path, value: Any, declared: Mapping[Any, Any], depth: int = 0) -> Iterator[Misfit]:  # noqa: ANN401 - plain data
        """The places in a value that is declared."""
        name = declared.get("type")
        if not isinstance(name, str):
            return
        if id(value) in self._texts:
            if wanted := self._wanted(name):
                yield Misfit(path, value, wanted)
        elif isinstance(value, list):
            item_type = declared.get("item_type")
            for number, item in enumerate(value if isinstance(item_type, str) else ()):
                yield from self._value((*path, number), item, {"type": item_type}, depth + 1)
        elif (
            isinstance(value, dict)
            and depth < MAX_ANCESTRY
            and self._definitions.dialect.call_name(value) is None
            and self._wanted(name)
            and self._is_wanting(Kind.DATA, name)
        ):
            yield from self._parts(path, value, Kind.DATA, name, depth + 1)

    def _wanted(self, name: str) -> str:
        """What a type takes that takes no text; empty for any other, and for one that is not known."""
        if name not in self._words:
            builtin = InputType.of({"type": self._definitions.dialect.types.get(name, name)})
            if builtin is not None:
                self._words[name] = _WANTED.get(builtin, "")
            else:
                is_known = self._is_data_type(name)
                self._words[name] = f"a mapping of data type {name[:_LONGEST_NAME]!r}" if is_known else ""
        return self._words[name]

    def _is_data_type(self, name: str) -> bool:
        """Whether a data type is known, with all that it derives from."""
        try:
            return bool(list(self._types.ancestry(Kind.DATA, name)))
        except OutOfReachError:
            return False

    def _is_wanting(self, kind: Kind, name: object) -> bool:
        """Whether a property of a type takes no text, as far as is known; of most types none does."""
        if not isinstance(name, str):
            return False
        known = self._wanting.get((kind, name))
        if known is None:
            with suppress(OutOfReachError):
                known = any(self._is_own_wanting(kind, *each) for each in self._types.ancestry(kind, name))
            known = self._wanting[kind, name] = bool(known)
        return known

    def _is_own_wanting(self, kind: Kind, owner: str, entry: Mapping[Any, Any]) -> bool:
        """Whether a type itself declares a property that takes no text."""
        known = self._own_wanting.get((kind, owner))
        if known is None:
            found = [declared for _, declared in _matches(entry, ("properties", ANY))]
            self._budget.spend(len(found))
            known = self._own_wanting[kind, owner] = any(
                isinstance(declared, dict)
                and (
                    "item_type" in declared
                    or (isinstance(name := declared.get("type"), str) and self._wanted(name))
                )
                for declared in found
            )
        return known


def _matches(sections: Mapping[Any, Any], pattern: tuple[str, ...]) -> Iterator[tuple[Path, Any]]:
    """What stands where a pattern leads to, with its path."""
    found: list[tuple[Path, Any]] = [((), sections)]
    for step in pattern:
        found = [
            ((*path, name), node[name])
            for path, node in found
            if isinstance(node, dict)
            for name in (node if step == ANY else (step,))
            if name in node
        ]
    yield from found
