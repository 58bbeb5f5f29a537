"""Where in a file a problem lies, as SARIF counts: bytes from the start, and columns in UTF-16 units."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.blueprint import read
from resolver.blueprint.text import BOM, Text
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.core.document import Position
    from resolver.core.problems import Problem
    from resolver.resolution import BlueprintText


class Regions:
    """Finds the pieces of the texts of one run that problems are about.

    Args:
        texts: the blueprints. Imported files are read again, when a problem lies in one.
    """

    def __init__(self, texts: Iterable[BlueprintText]) -> None:
        self._data = {text.name: text.data for text in texts}
        self._files: dict[str, _File] = {}

    def of(self, problem: Problem) -> dict[str, Any] | None:
        """The SARIF region of a problem; None when it is not about one place.

        A call is shown whole. What else a problem is about is shown to the end of its line. Without the file
        as it was read there are lines and columns only.
        """
        if problem.position is None:
            return None
        file = self._file(problem.source)
        if file is None or file.text.line_at(problem.position) != problem.line_text:
            start = _utf16_length(problem.line_text[: problem.position.column - 1]) + 1
            return {"startLine": problem.position.line, "startColumn": start}
        return file.region(problem.position)

    def _file(self, source: str) -> _File | None:
        if source not in self._files:
            data = self._data.get(source)
            try:
                self._files[source] = _File(source, Path(source).read_bytes() if data is None else data)
            except (OSError, ValueError):  # a source need not be a file's name
                return None
        return self._files[source]


class _File:
    """One file's bytes and characters."""

    def __init__(self, name: str, data: bytes) -> None:
        # Where the text is not UTF-8, the problem lies there, and all that counts stands before it.
        content = data.decode("utf-8", "surrogateescape")
        self.text = Text(name, content.removeprefix(BOM))
        self._name = name
        self._data = data
        self._skipped = len(BOM.encode()) if content.startswith(BOM) else 0

    @cached_property
    def _ends(self) -> dict[int, int]:
        """Where each call ends, by where it starts."""
        try:
            sites = read(self._data, self._name).tree.sites.values()
        except BlueprintError:
            return {}
        return {site.start: site.end for site in sites}

    def region(self, position: Position) -> dict[str, Any]:
        text = self.text.content
        start = bisect_left(range(len(text)), (position.line, position.column), key=self._place)
        line_end = start + len(self.text.line_at(position)) - (position.column - 1)
        end = self._ends.get(start, line_end)
        last = self.text.position_at(end)
        return {
            "startLine": position.line,
            "startColumn": self._column(position),
            "endLine": last.line,
            "endColumn": self._column(last),
            "byteOffset": self._skipped + _byte_length(text[:start]),
            "byteLength": _byte_length(text[start:end]),
            "snippet": {"text": text[start:end]},
        }

    def _place(self, index: int) -> tuple[int, int]:
        position = self.text.position_at(index)
        return position.line, position.column

    def _column(self, position: Position) -> int:
        return _utf16_length(self.text.line_at(position)[: position.column - 1]) + 1


def _byte_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
