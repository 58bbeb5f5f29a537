"""Signing in by an OpenID provider: what is bound to whom, who may come in, and with which roles.

Nothing is stored while a sign-in is under way. Its secret is with whoever began it, in a cookie that scripts
can't read or in a command's memory; state, nonce and PKCE verifier are derived from it. That it was used is
stored in the transaction that lets somebody in. Tokens of the provider are not kept, whatever it sends.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import uuid
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from resolver.core.model import FULL_SCOPE, MAX_KEY_LENGTH, Caller, User
from resolver.core.permissions import SystemRole
from resolver.core.redacted import Redacted
from resolver.core.sign_in import (
    CALLBACK_PATH,
    AuthorizationRequest,
    DevicePending,
    ProviderOption,
    RefusedSignInError,
    SignInOptions,
    SignInProvider,
    StartedSignIn,
    groups_of,
    new_name,
    system_role,
    tenant_roles,
)
from resolver.core.times import later, read_time
from resolver.errors import AuthenticationError, ConflictError, InvalidRequestError, NotFoundError
from resolver.protocol.identity import Grant
from resolver.service.access import sign_in_of
from resolver.service.access_log import Strangers
from resolver.service.base import ServicePart
from resolver.service.group_roles import end_roles
from resolver.service.tokens import new_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.core.ports import Session, SignInClient, StoredUser
    from resolver.core.sign_in import DeviceCode, Person, SignInAnswer
    from resolver.service.base import Shared

T = TypeVar("T")

LIFE_SECONDS = 600
"""How long a sign-in may take."""

_TOKEN_SECONDS = 12 * 3600
"""How long a token lives that a command gets; the roles of groups may end before."""

_EPOCH = "1970-01-01T00:00:00.000Z"
_MAX_SECRET = 512
_PARTS = 5


class SignInPurpose(enum.StrEnum):
    """What a sign-in in a browser is for."""

    OPEN = "open"
    """A session, in place of the page that asks who it is."""

    AGAIN = "again"
    """A session, while a page waits that holds what somebody typed."""

    CONFIRM = "confirm"
    """To show that whoever has a session is still the same person."""

    LOOPBACK = "loopback"
    """A token for a command, where the browser comes back to."""


class _Begun(Redacted, frozen=True):
    """A sign-in that was begun.

    Args:
        provider: by which provider.
        purpose: what for.
        port: where the command waits; 0 for the console.
        began_at: in seconds since 1970.
        secret: what all else is derived from.
    """

    provider: SignInProvider
    purpose: SignInPurpose
    port: int
    began_at: float
    secret: str

    def derived(self, what: str) -> str:
        """What whoever has the secret alone can know; another text for each use of it."""
        mac = hmac.new(self.secret.encode(), f"sign-in {what}".encode(), hashlib.sha256)
        return mac.hexdigest()


class SignedIn(Struct, frozen=True):
    """Somebody who signed in.

    Args:
        purpose: what for.
        caller: who it is.
    """

    purpose: SignInPurpose
    caller: Caller


class SignIns(ServicePart):
    """Sign-ins by OpenID providers."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._login_rules = shared.rules.sign_in
        self._make_client: Callable[[], SignInClient] = shared.sign_in_client
        self._strangers = Strangers()
        self._known: SignInClient | None = None

    @property
    def _client(self) -> SignInClient:
        if self._known is None:
            self._known = self._make_client()
        return self._known

    def options(self) -> SignInOptions:
        """How people sign in here, for everyone who asks."""
        rules = self._login_rules
        providers = tuple(
            ProviderOption(one.name, one.label or one.name, one.device, one.loopback)
            for one in rules.providers
        )
        return SignInOptions(providers, rules.password_sign_in)

    def begin(self, name: str, purpose: SignInPurpose, port: int = 0) -> StartedSignIn:
        """Begin a sign-in in a browser. It may take ten minutes.

        Args:
            name: the provider.
            purpose: what it is for.
            port: the port of this machine on which a command waits for the browser.

        Raises:
            NotFoundError: there is no such provider.
            InvalidRequestError: the provider is not for commands.
            AuthenticationError: the provider can't be used.
        """
        provider = self._provider(name)
        if (purpose is SignInPurpose.LOOPBACK) != bool(port):
            raise InvalidRequestError("a port goes with a sign-in of a command")
        if port and not provider.loopback:
            raise InvalidRequestError(f"commands do not sign in by {name!r} in a browser", hint=_SETTING)
        began = int(self._now())
        secret = f"{provider.name}.{purpose}.{port}.{began}.{secrets.token_urlsafe(32)}"
        begun = _Begun(provider, purpose, port, began, secret)
        url = self._speaking(lambda: self._client.authorization_url(provider, self._request(begun)))
        return StartedSignIn(secret, url)

    def finish(self, secret: str, answer: SignInAnswer) -> SignedIn:
        """End a sign-in, by what the browser brought back. Each sign-in ends once.

        Raises:
            AuthenticationError: something of it does not fit, or the person has no user who is let in.
        """
        begun = self._begun(secret)
        return self._speaking(lambda: self._finished(begun, answer))

    def _finished(self, begun: _Begun, answer: SignInAnswer) -> SignedIn:
        provider, now = begun.provider, self._now()
        request = self._request(begun)
        given = answer.state.encode("utf-8", "replace")
        if not hmac.compare_digest(given, request.state.encode()):
            raise RefusedSignInError("the state is not that of this browser's sign-in")
        if not begun.began_at <= now <= begun.began_at + LIFE_SECONDS:
            raise RefusedSignInError("it took longer than ten minutes")
        # Which provider answers (RFC 9207): else one could be given the codes of another.
        if answer.iss != provider.issuer and (answer.iss or self._client.demands_issuer(provider)):
            raise RefusedSignInError("the answer is of another issuer, or does not say of which")
        if answer.error or not answer.code:
            raise RefusedSignInError("the provider gives no code: the person or the provider said no")
        person = self._client.redeem(provider, answer.code, request, now)
        caller = self._let_in(provider, person, f"state {request.state}")
        return SignedIn(begun.purpose, caller)

    def begin_device(self, name: str) -> DeviceCode:
        """Begin a sign-in whose code is typed in any browser.

        Raises:
            NotFoundError: there is no such provider.
            InvalidRequestError: it is not set up for that.
            AuthenticationError: the provider can't be used.
        """
        provider = self._device_provider(name)
        return self._speaking(lambda: self._client.start_device(provider))

    def poll_device(self, name: str, device_code: str) -> SignedIn | DevicePending:
        """Ask whether the person has agreed.

        Raises:
            AuthenticationError: no, or too late, or the person has no user who is let in.
        """
        provider = self._device_provider(name)

        def poll() -> SignedIn | DevicePending:
            found = self._client.poll_device(provider, device_code, self._now())
            if isinstance(found, DevicePending):
                return found
            return SignedIn(SignInPurpose.LOOPBACK, self._let_in(provider, found, f"device {device_code}"))

        return self._speaking(poll)

    def grant(self, done: SignedIn, description: str) -> Grant:
        """Give a command that somebody signed in by a token, which lives as long as a session may.

        Raises:
            AuthenticationError: the sign-in was not for a command.
            ConflictError: the user has too many tokens.
        """
        if done.purpose is not SignInPurpose.LOOPBACK:
            raise AuthenticationError("this sign-in was begun in a browser")
        with self._store.write() as session:
            session.hold_user(done.caller.user_id)
            current, at = self._gate.current(session, done.caller), self._clock()
            session.delete_tokens(current.user_id, at)  # the expired ones
            number = session.count_tokens(current.user_id)
            self._demand_room(f"user {current.username!r}", number, "tokens_per_user", "revoke some")
            ends_at = later(at, _TOKEN_SECONDS)
            text, token = new_token(current.user_id, description[:MAX_KEY_LENGTH], at, ends_at, FULL_SCOPE)
            session.add_token(token)
            self._trail.append_system(
                session, current, "token:create", object=current.username, made=token.id, expires_at=ends_at
            )
        return Grant(text, ends_at, current.username, "")

    # What was begun

    def _provider(self, name: str) -> SignInProvider:
        found: SignInProvider
        for found in self._login_rules.providers:
            if found.name == name:
                return found
        raise NotFoundError("there is no such provider to sign in by")

    def _device_provider(self, name: str) -> SignInProvider:
        provider = self._provider(name)
        if not provider.device:
            raise InvalidRequestError(f"device sign-in is off for {name!r}", hint=_SETTING)
        return provider

    def _begun(self, secret: str) -> _Begun:
        """A sign-in, by its secret."""
        parts = secret.split(".") if secret.isascii() and len(secret) <= _MAX_SECRET else []
        if (
            len(parts) == _PARTS
            and parts[2].isdecimal()
            and parts[3].isdecimal()
            and parts[1] in set(SignInPurpose)
        ):
            name, purpose, port, began_at, _ = parts
            for provider in self._login_rules.providers:
                # Anyone can make up a secret: what `begin` refuses is refused here, too.
                if provider.name == name and _fits_port(provider, purpose, int(port)):
                    return _Begun(provider, SignInPurpose(purpose), int(port), int(began_at), secret)
        raise AuthenticationError("this browser has begun no sign-in", hint="sign in again")

    def _request(self, begun: _Begun) -> AuthorizationRequest:
        """What the provider is asked with: always the same for one secret."""
        own = f"{self._login_rules.public_url}{CALLBACK_PATH}"
        return AuthorizationRequest(
            f"http://127.0.0.1:{begun.port}/" if begun.port else own,
            begun.derived("state"),
            begun.derived("nonce"),
            begun.derived("verifier"),
            fresh=begun.purpose is SignInPurpose.CONFIRM,
        )

    def _now(self) -> float:
        return read_time(self._clock()).timestamp()

    def _speaking(self, work: Callable[[], T]) -> T:
        """Do what a provider may refuse; why is in the server's log alone."""
        try:
            return work()
        except RefusedSignInError as error:
            self._strangers.note("a sign-in was refused", why=str(error))
        raise AuthenticationError("the sign-in was refused", hint="sign in again; the server's log says why")

    # Who comes in

    def _let_in(self, provider: SignInProvider, person: Person, use: str) -> Caller:
        """The caller that a person is, with roles as groups have them now. It counts as used."""
        groups = groups_of(provider, person.claims) if provider.maps_groups else frozenset()
        with self._store.write() as session:
            session.hold_admins()  # it changes users
            at = self._clock()
            session.forget_exchanges(at)
            digest = hashlib.sha256(use.encode("utf-8", "surrogatepass")).hexdigest()
            if not session.count_exchange(provider.issuer, "sign-in", digest, later(at, 2 * LIFE_SECONDS), 1):
                raise RefusedSignInError("it has ended already")
            stored = session.user_of(person.issuer, person.subject)
            if stored is None:
                stored = self._made(session, provider, person, groups, at)
            user = stored.user
            if not user.active:
                self._strangers.note("a sign-in was refused", why="the user is not active", user=user.name)
                raise AuthenticationError("your user is not active", hint="a sys_admin can say why")
            caller = Caller(user.id, user.name, user.system_role, stored.roles)
            if provider.maps_groups:
                self._give_roles(session, provider, stored, groups, caller)
            elif user.roles_until is not None and user.roles_until <= at:
                end_roles(session, self._trail, caller, stored, at)  # else they would come back for good
            elif user.roles_until is not None:
                session.set_roles_until(user.id, None)
            session.note_login(user.id, at)
            self._trail.append_system(
                session,
                caller,
                "user:sign_in",
                object=user.name,
                issuer=person.issuer,
                subject=person.subject,
            )
            now = session.user(user_id=user.id)
            if now is None:
                raise RefusedSignInError("the user was deleted meanwhile")
            shown_at = "" if person.authenticated_at is None else later(_EPOCH, person.authenticated_at)
            return self._gate.person(now, sign_in_of(now), min(at, shown_at))

    def _made(
        self, session: Session, provider: SignInProvider, person: Person, groups: frozenset[str], at: str
    ) -> StoredUser:
        """The user of a person who was never here."""
        has_role = bool(tenant_roles(provider, groups)) or (
            system_role(provider, groups) is SystemRole.SYS_ADMIN
        )
        if not provider.create_users or (provider.maps_groups and not has_role):
            why = "no group of this person has a role" if provider.create_users else "users are not made"
            self._strangers.note("a sign-in was refused", why=why, subject=person.subject)
            raise AuthenticationError(
                "you have no user here", hint=f"a sys_admin can link one to your subject {person.subject!r}"
            )
        name = new_name(provider, person.claims)
        user = User(name, SystemRole.DEFAULT, active=True, created_at=at, id=str(uuid.uuid4()))
        user = replace(user, issuer=person.issuer, subject=person.subject)
        taken = session.user(name=name) is not None
        if taken:  # never by its name: whoever may choose a name there would be that user here
            self._strangers.note("a sign-in was refused", why="another user has the name", user=name)
            raise AuthenticationError(
                f"there is a user {name!r} here already, who is not linked to you",
                hint=f"a sys_admin can link it to your subject {person.subject!r}",
            )
        session.add_user(user, None)
        caller = Caller(user.id, name, SystemRole.DEFAULT)
        self._trail.append_system(
            session,
            caller,
            "user:create",
            object=name,
            role=SystemRole.DEFAULT,
            issuer=person.issuer,
            subject=person.subject,
        )
        stored = session.user(user_id=user.id)
        if stored is None:
            raise ConflictError("the user was deleted by someone else at the same time")
        return stored

    def _give_roles(
        self,
        session: Session,
        provider: SignInProvider,
        stored: StoredUser,
        groups: frozenset[str],
        caller: Caller,
    ) -> None:
        """Give the roles that groups have now, take all others away, and say until when they hold."""
        user, until = stored.user, later(self._clock(), provider.rights_hours * 3600)
        if provider.groups is not None:
            homes = {tenant.name: tenant for tenant in session.tenants()}
            wanted = tenant_roles(provider, groups)
            for missing in sorted(wanted.keys() - homes.keys()):
                self._strangers.note("a group has a role in a tenant that is not there", tenant=missing)
            for name, tenant in sorted(homes.items()):
                role, before = wanted.get(name), stored.roles.get(tenant.id)
                if role is before:
                    continue
                session.hold_tenant(tenant.id)
                about = {"object": user.name, "tenant": name, "by": "groups"}
                if role is None:
                    session.remove_membership(tenant.id, user.id)
                    self._trail.append_system(session, caller, "membership:remove", **about)
                else:
                    session.set_membership(tenant.id, user.id, role)
                    self._trail.append_system(session, caller, "membership:set", role=role, **about)
        in_system = system_role(provider, groups)
        if in_system is not None and in_system is not user.system_role:
            try:
                session.set_system_role(user.id, in_system, self._clock())
            except ConflictError as error:
                problem = error.message
            else:
                problem = ""
            if problem:
                raise RefusedSignInError(f"{problem}, as the groups would have it")
            self._trail.append_system(
                session, caller, "user:set_role", object=user.name, role=in_system, by="groups"
            )
        session.set_roles_until(user.id, until)


def _fits_port(provider: SignInProvider, purpose: str, port: int) -> bool:
    """Whether a port goes with a purpose: with sign-ins of commands alone, where the provider has them."""
    return provider.loopback and port > 0 if purpose == SignInPurpose.LOOPBACK else port == 0


_SETTING = "the settings in `config.yaml` say what each provider is for"
