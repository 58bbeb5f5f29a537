"""Write plain data as YAML 1.1 in flow style on one line, so that it can stand anywhere in a text.

Strings are always in double quotes: no value can then become a number, a comment or the end of a document.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from json import JSONEncoder
from typing import TYPE_CHECKING, Final

import msgspec

from resolver.blueprint.scalars import STANDARD
from resolver.core.model import has_surrogate
from resolver.dsl.budget import NODE, Budget
from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_KEY: Final = 1000
"""Longest key written without `?`; YAML's limit is 1024 characters (YAML 1.1, section 4.3.4)."""

MAX_DEPTH: Final = 100

_QUOTES: Final = 40
"""Characters that a text may take beside its own before they are counted: quotes, a tag, a few escapes."""

_LARGE_INTEGER: Final = 1 << 64

_encode = JSONEncoder(ensure_ascii=False).encode
_PLAIN_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")


class EmitError(Exception):
    """Data that can't be written. The text says what kind of data it is, never what is in it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Masked(msgspec.Struct, frozen=True):
    """The stand-in of a value that is not shown, written as `!masked LABEL`, which no loader takes for data.

    Args:
        label: what may be shown in its place, usually the secret's key.
    """

    label: str


def emit(
    data: object,
    results: Mapping[int, object] | None = None,
    *,
    untouched: int = 0,
    budget: Budget | None = None,
) -> str:
    """Write data as YAML on one line.

    Args:
        data: a document's data, JSON data or `Masked`.
        results: what stands in place of a mapping, by its `id()`; it is written as it is, without being
            looked into.
        untouched: levels of the data, from its root, that nothing is put in place of.
        budget: what the run may spend.

    Raises:
        EmitError: the data holds a node with a custom tag, half a character or too many levels.
    """
    return _Emitter(budget or Budget()).node(data, results or {}, untouched, MAX_DEPTH)


def counted(data: object, budget: Budget) -> str:
    """Write a scalar, and count what that makes before it is made."""
    size = len(data) if isinstance(data, (str, bytes)) else 0
    budget.spend(1, NODE + size)
    text = quote(data) if isinstance(data, str) else _scalar(data)
    if len(text) > size + _QUOTES:  # what is not printable takes more room
        budget.spend(0, len(text) - size)
    return text


def quote(text: str) -> str:
    """A string in double quotes, on one line and without any character that acts on a terminal.

    Raises:
        EmitError: the string holds half of a surrogate pair, which YAML has no way to write.
    """
    if has_surrogate(text):
        raise EmitError(Reason.UNREADABLE, "a string holds half of a surrogate pair")
    quoted = _encode(text)
    if quoted.isprintable():
        return quoted
    # JSON leaves alone what is not ASCII. This takes care of what YAML can't hold as it is, and of what acts
    # on a terminal: control characters, line separators, byte order marks, marks that turn the direction of
    # writing around, characters that are not there to be seen.
    return "".join(
        [character if character.isprintable() else _escape(ord(character)) for character in quoted]
    )


def _escape(code: int) -> str:
    if code <= 0xFF:  # noqa: PLR2004 - what two digits can say
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"  # noqa: PLR2004 - four digits


class _Emitter:
    """Writes data, and counts what that makes before it is made.

    Args:
        budget: what the run may spend.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def node(self, data: object, results: Mapping[int, object], untouched: int, depth: int) -> str:
        if untouched <= 0 and id(data) in results:
            return self.node(results[id(data)], {}, 0, depth)
        if not isinstance(data, (dict, list, tuple, set)):
            return counted(data, self._budget)
        if depth == 0:
            raise EmitError(Reason.TOO_DEEP, f"the data has more than {MAX_DEPTH} levels")

        def inner(value: object) -> str:
            return self.node(value, results, untouched - 1, depth - 1)

        key = self._key
        if isinstance(data, dict):
            return "{" + ", ".join([f"{key(name)}: {inner(value)}" for name, value in data.items()]) + "}"
        if isinstance(data, set):
            # Sorted, because a set's own order differs from one run to the next.
            return f"!<{STANDARD}set> {{" + ", ".join(sorted(f"{key(name)}: null" for name in data)) + "}"
        if data and all(isinstance(item, tuple) for item in data):
            pairs = [f"{{{key(name)}: {inner(value)}}}" for name, value in data]
            return f"!<{STANDARD}pairs> [" + ", ".join(pairs) + "]"
        return "[" + ", ".join([inner(item) for item in data]) + "]"

    def _key(self, key: object) -> str:
        text = counted(key, self._budget)
        return text if len(text) <= MAX_KEY else f"? {text} "


def _scalar(data: object) -> str:
    match data:
        case str():
            return quote(data)
        case None:
            return "null"
        case bool():
            return "true" if data else "false"
        case int():
            # Python refuses to write very large numbers in decimal digits.
            return str(data) if abs(data) < _LARGE_INTEGER else hex(data)
        case float():
            return _float(data)
        case dt.date():  # a datetime is one too
            return data.isoformat()
        case bytes():
            return f'!<{STANDARD}binary> "{base64.b64encode(data).decode()}"'
        case Masked(label):
            return f"!masked {label if _PLAIN_LABEL.match(label) else quote(label)}"
    raise EmitError(Reason.CUSTOM_TAG, "a node with a custom tag can't be written anew")


def _float(number: float) -> str:
    if math.isnan(number):
        return ".nan"
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    text = repr(number)
    # YAML 1.1 takes `1e+17` for a string: a float has a dot.
    return text if "." in text else text.replace("e", ".0e")
