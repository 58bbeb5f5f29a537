"""Password hashes: Argon2id, and a wrong password is refused at the cost of a right one."""

from __future__ import annotations

import time

import pytest

from resolver.crypto.passwords import Argon2Hasher
from resolver.errors import UnavailableError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hasher() -> Argon2Hasher:
    """The real hasher."""
    return Argon2Hasher()


def test_a_password_matches_its_own_hash_only(hasher: Argon2Hasher) -> None:
    """A hash is salted Argon2id that the password matches and another one does not."""
    one, other = hasher.hash("a password"), hasher.hash("a password")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hasher.verify(one, "a password")
    assert not hasher.verify(one, "A password")
    assert not hasher.verify("nonsense", "a password")


def test_no_hash_matches_nothing_and_takes_as_long(hasher: Argon2Hasher) -> None:
    """For an unknown user nothing matches, and it takes the time of a comparison."""
    assert not hasher.verify(None, "a password that is nobody's")
    hashed = hasher.hash("a password")
    times = {}
    for name, password_hash in (("wrong", hashed), ("none", None)):
        start = time.process_time()
        for _ in range(2):
            assert not hasher.verify(password_hash, "wrong")
        times[name] = time.process_time() - start
    assert 0.4 < times["none"] / times["wrong"] < 2.5


def test_odd_passwords_are_bytes_like_others(hasher: Argon2Hasher) -> None:
    """A lone surrogate is no error, whose text would hold the password."""
    hashed = hasher.hash("a\udcff\0b")
    assert hasher.verify(hashed, "a\udcff\0b")
    assert not hasher.verify(hashed, "a?\0b")


def test_only_some_are_computed_at_once() -> None:
    """Whoever waits too long is refused; the others are served."""
    hasher = Argon2Hasher(concurrency=1, max_wait=0.05)
    hashed = hasher.hash("a password")
    with hasher._slot():  # noqa: SLF001 - as if another thread were at it
        for attempt in (lambda: hasher.verify(None, "x"), lambda: hasher.hash("a password")):
            with pytest.raises(UnavailableError, match=r"^too many passwords are being checked at once$"):
                attempt()
    assert hasher.verify(hashed, "a password")
