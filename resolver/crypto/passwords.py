"""Password hashes: Argon2id through argon2-cffi, with the parameters RFC 9106 recommends for low memory."""

from __future__ import annotations

import functools

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError


class Argon2Hasher:
    """Makes and checks Argon2id hashes."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)

    def hash(self, password: str) -> str:
        """A salted hash in the PHC string format."""
        return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether a password matches. None, for a user that is unknown or has no password, takes as long."""
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (Argon2Error, InvalidHashError):
            return False
        return password_hash is not None

    @functools.cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("a password that is nobody's")
