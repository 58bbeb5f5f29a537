"""Problems as text for people: message, source line and caret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.cli.output import printable, say, width
from resolver.cli.report.items import Level, cut_short, location_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.dsl.problems import Problem


LINE_WIDTH = 100
"""Widest piece of a source line that a problem shows, in characters."""


def say_problems(problems: Sequence[Problem], level: Level = Level.ERROR) -> None:
    """Write problems to stderr, each with message, location, source line with a caret, hint.

    Args:
        problems: the problems.
        level: how they are called.
    """
    for line in problems_lines(problems, level):
        say(line)


def problems_lines(problems: Sequence[Problem], level: Level = Level.ERROR) -> Iterator[str]:
    """Problems as lines of text, as many as a report shows."""
    shown, others = cut_short(problems, level)
    for problem in shown:
        yield from problem_lines(problem, level)
    if others:
        yield f"note: {others}"


def say_failure(message: str, hint: str) -> None:
    """Write what went wrong to stderr, and what helps."""
    say(f"error: {message}")
    if hint:
        say(f"  hint: {hint}")


def problem_lines(problem: Problem, level: Level = Level.ERROR) -> Iterator[str]:
    """One problem as text: message, location, source line with a caret, hint."""
    yield f"{level}: {problem.message} [{problem.reason}]"
    if problem.source:
        from resolver.core.location import format_path  # noqa: PLC0415 - not for a page of help

        path = f"  {format_path(problem.path)}" if problem.path else ""
        yield f"  --> {location_of(problem)}{path}"
        if problem.position and problem.line_text:
            yield from _source_line(problem.position.line, problem.position.column, problem.line_text)
    if problem.hint:
        yield f"  hint: {problem.hint}"


def _source_line(line: int, column: int, text: str) -> Iterator[str]:
    start = max(0, min(column - 1 - LINE_WIDTH // 2, len(text) - LINE_WIDTH))
    piece = text[start : start + LINE_WIDTH]
    before = printable(piece[: column - 1 - start].replace("\t", " "))
    after = printable(piece[column - 1 - start :].replace("\t", " "))
    margin = " " * len(str(line))
    yield f"{line} | {before}{after}".rstrip()
    yield f"{margin} | {' ' * width(before)}^"
