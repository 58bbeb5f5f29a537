"""The rows of console sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select, update

from resolver.core.ports import StoredConsoleSession
from resolver.store import tables as t
from resolver.store.aggregates import SESSION
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns

if TYPE_CHECKING:
    from collections.abc import Sequence

_TABLE = t.console_session
_SESSION = RecordColumns(StoredConsoleSession, _TABLE, aggregate=SESSION)
_SESSIONS = select(*_SESSION.columns)


class ConsoleSessionRows(AuthenticatedRows):
    """Sessions of the web console."""

    def console_session(self, digest: str) -> StoredConsoleSession | None:
        """A session by the digest of its secret."""
        found = self._read_first(_SESSION, _SESSIONS.where(_TABLE.c.digest == digest))
        if found is not None:
            self._demand_asked_for(SESSION.kind, digest, found.digest)
        return found

    def console_sessions(self, user_id: str) -> Sequence[StoredConsoleSession]:
        """A user's sessions, oldest first."""
        query = _SESSIONS.where(_TABLE.c.user_id == user_id).order_by(_TABLE.c.created_at, _TABLE.c.digest)
        return self._read(_SESSION, query)

    def add_console_session(self, session: StoredConsoleSession) -> None:
        """Store a session."""
        self._execute(insert(_TABLE).values(self._made(SESSION, _SESSION.values(session))))

    def confirm_console_session(self, digest: str, login: str, at: str) -> None:
        """Note when the password was given for a session, and which."""
        self._change_one(SESSION, _TABLE.c.digest == digest, values={"login": login, "confirmed_at": at})

    def touch_console_session(self, digest: str, at: str) -> None:
        """Note when a session was used."""
        self._execute(update(_TABLE).where(_TABLE.c.digest == digest).values(last_used_at=at))

    def delete_console_sessions(self, *digests: str) -> None:
        """End sessions."""
        self._remove(SESSION, _TABLE.c.digest.in_(digests))

    def delete_console_sessions_of(self, user_id: str) -> None:
        """End all sessions of a user."""
        self._remove(SESSION, _TABLE.c.user_id == user_id)

    def delete_stale_console_sessions(self, created_before: str, used_before: str) -> None:
        """Forget sessions whose time is over."""
        over = or_(_TABLE.c.created_at <= created_before, _TABLE.c.last_used_at <= used_before)
        self._remove(SESSION, over)
