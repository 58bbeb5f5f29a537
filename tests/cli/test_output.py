"""Tables line up on a terminal, whatever characters are in them."""

from __future__ import annotations

import pytest

from resolver.cli.output import pad, put_table, put_words, width


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


ROWS = [["a", True, "2026-11-30T22:26:03.005Z"], ["a-very-long-key-" * 9, False, None]]
TABLE = (["KEY", "HIDDEN", "CREATED_AT"], ROWS)


def at_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Let stdout be a terminal of so many columns."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))


def test_a_table_fits_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are shortened, and long cells are cut, so that no line is wider than the terminal."""
    at_terminal(monkeypatch, 50)
    put_table(*TABLE)
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "KEY                       HIDDEN  CREATED_AT"
    assert lines[0] == "a                         yes     2026-11-30 22:26"
    assert lines[1] == "a-very-l…-very-long-key-  no      -"


def test_a_narrow_terminal_does_without_spare_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column that is spare goes before anything is cut to pieces, and no sooner."""
    at_terminal(monkeypatch, 40)
    put_table(*TABLE, spare=["CREATED_AT", "HIDDEN"])
    assert capsys.readouterr().out.splitlines()[0].split() == ["KEY", "HIDDEN"]
    at_terminal(monkeypatch, 400)
    put_table(*TABLE, spare=["CREATED_AT", "HIDDEN"])
    assert capsys.readouterr().out.splitlines()[0].split() == ["KEY", "HIDDEN", "CREATED_AT"]


def test_a_long_cell_widens_no_other_line(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe nothing is cut, and the other lines are as wide as without it."""
    put_table(*TABLE)
    _, short, long = capsys.readouterr().out.splitlines()
    assert short == f"a{' ' * 41}yes     2026-11-30T22:26:03.005Z"
    assert long == f"{'a-very-long-key-' * 9}  no      -"


def test_a_list_is_broken_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal a long list takes several lines; in a pipe it is one."""
    words = [f"secret:word{number}" for number in range(9)]
    put_words("in tenant a", words)
    assert capsys.readouterr().out == f"in tenant a: {', '.join(words)}\n"
    at_terminal(monkeypatch, 40)
    put_words("in tenant a", words)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(map(str.strip, lines)) == f"in tenant a: {', '.join(words)}"
