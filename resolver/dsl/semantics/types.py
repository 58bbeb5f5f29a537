"""Types: what they derive from, which properties they declare, and whether values fit those."""

from __future__ import annotations

from collections import ChainMap
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver.core.suggestions import Suggestions
from resolver.dsl.definitions import InputType
from resolver.dsl.inheritance import MAX_ANCESTRY
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
    from collections.abc import Iterable, Mapping

    from resolver.core.location import Path
    from resolver.dsl.semantics.names import Names

NOTHING: Final = object()
"""Stands for a default that is not there; None is one."""

EXTERNAL: Final = "use_external_resource"
"""Where this property is true, required ones may be left out."""

DERIVED: Final = (Section.DATA_TYPES, Section.NODE_TYPES, Section.RELATIONSHIPS)
"""The sections whose types derive from one another."""

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


class DeclaredProperty(NamedTuple):
    """A property as a type declares it.

    Args:
        type: the name of its type; None for any.
        required: whether it must have a value.
        default: its default, with what data types add; `NOTHING` when there is none.
        lack: what is missing in the default where it is used, as a path within it; None for nothing.
    """

    type: str | None
    required: bool
    default: Any
    lack: Path | None = None


class Schema:
    """The properties of a type, with those that it derives.

    Args:
        own: those that the type itself declares.
        parent: the schema of what it derives from.
        is_whole: whether all that may declare properties is known.
    """

    def __init__(self, own: Mapping[str, DeclaredProperty], parent: Schema | None, *, is_whole: bool) -> None:
        self.declared: ChainMap[Any, DeclaredProperty] = (
            ChainMap(dict(own)) if parent is None else ChainMap(dict(own), *parent.declared.maps)
        )
        self.is_whole = is_whole
        inherited = {} if parent is None else parent.lacking
        self.lacking: dict[str, str] = inherited if not own else _without(inherited, own)
        """What needs a value, by the property that must be given for it."""
        for name, declared in own.items():
            if lack := _lack_of(name, declared):
                self.lacking[name] = lack
        self.suggestions = Suggestions(lambda: list(self.declared))

    @cached_property
    def all(self) -> Mapping[str, DeclaredProperty]:
        """All declarations, by name."""
        return dict(self.declared)


def _without(inherited: Mapping[str, str], own: Mapping[str, DeclaredProperty]) -> dict[str, str]:
    return {name: lack for name, lack in inherited.items() if name not in own}


def _lack_of(name: str, declared: DeclaredProperty) -> str:
    if declared.default is NOTHING:
        return _dotted((name,)) if declared.required else ""
    return "" if declared.lack is None else _dotted((name, *declared.lack))


_NO_SCHEMA: Final = Schema({}, None, is_whole=True)
_UNKNOWN_SCHEMA: Final = Schema({}, None, is_whole=False)


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
        self._ancestries: dict[tuple[Section, str], Ancestry] = {}
        self._schemas: dict[tuple[Section, str], Schema | None] = {}
        self._circular: set[tuple[Section, str]] = set()
        self._lacks: dict[tuple[int, str], tuple[object, Path | None]] = {}
        self._depth = 0
        self.patterns: list[tuple[Path, str]] = []
        """What is a regular expression by its type, to be compiled where that takes bounded time."""

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
                misfits = self._fit(default, _type_of(mapping(declaration)), (*path, name, "default"))[1]
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
        key = (section, name)
        if key not in self._ancestries:
            found: list[str] = []
            wanted: object = name
            while wanted is not None and len(found) <= MAX_ANCESTRY:
                self._names.budget.spend()
                entry = self._names.find(section, wanted)
                found.append(str(wanted))
                if entry is None or (section, wanted) in self._circular:
                    break
                wanted = entry.get("derived_from") or None
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
        entry = self._names.find(section, name)
        if entry is None or (section, name) in self._circular:
            return _UNKNOWN_SCHEMA
        field = _FIELDS[section][0]
        own: dict[str, DeclaredProperty] = {}
        for key, declaration in items(entry.get(field)):
            self._names.budget.spend()
            own[key] = self._declared(
                mapping(declaration), parent.declared.get(key), (section, name, field, key, "default")
            )
        self._names.budget.spend(len(parent.lacking) if own else 1)
        return Schema(own, parent, is_whole=parent.is_whole) if own else parent

    def _declared(
        self, declaration: Mapping[Any, Any], inherited: DeclaredProperty | None, path: Path
    ) -> DeclaredProperty:
        type_name = _type_of(declaration)
        required = bool(declaration.get("required", True))
        default = declaration.get("default", NOTHING)
        written = None if default is NOTHING else default
        if type_name is not None and not is_primitive(type_name):
            if not self.schema(Section.DATA_TYPES, type_name).is_whole:
                return DeclaredProperty(
                    type_name, required=False, default=default
                )  # what it lacks is not known
            default = {} if written is None else written
        if default is NOTHING:
            return DeclaredProperty(type_name, required, NOTHING)
        if default is not None:
            default, misfits = self._fit(default, type_name, path)
            self._report(each for each in misfits if each.lack is None)
            derived = NOTHING if inherited is None or inherited.type != type_name else inherited.default
            if isinstance(derived, dict) and not is_primitive(type_name):
                default = self._fit(written or {}, type_name, path, derived)[0] or default
        return DeclaredProperty(type_name, required, default, self._lack(default, type_name))

    def check_values(self, given: object, schema: Schema, owner: str, path: Path) -> None:
        """Report values of properties that don't fit what their type declares.

        Args:
            given: the values, by name.
            schema: what is declared.
            owner: what has the properties, in words.
            path: where they are.
        """
        values = mapping(given)
        external = values.get(EXTERNAL, getattr(schema.declared.get(EXTERNAL), "default", None))
        if is_function(external) and schema.is_whole:
            place = (*path, EXTERNAL) if EXTERNAL in values else path[:-1]
            self._names.report(place, _NO_CALL)
        for name, value in values.items():
            self._names.budget.spend()
            declared = schema.declared.get(name)
            if declared is not None:
                misfits = self._fit(value, declared.type, (*path, name), declared.default)[1]
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

    def completed(self, value: Any, declared: DeclaredProperty) -> Any:  # noqa: ANN401 - plain data
        """A value of a property with what its data type and the default add."""
        return self._fit(value, declared.type, (), declared.default)[0]

    def _report(self, misfits: Iterable[_Unfit]) -> None:
        for each in misfits:
            self._names.report(*each.misuse)

    def _fit(
        self,
        value: Any,  # noqa: ANN401 - plain data
        type_name: str | None,
        path: Path,
        derived: object = NOTHING,
    ) -> tuple[Any, list[_Unfit]]:
        """A value with what its type adds, and in which ways it does not fit that type."""
        found: list[_Unfit] = []
        return self._fitted(value, type_name, (), path, derived, found), found

    def _fitted(
        self,
        value: Any,  # noqa: ANN401 - plain data
        type_name: str | None,
        steps: Path,
        path: Path,
        derived: object,
        found: list[_Unfit],
    ) -> Any:  # noqa: ANN401 - same
        """One level of a value.

        Args:
            value: the value.
            type_name: its type.
            steps: where it is in the whole value.
            path: where it is in the document.
            derived: the default that it is completed with.
            found: what does not fit.
        """
        self._names.budget.spend()
        if type_name is None or is_function(value):
            return value
        wanted_type = InputType.of({"type": type_name})
        if wanted_type is not None:
            wanted = _unmet(value, wanted_type)
            if wanted:
                found.append(_Unfit(Misuse(path, f"{shown(path[-1])} must be {wanted}")))
            elif wanted_type is InputType.REGEX:
                self.patterns.append((path, value))
            return value
        schema = self.schema(Section.DATA_TYPES, type_name)
        if not schema.is_whole:
            return value
        if not isinstance(value, dict):
            message = f"{shown(path[-1])} must be a mapping, as data type {shown(type_name)} wants it"
            found.append(_Unfit(Misuse(path, message)))
            return value
        return self._fitted_parts(value, type_name, schema, steps, path, derived, found)

    def _fitted_parts(
        self,
        value: dict[Any, Any],
        type_name: str,
        schema: Schema,
        steps: Path,
        path: Path,
        derived: object,
        found: list[_Unfit],
    ) -> dict[str, Any]:
        """The parts of a value of a data type."""
        declarations = schema.all
        self._names.budget.spend(len(declarations) + len(value))
        owner = f"data type {shown(type_name)}"
        self._check_names(value, schema, owner, path, found)
        inherited = mapping(derived)
        defaults = {name: inherited.get(name, each.default) for name, each in declarations.items()}
        external = value.get(EXTERNAL, defaults.get(EXTERNAL, NOTHING))
        if is_function(external):
            found.append(_Unfit(Misuse(path, _NO_CALL)))
        result: dict[str, Any] = {}
        for name, declared in declarations.items():
            if name in value:
                where = (*steps, name), (*path, name)
                result[name] = self._fitted(value[name], declared.type, *where, defaults[name], found)
                continue
            if defaults[name] is not NOTHING:
                result[name] = defaults[name]
                lack = self._lack(defaults[name], declared.type)
            else:
                is_needed = declared.required and (external is NOTHING or not external)
                lack = () if is_needed else None
            if lack is not None:
                message = f"property {_dotted((name, *lack))} of {owner} needs a value"
                found.append(_Unfit(Misuse(path, message), (*steps, name, *lack)))
        return result

    def _lack(self, default: Any, type_name: str | None) -> Path | None:  # noqa: ANN401 - plain data
        """The path of what is missing in a default that is complete as far as it goes; None for nothing."""
        if type_name is None or is_function(default):
            return None
        wanted_type = InputType.of({"type": type_name})
        if wanted_type is not None:
            return () if default is None and _unmet(default, wanted_type) else None
        if not isinstance(default, dict):
            return None
        key = (id(default), type_name)
        if key not in self._lacks:
            self._lacks[key] = (default, self._lack_of_parts(default, type_name))
        return self._lacks[key][1]

    def _lack_of_parts(self, default: dict[Any, Any], type_name: str) -> Path | None:
        schema = self.schema(Section.DATA_TYPES, type_name)
        self._names.budget.spend(len(schema.all))
        external = default.get(EXTERNAL)
        for name, declared in schema.all.items() if schema.is_whole else ():
            if name not in default:
                if declared.required and not external:
                    return (name,)
            elif (inner := self._lack(default[name], declared.type)) is not None:
                return (name, *inner)
        return None

    def _check_names(
        self, value: Mapping[Any, Any], schema: Schema, owner: str, path: Path, found: list[_Unfit]
    ) -> None:
        found += [
            _Unfit(Misuse((*path, name), *_not_declared(name, schema, owner)))
            for name in value
            if name not in schema.declared
        ]


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


def _type_of(declaration: Mapping[Any, Any]) -> str | None:
    name = declaration.get("type")
    return name if isinstance(name, str) else None
