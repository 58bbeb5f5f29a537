"""Who asks providers when: one that does not answer takes no more than its share of a server's threads.

As long as providers answer soon, everyone's turn comes soon. Once one has kept somebody waiting for longer
than that, and as many ask it as may, others are turned away at once rather than wait as well. So is who has
waited that long for a turn: one that is slow has so many turns that its own would come much later.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT_ONCE = 8
"""How many may ask one provider at a time."""

ALL_AT_ONCE = 24
"""How many may ask any. A server has 40 threads, and those who ask no provider need some."""

PATIENCE = 2.0
"""Seconds after which one who asks is not waited for, and nobody waits for a turn."""


class Turns:
    """Lets a few ask each provider at a time.

    Args:
        clock: gives seconds that only grow.
        at_once: how many may ask one provider at a time.
        all_at_once: how many may ask any.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        at_once: int = AT_ONCE,
        all_at_once: int = ALL_AT_ONCE,
    ) -> None:
        self._clock = clock
        self._at_once = at_once
        self._all_at_once = all_at_once
        self._asking: dict[str, list[float]] = {}  # since when
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, name: str) -> Iterator[bool]:
        """Ask a provider within; not when it is False, that is when it is not to be waited for."""
        with self._changed:
            taken = self._wait(name)
            since = self._clock()
            if taken:
                self._asking.setdefault(name, []).append(since)
        try:
            yield taken
        finally:
            if taken:
                with self._changed:
                    self._asking[name].remove(since)
                    if not self._asking[name]:
                        del self._asking[name]
                    self._changed.notify_all()

    def _wait(self, name: str) -> bool:
        """Wait for a turn; whether it came."""
        began = self._clock()
        while True:
            everyone = [since for asking in self._asking.values() for since in asking]
            full = everyone if len(everyone) >= self._all_at_once else self._asking.get(name, [])
            if full is not everyone and len(full) < self._at_once:
                return True
            left = min(began, *full) + PATIENCE - self._clock()
            if left <= 0:
                return False
            self._changed.wait(left)
