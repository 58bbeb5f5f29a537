"""`.env` files: lines of `NAME=value`, read strictly, and written so that they are read the same here.

Readers of such files differ. What they read differently is an error here, or stands in `docs/moving.md`:
nothing is expanded, single quotes keep all as it is, double quotes have a few escapes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resolver.errors import InvalidRequestError
from resolver.transfer.flat import FlatEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=[ \t]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_END = re.compile(r"[ \t]*(?:[ \t]#[^\n]*)?(?:\n|\Z)")
_DOUBLE = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)  # possessive: nothing is kept to go back to
_SINGLE = re.compile(r"'([^']*)'")
_COMMENT = re.compile(r"[ \t]#")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]+\Z")


def read(text: str) -> Sequence[FlatEntry]:
    """Read the lines of a file.

    Args:
        text: what is in it.

    Raises:
        InvalidRequestError: a line is wrong. The message has its number, and nothing of it.
    """
    return list(_entries(text.replace("\r\n", "\n")))


def _entries(text: str) -> Iterator[FlatEntry]:
    at, line = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        stripped = text[at:end].strip()
        if not stripped or stripped.startswith("#"):
            at, line = end + 1, line + 1
            continue
        name = _NAME.match(text, at, end)
        if name is None:
            raise InvalidRequestError(
                f"line {line} of the file is no NAME=value", hint="a comment begins with #"
            )
        value, after = _value(text, name.end(), end, line)
        yield FlatEntry(name[1], value, line)
        line += text.count("\n", at, after)
        at = after


def _value(text: str, at: int, end: int, line: int) -> tuple[str, int]:
    """The value that begins at a place, and where the next line begins."""
    if text[at : at + 1] not in ("'", '"'):
        if text[at : at + 1] == "#" and text[at - 1] in " \t":
            return "", end + 1
        comment = _COMMENT.search(text, at, end)
        value = text[at : comment.start() if comment else end].strip()
        if "\r" in value or (value and not value.strip("=")):
            raise InvalidRequestError(
                f"line {line} of the file is no NAME=value", hint="several lines of a value need quotes"
            )
        return value, end + 1
    quoted = (_SINGLE if text[at] == "'" else _DOUBLE).match(text, at)
    if quoted is None:
        raise InvalidRequestError(
            f"the quote that opens in line {line} of the file is never closed",
            hint='write \\" for a quote within double quotes',
        )
    rest = _END.match(text, quoted.end())
    if rest is None:
        raise InvalidRequestError(
            f"the value of line {line} of the file goes on after its closing quote",
            hint="put all of it in one pair of quotes",
        )
    value = quoted[1]
    if text[at] == '"':
        value = _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[0]), value)
    return value, rest.end()


def write(pairs: Sequence[tuple[str, str]]) -> str:
    """Write names and values, each so that `read` reads the same.

    Other readers do, too, but for values with a quote, a backslash or a carriage return: of the escapes in
    double quotes each knows its own. JSON has no such doubts.

    Args:
        pairs: names and values.

    Raises:
        InvalidRequestError: a name is none of a variable.
    """
    for name, _ in pairs:
        if not _VARIABLE.match(name):
            raise InvalidRequestError(
                f"the key {name!r} is no name of a variable: letters, digits and _ alone are",
                hint="export with --to json, or choose keys with --filter-by",
            )
    return "".join(f"{name}={quoted(value)}\n" for name, value in pairs)


def quoted(value: str) -> str:
    """A value as `write` writes it."""
    if _PLAIN.match(value):
        return value
    if "'" not in value and "\\" not in value and "\r" not in value:
        return f"'{value}'"
    named = {"\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\", "$": "\\$"}
    return '"' + "".join(named.get(character, character) for character in value) + '"'
