"""A rate-limited log of refusals that no audit trail records, so that outsiders can fill neither."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from resolver.core.audit import cap

if TYPE_CHECKING:
    from collections.abc import Callable

BURST = 20
"""Lines that may come at once."""

PER_SECOND = 1.0
"""Lines that may come in the long run."""


class Strangers:
    """Logs refusals of callers that no tenant's audit trail records, such as failed logins.

    Args:
        seconds: a clock that never goes back.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._left = float(BURST)
        self._at = seconds()
        self._dropped = 0

    def note(self, event: str, **about: str) -> None:
        """Log a refusal; those beyond the rate are only counted, and the next line has their number.

        Args:
            event: what happened, in words of this program.
            about: names; the text may be anyone's, and is cut and escaped. Never a password, nor a user name
                that no user has: people type passwords in that place.
        """
        with self._lock:
            now = self._seconds()
            self._left = min(float(BURST), self._left + (now - self._at) * PER_SECOND)
            self._at = now
            if self._left < 1:
                self._dropped += 1
                return
            self._left -= 1
            dropped, self._dropped = self._dropped, 0
        import logging  # noqa: PLC0415 - few runs have anything to log

        logger = logging.getLogger("resolver.access")
        if not logger.handlers:  # a program that wants it adds a handler
            logger.addHandler(logging.NullHandler())
        told = "".join(f" {name}={cap(text)!a}" for name, text in about.items())
        if dropped:
            logger.warning("%s%s (%d more since the last line)", event, told, dropped)
        else:
            logger.warning("%s%s", event, told)
