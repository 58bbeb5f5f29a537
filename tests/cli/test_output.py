"""Tables and carets line up on a terminal, whatever characters are in them."""

from __future__ import annotations

import pytest

from resolver.cli.output import pad, put_table, width
from resolver.cli.report.check import cut
from resolver.cli.report.text import problem_lines
from resolver.core.location import Position
from resolver.dsl.problems import Problem, Reason


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("größe", 5), ("u\u0308", 1), ("密码", 4), ("\U0001f511", 2), ("\uff57", 2)],
)
def test_width(text: str, columns: int) -> None:
    """Wide characters take two columns, combining ones none."""
    assert width(text) == columns
    assert width(pad(text, 9)) == 9


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Each column begins at the same place of all lines."""
    put_table(["A", "B"], [["密码", "x"], ["größe", "y"]])
    assert capsys.readouterr().out == "A      B\n密码   x\ngröße  y\n"


def test_a_caret_stands_below_its_character() -> None:
    """Also behind characters of two columns."""
    problem = Problem(Reason.SYNTAX, "wrong", "b.yaml", Position(1, 5), line_text="密码: x")
    *_, line, caret = problem_lines(problem)
    assert (line, caret) == ("1 | 密码: x", "  |       ^")


@pytest.mark.parametrize("columns", range(4, 12))
def test_what_is_cut_fits(columns: int) -> None:
    """Beginning and end stay, and no more columns are taken than there are."""
    for text in ("abcdefghijklmnop", "密码密码密码密码", "a密b码c密d码e"):
        short = cut(text, columns)
        assert columns - 2 <= width(short) <= columns
        assert (short[0], short[-1]) == (text[0], text[-1]) or columns < 6
        assert short.count("…") == 1
