"""Connections whose requests begin in time: one that says nothing holds its place for a moment only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio


class TimedConnection(H11Protocol):
    """A connection that is closed when the head of its next request takes too long.

    The server's own limit begins after an answer, and ends with the first byte that comes then.
    """

    head_seconds = 10.0
    """How long a head may take, from the connection or the last answer on."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        self._cease()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has come; wait for more of a head that is not whole."""
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:  # within a request: its body has a limit of its own
            self._cease()
        elif self._waiting is None and not self.transport.is_closing():
            self._waiting = self.loop.call_later(self.head_seconds, self._end)

    def _cease(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _end(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.close()
