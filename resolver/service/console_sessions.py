"""Sessions of the web console: opened by a login, kept in the store, ended there.

A session's secret is in the browser's cookie and nowhere else; the store has its digest. What proves that a
request comes from the console's own pages is derived from the secret, so that nothing else has to be kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from resolver.core.model import Caller
from resolver.core.permissions import SystemRole
from resolver.core.ports import StoredConsoleSession
from resolver.core.redacted import Redacted
from resolver.core.times import later, read_time
from resolver.errors import AuthenticationError
from resolver.service.access import demand_full_scope
from resolver.service.base import ServicePart

IDLE = timedelta(minutes=30)
"""How long a session lasts without a request."""

LONGEST = timedelta(hours=12)
"""How long a session lasts at most."""

_NOTED_EVERY = timedelta(minutes=1)
"""How exactly the last use is known: a write for each request would be too many."""


SURE = IDLE - _NOTED_EVERY
"""How long a session is sure to last after a request: the last use is known no better."""


class OpenedSession(Redacted, frozen=True):
    """A session that was just opened.

    Args:
        secret: what the browser keeps in a cookie that scripts can't read.
        caller: who opened it.
    """

    secret: str
    caller: Caller

    @property
    def csrf_token(self) -> str:
        """What the console's pages send along, to prove that a request is theirs."""
        return csrf_token(self.secret)


def csrf_token(secret: str) -> str:
    """The proof that belongs to a session: who has it can't find the secret, nor make the one of another."""
    return hmac.new(
        secret.encode("utf-8", "surrogatepass"), b"blueprint-resolver console", hashlib.sha256
    ).hexdigest()


class Sessions(ServicePart):
    """The sessions of all users."""

    def open(
        self, *, username: str = "", password: str = "", token: str = "", address: str = ""
    ) -> OpenedSession:
        """Log in, with user name and password or with a token that is not narrowed, from an address.

        Raises:
            AuthenticationError: the credentials are not valid; one text whatever the cause.
            NotPermittedError: the token is narrowed.
        """
        if token:
            caller = self._gate.authenticate_token(token, address)
            demand_full_scope(caller, "open a console session")
        else:
            caller = self._gate.authenticate_password(username, password)
        return self.open_for(caller)

    def open_for(self, caller: Caller) -> OpenedSession:
        """Open a session for somebody who has just been identified."""
        secret = secrets.token_urlsafe(32)
        at = self._clock()
        with self._store.write() as session:
            session.hold_user(caller.user_id)
            caller = self._gate.current(
                session, caller
            )  # the password may be another one since it was checked
            session.delete_stale_console_sessions(_earlier(at, LONGEST), _earlier(at, IDLE))
            others = session.console_sessions(caller.user_id)
            beyond = others[: 1 - self._rules.sessions_per_user or None]
            session.delete_console_sessions(*(old.digest for old in beyond))
            session.add_console_session(
                StoredConsoleSession(
                    _digest(secret),
                    caller.user_id,
                    caller.token_id or None,
                    at,
                    at,
                    caller.login or None,
                    caller.confirmed_at or None,
                )
            )
            self._trail.append_system(session, caller, "session:open", object=caller.username)
        return OpenedSession(secret, caller)

    def authenticate(self, secret: str) -> Caller:
        """Identify a caller by a session's secret.

        Raises:
            AuthenticationError: the session ended or never was, or its user or token is not valid any more.
        """
        at = self._clock()
        with self._store.read() as session:
            stored = session.console_session(_digest(secret))
            if (
                stored is None
                or stored.created_at <= _earlier(at, LONGEST)
                or stored.last_used_at <= _earlier(at, IDLE)
                or not (stored.token_id or stored.login)
            ):
                raise AuthenticationError("the session has ended", hint="sign in again")
            caller = self._gate.current(session, _owner(stored))
        if stored.last_used_at <= _earlier(at, _NOTED_EVERY):
            with self._store.write() as session:
                session.touch_console_session(stored.digest, at)
        return caller

    @property
    def password_length(self) -> int:
        """How many characters a new password has at least, for those who ask for one."""
        return self._rules.password_length

    def left(self, secret: str) -> timedelta:
        """How long a session may still last, when it is used; nothing for one that is not there."""
        with self._store.read() as session:
            stored = session.console_session(_digest(secret))
        if stored is None:
            return timedelta()
        return LONGEST - (read_time(self._clock()) - read_time(stored.created_at))

    def confirm(self, secret: str, password: str) -> Caller:
        """Note that the person in front of a session has just given the password.

        For the next minutes the session may set passwords, make tokens, change users and export secrets.

        Raises:
            AuthenticationError: the session has ended, or the password is wrong.
        """
        caller = self.authenticate(secret)
        return self.confirm_by(secret, self._gate.authenticate_password(caller.username, password))

    def confirm_by(self, secret: str, confirmed: Caller) -> Caller:
        """The same, when the person has just been identified in another way.

        Raises:
            AuthenticationError: the session has ended, or is another person's.
        """
        caller = self.authenticate(secret)
        if caller.user_id != confirmed.user_id:
            raise AuthenticationError("the session is another person's", hint="sign in again")
        with self._store.write() as session:
            session.hold_user(caller.user_id)
            stored = session.console_session(_digest(secret))
            if stored is None or stored.user_id != confirmed.user_id:
                raise AuthenticationError("the session has ended", hint="sign in again")
            self._gate.current(session, confirmed)
            session.confirm_console_session(stored.digest, confirmed.login, confirmed.confirmed_at)
            self._trail.append_system(session, caller, "session:confirm", object=caller.username)
        return caller

    def close(self, secret: str) -> None:
        """Log out: the secret is worth nothing from then on. Nothing happens when it ended already."""
        with self._store.write() as session:
            stored = session.console_session(_digest(secret))
            if stored is None:
                return
            session.delete_console_sessions(stored.digest)
            owner = session.user(user_id=stored.user_id)
            name = owner.user.name if owner is not None else ""
            self._trail.append_system(session, _owner(stored, name), "session:close", object=name)


def _owner(stored: StoredConsoleSession, name: str = "") -> Caller:
    """Whose session it is, without the rights, which are read at each request."""
    return Caller(
        stored.user_id,
        name,
        SystemRole.DEFAULT,
        token_id=stored.token_id or "",
        login=stored.login or "",
        interactive=True,
        confirmed_at=stored.confirmed_at or "",
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _earlier(at: str, by: timedelta) -> str:
    return later(at, -by.total_seconds())
