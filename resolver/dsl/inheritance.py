"""What types declare and derive, and what that adds to the values of properties and inputs.

The rules are those of Cloudify's `dsl_parser.utils` (`merge_schemas`, `parse_value`), and for TOSCA those of
its specifications; `docs/blueprints.md` lists them. A type may be out of reach, in an import left to the
manager: what it may add is `Unknown`, and what it can't change is still known.
"""

from __future__ import annotations

import enum
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from resolver.core.location import leads
from resolver.core.redacted import Redacted
from resolver.dsl.budget import NODE, Budget
from resolver.dsl.dialects import CLOUDIFY, Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

MAX_ANCESTRY = 50
"""Longest chain of `derived_from`, and most data types within one another, that are followed."""

_NO_PROPERTIES: Mapping[Any, Any] = {}


class Kind(enum.StrEnum):
    """The kinds of types that derive from one another, by the section that declares them."""

    NODE = "node_types"
    RELATIONSHIP = "relationships"
    DATA = "data_types"
    CAPABILITY = "capability_types"

    @property
    def noun(self) -> str:
        """The kind in words, for messages."""
        return _NOUNS[self]


_NOUNS = {
    Kind.NODE: "node type",
    Kind.RELATIONSHIP: "relationship",
    Kind.DATA: "data type",
    Kind.CAPABILITY: "capability type",
}


class OutOfReachError(LookupError):
    """What a type declares is not known: it, or one that it derives from, is not in the blueprint's tree."""

    @property
    def why(self) -> str:
        """The reason in words, which name the type."""
        return str(self)


class Unknown(msgspec.Struct, frozen=True):
    """What a type that is out of reach may give or leave out.

    Args:
        why: the reason in words, which name the type.
    """

    why: str


class EntryType(msgspec.Struct, frozen=True):
    """The type of a list or map of TOSCA whose entries are of a data type.

    Args:
        type_name: that of each entry.
    """

    type_name: AnyType


AnyType: TypeAlias = "str | Unknown | EntryType | None"
"""What is known of a value's type, as far as that adds to the value: a data type, or nothing that would."""


class Typed(Redacted, frozen=True):
    """A value as a type sees it; no default is merged into it before that is asked for.

    Args:
        value: the value as it is written.
        type_name: its type; None for a value that nothing is added to.
        beneath: the default that the parts come from that it does not have itself, where it has one.
    """

    value: Any
    type_name: AnyType = None
    beneath: Typed | Unknown | None = None


Part: TypeAlias = Typed | Unknown | None
"""A part of a value, what may be one, or nothing."""


class Declared(Redacted, frozen=True):
    """A property as a type has it, with what it inherits.

    Args:
        owner: the type that declares it: the one asked about, or one that it derives from.
        declaration: what is written there.
        type_name: what adds to its values; None when nothing does.
        default: its default, with what it inherits; None when it has none.
    """

    owner: str
    declaration: Mapping[Any, Any]
    type_name: AnyType
    default: Part


class Types:
    """The types of one blueprint.

    Args:
        find: finds a type by its section and name; None when it is not in the tree.
        builtin: names of types that are no data types, whose values are taken as they are.
        budget: what the run may spend.
        dialect: their language.
    """

    def __init__(
        self,
        find: Callable[[str, object], Mapping[Any, Any] | None],
        builtin: Container[str],
        budget: Budget,
        dialect: Dialect = CLOUDIFY,
    ) -> None:
        self._dialect = dialect
        self._is_tosca = bool(dialect.template)
        self.find = find
        self._builtin = builtin
        self._budget = budget
        self._declared: dict[tuple[Kind, str, object], Declared] = {}

    def ancestry(self, kind: Kind, name: object) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        """A type and those that it derives from, nearest first, each with what is written of it.

        Args:
            kind: the kind of the type.
            name: its name; None for no type at all, `Unknown` where the name itself is not known.

        Raises:
            OutOfReachError: one of them is not in the tree, after those that are.
        """
        if isinstance(name, Unknown):
            raise OutOfReachError(name.why)
        for _ in range(MAX_ANCESTRY):
            if name is None:
                return
            self._budget.spend()
            entry = self.find(kind, name)
            if entry is None:
                raise OutOfReachError(f"{kind.noun} {_shown(name)} is not in this blueprint")
            yield str(name), entry
            name = entry.get("derived_from")
        raise OutOfReachError(
            f"{kind.noun} {_shown(name)} is one of over {MAX_ANCESTRY} that derive in a row"
        )

    def declared(self, kind: Kind, name: object, key: object) -> Declared | None:
        """A property that a type declares or derives.

        Args:
            kind: the kind of the type.
            name: the type's name; None for no type at all.
            key: the property's name.

        Returns:
            None when there is no such property.

        Raises:
            OutOfReachError: it was not found, and a type that may declare it is not in the tree.
        """
        for owner, entry in self.ancestry(kind, name):
            if key in _properties(entry):
                return self._owned(kind, owner, key)
        return None

    def properties(self, kind: Kind, name: object) -> Iterator[tuple[Any, Declared]]:
        """All properties that a type declares or derives, its own first, as the parser orders them.

        Args:
            kind: the kind of the type.
            name: the type's name; None for no type at all.

        Raises:
            OutOfReachError: a type that may declare more is not in the tree, after those that are known.
        """
        seen: set[Any] = set()
        for owner, entry in self.ancestry(kind, name):
            own = _properties(entry)
            self._budget.spend(len(own))
            for key in own:
                if key not in seen:
                    seen.add(key)
                    yield key, self._owned(kind, owner, key)

    def property(self, kind: Kind, name: object, given: object, key: object) -> Part:
        """A property of a node template or relationship: its own value, or the default of its type.

        Args:
            kind: the kind of its type.
            name: the name of its type; None for no type at all.
            given: what stands under `properties`.
            key: the property's name.

        Returns:
            None when there is no such property.
        """
        is_given = isinstance(given, dict) and leads(given, key)
        try:
            declared = self.declared(kind, name, key)
        except OutOfReachError as error:
            unknown = Unknown(error.why)
            return Typed(given[key], unknown, unknown) if is_given else unknown  # type: ignore[index]
        if is_given:
            value = given[key]  # type: ignore[index]
            if declared is None:
                return Typed(value)
            # In TOSCA a value takes the place of a property's default as a whole.
            return Typed(value, declared.type_name, None if self._is_tosca else declared.default)
        return None if declared is None else declared.default

    def alone(self, owner: str, declaration: Mapping[Any, Any]) -> Declared:
        """A property of what derives from nothing, such as a plugin."""
        type_name = self._type(declaration)
        return Declared(owner, declaration, type_name, _default(declaration, type_name, None))

    def typed(self, value: Any, declaration: Mapping[Any, Any]) -> Typed:  # noqa: ANN401 - plain data
        """A value that is declared, such as that of an input."""
        return Typed(value, self._type(declaration))

    def part(self, whole: Typed, step: object) -> Part:
        """What one step leads to in a value; nothing beside it is looked at.

        Returns:
            None when the step leads nowhere.
        """
        value, type_name = whole.value, whole.type_name
        self._budget.spend()
        is_there = leads(value, step)
        if isinstance(type_name, EntryType):
            is_call = isinstance(value, dict) and self._dialect.call_name(value) is not None
            return Typed(value[step], None if is_call else type_name.type_name) if is_there else None
        if isinstance(type_name, Unknown) and not isinstance(value, dict) and self._is_tosca:
            return Typed(value[step], type_name) if is_there else None
        if type_name is None or not isinstance(value, dict) or self._dialect.call_name(value) is not None:
            return Typed(value[step]) if is_there else None
        if isinstance(type_name, Unknown):
            found: Part = type_name
            default = whole.beneath
            if isinstance(default, Typed) and isinstance(default.value, dict):
                found = self.part(default, step) or found
            return Typed(value[step], type_name, found) if is_there else found
        try:
            declared = self.declared(Kind.DATA, type_name, step)
        except OutOfReachError as error:
            unknown = Unknown(error.why)
            return Typed(value[step], unknown, unknown) if is_there else unknown
        if declared is None:  # Cloudify refuses one that is there
            return Typed(value[step]) if is_there else None
        return self.member(whole, declared, step)

    def member(self, whole: Typed, declared: Declared, step: object) -> Part:
        """A part of a mapping of a data type that declares it: what is there, over the default.

        Args:
            whole: the mapping.
            declared: the part as the data type has it.
            step: its name.

        Returns:
            None when it is neither there nor has a default.
        """
        default = whole.beneath
        if default is None:
            beneath = declared.default
        elif isinstance(default, Unknown):
            beneath = default
        elif (
            isinstance(default.value, dict)
            and default.type_name
            and self._dialect.call_name(default.value) is None
        ):
            beneath = self.member(default, declared, step)
        elif isinstance(default.value, dict) and leads(default.value, step):  # the parser looks into calls
            beneath = Typed(default.value[step])
        else:
            beneath = declared.default
        if leads(whole.value, step):
            return Typed(whole.value[step], declared.type_name, beneath)
        return beneath

    def whole(self, typed: Typed, depth: int = 0) -> Any:  # noqa: ANN401 - plain data
        """A value with all that its data type and defaults add to it.

        Args:
            typed: the value.
            depth: levels of data types around it.

        Raises:
            OutOfReachError: a type that is not in the tree may add to it.
        """
        value, type_name = typed.value, typed.type_name
        if isinstance(value, list) and self._is_tosca and isinstance(type_name, (EntryType, Unknown)):
            self._budget.spend(len(value), NODE * len(value))
            entry = type_name.type_name if isinstance(type_name, EntryType) else type_name
            return [self.whole(Typed(each, entry), depth + 1) for each in value]
        if type_name is None or not isinstance(value, dict) or self._dialect.call_name(value) is not None:
            return value
        if isinstance(type_name, EntryType):
            self._budget.spend(len(value), NODE * len(value))
            return {
                key: self.whole(Typed(each, type_name.type_name), depth + 1) for key, each in value.items()
            }
        if isinstance(type_name, Unknown):
            raise OutOfReachError(type_name.why)
        if depth > MAX_ANCESTRY:
            raise OutOfReachError(f"data type {_shown(type_name)} stands in over {MAX_ANCESTRY} others")
        self._budget.spend(len(value), NODE * len(value))
        result: dict[Any, Any] = {}
        for key, declared in self.properties(Kind.DATA, type_name):
            part = self.member(typed, declared, key)
            if isinstance(part, Unknown):
                raise OutOfReachError(part.why)
            if part is not None:
                self._budget.spend(1, NODE)
                result[key] = self.whole(part, depth + 1)
        return result | {key: value[key] for key in value if key not in result}

    def lacks(self, typed: Typed, depth: int = 0) -> bool:
        """Whether a value, with all that is added to it, is known to lack what its data type requires.

        Args:
            typed: the value.
            depth: levels of data types around it.
        """
        value, type_name = typed.value, typed.type_name
        if (
            not isinstance(type_name, str)
            or not isinstance(value, dict)
            or self._dialect.call_name(value) is not None
        ):
            return False
        external = self.part(typed, "use_external_resource")
        is_excused = external is not None and (isinstance(external, Unknown) or bool(external.value))
        try:
            for key, declared in self.properties(Kind.DATA, type_name):
                part = self.member(typed, declared, key)
                if part is None:
                    if declared.declaration.get("required", True) and not is_excused:
                        return True
                elif isinstance(part, Typed) and depth < MAX_ANCESTRY and self.lacks(part, depth + 1):
                    return True
        except OutOfReachError:
            pass
        return False

    def _owned(self, kind: Kind, owner: str, key: object) -> Declared:
        """A property where it is declared, with what it inherits there."""
        mark = (kind, owner, key)
        found = self._declared.get(mark)
        if found is None:
            inherit = self._refine if self._is_tosca else self._inherit
            found = self._declared[mark] = inherit(kind, owner, key)
        return found

    def _inherit(self, kind: Kind, owner: str, key: object) -> Declared:
        """Put together a property's default from those that it overrides.

        Only defaults of one data type are put together; any other is replaced as a whole.
        """
        own: list[tuple[Mapping[Any, Any], AnyType]] = []
        beneath: Part = None
        try:
            for _, entry in self.ancestry(kind, owner):
                properties = _properties(entry)
                if key not in properties:
                    continue
                declaration = properties[key] if isinstance(properties[key], dict) else {}
                if own and declaration.get("type") != own[0][0].get("type"):
                    break
                own.append((declaration, self._type(declaration)))
                if own[0][1] is None:
                    break
        except OutOfReachError as error:
            beneath = Unknown(error.why)
        for declaration, type_name in reversed(own):
            beneath = _default(declaration, type_name, beneath)
        return Declared(owner, *own[0], beneath)

    def _refine(self, kind: Kind, owner: str, key: object) -> Declared:
        """Put together what a type of TOSCA and those that it derives from declare of a property.

        In 2.0 a refinement keeps what it does not change. In 1.x it may do so for the type; of a default that
        it leaves out, orchestrators differ.
        """
        whole: dict[Any, Any] = {}
        default: Part = None
        is_set = False
        try:
            for name, entry in self.ancestry(kind, owner):
                properties = _properties(entry)
                if key not in properties:
                    continue
                declaration = self._declaration(properties[key])
                if not is_set and declaration.get("default") is not None:
                    is_set = True
                    if name != owner and not self._dialect.prefix:
                        default = Unknown(
                            f"{kind.noun} {_shown(owner)} declares it again, without its default"
                        )
                whole = {**declaration, **whole}
        except OutOfReachError as error:
            default = None if is_set else Unknown(error.why)
        type_name = self._type(whole)
        if is_set and default is None:
            default = Typed(whole["default"], type_name)
        return Declared(owner, whole, type_name, default)

    def _declaration(self, written: Any) -> Mapping[Any, Any]:  # noqa: ANN401 - plain data
        """A property's declaration; a value that it fixes, in 2.0 in a short form, too, is its default."""
        if not self._dialect.prefix:
            return written if isinstance(written, dict) else _NO_PROPERTIES
        if not isinstance(written, dict) or self._dialect.call_name(written) is not None:
            return {"default": written}
        return {**written, "default": written["value"]} if "value" in written else written

    def _type(self, declaration: Mapping[Any, Any]) -> AnyType:
        """What a declaration's type adds to values; None for nothing."""
        name = declaration.get("type")
        if self._is_tosca and name in _COLLECTIONS:
            schema = declaration.get("entry_schema")
            entries = self._type(schema if isinstance(schema, dict) else {"type": schema})
            return None if entries is None else EntryType(entries)
        if name is None or (isinstance(name, str) and name in self._builtin):
            return None
        if isinstance(name, str) and self.find(Kind.DATA, name) is not None:
            return name
        return Unknown(f"data type {_shown(name)} is not in this blueprint")


_COLLECTIONS = ("list", "map")
"""The types of TOSCA whose values have entries."""


def _default(declaration: Mapping[Any, Any], type_name: AnyType, beneath: Part) -> Part:
    """A property's default over the one that it inherits; one of a data type has one in any case."""
    default = declaration.get("default")
    if type_name is None:
        return Typed(default) if "default" in declaration else None
    return Typed({} if default is None else default, type_name, beneath)


def _properties(entry: Mapping[Any, Any]) -> Mapping[Any, Any]:
    properties = entry.get("properties")
    return properties if isinstance(properties, dict) else _NO_PROPERTIES


def _shown(name: object) -> str:
    """A type's name as a message repeats it."""
    return _NAMES.repr(name)


_NAMES = reprlib.Repr()
_NAMES.maxstring = _NAMES.maxother = 80
