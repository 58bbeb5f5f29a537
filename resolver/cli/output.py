"""What the user sees: messages and tables. Everything is control-escaped."""

from __future__ import annotations

import enum
import re
import unicodedata
from typing import TYPE_CHECKING, Any, assert_never

from resolver.cli.streams import write_stderr, write_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class OutputFormat(enum.StrEnum):
    """How commands print what they were asked for."""

    TABLE = "table"
    JSON = "json"


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


def put_answer(output_format: OutputFormat, data: Any, put_text: Callable[[], None]) -> None:  # noqa: ANN401 - JSON data
    """Write a command's answer to stdout.

    Args:
        output_format: the format that the reader asked for.
        data: the answer as JSON data.
        put_text: writes the answer for a person.
    """
    match output_format:
        case OutputFormat.TABLE:
            put_text()
        case OutputFormat.JSON:
            put_json(data)
        case _:
            assert_never(output_format)


def put_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write aligned columns to stdout; `-` stands for None."""
    table = [["-" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(headers, *table, strict=True)]
    for row in (headers, *table):
        put("  ".join(map(pad, row, widths)).rstrip())


def put_part(
    headers: Sequence[str], rows: Sequence[Sequence[object]], offset: int, total: int, none: str = ""
) -> None:
    """Write a part of a list as a table to stdout, and what part it is of a longer one to stderr.

    Args:
        headers: the headers of the columns.
        rows: the cells of the part.
        offset: how many items of the list are before them.
        total: how many items the whole list has.
        none: what is said on stderr instead where there is nothing to list.
    """
    if none and not rows:
        say(none)
        return
    put_table(headers, rows)
    shown = offset + len(rows)
    if shown < total:
        say(f"note: {offset + 1} to {shown} of {total}; --offset {shown} shows what follows")


def put_records(records: Sequence[Mapping[str, object]]) -> None:
    """Write records with the same fields, one or more, as a table to stdout."""
    put_table([name.upper() for name in records[0]], [list(record.values()) for record in records])


def put_json(data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write JSON to stdout, in ASCII."""
    import json  # noqa: PLC0415 - few commands need it

    write_stdout(f"{json.dumps(data, indent=2)}\n")


def put_json_line(data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write JSON on one line to stdout, in ASCII."""
    import json  # noqa: PLC0415 - few commands need it

    print(json.dumps(data))  # noqa: T201 - escaped by its format


def put_fields(fields: Mapping[str, object]) -> None:
    """Write one line for each field to stdout; `-` stands for None."""
    columns = max(map(len, fields)) + 1
    for name, value in fields.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else "-" if value is None else value
        put(f"{name + ':':<{columns}} {text}")
