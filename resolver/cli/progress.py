"""A progress bar on stderr for long runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, TypeVar, overload

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from click._termui_impl import ProgressBar as ClickBar

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a run takes before a bar appears."""

PAUSE = 0.1
"""Seconds between two pictures of a bar: more can't be read."""

_WIDTH = 20
"""Characters in a bar: with the words behind it, it fits on a line of 80."""

_CLEAR = "\r\x1b[K"
"""Back to the start of the line, and erase to its end (ECMA-48, EL)."""


class ProgressBar:
    """A bar for a run with a known number of steps, on a terminal when it takes long; erased at the end.

    Args:
        total: how many steps there are; others may come up.
        stream: where to draw; stderr by default.
        clock: gives the time in seconds.
    """

    def __init__(
        self, total: int, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._to = sys.stderr if stream is None else stream
        self._doing = ""
        self._clock = clock
        self._due = clock() + PATIENCE
        self._shown = False
        self._bar: ClickBar[int] | None = (
            click.progressbar(
                length=max(total, 1),
                width=_WIDTH,
                file=self._to,
                bar_template="[%(bar)s]  %(info)s",
                empty_char="-",
                item_show_func=lambda _: self._doing,
            )
            if self._to.isatty()
            else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._shown:
            self._to.write(_CLEAR)
            self._to.flush()

    def __call__(self, doing: str, more: int) -> None:
        """So many more steps are done, of what `doing` says."""
        if self._bar is None:
            return
        self._bar.make_step(more)
        if self._clock() < self._due:
            return
        # Drawn by ourselves: click would hide the cursor, which stays hidden when the run is killed.
        self._doing = doing
        self._to.write(f"{_CLEAR}{self._bar.format_progress_line()}")
        self._to.flush()
        self._due, self._shown = self._clock() + PAUSE, True


class Counted(Sequence[T]):
    """Items with a progress bar whenever someone goes through them.

    Args:
        items: the items.
        doing: what is done with each, for the bar, like `blueprints read`.
        stream: where to draw; stderr by default.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        items: Sequence[T],
        doing: str,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._items = items
        self._doing = doing
        self._stream = stream
        self._clock = clock

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __iter__(self) -> Iterator[T]:
        if len(self) < 2:  # noqa: PLR2004 - of one item there is no progress
            yield from self._items
            return
        with ProgressBar(len(self), stream=self._stream, clock=self._clock) as bar:
            for number, item in enumerate(self._items, 1):
                yield item
                bar(f"{number} of {len(self)} {self._doing}", 1)
