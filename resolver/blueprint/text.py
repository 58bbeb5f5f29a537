"""A blueprint's text: its lines, and problems that point into it."""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from resolver.core.location import Position
from resolver.dsl.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.dsl.problems import Reason

BREAKS = "\r\n\x85\u2028\u2029"
"""The characters that end a line (YAML 1.1, section 4.1.4)."""

BLANKS = " \t" + BREAKS

BOM = "\ufeff"

# Begins with the set of characters, so that `re` skips to the next one of them.
_LINE_BREAK = re.compile(rf"[{BREAKS}](?:(?<=\r)\n)?")


class Mark(Protocol):
    """A place in the text as both of PyYAML's parsers report it; all three numbers count from 0."""

    index: int
    line: int
    column: int


@dataclass(frozen=True)
class Text:
    """The characters of a blueprint, without a byte order mark.

    Args:
        name: the blueprint's name as the user gave it.
        content: the characters; line breaks are as in the file.
    """

    name: str
    content: str

    @cached_property
    def _lines(self) -> list[str]:
        return _LINE_BREAK.split(self.content)

    def line_at(self, position: Position) -> str:
        """The line at a position, without its line break; empty when there is no such line."""
        return self._lines[position.line - 1] if 0 < position.line <= len(self._lines) else ""

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *[found.end() for found in _LINE_BREAK.finditer(self.content)]]

    def position_at(self, index: int) -> Position:
        """The position of a character, given its index from 0."""
        line = bisect_right(self._starts, index)
        return Position(line, index - self._starts[line - 1] + 1)

    def index_of(self, position: Position) -> int:
        """The index from 0 of the character at a position of this text; its length behind the last one."""
        starts, length = self._starts, len(self.content)
        return (
            min(starts[position.line - 1] + position.column - 1, length)
            if position.line <= len(starts)
            else length
        )

    def problem(self, reason: Reason, message: str, place: Mark | Position, *, hint: str = "") -> Problem:
        """A problem at a place of this text."""
        position = place if isinstance(place, Position) else position_of(place)
        return Problem(
            reason,
            message,
            source=self.name,
            position=position,
            hint=hint,
            line_text=self.line_at(position),
        )


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of the text, those without a place first."""
    nowhere = Position(0, 0)
    return sorted(problems, key=lambda problem: dataclasses.astuple(problem.position or nowhere))


def position_of(mark: Mark) -> Position:
    """The position that a parser's mark stands for."""
    return Position(mark.line + 1, mark.column + 1)
