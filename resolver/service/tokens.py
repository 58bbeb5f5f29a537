"""Access tokens: made and shown once, narrowed, listed, revoked."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.model import UNNARROWED, Caller, Narrowing, User
from resolver.core.permissions import Permission
from resolver.core.ports import StoredToken
from resolver.errors import InvalidRequestError, NotFoundError
from resolver.service.gate import (
    TOKEN_ID_LENGTH,
    TOKEN_PREFIX,
    TOKEN_SECRET_LENGTH,
    demand_unnarrowed,
    not_permitted,
)
from resolver.service.lookup import find_user

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.core.ports import Session, Store
    from resolver.service.gate import Gate
    from resolver.service.trail import Trail

_TOKEN_ALPHABET = string.ascii_letters + string.digits
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
_MAX_DESCRIPTION = 256


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as a list shows it: never the token."""

    id: str
    username: str
    description: str
    created_at: str
    expires_at: str | None
    narrowing: Narrowing


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token at the one moment when it can be shown, and what a list will show of it."""

    token: str = field(repr=False)
    info: TokenInfo


class Tokens:
    """The access tokens of all users.

    Args:
        store: where they are kept.
        gate: lets callers in.
        trail: records every change.
        clock: gives the time as it is stored.
    """

    def __init__(
        self,
        store: Store,
        gate: Gate,
        trail: Trail,
        clock: Callable[[], str],
    ) -> None:
        self._store = store
        self._gate = gate
        self._trail = trail
        self._clock = clock

    def create(
        self,
        caller: Caller,
        username: str = "",
        *,
        description: str = "",
        expires_at: str | None = None,
        narrowing: Narrowing = UNNARROWED,
    ) -> MadeToken:
        """Make an access token, shown this once.

        Args:
            caller: who makes it.
            username: whose token it is; the caller's own when empty.
            description: what it is for.
            expires_at: UTC time from which it is refused, as stored times are written; None for never.
            narrowing: what it leaves of its user's rights.

        Raises:
            InvalidRequestError: the expiry is malformed or past, or the description not one short line.
            NotPermittedError: the caller's own token is narrowed, or the user is someone else.
        """
        if expires_at is not None:
            if not _TIME.match(expires_at):
                raise InvalidRequestError(
                    "the expiry is malformed", hint="it is UTC time, like 2030-12-31T23:59:59.000Z"
                )
            if expires_at <= self._clock():
                raise InvalidRequestError("the expiry is in the past")
        if len(description) > _MAX_DESCRIPTION or not description.isprintable():
            raise InvalidRequestError(
                f"a description is one line of at most {_MAX_DESCRIPTION} printable characters"
            )
        with self._store.write() as session:
            current = self._gate.current(session, caller)
            demand_unnarrowed(current, "make a token")
            user = self._own_or_other(session, current, username)
            limit = session.token(current.token_id) if current.token_id else None
            if limit is not None and (longest := limit[0].expires_at) is not None:
                # No token makes one that outlives it.
                expires_at = longest if expires_at is None else min(longest, expires_at)
            return self.add(session, current, user, description, expires_at, narrowing)

    def add(
        self,
        session: Session,
        caller: Caller,
        user: User,
        description: str,
        expires_at: str | None,
        narrowing: Narrowing,
    ) -> MadeToken:
        """Make a token within a transaction that has let the caller in."""
        token_id, secret = (_random_text(length) for length in (TOKEN_ID_LENGTH, TOKEN_SECRET_LENGTH))
        token = f"{TOKEN_PREFIX}-{token_id}-{secret}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        at = self._clock()
        stored = StoredToken(token_id, user.id, digest, description, at, expires_at, narrowing)
        session.add_token(stored)
        self._trail.append_system(session, caller, "token:create", object=user.name, made=token_id)
        return MadeToken(token, _info(stored, user.name))

    def list(self, caller: Caller) -> Sequence[TokenInfo]:
        """The caller's own tokens; everyone's for those who manage them."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_unnarrowed(current, "list tokens")
            everyone = policy.decide_in_tenant(current, Permission.TOKEN_MANAGE_OTHERS, None).allowed
            found = session.tokens(None if everyone else current.user_id)
        return [_info(token, name) for token, name in found]

    def revoke(self, caller: Caller, token_id: str) -> None:
        """Revoke a token, at once; NotFoundError when it is not one of the caller's."""
        with self._store.write() as session:
            current = self._gate.current(session, caller)
            demand_unnarrowed(current, "revoke a token")
            found = session.token(token_id)
            others = policy.decide_in_tenant(current, Permission.TOKEN_MANAGE_OTHERS, None).allowed
            if found is None or (found[0].user_id != current.user_id and not others):
                raise NotFoundError(f"token {token_id!r} does not exist")
            session.revoke_token(token_id)
            self._trail.append_system(
                session, current, "token:revoke", object=found[1].user.name, made=token_id
            )

    def _own_or_other(self, session: Session, caller: Caller, username: str) -> User:
        if username.casefold() in ("", caller.username.casefold()):
            return find_user(session, caller.username)
        if not policy.decide_in_tenant(caller, Permission.TOKEN_MANAGE_OTHERS, None).allowed:
            raise not_permitted(caller, Permission.TOKEN_MANAGE_OTHERS, "")
        return find_user(session, username)


def _info(token: StoredToken, username: str) -> TokenInfo:
    return TokenInfo(
        token.id, username, token.description, token.created_at, token.expires_at, token.narrowing
    )


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length))
