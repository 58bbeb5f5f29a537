"""Records as JSON and back: one codec for both directions and both sides of the wire.

Ids of tenants and of users stay on the server, so a name stands for a tenant and for an owner.
"""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct

from resolver.core.model import Named, SecretValue

T = TypeVar("T")

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Where JSON may have half a character."""

_PLACE = re.compile(r" - at `\$([^`]*)`\Z")
"""The end of a message of the library: where in the data something is wrong."""


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


class MalformedError(ValueError):
    """Data is not what a type says.

    The library's message is never kept, since it may repeat the data, which may be a secret.

    Args:
        rule: what is wrong, by the library's words for it without any of the data.
        path: names and positions that lead there; `...` stands for a name that the sender chose.
        unknown: a name that the sender chose, and that no field has. It is for comparing only.
    """

    def __init__(self, rule: str, path: tuple[str, ...] = (), unknown: str = "") -> None:
        super().__init__("the data is not of the expected form")
        self.rule = rule
        self.path = path
        self.unknown = unknown


def parse(data: bytes | bytearray) -> Any:  # noqa: ANN401 - JSON data
    """Parse JSON text. A bytearray is emptied once it is text: an answer may take 64 MiB.

    Raises:
        ValueError: it is no JSON, or has duplicate keys, half a character, NaN, or a number without an end.
            The message is empty or the reason, and shows nothing of the text.
        RecursionError: it is nested too deeply.
    """
    try:
        text = data.decode()
        has_escapes = _SURROGATE_ESCAPE.search(data) is not None
        if isinstance(data, bytearray):
            data.clear()
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        if has_escapes:
            _demand_whole_characters(parsed)
    except ValueError as error:
        fault = str(error) if isinstance(error, _FaultError) else ""
    else:
        return parsed
    raise ValueError(fault)  # out of the handler: the parser's error holds the text


class _FaultError(ValueError):
    """What JSON permits and we don't; its message shows nothing of the text."""


def _demand_whole_characters(parsed: object) -> None:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        fault = "a text is not valid UTF-8"
    else:
        return
    raise _FaultError(fault)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _FaultError("an object has the same key twice")
    return found


def _refuse(_name: str) -> None:
    raise _FaultError("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _FaultError("a number is too large")
    return number


def encode(record: object) -> Any:  # noqa: ANN401 - JSON data
    """A record as JSON data. Values are written out: it is for what may leave only.

    Not by the library: it sorts objects, whose order messages keep to, or leaves sets in no order at all.
    """
    match record:
        case enum.Enum():
            return record.value
        case None | str() | int() | float():
            return record
        case Struct():
            names = zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True)
            fields = ((encoded, getattr(record, name)) for name, encoded in names)
            return {name: encode(value) for name, value in fields if value is not UNSET}
        case Mapping():
            return {str(encode(key)): encode(value) for key, value in record.items()}
        case AbstractSet():
            return sorted(encode(item) for item in record)
        case list() | tuple():
            return [encode(item) for item in record]
        case SecretValue():
            return record.reveal()
        case Named():
            return record.name
        case _:
            raise TypeError(type(record).__name__)


def decode(kind: type[T], data: object, *, from_text: bool = False) -> T:
    """JSON data as a record, or as whatever the type says.

    Unknown fields are ignored but for those of requests to our own API, whose records forbid them.

    Args:
        kind: the type.
        data: JSON data.
        from_text: whether numbers and booleans are given as text, as in the query of a URL.

    Raises:
        MalformedError: it is something else. The first error ends it.
    """
    try:
        return msgspec.convert(data, kind, strict=not from_text, str_keys=True, dec_hook=_decode_other)
    except msgspec.ValidationError as error:
        message = str(error)
    place = _PLACE.search(message)
    path = tuple(re.findall(r"\.\.\.|\w+", place[1])) if place else ()
    rule = message[: place.start()] if place else message
    if unknown := _UNKNOWN.fullmatch(rule):
        raise MalformedError("Unknown field", path, unknown[1])
    # Without the data that the library's words may repeat.
    raise MalformedError("Invalid enum value" if rule.startswith("Invalid enum value") else rule, path)


def _decode_other(kind: type[Any], data: object) -> object:
    if not isinstance(data, str):
        raise TypeError("Expected `str`")
    return kind("", data) if issubclass(kind, Named) else kind(data)
