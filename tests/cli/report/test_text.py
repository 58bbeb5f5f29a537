"""Problems as text: message, location, source line and caret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.cli.report.text import problem_lines
from resolver.core.location import Position
from resolver.dsl.problems import Problem, Reason
from tests.cli.report.conftest import TWO_MESSAGES, diagnose

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


def test_text(admin: Cli, folder: Path) -> None:
    """Text shows each problem with its place, its line and a caret, and a hint."""
    assert diagnose(admin, folder, "text") == (
        3,
        (
            f"error: {TWO_MESSAGES[0][1]} [secret_not_found]\n"
            "  --> two.yaml:2:4  a\n"
            "2 | a: {get_secret: db_pasword}\n"
            "  |    ^\n"
            f"  hint: {TWO_MESSAGES[0][2]}\n"
            f"error: {TWO_MESSAGES[1][1]} [bad_input]\n"
            "  --> two.yaml:3:4  b\n"
            "3 | b: {get_secret: {get_input: name}}\n"
            "  |    ^\n"
            f"  hint: {TWO_MESSAGES[1][2]}\n"
            "error: 2 problems found, nothing was resolved\n"
        ),
    )


def test_a_long_line_is_cut_around_the_place() -> None:
    """Of a long line, the piece around the place is shown, with the caret under it."""
    text = "x" * 500 + "{get_secret: k}" + "y" * 500
    problem = Problem(Reason.SYNTAX, "wrong", "b.yaml", Position(7, 501), line_text=text)
    _, _, line, caret = problem_lines(problem)
    assert len(line) == len("7 | ") + 100
    assert line[caret.index("^")] == "{"


def test_a_caret_stands_below_its_character() -> None:
    """Also behind characters of two columns."""
    problem = Problem(Reason.SYNTAX, "wrong", "b.yaml", Position(1, 5), line_text="密码: x")
    *_, line, caret = problem_lines(problem)
    assert (line, caret) == ("1 | 密码: x", "  |       ^")
