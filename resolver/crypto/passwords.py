"""Password hashes: Argon2id through argon2-cffi, with the parameters RFC 9106 recommends for low memory."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

from resolver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONCURRENCY = max(1, min(4, os.cpu_count() or 1))
"""Hashes that one process computes at the same time: each takes 64 MiB and 4 threads."""

MAX_WAIT = 20.0
"""Seconds that a caller waits for others before it is refused."""


class Argon2Hasher:
    """Makes and checks Argon2id hashes; safe to use from several threads.

    Args:
        concurrency: how many are computed at the same time; the others wait.
        max_wait: how many seconds they wait.
    """

    def __init__(self, concurrency: int = CONCURRENCY, max_wait: float = MAX_WAIT) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)
        self._slots = threading.BoundedSemaphore(concurrency)
        self._max_wait = max_wait
        # Made now, so that the first unknown user costs no more than those that follow.
        self._dummy_hash = self._hasher.hash("a password that is nobody's")

    def hash(self, password: str) -> str:
        """A salted hash in the PHC string format; UnavailableError when too many are being computed."""
        with self._slot():
            return self._hasher.hash(_bytes(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether a password matches. None, for a user that is unknown or has no password, takes as long.

        Raises:
            UnavailableError: too many are being computed.
        """
        with self._slot():
            try:
                self._hasher.verify(password_hash or self._dummy_hash, _bytes(password))
            except (Argon2Error, InvalidHashError):
                return False
        return password_hash is not None

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._max_wait):
            raise UnavailableError("too many passwords are being checked at once", hint="try again later")
        try:
            yield
        finally:
            self._slots.release()


def _bytes(password: str) -> bytes:
    # A codec's error would hold the password, so every text is encoded.
    return password.encode("utf-8", "surrogatepass")
