"""Records as JSON data and back, by the types of their fields: one codec for all of them.

A name stands for a tenant, since ids of tenants and of users stay on the server.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from resolver.core.model import Narrowing, Secret, SecretValue, Tenant, User, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.policy import Verdict
from resolver.core.ports import Holding
from resolver.core.providers import Provider

T = TypeVar("T")

_NAMES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(Collection, Mapping, Sequence),
        *(
            Holding,
            Narrowing,
            Permission,
            Secret,
            SecretValue,
            SystemRole,
            Tenant,
            TenantRole,
            User,
            Verdict,
            Visibility,
        ),
    )
} | {"Any": Any}
"""What the annotations of records name, where their modules import it for type checkers only."""

_UNTOLD = frozenset({(Secret, "owner_id"), (User, "id"), (Provider, "owner_id")})
"""Fields that no server tells; they are empty."""


class MalformedError(ValueError):
    """Data is not what a type says. Never says more: the data may be a secret."""


def encode(record: object) -> Any:  # noqa: ANN401 - JSON data
    """A record as JSON data. Values are written out: it is for what may leave only."""
    match record:
        case SecretValue():
            return record.reveal()
        case Tenant():
            return record.name
        case enum.Enum():
            return record.value
        case None | str() | int() | float():
            return record
        case Mapping():
            return {encode(name): encode(value) for name, value in record.items()}
        case frozenset() | set():
            return sorted(encode(item) for item in record)
        case Sequence():
            return [encode(item) for item in record]
    if not dataclasses.is_dataclass(record) or isinstance(record, type):
        raise TypeError(type(record).__name__)
    return {
        field.name: encode(getattr(record, field.name))
        for field in dataclasses.fields(record)
        if (type(record), field.name) not in _UNTOLD
    }


def decode(kind: type[T], data: object) -> T:
    """JSON data as a record, or as whatever the type says; fields that it does not know are passed over.

    Raises:
        MalformedError: it is something else.
    """
    return typing.cast("T", _decode(kind, data))


def _decode(kind: Any, data: Any) -> Any:  # noqa: ANN401 - any type; one way out for each kind of it
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return data
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, data)
    if origin is not None and issubclass(origin, Mapping):
        names, values = arguments
        return {
            _decode_name(names, name): _decode(values, value) for name, value in _expect(dict, data).items()
        }
    if origin is tuple and len(arguments) > 1 and arguments[1] is not Ellipsis:
        items = _expect(list, data)
        if len(items) != len(arguments):
            raise MalformedError
        return tuple(_decode(argument, item) for argument, item in zip(arguments, items, strict=True))
    if origin is not None and issubclass(origin, Collection):
        found = [_decode(arguments[0], item) for item in _expect(list, data)]
        return frozenset(found) if origin is frozenset else tuple(found)
    if dataclasses.is_dataclass(origin or kind) and kind is not Tenant:
        return _decode_record(origin or kind, arguments, data)
    return _decode_plain(kind, data)


def _decode_name(kind: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """The name of a field, which JSON has as text only."""
    if kind is not int:
        return _decode(kind, name)
    if not name.isascii() or not name.isdecimal() or len(name) > len("1" * 18):
        raise MalformedError
    return int(name)


def _decode_union(choices: Sequence[Any], data: Any) -> Any:  # noqa: ANN401 - JSON data
    if data is None and type(None) in choices:
        return None
    for choice in choices:
        if choice is not type(None):
            try:
                return _decode(choice, data)
            except MalformedError:
                continue
    raise MalformedError


def _decode_plain(kind: Any, data: Any) -> Any:  # noqa: ANN401 - JSON data
    if kind is Tenant:
        return Tenant("", _expect(str, data))
    if kind is SecretValue:
        return SecretValue(_expect(str, data))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(_expect(str, data))
        except ValueError:
            raise MalformedError from None
    return _expect(kind, data)


def _expect(kind: type[T], data: object) -> T:
    """The same data, when it is of exactly this type: True is no number, and half a character no text."""
    if type(data) is not kind:
        raise MalformedError
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError:
            raise MalformedError from None
    return data


def _decode_record(kind: type, arguments: tuple[Any, ...], data: Any) -> Any:  # noqa: ANN401 - JSON data
    given = _expect(dict, data)
    values: dict[str, Any] = {}
    for field, field_kind in _fields(kind, arguments):
        if (kind, field.name) in _UNTOLD:
            values[field.name] = ""
        elif field.name in given:
            values[field.name] = _decode(field_kind, given[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise MalformedError
    if kind is Secret and values.get("schema") is not None:
        _demand_json(values["schema"])
    return kind(**values)


def _demand_json(text: str) -> None:
    """Refuse a schema that whoever shows the secret could not read."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedError from None


@functools.cache
def _fields(kind: type, arguments: tuple[Any, ...]) -> Sequence[tuple[dataclasses.Field[Any], Any]]:
    """A record's fields with their types; a generic one's with what stands for its variables."""
    hints = typing.get_type_hints(kind, localns=_NAMES)
    stands = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    return [(field, _stand_in(hints[field.name], stands)) for field in dataclasses.fields(kind)]


def _stand_in(hint: Any, stands: Mapping[Any, Any]) -> Any:  # noqa: ANN401 - any type
    if isinstance(hint, TypeVar):
        return stands[hint]
    variables = getattr(hint, "__parameters__", ())
    return hint[tuple(stands[variable] for variable in variables)] if variables else hint
