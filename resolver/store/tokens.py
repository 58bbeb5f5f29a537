"""The rows of access tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from resolver.core.model import Scope
from resolver.core.permissions import Permission
from resolver.core.ports import StoredToken
from resolver.core.query import TokenField
from resolver.store import tables as t
from resolver.store.accounts import PeopleRows
from resolver.store.rows import count_of, is_storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row

    from resolver.core.ports import StoredUser
    from resolver.core.query import Choice


_TOKEN_BY_ID = select(t.access_token).where(t.access_token.c.id == bindparam("token"))

_FIELDS: dict[TokenField, ColumnElement[Any]] = {
    TokenField.ID: t.access_token.c.id,
    TokenField.USERNAME: t.user_account.c.name,
    TokenField.DESCRIPTION: t.access_token.c.description,
    TokenField.EXPIRES_AT: t.access_token.c.expires_at,
    TokenField.LAST_USED_AT: t.access_token.c.last_used_at,
}


class TokenRows(PeopleRows):
    """Access tokens, and the users they belong to."""

    def token(self, token_id: str) -> tuple[StoredToken, StoredUser] | None:
        """A token that was not revoked, with its user."""
        if not is_storable(token_id):
            return None
        row = self._connection.execute(_TOKEN_BY_ID, {"token": token_id}).one_or_none()
        user = None if row is None else self.user(user_id=row.user_id)
        return None if row is None or user is None else (_token(row), user)

    def tokens(self, user_id: str | None, choice: Choice[TokenField]) -> Sequence[tuple[StoredToken, str]]:
        """A part of the tokens of one user, or of all, with the user's name; oldest first."""
        query = (
            select(t.access_token, t.user_account.c.name.label("user_name"))
            .join(t.user_account, t.user_account.c.id == t.access_token.c.user_id)
            .where(*self._of(user_id, choice.search))
        )
        ties = [t.access_token.c.created_at, t.access_token.c.id]
        rows = self._connection.execute(self._part(query, choice, _FIELDS, ties))
        return [(_token(row), row.user_name) for row in rows]

    def count_tokens(self, user_id: str | None, search: str = "") -> int:
        """How many tokens one user has, or all have."""
        return count_of(self._connection, t.access_token, *self._of(user_id, search))

    def _of(self, user_id: str | None, search: str) -> list[ColumnElement[bool]]:
        theirs = [] if user_id is None else [t.access_token.c.user_id == user_id]
        return [*theirs, *self._named(t.access_token.c.id, search)]

    def note_token_use(self, token_id: str, at: str) -> None:
        """Record that a token was used."""
        self._connection.execute(
            update(t.access_token).where(t.access_token.c.id == token_id).values(last_used_at=at)
        )

    def delete_tokens(self, user_id: str, expired_at: str | None = None) -> int:
        """Delete a user's tokens, all or those that have expired by a time; how many there were."""
        which = [t.access_token.c.user_id == user_id]
        if expired_at is not None:
            which.append(t.access_token.c.expires_at <= expired_at)
        return self._connection.execute(delete(t.access_token).where(*which)).rowcount

    def add_token(self, token: StoredToken) -> None:
        """Store a token."""
        self._connection.execute(
            insert(t.access_token).values(
                id=token.id,
                user_id=token.user_id,
                digest=token.digest,
                description=token.description,
                created_at=token.created_at,
                expires_at=token.expires_at,
                narrowing=_scope_text(token.scope),
            ),
        )

    def revoke_token(self, token_id: str) -> None:
        """Delete a token."""
        self._connection.execute(delete(t.access_token).where(t.access_token.c.id == token_id))


def _scope_text(scope: Scope) -> str:
    return json.dumps(
        {
            "permissions": None if scope.permissions is None else sorted(scope.permissions),
            "tenants": None if scope.tenants is None else sorted(scope.tenants),
            "keys": None if scope.keys is None else list(scope.keys),
        },
    )


def _token(row: Row[*tuple[Any, ...]]) -> StoredToken:
    fields = json.loads(row.narrowing)
    permissions, tenants, keys = fields["permissions"], fields["tenants"], fields["keys"]
    return StoredToken(
        id=row.id,
        user_id=row.user_id,
        digest=row.digest,
        description=row.description,
        created_at=row.created_at,
        expires_at=row.expires_at,
        scope=Scope(
            None if permissions is None else frozenset(map(Permission, permissions)),
            None if tenants is None else frozenset(tenants),
            None if keys is None else tuple(keys),
        ),
        last_used_at=row.last_used_at,
    )
