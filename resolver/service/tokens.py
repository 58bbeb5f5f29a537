"""Access tokens: made and shown once, narrowed, listed, revoked."""

from __future__ import annotations

import hashlib
import secrets
import string
from typing import TYPE_CHECKING

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.audit import cap
from resolver.core.model import MAX_KEY_LENGTH, Caller, Scope, User
from resolver.core.permissions import CLOSURES, EQUAL_TO_SYS_ADMIN, Permission, SystemRole
from resolver.core.ports import StoredToken
from resolver.core.query import WHOLE, Part
from resolver.core.results import MadeToken, TokenInfo
from resolver.core.times import parse_time_ahead
from resolver.core.tokens import TOKEN_ID_LENGTH, TOKEN_PREFIX, TOKEN_SECRET_LENGTH
from resolver.errors import InvalidRequestError, NotFoundError
from resolver.service.access import (
    demand_credentials,
    demand_full_scope,
    demand_way_in,
    find_user,
    not_permitted,
)
from resolver.service.base import ServicePart

if TYPE_CHECKING:
    from resolver.core.account_changes import NewToken
    from resolver.core.ports import Session
    from resolver.core.query import Choice, TokenField

_TOKEN_ALPHABET = string.ascii_letters + string.digits
_MAX_DESCRIPTION = 256
_MAX_SCOPE = 100


class Tokens(ServicePart):
    """The access tokens of all users."""

    def create(self, caller: Caller, new: NewToken) -> MadeToken:
        """Make an access token, shown this once.

        Args:
            caller: who makes it.
            new: whose it is, what it is for, and what it leaves of its user's rights.

        Raises:
            InvalidRequestError: the expiry is malformed or past, or the description not one short line.
            NotPermittedError: the caller's own token is narrowed or expires, or the user is someone else.
            UnconfirmedError: the caller's session needs the password again.
        """
        expires_at = None
        if new.expires_at is not None:
            expires_at = parse_time_ahead(new.expires_at, self._clock(), "the expiry")
        _check_scope(new)
        if len(new.description) > _MAX_DESCRIPTION or not new.description.isprintable():
            raise InvalidRequestError(
                f"a description is one line of at most {_MAX_DESCRIPTION} printable characters"
            )
        with self._store.write() as session:
            current = self._enter_to_make(session, caller)
            user = self._own_or_other(session, current, new.username)
            session.hold_user(user.id)
            current = self._enter_to_make(session, caller)  # who had to wait may have been shut out meanwhile
            session.delete_tokens(user.id, self._clock())  # the expired ones
            self._demand_room(
                f"user {user.name!r}",
                session.count_tokens(user.id),
                "tokens_per_user",
                "revoke one that is not needed with `resolver tokens revoke`",
            )
            return self.add(session, current, user, replace(new, expires_at=expires_at))

    def add(self, session: Session, caller: Caller, user: User, new: NewToken) -> MadeToken:
        """Make a token of a user within a transaction that has let the caller in; the expiry as stored."""
        token_id, secret = (_random_text(length) for length in (TOKEN_ID_LENGTH, TOKEN_SECRET_LENGTH))
        token = f"{TOKEN_PREFIX}-{token_id}-{secret}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        at = self._clock()
        stored = StoredToken(token_id, user.id, digest, new.description, at, new.expires_at, new.scope)
        session.add_token(stored)
        self._trail.append_system(session, caller, "token:create", object=user.name, made=token_id)
        return MadeToken(token, _info(stored, user.name))

    def list(self, caller: Caller, choice: Choice[TokenField] = WHOLE) -> Part[TokenInfo]:
        """A part of the caller's own tokens; of everyone's for those who manage them. Oldest first.

        A search is for a part of their ids.
        """
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_full_scope(current, "list tokens")
            whose = None if _manages_others(current) else current.user_id
            found = session.tokens(whose, choice)
            return Part(
                [_info(token, name) for token, name in found], session.count_tokens(whose, choice.search)
            )

    def get(self, caller: Caller, token_id: str) -> TokenInfo:
        """One token; NotFoundError when it is not one of the caller's."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_full_scope(current, "list tokens")
            token, user = _find(session, current, token_id)
            return _info(token, user.name)

    def revoke(self, caller: Caller, token_id: str, *, even_last: bool = False) -> None:
        """Revoke a token, at once.

        Args:
            caller: who revokes it.
            token_id: its public part.
            even_last: go on where no sys_admin could log in any more.

        Raises:
            NotFoundError: it is not one of the caller's.
            LastCredentialError: it is the last credential of the last sys_admin.
        """
        with self._store.write() as session:
            current = self._gate.current(session, caller)
            if token_id != current.token_id:  # to end itself is for every token to do
                demand_full_scope(current, "revoke another token")
            _, user = _find(session, current, token_id)
            session.revoke_token(token_id)
            if user.system_role is SystemRole.SYS_ADMIN and not even_last:
                demand_way_in(session, self._clock())
            self._trail.append_system(session, current, "token:revoke", object=user.name, made=token_id)

    def _enter_to_make(self, session: Session, caller: Caller) -> Caller:
        current = self._gate.current(session, caller)
        demand_credentials(current, self._clock(), "make a token")
        return current

    def _own_or_other(self, session: Session, caller: Caller, username: str) -> User:
        if username.casefold() in ("", caller.username.casefold()):
            return find_user(session, caller.username)
        if not _manages_others(caller):
            raise not_permitted(caller, Permission.TOKEN_MANAGE_OTHERS, "")
        return find_user(session, username)


def _manages_others(caller: Caller) -> bool:
    return policy.decide_in_tenant(caller, Permission.TOKEN_MANAGE_OTHERS, None).allowed


def _find(session: Session, caller: Caller, token_id: str) -> tuple[StoredToken, User]:
    """A token that the caller may know of; another's looks like one that does not exist."""
    found = session.token(token_id)
    if found is None or (found[0].user_id != caller.user_id and not _manages_others(caller)):
        raise NotFoundError(f"token {cap(token_id)!r} does not exist")
    return found[0], found[1].user


def _info(token: StoredToken, username: str) -> TokenInfo:
    return TokenInfo(
        token.id,
        username,
        token.description,
        token.created_at,
        token.expires_at,
        token.scope,
        token.last_used_at,
    )


def _check_scope(scope: Scope) -> None:
    """InvalidRequestError for a scope that leaves nothing, is too long, or leads out of itself."""
    for permission in sorted(scope.permissions or ()):
        if missing := CLOSURES[permission] - (scope.permissions or frozenset()):
            rest = "everything else" if permission in EQUAL_TO_SYS_ADMIN else ", ".join(sorted(missing))
            raise InvalidRequestError(
                f"a token for {permission} alone would lead to more: {rest}",
                hint="name these permissions, too, or leave this one out",
            )
    for what, words in (("tenant", scope.tenants), ("key pattern", scope.keys)):
        if words is not None and (
            not words
            or len(words) > _MAX_SCOPE
            or any(not word or len(word) > MAX_KEY_LENGTH or not word.isprintable() for word in words)
        ):
            raise InvalidRequestError(
                f"a token is narrowed to 1 to {_MAX_SCOPE} {what}s of up to {MAX_KEY_LENGTH} characters"
            )


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length))
