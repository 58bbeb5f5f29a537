"""The counter of long runs over several blueprints."""

from __future__ import annotations

import io
from itertools import count

from resolver.cli.progress import Counted, counted


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


def test_a_long_run_is_counted_and_the_line_erased() -> None:
    """After a second there is a count, rewritten in place; at the end it is gone."""
    stream = Terminal()
    seconds = count(step=0.6)
    assert list(counted("abc", "blueprints read", stream=stream, clock=lambda: next(seconds))) == list("abc")
    assert stream.getvalue() == "\r\x1b[K1 of 3 blueprints read\r\x1b[K2 of 3 blueprints read\r\x1b[K"


def test_the_line_is_erased_when_the_run_fails() -> None:
    """An error message does not begin behind a count."""
    stream = Terminal()
    seconds = count(step=2)
    going = counted("abc", "blueprints read", stream=stream, clock=lambda: next(seconds))
    next(going)
    going.close()
    assert stream.getvalue() == "\r\x1b[K0 of 3 blueprints read\r\x1b[K"


def test_a_short_run_is_not_counted() -> None:
    """Within a second nothing is written."""
    stream = Terminal()
    assert list(counted("abc", "blueprints read", stream=stream, clock=lambda: 0)) == list("abc")
    assert stream.getvalue() == ""


def test_nothing_is_counted_without_a_terminal() -> None:
    """A log gets no counts, however long it takes."""
    stream = io.StringIO()
    seconds = count(step=9)
    assert list(counted("abc", "blueprints read", stream=stream, clock=lambda: next(seconds))) == list("abc")
    assert stream.getvalue() == ""


def test_one_item_is_not_counted() -> None:
    """One of one tells nothing."""
    stream = Terminal()
    seconds = count(step=9)
    assert list(counted("a", "blueprints read", stream=stream, clock=lambda: next(seconds))) == ["a"]
    assert stream.getvalue() == ""


def test_counted_items_are_a_sequence() -> None:
    """They have a length and places, and going through them gives the same."""
    items = Counted(["a", "b"], "letters read")
    assert (len(items), items[1], list(items), list(items)) == (2, "b", ["a", "b"], ["a", "b"])
