"""The rows of wrong passwords."""

from __future__ import annotations

from sqlalchemy import select, update

from resolver.core.login_backoff import Failures
from resolver.store import tables as t
from resolver.store.rows import Rows


class LoginRows(Rows):
    """How often which user name was tried with a wrong password."""

    def login_failures(self, slot: str) -> Failures:
        """The failures of a slot, locked until the transaction ends."""
        self._connection.execute(
            self._insert(t.login_failure)
            .values(slot=slot, failures=0, last_at="", refused_until="")
            .on_conflict_do_nothing(index_elements=["slot"])
        )
        row = self._connection.execute(
            select(t.login_failure).where(t.login_failure.c.slot == slot).with_for_update()
        ).one()
        return Failures(row.failures, row.last_at, row.refused_until)

    def set_login_failures(self, slot: str, failures: Failures) -> None:
        """Keep a slot's failures."""
        self._connection.execute(
            update(t.login_failure)
            .where(t.login_failure.c.slot == slot)
            .values(failures=failures.count, last_at=failures.last_at, refused_until=failures.refused_until)
        )

    def refused_logins(self, at: str) -> frozenset[str]:
        """The slots whose logins are refused at a time."""
        return frozenset(
            self._connection.execute(
                select(t.login_failure.c.slot).where(t.login_failure.c.refused_until > at)
            ).scalars()
        )
