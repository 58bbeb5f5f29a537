"""Access tokens: made and shown once, narrowed, listed, revoked."""

from __future__ import annotations

import hashlib
import secrets
import string
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from resolver.core import policy
from resolver.core.account_changes import DEFAULT_OVERLAP, NewToken, overlap_end
from resolver.core.audit import cap
from resolver.core.model import MAX_KEY_LENGTH, Caller, Scope, User
from resolver.core.networks import parse_networks
from resolver.core.permissions import CLOSURES, EQUAL_TO_SYS_ADMIN, Permission, SystemRole
from resolver.core.ports import StoredToken
from resolver.core.query import WHOLE, Part
from resolver.core.results import MadeToken, TokenInfo
from resolver.core.times import parse_time, parse_time_ahead, read_time, show_time
from resolver.core.tokens import TOKEN_ID_LENGTH, TOKEN_PREFIX, TOKEN_SECRET_LENGTH
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError, UnconfirmedError
from resolver.service.access import (
    demand_credentials,
    demand_full_scope,
    demand_way_in,
    find_user,
    not_permitted,
    unconfirmed,
)
from resolver.service.base import ServicePart

if TYPE_CHECKING:
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
        new = _checked(new)
        expires_at = None
        if new.expires_at is not None:
            expires_at = parse_time_ahead(new.expires_at, self._clock(), "the expiry")
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
            self._demand_token_room(session, user)
            return self.add(session, current, user, replace(new, expires_at=expires_at))

    def add(
        self, session: Session, caller: Caller, user: User, new: NewToken, replaced: str = ""
    ) -> MadeToken:
        """Make a token of a user within a transaction that has let the caller in; the expiry as stored.

        Args:
            session: the transaction.
            caller: who makes it.
            user: whose it is.
            new: what it is to be.
            replaced: the id of the one whose place it takes.
        """
        token, stored = new_token(user.id, new.description, self._clock(), new.expires_at, new.scope)
        session.add_token(stored)
        action, more = ("token:rotate", {"replaced": replaced}) if replaced else ("token:create", {})
        self._trail.append_system(session, caller, action, object=user.name, made=stored.id, **more)
        return MadeToken(token, _info(stored, user.name))

    def rotate(self, caller: Caller, token_id: str, overlap: str = DEFAULT_OVERLAP) -> MadeToken:
        """Make a successor of a token, with the same narrowing and length of life; it is shown this once.

        Args:
            caller: who asks: its owner, who has just given the password, or who manages tokens of others;
                never the token itself.
            token_id: the public part of the old one.
            overlap: how long that one still lives, never past its own end.

        Raises:
            InvalidRequestError: the overlap is malformed, or longer than 30 days.
            NotPermittedError: the caller's own token is narrowed.
            UnconfirmedError: it is the token itself that asks, or the password was not given of late.
            NotFoundError: it is not one of the caller's.
            ConflictError: it has ended, or was replaced before.
        """
        now = self._clock()
        until = overlap_end(overlap, now)
        with self._store.write() as session:
            current = self._enter_to_rotate(session, caller, token_id)
            _, user = _find(session, current, token_id)
            session.hold_user(user.id)
            current = self._enter_to_rotate(session, caller, token_id)  # who had to wait, as above
            old, user = _find(session, current, token_id)
            if old.trust_id is not None:
                raise ConflictError(
                    f"token {token_id!r} came of a trust, and ends with what it was exchanged for",
                    hint="the workload has another JWT exchanged",
                )
            if old.replaced_by is not None:
                raise ConflictError(
                    f"token {token_id!r} was replaced before, by {old.replaced_by!r}", hint="rotate that one"
                )
            if old.expires_at is not None and old.expires_at <= now:
                raise ConflictError(
                    f"token {token_id!r} has ended", hint="`resolver tokens create` makes another"
                )
            session.delete_tokens(user.id, now)
            self._demand_token_room(session, user)
            life = None if old.expires_at is None else read_time(old.expires_at) - read_time(old.created_at)
            new = NewToken(
                username=user.name,
                description=old.description,
                expires_at=None if life is None else show_time(read_time(now) + life),
                **asdict(old.scope),
            )
            made = self.add(session, current, user, new, replaced=token_id)
            session.replace_token(token_id, min(until, old.expires_at or until), made.info.id)
            return made

    def list(self, caller: Caller, choice: Choice[TokenField] = WHOLE, unused: str = "") -> Part[TokenInfo]:
        """A part of the caller's own tokens; of everyone's for those who manage them. Oldest first.

        Args:
            caller: who asks.
            choice: which part; a search is for a part of their ids.
            unused: only those that were not used since then, and not made since: a time, or how long ago.

        Raises:
            InvalidRequestError: the time is malformed.
        """
        since = parse_time(unused, self._clock(), "the time", ago=True) if unused else None
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_full_scope(current, "list tokens")
            whose = None if _manages_others(current) else current.user_id
            found = session.tokens(whose, choice, since)
            total = session.count_tokens(whose, choice.search, since)
            return Part([_info(token, name) for token, name in found], total)

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
                demand_way_in(session, self._clock(), self._rules.sign_in)
            self._trail.append_system(session, current, "token:revoke", object=user.name, made=token_id)

    def _demand_token_room(self, session: Session, user: User) -> None:
        self._demand_room(
            f"user {user.name!r}",
            session.count_tokens(user.id),
            "tokens_per_user",
            "revoke one that is not needed with `resolver tokens revoke`",
        )

    def _enter_to_rotate(self, session: Session, caller: Caller, token_id: str) -> Caller:
        current = self._gate.current(session, caller)
        now = self._clock()
        confirmed = policy.is_confirmed(current, now)
        if current.token_id == token_id and not confirmed:
            raise UnconfirmedError(
                "a token can't rotate itself",
                hint="its owner does, by the password from --old-password-file, or a sys_admin",
            )
        demand_credentials(current, now, "rotate a token")
        if not confirmed and not _manages_others(current):
            raise unconfirmed("rotate a token")
        return current

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
        token.replaced_by,
    )


def _checked(new: NewToken) -> NewToken:
    """A token to be made, its networks as they are stored.

    Raises:
        InvalidRequestError: its scope leaves nothing, is too long, or leads out of itself.
    """
    check_token_scope(new)
    if new.networks is None:
        return new
    if not 0 < len(new.networks) <= _MAX_SCOPE:
        raise InvalidRequestError(f"a token is bound to 1 to {_MAX_SCOPE} networks")
    return replace(new, networks=parse_networks(new.networks))


def check_token_scope(scope: Scope) -> None:
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


def new_token(
    user_id: str, description: str, at: str, expires_at: str | None, scope: Scope
) -> tuple[str, StoredToken]:
    """A new token of a user: its text, and as it is stored."""
    token_id, secret = (_random_text(length) for length in (TOKEN_ID_LENGTH, TOKEN_SECRET_LENGTH))
    token = f"{TOKEN_PREFIX}-{token_id}-{secret}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    return token, StoredToken(token_id, user_id, digest, description, at, expires_at, scope)


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length))
