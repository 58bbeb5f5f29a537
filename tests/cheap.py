"""Hashes of passwords and passphrases without what they are to cost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import argon2

from resolver.crypto import passphrase

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST = passphrase.Cost(memory=8, passes=1, lanes=1)


@contextmanager
def cheap_hashes() -> Iterator[None]:
    """Have new hashes take the least of memory and time; otherwise each takes a third of a second."""
    password, sealing = argon2.profiles.RFC_9106_LOW_MEMORY, passphrase.seal.__defaults__
    argon2.profiles.RFC_9106_LOW_MEMORY = argon2.profiles.CHEAPEST
    passphrase.seal.__defaults__ = (LEAST,)
    try:
        yield
    finally:
        argon2.profiles.RFC_9106_LOW_MEMORY, passphrase.seal.__defaults__ = password, sealing
