"""A counter on stderr for long runs over several blueprints."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import TextIO

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a run takes without a word."""

PAUSE = 0.1
"""Seconds between two counts: more can't be read."""

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
