"""The progress bar of long runs: over several blueprints, and of a rotation."""

from __future__ import annotations

import io
from itertools import count

import pytest

from resolver.cli.progress import Counted, ProgressBar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is one."""
        return True


def counted(items: str, stream: io.StringIO, step: float) -> Counted[str]:
    """Letters that are counted, with a clock that goes on by so many seconds whenever it is looked at."""
    seconds = count(step=step)
    return Counted(items, "blueprints read", stream=stream, clock=lambda: next(seconds))


def test_a_long_run_is_counted_and_the_line_erased() -> None:
    """After a second there is a bar with a count, rewritten in place; at the end it is gone."""
    stream = Terminal()
    assert list(counted("abc", stream, 0.6)) == list("abc")
    assert stream.getvalue() == (
        "\r\x1b[K[#############-------]   66%  2 of 3 blueprints read"
        "\r\x1b[K[####################]  100%  3 of 3 blueprints read"
        "\r\x1b[K"
    )


def test_the_line_is_erased_when_the_run_fails() -> None:
    """An error message does not begin behind a bar."""
    stream = Terminal()
    going = iter(counted("abc", stream, 2))
    next(going)
    next(going)
    with pytest.raises(ValueError, match="wrong"):
        going.throw(ValueError("wrong"))  # type: ignore[attr-defined]
    assert stream.getvalue() == ("\r\x1b[K[######--------------]   33%  1 of 3 blueprints read\r\x1b[K")


def test_a_short_run_is_not_counted() -> None:
    """Within a second nothing is written."""
    stream = Terminal()
    assert list(counted("abc", stream, 0)) == list("abc")
    assert stream.getvalue() == ""


def test_nothing_is_counted_without_a_terminal() -> None:
    """A log gets no bar, however long it takes."""
    stream = io.StringIO()
    assert list(counted("abc", stream, 9)) == list("abc")
    assert stream.getvalue() == ""


def test_one_item_is_not_counted() -> None:
    """Of one item there is no progress to be seen."""
    stream = Terminal()
    assert list(counted("a", stream, 9)) == ["a"]
    assert stream.getvalue() == ""


def test_counted_items_are_a_sequence() -> None:
    """They have a length and places, and going through them gives the same."""
    items = Counted(["a", "b"], "letters read")
    assert (len(items), items[1], list(items), list(items)) == (2, "b", ["a", "b"], ["a", "b"])


def test_a_long_run_has_a_bar_that_is_erased() -> None:
    """After a second there is a bar, rewritten in place; at the end it is gone."""
    stream = Terminal()
    seconds = count(step=0.6)
    with ProgressBar(4, stream=stream, clock=lambda: next(seconds)) as bar:
        for _ in range(4):
            bar("proved", 1)
    drawn = stream.getvalue().split("\r\x1b[K")
    assert drawn[1] == "[##########----------]   50%  proved"
    assert drawn[-2:] == ["[####################]  100%  proved", ""]


def test_a_bar_says_how_long_the_rest_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left takes as long as what is done took, for each step."""
    stream = Terminal()
    times = iter(range(100, 200, 10))
    monkeypatch.setattr("time.time", lambda: next(times))
    seconds = count(step=9)
    with ProgressBar(4, stream=stream, clock=lambda: next(seconds)) as bar:
        bar("proved", 2)
    assert "   50%  00:00:" in stream.getvalue()


def test_a_bar_leaves_the_cursor_alone() -> None:
    """A cursor that is hidden would stay hidden when the run is killed."""
    stream = Terminal()
    seconds = count(step=9)
    with ProgressBar(2, stream=stream, clock=lambda: next(seconds)) as bar:
        bar("proved", 1)
    assert "\x1b[?25" not in stream.getvalue()


def test_the_longest_line_fits_a_terminal_of_80_columns() -> None:
    """One that wraps would not be erased whole."""
    stream = Terminal()
    seconds = count(step=9)
    with ProgressBar(10**6, stream=stream, clock=lambda: next(seconds)) as bar:
        bar("10000 of 10000 blueprints written", 1)
    (line,) = stream.getvalue().split("\r\x1b[K")[1:-1]
    assert len(line) + len("  00:00:00") <= 79


def test_a_short_run_and_a_log_have_no_bar() -> None:
    """Within a second, or without a terminal, nothing is written; more steps than announced are no error."""
    for stream, step in ((Terminal(), 0), (io.StringIO(), 9)):
        seconds = count(step=step)
        with ProgressBar(1, stream=stream, clock=lambda seconds=seconds: next(seconds)) as bar:
            bar("proved", 5)
        assert stream.getvalue() == ""
    stream = Terminal()
    seconds = count(step=9)
    with ProgressBar(0, stream=stream, clock=lambda: next(seconds)) as bar:
        bar("proved", 5)
    assert "100%" in stream.getvalue()
