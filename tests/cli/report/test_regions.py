"""Regions of very many problems, and of very long lines: what they cost, and what they repeat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.blueprint import read
from resolver.blueprint.text import Text
from resolver.cli.report import github, regions, sarif
from resolver.cli.report.github import workflow_commands
from resolver.cli.report.items import Found
from resolver.cli.report.regions import MAX_SNIPPET, Regions
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Problem, Reason
from resolver.resolution import BlueprintText

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def bad_calls(text: str) -> tuple[Regions, Sequence[Problem]]:
    """The problems of a text's calls, and what finds their regions."""
    data = text.encode()
    plan = Plan([read(data, "b.yaml")])
    plan.advance()
    return Regions([BlueprintText("b.yaml", data, None)]), plan.problems


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: [é, " + "{get_secret: 1}, " * 3000 + "]\n", id="one line"),
        pytest.param("a:\n" + "- {get_secret: 1} # é\n" * 3000, id="many lines"),
    ],
)
def test_a_region_costs_the_same_anywhere(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each problem a bounded piece of the text is measured, not all that stands before it."""
    measured = compared = 0

    def counting(length_of: Callable[[str], int]) -> Callable[[str], int]:
        def count(piece: str) -> int:
            nonlocal measured
            measured += len(piece)
            return length_of(piece)

        return count

    class Line(str):
        """A line that counts how often it is compared."""

        __slots__ = ()

        def __ne__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return super().__ne__(other)

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    line_at = Text.line_at
    for name in ("_byte_length", "_utf16_length"):
        monkeypatch.setattr(regions, name, counting(getattr(regions, name)))
    found, problems = bad_calls(text)
    monkeypatch.setattr(Text, "line_at", lambda *place: Line(line_at(*place)))
    places = [found.of(problem) for problem in problems]
    assert len(places) == 3000
    data = text.encode()
    for place in places:
        assert place is not None
        start, length = place["byteOffset"], place["byteLength"]
        assert data[start : start + length] == b"{get_secret: 1}"
    assert measured < 3000 * 6 * 1024 + 3 * len(text)
    assert compared <= text.count("\n")


def test_a_long_piece_is_not_repeated() -> None:
    """A snippet has an end; the place of what is longer is exact all the same."""
    for length, there in ((MAX_SNIPPET, True), (MAX_SNIPPET + 1, False)):
        words = "x" * (length - len('{get_secret: [""]}'))
        found, (problem,) = bad_calls(f'a: {{get_secret: ["{words}"]}}\n')
        region = found.of(problem)
        assert region is not None
        assert (region["byteOffset"], region["byteLength"]) == (3, length)
        assert ("snippet" in region) is there


def test_a_file_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a source is a file is asked once for all its problems, in SARIF and in annotations."""
    monkeypatch.chdir(tmp_path)
    Path("b.yaml").write_text("a: 1\n")
    asked: list[str] = []

    def is_file(source: str) -> bool:
        asked.append(source)
        return True

    monkeypatch.setattr(github, "is_file", is_file)
    monkeypatch.setattr(sarif, "is_file", is_file)
    problems = [Problem(Reason.SYNTAX, "wrong", "b.yaml")] * 50
    assert len(list(workflow_commands(Found(problems)))) == 50
    assert asked == ["b.yaml"]
    assert len(sarif.make_log(Found(problems), [])["runs"][0]["results"]) == 50
    assert asked == ["b.yaml"] * 2
