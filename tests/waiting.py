"""Waits with an end, for tests: a wait without one is a run that hangs, and burns a core if it polls."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

SECONDS = 120.0


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come about in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come about"
        time.sleep(0.02)


def receive_until(
    source: socket.socket | int, is_enough: Callable[[bytes], bool], seconds: float = SECONDS
) -> bytes:
    """Read from a socket or a descriptor until it is enough.

    Raises:
        AssertionError: it ended before, or the time was over.
    """
    deadline = time.monotonic() + seconds
    seen = b""
    while not is_enough(seen):
        ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"no more than {seen!r} came in time"
        piece = os.read(source if isinstance(source, int) else source.fileno(), 65536)
        assert piece, f"it ended after {seen!r}"
        seen += piece
    return seen


def terminal_output(terminal: int) -> Iterator[bytes]:
    """What is shown on a terminal, piece by piece, until nobody has it open any more; then it is closed."""
    try:
        while piece := os.read(terminal, 65536):
            yield piece
    except OSError:  # how Linux tells that nobody has it open any more
        pass
    finally:
        os.close(terminal)
