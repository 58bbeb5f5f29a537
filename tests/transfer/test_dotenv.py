"""`.env` files: what is read of them, what is refused, and that what is written is read the same."""

from __future__ import annotations

import contextlib
import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import InvalidRequestError
from resolver.transfer import dotenv


def pairs(text: str) -> list[tuple[str, str, int]]:
    """Names, values and lines of a text."""
    return [(one.name, one.value, one.line) for one in dotenv.read(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=a b", "a b"),
        ("export K=a", "a"),
        ("  K = a  # comment", "a"),
        ("K=a#b", "a#b"),
        ("K=#a", "#a"),
        ("K= # a", ""),
        ("K=", ""),
        ("K='a\\n$b # c'  # d", "a\\n$b # c"),
        ('K="a\\n\\"b\\\\ \\$c \\q"', 'a\n"b\\ $c \\q'),
        ('K="a\nb"', "a\nb"),
        ("K='a\nb'", "a\nb"),
        ("K=$HOME `x`", "$HOME `x`"),
        ("K=a=b==", "a=b=="),
    ],
)
def test_values(text: str, value: str) -> None:
    """Quotes, escapes and comments count as in most readers; nothing is expanded."""
    assert pairs(f"# first\n\n{text}\r\nL=1\n")[0] == ("K", value, 3)
    assert pairs(f"{text}\nL=1")[1][:2] == ("L", "1")


def test_lines_are_counted_over_values_of_several() -> None:
    """The line is the one in which an entry begins."""
    assert pairs("A='1\n2\n3'\nB=4") == [("A", "1\n2\n3", 1), ("B", "4", 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nsecret words", "line 2 of the file is no NAME=value"),
        ("A=1\nmy key=2", "line 2 of the file is no NAME=value"),
        ("A=1\nc2VjcmV0==", "line 2 of the file is no NAME=value"),
        ("A=1\rB=2", "line 1 of the file is no NAME=value"),
        ('A="secret\nB=2', "the quote that opens in line 1 of the file is never closed"),
        ("A='secret' more", "the value of line 1 of the file goes on after its closing quote"),
    ],
)
def test_what_readers_read_differently_is_refused(text: str, message: str) -> None:
    """The message has the line, and nothing of what is in it."""
    with pytest.raises(InvalidRequestError) as caught:
        dotenv.read(text)
    assert caught.value.message == message
    assert "secret" not in f"{caught.value} {caught.value.hint} {caught.value.__context__}"


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text())))
def test_what_is_written_is_read_the_same(given_pairs: list[tuple[str, str]]) -> None:
    """Whatever a value holds."""
    read = pairs(dotenv.write(given_pairs))
    assert [(name, value) for name, value, _ in read] == given_pairs


def test_a_shell_reads_what_is_written() -> None:
    """Values without a line break or a backslash are quoted as shells have it."""
    value = """a "b" $c `d` # e"""
    assert shlex.split(dotenv.write([("K", value)]))[0] == f"K={value}"


def test_a_key_that_no_variable_can_have_is_refused() -> None:
    """It is named: other programs would take another one, or none."""
    with pytest.raises(InvalidRequestError, match="the key 'a-b' is no name of a variable"):
        dotenv.write([("a", "1"), ("a-b", "2")])


@pytest.mark.parametrize(
    "text",
    ["A=" + " " * 1_000_000 + "x", "A" * 1_000_000, 'A="' + "\\" * 1_000_001, "A='x'" + " " * 1_000_000],
)
def test_the_worst_lines_take_no_longer(text: str) -> None:
    """A megabyte of blanks, letters or backslashes is read in the time of any other megabyte."""
    begun = time.process_time()
    with contextlib.suppress(InvalidRequestError):
        dotenv.read(text)
    assert time.process_time() - begun < 1
