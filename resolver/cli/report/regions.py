"""Where in a file a problem lies, as SARIF counts: bytes from the start, and columns in UTF-16 units."""

from __future__ import annotations

import contextlib
from functools import cached_property
from itertools import accumulate
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from resolver.blueprint import DEFAULT_LIMITS, read
from resolver.blueprint.folder import Folder, RefusedImportError
from resolver.blueprint.limits import DuplicateKeys
from resolver.blueprint.text import BOM, Text
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resolver.core.location import Position
    from resolver.dsl.problems import Problem
    from resolver.resolution import BlueprintText

MAX_SNIPPET = 1000
"""Longest piece of a text that a region repeats, in characters; of a longer one it has the location alone."""

_STRIDE = 1024
"""How many characters lie between two positions whose offsets are remembered."""


class Regions:
    """Finds the pieces of the texts of one run that problems are about.

    Args:
        texts: the blueprints. Imported files are read again, when a problem lies in one.
    """

    def __init__(self, texts: Iterable[BlueprintText]) -> None:
        self._texts = {text.name: text for text in texts}
        self._files: dict[str, _File | None] = {}
        self._unchanged: dict[tuple[str, int], bool] = {}

    def of(self, problem: Problem) -> dict[str, Any] | None:
        """The SARIF region of a problem; None when it is not about one place.

        A call is shown whole. What else a problem is about is shown to the end of its line. Without the file
        as it was read there are lines and columns only.
        """
        if problem.position is None:
            return None
        file = self._file(problem.source)
        if file is None or not self._is_unchanged(file, problem, problem.position):
            start = _utf16_length(problem.line_text[: problem.position.column - 1]) + 1
            return {"startLine": problem.position.line, "startColumn": start}
        return file.region(problem.position)

    def _file(self, source: str) -> _File | None:
        if source not in self._files:
            text = self._texts.get(source)
            data = self._imported(source) if text is None else text.data
            self._files[source] = None if data is None else _File(source, data)
        return self._files[source]

    def _imported(self, source: str) -> bytes | None:
        """The bytes of a file that one of the blueprints imports, read as it was read first."""
        for text in self._texts.values():
            folder = PurePath(text.name).parent if text.root is None else text.root
            if text.base is not None and PurePath(source).is_relative_to(folder):
                with Folder(text.base, root=text.root) as within, contextlib.suppress(RefusedImportError):
                    return within.read(PurePath(source).relative_to(folder), DEFAULT_LIMITS.size)
        return None

    def _is_unchanged(self, file: _File, problem: Problem, position: Position) -> bool:
        """Whether the file has the problem's line, compared once: a long one may have many problems."""
        line = (problem.source, position.line)
        if line not in self._unchanged:
            self._unchanged[line] = file.text.line_at(position) == problem.line_text
        return self._unchanged[line]


class _File:
    """One file's bytes and characters."""

    def __init__(self, name: str, data: bytes) -> None:
        # Where the text is not UTF-8, the problem lies there, and all that counts stands before it.
        content = data.decode("utf-8", "surrogateescape")
        self.text = Text(name, content.removeprefix(BOM))
        self._name = name
        self._data = data
        self._skipped = len(BOM.encode()) if content.startswith(BOM) else 0
        self._bytes = _Offsets(self.text.content, _byte_length)
        self._units = _Offsets(self.text.content, _utf16_length)

    @cached_property
    def _ends(self) -> dict[int, int]:
        """The index after each call's last character, by the index of its first one."""
        try:
            return read(self._data, self._name, duplicate_keys=DuplicateKeys.ALLOWED).call_ends
        except BlueprintError:
            return {}

    def region(self, position: Position) -> dict[str, Any]:
        text = self.text
        start = text.index_of(position)
        line_end = start + len(text.line_at(position)) - (position.column - 1)
        end = self._ends.get(start, line_end)
        last = text.position_at(end)
        first_byte = self._bytes.at(start)
        region: dict[str, Any] = {
            "startLine": position.line,
            "startColumn": self._column(position, start),
            "endLine": last.line,
            "endColumn": self._column(last, end),
            "byteOffset": self._skipped + first_byte,
            "byteLength": self._bytes.at(end) - first_byte,
        }
        if end - start <= MAX_SNIPPET:
            region["snippet"] = {"text": text.content[start:end]}
        return region

    def _column(self, position: Position, index: int) -> int:
        return self._units.at(index) - self._units.at(index - position.column + 1) + 1


class _Offsets:
    """How long a text is up to a character, as an encoding counts; a look-up costs the same anywhere.

    Args:
        text: the text.
        length_of: the length of a piece of it.
    """

    def __init__(self, text: str, length_of: Callable[[str], int]) -> None:
        self._text = text
        self._length_of = length_of

    @cached_property
    def _known(self) -> list[int]:
        """The lengths up to every `_STRIDE`th character."""
        pieces = range(0, len(self._text), _STRIDE)
        lengths = [self._length_of(self._text[start : start + _STRIDE]) for start in pieces]
        return [0, *accumulate(lengths)]

    def at(self, index: int) -> int:
        if self._text.isascii():
            return index
        before = index // _STRIDE
        return self._known[before] + self._length_of(self._text[before * _STRIDE : index])


def _byte_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
