"""The rows of console sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, or_, select, update

from resolver.core.ports import StoredConsoleSession
from resolver.store import tables as t
from resolver.store.records import RecordColumns
from resolver.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

_TABLE = t.console_session
_SESSION = RecordColumns(StoredConsoleSession, _TABLE)
_SESSIONS = select(*_SESSION.columns)


class ConsoleSessionRows(Rows):
    """Sessions of the web console."""

    def console_session(self, digest: str) -> StoredConsoleSession | None:
        """A session by the digest of its secret."""
        return _SESSION.first(self._execute(_SESSIONS.where(_TABLE.c.digest == digest)))

    def console_sessions(self, user_id: str) -> Sequence[StoredConsoleSession]:
        """A user's sessions, oldest first."""
        query = _SESSIONS.where(_TABLE.c.user_id == user_id).order_by(_TABLE.c.created_at, _TABLE.c.digest)
        return _SESSION.read(self._execute(query))

    def add_console_session(self, session: StoredConsoleSession) -> None:
        """Store a session."""
        self._execute(insert(_TABLE).values(_SESSION.values(session)))

    def confirm_console_session(self, digest: str, login: str, at: str) -> None:
        """Note when the password was given for a session, and which."""
        query = update(_TABLE).where(_TABLE.c.digest == digest)
        self._execute(query.values(login=login, confirmed_at=at))

    def touch_console_session(self, digest: str, at: str) -> None:
        """Note when a session was used."""
        self._execute(update(_TABLE).where(_TABLE.c.digest == digest).values(last_used_at=at))

    def delete_console_sessions(self, *digests: str) -> None:
        """End sessions."""
        self._execute(delete(_TABLE).where(_TABLE.c.digest.in_(digests)))

    def delete_console_sessions_of(self, user_id: str) -> None:
        """End all sessions of a user."""
        self._execute(delete(_TABLE).where(_TABLE.c.user_id == user_id))

    def delete_stale_console_sessions(self, created_before: str, used_before: str) -> None:
        """Forget sessions whose time is over."""
        over = or_(_TABLE.c.created_at <= created_before, _TABLE.c.last_used_at <= used_before)
        self._execute(delete(_TABLE).where(over))
