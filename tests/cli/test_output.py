"""Tables line up on a terminal, whatever characters are in them."""

from __future__ import annotations

import pytest

from resolver.cli.output import pad, put_table, width


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
