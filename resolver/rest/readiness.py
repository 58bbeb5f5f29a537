"""Whether the store can be used: looked at once a second at most, in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import anyio.to_thread
from anyio import CapacityLimiter

from resolver.errors import ResolverError

if TYPE_CHECKING:
    from collections.abc import Callable

_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 3.0
"""How long an answer is waited for that is not there in time; then the store counts as out of reach."""


class ReadinessProbe:
    """An answer for all who ask within a second.

    Args:
        check: raises a ResolverError when the store can't be used.
        clock: gives seconds that only grow.
    """

    def __init__(self, check: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._clock = clock
        self._limiter: CapacityLimiter | None = None
        self._looking: asyncio.Task[None] | None = None
        self._ready = False
        self._until = -1.0

    async def look(self) -> bool:
        """Whether it can be used, by what is known for less than a second."""
        if self._clock() < self._until:
            return self._ready
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        try:
            await asyncio.wait_for(asyncio.shield(self._looking), _PATIENCE_SECONDS)
        except TimeoutError:
            return False
        return self._ready

    async def _look(self) -> None:
        if self._limiter is None:
            self._limiter = CapacityLimiter(1)  # no thread that requests wait for
        try:
            await anyio.to_thread.run_sync(self._check, limiter=self._limiter, abandon_on_cancel=True)
            self._ready = True
        except ResolverError:
            self._ready = False
        finally:
            self._until = self._clock() + _FRESH_SECONDS
            self._looking = None
