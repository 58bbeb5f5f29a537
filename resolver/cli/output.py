"""What the user sees: messages and tables. Everything is control-escaped."""

from __future__ import annotations

import enum
import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any, assert_never

from resolver.cli.streams import write_stderr, write_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


class OutputFormat(enum.StrEnum):
    """How commands print what they were asked for."""

    TABLE = "table"
    JSON = "json"


_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]",
)
"""What a terminal would act on, or would hide: control characters, direction marks, lone surrogates."""


_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z")
"""A time as it is stored; on a terminal, a table has it to the minute."""

_GAP = "  "

_WIDEST = 40
"""Columns of the widest cell that widens the other lines of a table, where that is not on a terminal."""

_UNCUT = 26
"""A cell of so many columns is cut only when there is no column left that could be left out."""

_NARROWEST = 8
"""Fewest columns that a cell is cut to."""


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


def put_done(output_format: OutputFormat, text: str, data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write to stdout what a command did: in lines for a person, or as JSON data."""

    def put_lines() -> None:
        for line in text.split("\n"):
            put(line)

    put_answer(output_format, data, put_lines)


def put_table(headers: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()) -> None:
    """Write aligned columns to stdout: `-` stands for None, yes and no for booleans.

    On a terminal a line is no wider than that, and elsewhere a long cell widens no other line.

    Args:
        headers: the headers of the columns.
        rows: the cells.
        spare: headers of columns that a narrow terminal does without, the first ones first.
    """
    for line in table_lines(headers, rows, spare):
        put(line)


def table_lines(
    headers: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()
) -> Iterator[str]:
    """The lines of a table, as `put_table` writes it."""
    columns = terminal_columns()
    table = [[printable(in_words(cell)) for cell in row] for row in rows]
    if columns is not None:
        table = [[_TIME.sub(r"\1 \2", cell) for cell in row] for row in table]
    table.insert(0, list(headers))
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    if columns is None:
        widths = [
            min(most, max(width(header), _WIDEST)) for header, most in zip(headers, widths, strict=True)
        ]
    else:
        left = _without_spare(headers, widths, spare, columns)
        table = [[row[number] for number in left] for row in table]
        widths = _fitting([widths[number] for number in left], columns)
    for row in table:
        cells = row if columns is None else [cut(cell, most) for cell, most in zip(row, widths, strict=True)]
        yield _GAP.join(map(pad, cells, widths)).rstrip()


def in_words(cell: object) -> str:
    """What stands for a value in an answer for a person."""
    match cell:
        case None:
            return "-"
        case bool():
            return "yes" if cell else "no"
        case list():
            return ", ".join(map(str, cell))
    return str(cell)


def terminal_columns() -> int | None:
    """How many columns the terminal has that stdout is; None when it is none."""
    if not sys.stdout.isatty():
        return None
    named = os.environ.get("COLUMNS", "")
    try:
        return int(named) if named.isdecimal() else os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _without_spare(
    headers: Sequence[str], widths: Sequence[int], spare: Sequence[str], columns: int
) -> Sequence[int]:
    """The numbers of the columns that are shown: without spare ones, as far as cutting is not enough."""
    left = list(range(len(headers)))
    for name in spare:
        if sum(min(widths[number], _UNCUT) for number in left) + len(_GAP) * (len(left) - 1) <= columns:
            break
        left = [number for number in left if headers[number] != name]
    return left


def _fitting(widths: Sequence[int], columns: int) -> list[int]:
    """Widths that fit into a number of columns: the widest are cut."""
    room = max(columns - len(_GAP) * (len(widths) - 1), len(widths))
    most = max(widths, default=0)
    while most > _NARROWEST and sum(min(one, most) for one in widths) > room:
        most -= 1
    return [min(one, most) for one in widths]


def cut(text: str, columns: int) -> str:
    """A text of at most so many columns; what is left out is left out in the middle."""
    if width(text) <= columns:
        return text
    end = (columns - 1) * 2 // 3
    return f"{_first(text, columns - 1 - end)}…{_first(text[::-1], end)[::-1]}"


def _first(text: str, columns: int) -> str:
    """As much of the beginning of a text as so many columns hold."""
    taken = text[:columns]
    while width(taken) > columns:
        taken = taken[:-1]
    return taken


def put_part(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    offset: int,
    total: int,
    none: str = "",
    spare: Sequence[str] = (),
) -> None:
    """Write a part of a list as a table to stdout, and what part it is of a longer one to stderr.

    Args:
        headers: the headers of the columns.
        rows: the cells of the part.
        offset: how many items of the list are before them.
        total: how many items the whole list has.
        none: what is said on stderr instead where there is nothing to list.
        spare: headers of columns that a narrow terminal does without, the first ones first.
    """
    if none and not rows:
        say(none)
        return
    put_table(headers, rows, spare)
    shown = offset + len(rows)
    if shown < total:
        say(f"note: {offset + 1} to {shown} of {total}; --offset {shown} shows what follows")


def put_records(records: Sequence[Mapping[str, object]], spare: Sequence[str] = ()) -> None:
    """Write records with the same fields, one or more, as a table to stdout."""
    put_table([name.upper() for name in records[0]], [list(record.values()) for record in records], spare)


def put_json(data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write JSON to stdout, in ASCII."""
    import json  # noqa: PLC0415 - few commands need it

    write_stdout(f"{json.dumps(data, indent=2)}\n")


def put_json_line(data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write JSON on one line to stdout, in ASCII."""
    import json  # noqa: PLC0415 - few commands need it

    print(json.dumps(data))  # noqa: T201 - escaped by its format


def put_fields(fields: Mapping[str, object]) -> None:
    """Write one line for each field to stdout: `-` stands for None, yes and no for booleans."""
    columns = max(map(len, fields)) + 1
    for name, value in fields.items():
        put(f"{name + ':':<{columns}} {in_words(value)}")


def put_words(what: str, words: Sequence[str]) -> None:
    """Write a list of words to stdout, on a terminal in several lines rather than through a word."""
    columns = terminal_columns()
    line = f"{what}:"
    for number, word in enumerate(words, 1):
        piece = f" {printable(word)}{'' if number == len(words) else ','}"
        if columns is not None and width(line) + width(piece) > columns and line.strip():
            put(line)
            line = "   "
        line += piece
    put(line)
