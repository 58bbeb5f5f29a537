"""The rows of console sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, or_, select, update

from resolver.core.ports import StoredConsoleSession
from resolver.store import tables as t
from resolver.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

_TABLE = t.console_session


class ConsoleSessionRows(Rows):
    """Sessions of the web console."""

    def console_session(self, digest: str) -> StoredConsoleSession | None:
        """A session by the digest of its secret."""
        row = self._connection.execute(select(_TABLE).where(_TABLE.c.digest == digest)).one_or_none()
        return None if row is None else StoredConsoleSession(*row)

    def console_sessions(self, user_id: str) -> Sequence[StoredConsoleSession]:
        """A user's sessions, oldest first."""
        rows = self._connection.execute(
            select(_TABLE).where(_TABLE.c.user_id == user_id).order_by(_TABLE.c.created_at, _TABLE.c.digest)
        )
        return [StoredConsoleSession(*row) for row in rows]

    def add_console_session(self, session: StoredConsoleSession) -> None:
        """Store a session."""
        self._connection.execute(
            insert(_TABLE).values(
                digest=session.digest,
                user_id=session.user_id,
                token_id=session.token_id,
                created_at=session.created_at,
                last_used_at=session.last_used_at,
            )
        )

    def touch_console_session(self, digest: str, at: str) -> None:
        """Note when a session was used."""
        self._connection.execute(update(_TABLE).where(_TABLE.c.digest == digest).values(last_used_at=at))

    def delete_console_sessions(self, *digests: str) -> None:
        """End sessions."""
        self._connection.execute(delete(_TABLE).where(_TABLE.c.digest.in_(digests)))

    def delete_console_sessions_of(self, user_id: str) -> None:
        """End all sessions of a user."""
        self._connection.execute(delete(_TABLE).where(_TABLE.c.user_id == user_id))

    def delete_stale_console_sessions(self, created_before: str, used_before: str) -> None:
        """Forget sessions whose time is over."""
        over = or_(_TABLE.c.created_at <= created_before, _TABLE.c.last_used_at <= used_before)
        self._connection.execute(delete(_TABLE).where(over))
