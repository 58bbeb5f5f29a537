"""A counter or a bar on stderr for long runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import TextIO

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a run takes without a word."""

PAUSE = 0.1
"""Seconds between two counts: more can't be read."""

_WIDTH = 30
"""Characters in a bar."""

_CLEAR = "\r\x1b[K"
"""Back to the start of the line, and erase to its end (ECMA-48, EL)."""


def counted(
    items: Sequence[T],
    doing: str,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[T]:
    """Go through items, and count them on a terminal when it takes long. The line is erased at the end.

    Args:
        items: what to go through.
        doing: what is done with each, for the line, like `blueprints read`.
        stream: where to count; stderr by default.
        clock: gives the time in seconds.
    """
    to = sys.stderr if stream is None else stream
    if len(items) < 2 or not to.isatty():  # noqa: PLR2004 - one item can't be counted
        yield from items
        return
    due = clock() + PATIENCE
    shown = False
    try:
        for number, item in enumerate(items):
            if clock() >= due:
                to.write(f"{_CLEAR}{number} of {len(items)} {doing}")
                to.flush()
                due, shown = clock() + PAUSE, True
            yield item
    finally:
        if shown:
            to.write(_CLEAR)
            to.flush()


class Bar:
    """A bar for a run with a known number of steps, on a terminal when it takes long; erased at the end.

    Args:
        total: how many steps there are.
        stream: where to draw; stderr by default.
        clock: gives the time in seconds.
    """

    def __init__(
        self, total: int, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._to = sys.stderr if stream is None else stream
        self._clock = clock
        self._due = clock() + PATIENCE
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._shown:
            self._to.write(_CLEAR)
            self._to.flush()

    def __call__(self, doing: str, more: int) -> None:
        """So many more steps are done."""
        self._done += more
        if self._clock() < self._due or not self._to.isatty():
            return
        self._total = max(self._total, self._done)  # others may add to what is to be done
        filled = _WIDTH * self._done // self._total
        bar = "#" * filled + "-" * (_WIDTH - filled)
        self._to.write(f"{_CLEAR}[{bar}] {100 * self._done // self._total:>3} %  {doing}")
        self._to.flush()
        self._due, self._shown = self._clock() + PAUSE, True


class Counted(Sequence[T]):
    """Items that are counted whenever someone goes through them.

    Args:
        items: the items.
        doing: what is done with each, for the line.
    """

    def __init__(self, items: Sequence[T], doing: str) -> None:
        self._items = items
        self._doing = doing

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __iter__(self) -> Iterator[T]:
        return counted(self._items, self._doing)
