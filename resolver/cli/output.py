"""What the user sees: messages and tables. Everything is control-escaped."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from resolver.cli.streams import write_stderr, write_stdout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]",
)
"""What a terminal would act on, or would hide: control characters, direction marks, lone surrogates."""


def printable(text: str) -> str:
    """A text on one line, with what a terminal might act on written as an escape."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def count(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def width(text: str) -> int:
    """How many columns of a terminal a printable text takes (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def pad(text: str, columns: int) -> str:
    """A text with spaces behind it, so that it takes so many columns."""
    return text + " " * (columns - width(text))


def say(text: str) -> None:
    """Write a line to stderr."""
    write_stderr(printable(text))


def put(text: str) -> None:
    """Write a line to stdout."""
    write_stdout(f"{printable(text)}\n")


def put_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write aligned columns to stdout."""
    table = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(headers, *table, strict=True)]
    for row in (headers, *table):
        put("  ".join(map(pad, row, widths)).rstrip())


def say_part(shown: int, offset: int, total: int) -> None:
    """Tell on stderr that a list is a part of a longer one."""
    if shown + offset < total:
        say(
            f"note: {offset + 1} to {offset + shown} of {total}; --offset {offset + shown} shows what follows"
        )


def put_json(data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write JSON to stdout, in ASCII."""
    write_stdout(f"{json.dumps(data, indent=2)}\n")


def put_json_line(data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write JSON on one line to stdout, in ASCII."""
    print(json.dumps(data))  # noqa: T201 - escaped by its format


def put_fields(fields: Mapping[str, object]) -> None:
    """Write one line for each field to stdout."""
    columns = max(map(len, fields)) + 1
    for name, value in fields.items():
        put(f"{name + ':':<{columns}} {value}")
