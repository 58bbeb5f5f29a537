"""The rows of access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from resolver.core.ports import StoredToken
from resolver.core.query import TokenField
from resolver.store import tables as t
from resolver.store.accounts import AccountRows
from resolver.store.aggregates import SESSION
from resolver.store.aggregates import TOKEN as TOKENS
from resolver.store.records import RecordColumns
from resolver.store.rows import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from resolver.core.query import Choice


TOKEN = RecordColumns(StoredToken, t.access_token, {"scope": t.access_token.c.narrowing}, aggregate=TOKENS)

_FIELDS: dict[TokenField, ColumnElement[Any]] = {
    TokenField.ID: t.access_token.c.id,
    TokenField.USERNAME: t.user_account.c.name,
    TokenField.DESCRIPTION: t.access_token.c.description,
    TokenField.EXPIRES_AT: t.access_token.c.expires_at,
    TokenField.LAST_USED_AT: t.access_token.c.last_used_at,
}


class TokenRows(AccountRows):
    """Access tokens, and the users they belong to."""

    def tokens(
        self, user_id: str | None, choice: Choice[TokenField], unused_since: str | None = None
    ) -> Sequence[tuple[StoredToken, str]]:
        """A part of the tokens of one user, or of all, with the user's name; oldest first.

        Args:
            user_id: whose they are; None for everyone's.
            choice: which part.
            unused_since: only those that were made and last used before then.
        """
        query = (
            select(*TOKEN.columns, t.user_account.c.name.label("user_name"))
            .join(t.user_account, t.user_account.c.id == t.access_token.c.user_id)
            .where(*self._of(user_id, choice.search, unused_since))
        )
        ties = [t.access_token.c.created_at, t.access_token.c.id]
        found = self._read_with(TOKEN, self._part(query, choice, _FIELDS, ties))
        return [(token, row.user_name) for token, row in found]

    def count_tokens(self, user_id: str | None, search: str = "", unused_since: str | None = None) -> int:
        """How many tokens one user has, or all have."""
        return count_of(self._connection, t.access_token, *self._of(user_id, search, unused_since))

    def _of(self, user_id: str | None, search: str, unused_since: str | None) -> list[ColumnElement[bool]]:
        c = t.access_token.c
        theirs = [] if user_id is None else [c.user_id == user_id]
        if unused_since is not None:
            theirs.append(func.coalesce(c.last_used_at, c.created_at) < unused_since)
        return [*theirs, *self._named(c.id, search)]

    def replace_token(self, token_id: str, expires_at: str, successor: str) -> None:
        """Have a token end at a time, since another one takes its place."""
        changes = {"expires_at": expires_at, "replaced_by": successor}
        self._change_one(TOKENS, t.access_token.c.id == token_id, values=changes)

    def delete_tokens(self, user_id: str, expired_at: str | None = None) -> int:
        """Delete a user's tokens, all or those that have expired by a time; how many there were."""
        which = [t.access_token.c.user_id == user_id]
        if expired_at is not None:
            which.append(t.access_token.c.expires_at <= expired_at)
        return self._remove_tokens(*which)

    def _remove_tokens(self, *which: ColumnElement[bool]) -> int:
        """Delete tokens, with the sessions that were opened with them; how many there were."""
        gone = select(t.access_token.c.id).where(*which)
        self._remove(SESSION, t.console_session.c.token_id.in_(gone))
        return self._remove(TOKENS, *which)

    def add_token(self, token: StoredToken) -> None:
        """Store a token."""
        self._execute(insert(t.access_token).values(self._made(TOKENS, TOKEN.values(token))))

    def revoke_token(self, token_id: str) -> None:
        """Delete a token, with the sessions that were opened with it."""
        self._remove(SESSION, t.console_session.c.token_id == token_id)
        self._remove_one(TOKENS, t.access_token.c.id == token_id)
