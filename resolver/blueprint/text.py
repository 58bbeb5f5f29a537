"""A blueprint's text: its lines, and problems that point into it."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate, count
from operator import add
from typing import TYPE_CHECKING, Protocol

from resolver.core.location import Position
from resolver.dsl.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.core.location import Path
    from resolver.dsl.problems import Reason

BREAKS = "\r\n\x85\u2028\u2029"
"""The characters that end a line (YAML 1.1, section 4.1.4)."""

_RARE_BREAKS = BREAKS.replace("\n", "")

BLANKS = " \t" + BREAKS

BOM = "\ufeff"

# Begins with the set of characters, so that `re` skips to the next one of them.
_LINE_BREAK = re.compile(rf"[{BREAKS}](?:(?<=\r)\n)?")


class Mark(Protocol):
    """A position in the text as both of PyYAML's parsers report it; all three numbers count from 0."""

    index: int
    line: int
    column: int


class Text:
    """The characters of a blueprint, without a byte order mark.

    Args:
        name: the blueprint's name as the user gave it.
        content: the characters; line breaks are as in the file.
    """

    def __init__(self, name: str, content: str) -> None:
        self.name = name
        self.content = content
        self._lines: dict[int, str] = {}  # those that were asked for: one line may have many problems

    def line_at(self, position: Position) -> str:
        """The line at a position, without its line break; empty when there is no such line."""
        if not 0 < position.line <= len(self._starts):
            return ""
        line = self._lines.get(position.line)
        if line is None:
            start = self._starts[position.line - 1]
            end = _LINE_BREAK.search(self.content, start)
            line = self._lines[position.line] = self.content[start : end.start() if end else None]
        return line

    @cached_property
    def _starts(self) -> array[int]:
        if any(sign in self.content for sign in _RARE_BREAKS):
            return array("q", (0, *(found.end() for found in _LINE_BREAK.finditer(self.content))))
        # Most texts have line feeds alone, and then it takes less than half of the time.
        lengths = map(len, self.content.split("\n"))
        starts = array("q", map(add, accumulate(lengths, initial=0), count()))
        starts.pop()  # behind the last line
        return starts

    def position_at(self, index: int) -> Position:
        """The position of a character, given its index from 0."""
        line = bisect_right(self._starts, index)
        return Position(line, index - self._starts[line - 1] + 1)

    def index_of(self, position: Position) -> int:
        """The index from 0 of the character at a position of this text; its length behind the last one."""
        if position.line > len(self._starts):
            return len(self.content)
        return min(self._starts[position.line - 1] + position.column - 1, len(self.content))

    def problem(
        self, reason: Reason, message: str, at: Mark | Position, *, path: Path = (), hint: str = ""
    ) -> Problem:
        """A problem at a position of this text."""
        position = at if isinstance(at, Position) else Position(at.line + 1, at.column + 1)
        line = self.line_at(position)
        return Problem(reason, message, self.name, position, path, hint=hint, line_text=line)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of the text, those without a position first."""

    def position(problem: Problem) -> tuple[int, int]:
        at = problem.position
        return (at.line, at.column) if at else (0, 0)

    return sorted(problems, key=position)
