"""Types: what they derive from, which properties they declare, and whether values fit those."""

from __future__ import annotations

from collections import ChainMap
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver.core.suggestions import Suggestions
from resolver.dsl.definitions import InputType
from resolver.dsl.inheritance import MAX_ANCESTRY, Kind, OutOfReachError, Typed, Types, Unknown
from resolver.dsl.input_types import unmet
from resolver.dsl.semantics.names import (
    Misuse,
    Section,
    circles,
    in_a_row,
    is_function,
    items,
    mapping,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resolver.core.location import Path
    from resolver.dsl.inheritance import Declared, Part
    from resolver.dsl.semantics.names import Names

EXTERNAL: Final = "use_external_resource"
"""Where this property is true, required ones may be left out."""

DERIVED: Final = (Section.DATA_TYPES, Section.NODE_TYPES, Section.RELATIONSHIPS)
"""The sections whose types derive from one another."""

_BUILTIN: Final = frozenset(str(each) for each in InputType)

_FIELDS: Final = {
    Section.DATA_TYPES: ("properties",),
    Section.NODE_TYPES: ("properties", "runtime_properties"),
    Section.RELATIONSHIPS: ("properties",),
    Section.POLICY_TYPES: ("properties",),
    Section.POLICY_TRIGGERS: ("parameters",),
    Section.PLUGINS: ("properties",),
}


class _Unfit(NamedTuple):
    """A way in which a value does not fit its type.

    Args:
        misuse: what is reported.
        lack: the path within the value of what is missing; None when something is wrong instead.
    """

    misuse: Misuse
    lack: Path | None = None


class Schema:
    """The properties of a type, with those that it derives.

    Args:
        own: those that the type itself declares.
        lacking: what of those needs a value, by the property that must be given for it.
        parent: the schema of what it derives from.
        is_whole: whether all that may declare properties is known.
    """

    def __init__(
        self,
        own: Mapping[str, Declared],
        lacking: Mapping[str, str],
        parent: Schema | None,
        *,
        is_whole: bool,
    ) -> None:
        self.declared: ChainMap[Any, Declared] = ChainMap(
            dict(own), *(() if parent is None else parent.declared.maps)
        )
        self.is_whole = is_whole
        inherited = {} if parent is None else parent.lacking
        self.lacking: dict[str, str] = {
            **{name: lack for name, lack in inherited.items() if name not in own},
            **lacking,
        }
        """What needs a value, by the property that must be given for it."""
        self.suggestions = Suggestions(lambda: list(self.declared))

    @cached_property
    def all(self) -> Mapping[str, Declared]:
        """All declarations, by name."""
        return dict(self.declared)


_NO_SCHEMA: Final = Schema({}, {}, None, is_whole=True)
_UNKNOWN_SCHEMA: Final = Schema({}, {}, None, is_whole=False)


class Ancestry(NamedTuple):
    """What a type derives from.

    Args:
        names: its name and those of its ancestors, as far as they are known.
        is_whole: whether that is all.
    """

    names: tuple[str, ...]
    is_whole: bool


class CheckedTypes:
    """All types of a blueprint.

    Args:
        names: what the blueprint defines.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self.types = Types(self._find, _BUILTIN, names.budget)
        """What the types add to values."""
        self._ancestries: dict[tuple[Section, str], Ancestry] = {}
        self._schemas: dict[tuple[Section, str], Schema | None] = {}
        self._circular: set[tuple[str, object]] = set()
        self._lacks: dict[int, tuple[Typed, Path | None]] = {}
        self._depth = 0
        self.patterns: list[tuple[Path, str]] = []
        """What is a regular expression by its type, to be compiled where that takes bounded time."""

    def _find(self, section: str, name: object) -> Mapping[Any, Any] | None:
        """What is known of a type: of one in a circle nothing."""
        return None if (section, name) in self._circular else self._names.find(Section(section), name)

    def check(self) -> None:
        """Report what is wrong with the types themselves."""
        for section in DERIVED:
            for name, entry in self._names.entries(section):
                parent = mapping(entry).get("derived_from")
                self._names.check_defined(section, parent, (section, name, "derived_from"))
            self._check_circles(section)
        for section, fields in _FIELDS.items():
            for name, entry in self._names.entries(section):
                for field in fields:
                    self.check_types(mapping(entry).get(field), (section, name, field))
                self.schema(section, name)

    def check_types(self, declarations: object, path: Path) -> None:
        """Report the types that declarations name and nothing defines."""
        for name, declaration in items(declarations):
            self._names.budget.spend()
            if declaration is None and path[0] in DERIVED and path[-1] != "inputs":
                self._names.report(
                    (*path, name), f"property {shown(name)} must be a mapping, {{}} for any value"
                )
            wanted = mapping(declaration).get("type")
            if wanted and not is_primitive(wanted):
                self._names.check_defined(Section.DATA_TYPES, wanted, (*path, name, "type"))

    def check_defaults(self, declarations: object, path: Path, *, only_lacks: bool = False) -> None:
        """Report defaults that are not whole or don't fit, where nothing else completes them.

        Args:
            declarations: parameters of workflows, inputs of operations or of the blueprint.
            path: where they are.
            only_lacks: whether all but what is missing is reported elsewhere.
        """
        self.check_types(declarations, path)
        for name, declaration in items(declarations):
            default = mapping(declaration).get("default")
            if default is not None:
                typed = self.types.typed(default, mapping(declaration))
                misfits = self._misfits(typed, _type_of(declaration), (*path, name, "default"))
                self._report(each for each in misfits if each.lack is not None or not only_lacks)

    def _check_circles(self, section: Section) -> None:
        """Report types that derive from themselves, and data types that are parts of themselves."""
        starts = (name for name, _ in self._names.entries(section))
        for circle in circles(starts, partial(self._parts, section), self._names.budget):
            self._circular |= {(section, name) for name in circle}
            self._names.report(
                (section, circle[0]),
                f"{section.singular}s refer to each other in a circle: {in_a_row(circle)}",
            )

    def _parts(self, section: Section, name: str) -> list[str]:
        """The types that a type can't be read without."""
        entry = mapping(self._names.find(section, name))
        found = [entry.get("derived_from")]
        if section is Section.DATA_TYPES:
            found += [mapping(declared).get("type") for _, declared in items(entry.get("properties"))]
        self._names.budget.spend(len(found))
        return [
            each for each in found if isinstance(each, str) and self._names.find(section, each) is not None
        ]

    def ancestry(self, section: Section, name: object) -> Ancestry:
        """A type and what it derives from."""
        if not isinstance(name, str):
            return Ancestry((), is_whole=False)
        if section not in DERIVED:
            return Ancestry((name,), is_whole=self._find(section, name) is not None)
        key = (section, name)
        if key not in self._ancestries:
            found: list[str] = []
            wanted: object = name
            with suppress(OutOfReachError):
                for each, entry in self.types.ancestry(Kind(section), name):
                    found.append(each)
                    wanted = entry.get("derived_from") or None
            # The first that is not known has a name, too.
            found += [] if wanted is None else [str(wanted)]
            self._ancestries[key] = Ancestry(tuple(found), is_whole=wanted is None)
        return self._ancestries[key]

    def schema(self, section: Section, name: object) -> Schema:
        """The properties of a type; of data types within one another, only so many levels are known."""
        names, is_whole = self.ancestry(section, name)
        if not names or self._depth > MAX_ANCESTRY:
            return _UNKNOWN_SCHEMA
        schema = _NO_SCHEMA if is_whole else _UNKNOWN_SCHEMA
        self._depth += 1
        for each in reversed(names):
            key = (section, each)
            if key not in self._schemas:
                self._schemas[key] = None  # while it is made: a data type that is a part of itself
                self._schemas[key] = self._own_schema(section, each, schema)
            schema = self._schemas[key] or _UNKNOWN_SCHEMA
        self._depth -= 1
        return schema

    def _own_schema(self, section: Section, name: str, parent: Schema) -> Schema:
        entry = self._find(section, name)
        if entry is None:
            return _UNKNOWN_SCHEMA
        field = _FIELDS[section][0]
        own: dict[str, Declared] = {}
        lacking: dict[str, str] = {}
        for key, declaration in items(entry.get(field)):
            self._names.budget.spend()
            declared = own[key] = self._declared(section, name, key, mapping(declaration))
            written = declared.declaration.get("default")
            if written is None and isinstance(declared.type_name, str):
                written = {}
            if written is not None:
                typed = Typed(written, declared.type_name)
                misfits = self._misfits(typed, _type_of(declaration), (section, name, field, key, "default"))
                self._report(each for each in misfits if each.lack is None)
            lack = self._lack(declared.default, declared)
            if lack is not None:
                lacking[key] = _dotted((key, *lack))
        self._names.budget.spend(len(parent.lacking) if own else 1)
        return Schema(own, lacking, parent, is_whole=parent.is_whole) if own else parent

    def _declared(self, section: Section, owner: str, key: str, declaration: Mapping[Any, Any]) -> Declared:
        declared = self.types.declared(Kind(section), owner, key) if section in DERIVED else None
        return declared or self.types.alone(owner, declaration)

    def check_values(self, given: object, schema: Schema, owner: str, path: Path) -> None:
        """Report values of properties that don't fit what their type declares.

        Args:
            given: the values, by name.
            schema: what is declared.
            owner: what has the properties, in words.
            path: where they are.
        """
        values = mapping(given)
        own = schema.declared.get(EXTERNAL)
        external = values.get(EXTERNAL)
        if EXTERNAL not in values and own is not None:
            external = True if own.default is None else self._completed(own.default)
        if is_function(external) and schema.is_whole:
            place = (*path, EXTERNAL) if EXTERNAL in values else path[:-1]
            self._names.report(place, _NO_CALL)
        for name, value in values.items():
            self._names.budget.spend()
            declared = schema.declared.get(name)
            if declared is not None:
                typed = Typed(value, declared.type_name, declared.default)
                misfits = self._misfits(typed, _type_of(declared.declaration), (*path, name))
                self._report(each for each in misfits if schema.is_whole or each.lack is None)
            elif schema.is_whole:
                self._names.report((*path, name), *_not_declared(name, schema, owner))
        if not schema.is_whole or external is True or (external and not is_function(external)):
            return
        for name, lack in schema.lacking.items():
            self._names.budget.spend()
            if name not in values:
                place = path if given else path[:-1]
                self._names.report(place, f"property {lack} of {owner} needs a value")

    def _report(self, misfits: Iterable[_Unfit]) -> None:
        for each in list(misfits):  # schemas that are made meanwhile report first
            self._names.report(*each.misuse)

    def _misfits(self, typed: Typed, type_name: str | None, path: Path, steps: Path = ()) -> Iterator[_Unfit]:
        """In which ways a value, with what is added to it, does not fit its type.

        Args:
            typed: the value.
            type_name: the type that is written for it.
            path: where it is in the document.
            steps: where it is in the whole value.
        """
        self._names.budget.spend()
        value = typed.value
        if type_name is None or is_function(value):
            return
        wanted_type = InputType.of({"type": type_name})
        if wanted_type is not None:
            wanted = _unmet(value, wanted_type)
            if wanted:
                yield _Unfit(Misuse(path, f"{shown(path[-1])} must be {wanted}"))
            elif wanted_type is InputType.REGEX:
                self.patterns.append((path, value))
            return
        schema = self.schema(Section.DATA_TYPES, type_name)
        if not schema.is_whole:
            return
        owner = f"data type {shown(type_name)}"
        if not isinstance(value, dict):
            yield _Unfit(Misuse(path, f"{shown(path[-1])} must be a mapping, as {owner} wants it"))
            return
        yield from self._misfits_of_parts(typed, schema, owner, path, steps)

    def _misfits_of_parts(
        self, typed: Typed, schema: Schema, owner: str, path: Path, steps: Path
    ) -> Iterator[_Unfit]:
        value = typed.value
        self._names.budget.spend(len(schema.all) + len(value))
        for name in value:
            if name not in schema.declared:
                yield _Unfit(Misuse((*path, name), *_not_declared(name, schema, owner)))
        external = self._external_of(typed, schema)
        if is_function(external):
            yield _Unfit(Misuse(path, _NO_CALL))
        for name, declared in schema.all.items():
            part = self.types.member(typed, declared, name)
            if name in value and isinstance(part, Typed):
                yield from self._misfits(part, _type_of(declared.declaration), (*path, name), (*steps, name))
            elif (lack := self._lack(part, declared, is_excused=bool(external))) is not None:
                message = f"property {_dotted((name, *lack))} of {owner} needs a value"
                yield _Unfit(Misuse(path, message), (*steps, name, *lack))

    def _external_of(self, typed: Typed, schema: Schema) -> Any:  # noqa: ANN401 - plain data
        """What a value of a data type says of being an external resource."""
        declared = schema.declared.get(EXTERNAL)
        if declared is None:
            return typed.value.get(EXTERNAL)
        return self._completed(self.types.member(typed, declared, EXTERNAL))

    def _completed(self, part: Part) -> Any:  # noqa: ANN401 - plain data
        """A part with what is added to it, as far as that is known."""
        if not isinstance(part, Typed):
            return None
        try:
            return self.types.whole(part)
        except OutOfReachError:
            return part.value

    def _lack(self, part: Part, declared: Declared, *, is_excused: bool = False) -> Path | None:
        """The path of what is missing in a part that is not written out; None for nothing.

        Args:
            part: its default, with what it inherits.
            declared: the part as its type has it.
            is_excused: whether it may be missing itself.
        """
        if part is None:
            return () if declared.declaration.get("required", True) and not is_excused else None
        type_name = _type_of(declared.declaration)
        if type_name is None or isinstance(part, Unknown) or is_function(part.value):
            return None
        wanted_type = InputType.of({"type": type_name})
        if wanted_type is not None:
            return () if part.value is None and _unmet(part.value, wanted_type) else None
        if not isinstance(part.value, dict):
            return None
        if id(part) not in self._lacks:
            self._lacks[id(part)] = (part, self._lack_of_parts(part, type_name))
        return self._lacks[id(part)][1]

    def _lack_of_parts(self, typed: Typed, type_name: str) -> Path | None:
        schema = self.schema(Section.DATA_TYPES, type_name)
        self._names.budget.spend(len(schema.all))
        is_excused = schema.is_whole and bool(self._external_of(typed, schema))
        for name, declared in schema.all.items() if schema.is_whole else ():
            part = self.types.member(typed, declared, name)
            if (inner := self._lack(part, declared, is_excused=is_excused)) is not None:
                return (name, *inner)
        return None


_NO_CALL: Final = f"{EXTERNAL!r} must be true or false, not a call"


def _not_declared(name: object, schema: Schema, owner: str) -> tuple[str, str]:
    """Message and hint for a property that is not declared."""
    hint = schema.suggestions.question(name) if isinstance(name, str) else ""
    return f"{shown(name)} is not a property of {owner}", hint


def _dotted(steps: Path) -> str:
    """A path within a property as a message shows it."""
    return shown(".".join(map(str, steps)))


def _unmet(value: object, wanted: InputType) -> str:
    """What a built-in type wants, in words; Cloudify takes anything for a text, keys of secrets included."""
    return "" if wanted is InputType.SECRET_KEY else unmet(value, wanted, is_given=False)


def is_primitive(type_name: object) -> bool:
    """Whether a type is one of the DSL's own."""
    return isinstance(type_name, str) and InputType.of({"type": type_name}) is not None


def _type_of(declaration: object) -> str | None:
    name = mapping(declaration).get("type")
    return name if isinstance(name, str) else None
