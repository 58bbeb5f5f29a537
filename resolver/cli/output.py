"""What the user sees: messages, problems with their source line, tables. Everything is control-escaped."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from resolver.core.document import format_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.problems import Problem

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]",
)
"""What a terminal would act on, or would hide: control characters, direction marks, lone surrogates."""

LINE_WIDTH = 100
"""Widest piece of a source line that a problem shows, in characters."""


def printable(text: str) -> str:
    """A text on one line, with what a terminal might act on written as an escape."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def say(text: str) -> None:
    """Write a line to stderr."""
    print(printable(text), file=sys.stderr)  # noqa: T201 - the command line's own words


def put(text: str) -> None:
    """Write a line to stdout."""
    print(printable(text))  # noqa: T201 - the command line's own words


def put_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write aligned columns to stdout."""
    table = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *table, strict=True)]
    for row in (headers, *table):
        put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def put_json(data: Any) -> None:  # noqa: ANN401 - JSON data
    """Write JSON to stdout, in ASCII."""
    print(json.dumps(data, indent=2))  # noqa: T201 - escaped by its format


def put_fields(fields: Mapping[str, object]) -> None:
    """Write one line for each field to stdout."""
    width = max(map(len, fields)) + 1
    for name, value in fields.items():
        put(f"{name + ':':<{width}} {value}")


def say_problem(problem: Problem) -> None:
    """Write one problem to stderr: message, place, source line with a caret, hint."""
    say(f"error: {problem.message} [{problem.reason}]")
    if problem.source:
        at = problem.position
        where = f"{problem.source}:{at.line}:{at.column}" if at else problem.source
        path = f"  {format_path(problem.path)}" if problem.path else ""
        say(f"  --> {where}{path}")
        if at and problem.line_text:
            _say_line(at.line, at.column, problem.line_text)
    if problem.hint:
        say(f"  hint: {problem.hint}")


def _say_line(line: int, column: int, text: str) -> None:
    start = max(0, min(column - 1 - LINE_WIDTH // 2, len(text) - LINE_WIDTH))
    piece = text[start : start + LINE_WIDTH]
    before = printable(piece[: column - 1 - start].replace("\t", " "))
    after = printable(piece[column - 1 - start :].replace("\t", " "))
    margin = " " * len(str(line))
    say(f"{line} | {before}{after}".rstrip())
    say(f"{margin} | {' ' * len(before)}^")
