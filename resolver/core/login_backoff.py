"""How long a user name's logins are refused after wrong passwords. Access tokens work all the same."""

from __future__ import annotations

import hashlib

from msgspec import Struct

from resolver.core.times import later

FREE = 4
"""Wrong passwords in a row that cost nothing (Cloudify's number)."""

LONGEST = 15 * 60
"""Longest wait, in seconds."""

FORGOTTEN_AFTER = 24 * 60 * 60
"""Seconds after which a wrong password does not count any more."""

_SLOTS_OF_UNKNOWN = 4096


class Failures(Struct, frozen=True):
    """The wrong passwords in a row of one user name.

    Args:
        count: how many.
        last_at: when the last one was given; empty for none.
        refused_until: until when every login is refused, a right password too; empty for not at all.
    """

    count: int = 0
    last_at: str = ""
    refused_until: str = ""

    def refuses(self, now: str) -> bool:
        """Whether logins are refused now."""
        return now < self.refused_until

    def with_another(self, now: str) -> Failures:
        """What one more wrong password leads to; nothing while logins are refused anyway.

        A refused attempt does not make the wait longer, or else a stranger could keep a user out for good.
        """
        if self.refuses(now):
            return self
        forgotten = not self.last_at or later(self.last_at, FORGOTTEN_AFTER) <= now
        count = 1 if forgotten else self.count + 1
        return Failures(count, now, later(now, wait_after(count)) if count > FREE else "")


def wait_after(count: int) -> int:
    """Seconds to wait after so many wrong passwords: none, then 1, 2, 4 and so on up to 15 minutes."""
    return 0 if count <= FREE else min(2 ** min(count - FREE - 1, 20), LONGEST)


def slot_of(user_id: str | None, name: str) -> str:
    """The name of the counter for a user name's failures.

    Names that no user has share a fixed number of counters: they cost what a user's do, and can't fill the
    database.
    """
    if user_id is not None:
        return user_id
    digest = hashlib.sha256(name.casefold().encode("utf-8", "replace")).digest()
    return f"unknown-{int.from_bytes(digest[:4], 'big') % _SLOTS_OF_UNKNOWN}"
