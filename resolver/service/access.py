"""Who is asking, and what may they do: authentication, and the decisions that come before any look-up."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.login_backoff import Failures, slot_of
from resolver.core.model import Caller, Tenant
from resolver.core.permissions import Permission, SystemRole
from resolver.core.policy import CredentialVerdict, Verdict
from resolver.core.query import WHOLE
from resolver.core.times import later
from resolver.core.tokens import token_id
from resolver.errors import (
    AuthenticationError,
    LastCredentialError,
    NoSuchTenantError,
    NotFoundError,
    NotPermittedError,
    StoreError,
    UnconfirmedError,
    UsageError,
)
from resolver.service.access_log import Strangers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.core.login_rules import LoginRules
    from resolver.core.model import User
    from resolver.core.ports import (
        PasswordHasher,
        Session,
        StoredToken,
        StoredTrust,
        StoredUser,
        UseSession,
        UseStore,
    )
    from resolver.core.query import Listing, Reach
    from resolver.core.results import Holding

MAX_PASSWORD = 256
"""How long passwords are, in characters (Cloudify's rule)."""

_USE_NOTED_EVERY = 60
"""Seconds between two records of a token's last use."""

_DOING = {
    Permission.SECRET_LIST: "list secrets",
    Permission.SECRET_SHOW: "see secrets",
    Permission.SECRET_USE: "use secrets",
    Permission.SECRET_CREATE: "create secrets",
    Permission.SECRET_UPDATE: "change secrets",
    Permission.SECRET_DELETE: "delete secrets",
    Permission.SECRET_EXPORT: "export secrets",
    Permission.SECRET_IMPORT: "import secrets",
    Permission.SECRET_CREATE_GLOBAL: "make a secret global",
    Permission.PROVIDER_LIST: "list secrets providers",
    Permission.PROVIDER_CREATE: "create or test secrets providers",
    Permission.PROVIDER_UPDATE: "change secrets providers",
    Permission.PROVIDER_DELETE: "delete secrets providers",
    Permission.SECRET_SET_OWNER: "give a secret to another user",
    Permission.AUDIT_READ: "read the audit trail",
    Permission.TENANT_MANAGE: "manage tenants",
    Permission.USER_MANAGE: "manage users",
    Permission.MEMBERSHIP_MANAGE: "manage memberships",
    Permission.KEY_ROTATE: "see or rotate keys",
    Permission.TOKEN_MANAGE_OTHERS: "manage tokens of others",
    Permission.WEBHOOK_MANAGE: "see or manage webhooks",
    Permission.TRUST_MANAGE: "manage trusts",
    Permission.APPROVAL_GRANT: "decide about approvals",
}


class MemberRefusedError(NotPermittedError):
    """A member's role or token does not permit what was asked: recorded in the tenant's audit trail.

    To the caller it is a `NotPermittedError` like any other, with the same words.
    """

    def __init__(self, caller: Caller, tenant: Tenant, permission: Permission, reason: Verdict) -> None:
        error = not_permitted(caller, permission, tenant.name)
        super().__init__(error.message, hint=error.hint)
        self.caller = caller
        self.tenant = tenant
        self.permission = permission
        self.reason = reason


def not_permitted(
    caller: Caller, permission: Permission, tenant: str, *, where: str = ""
) -> NotPermittedError:
    """The refusal, in the same words whether or not the tenant or what was asked for exists."""
    where = f" in tenant {tenant!r}" if tenant else where
    hint = "`resolver whoami` shows what this user and token may do"
    return NotPermittedError(
        f"user {caller.username!r} is not permitted to {_DOING[permission]}{where}", hint=hint
    )


def not_found(key: str, tenant: str) -> NotFoundError:
    """The answer for a secret that does not exist, and for one that the caller may not see."""
    return NotFoundError(
        f"secret {key!r} was not found in tenant {tenant!r}",
        hint=f"`resolver secrets list -t {tenant}` shows what there is",
    )


def demand_key(caller: Caller, permission: Permission, key: str, tenant: str) -> None:
    """Refuse a key that a narrowed token may not name, before it is looked up."""
    if not policy.decide_key(caller, key).allowed:
        refused = not_permitted(caller, permission, tenant)
        raise NotPermittedError(f"{refused.message} under this key", hint=refused.hint)


def demand_full_scope(caller: Caller, doing: str) -> None:
    """Refuse what no narrowed token may do, whatever it was narrowed to."""
    if caller.scope.is_limited:
        raise NotPermittedError(
            f"a narrowed token can't {doing}",
            hint="use a token of this user that is not narrowed",
        )


def demand_credentials(caller: Caller, now: str, doing: str) -> None:
    """Refuse whoever may not set passwords and make tokens; asked by everything that does.

    Raises:
        NotPermittedError: the caller's token is narrowed.
        UnconfirmedError: it ends at some time, or this is a session whose password was not given within the
            last minutes.
    """
    match policy.decide_credentials(caller, now):
        case CredentialVerdict.ALLOWED:
            return
        case CredentialVerdict.NARROWED:
            demand_full_scope(caller, doing)
        case CredentialVerdict.UNCONFIRMED:
            raise unconfirmed(doing)
        case CredentialVerdict.EXPIRES:
            raise UnconfirmedError(f"a token that expires can't {doing}", hint=_CONFIRM)


def unconfirmed(doing: str) -> UnconfirmedError:
    """The refusal for whoever has to give the password first."""
    return UnconfirmedError(
        f"your password has to be given again to {doing}",
        hint=_CONFIRM,
    )


def demand_confirmed(caller: Caller, now: str, doing: str) -> None:
    """Refuse a person's session whose password was not given within the last minutes; tokens are let through.

    Raises:
        UnconfirmedError: the password has to be given first.
    """
    if caller.interactive and not policy.is_confirmed(caller, now):
        raise unconfirmed(doing)


_CONFIRM = "commands take your password from --old-password-file, requests as Basic credentials"


def _refused_token() -> AuthenticationError:
    return AuthenticationError(
        "the access token is not valid",
        hint="it may be mistyped, revoked or expired; a sys_admin makes another with "
        "`resolver tokens create`, or `resolver recover` does where the root key is",
    )


def sign_in_of(stored: StoredUser) -> str:
    """What a sign-in by a provider is bound to: who the user is there."""
    person = json.dumps([stored.user.issuer, stored.user.subject])
    return hashlib.sha256(f"openid {person}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _login_of(stored: StoredUser) -> str:
    """What a password login is bound to: another password has another hash, since hashes are salted."""
    return hashlib.sha256((stored.password_hash or "").encode()).hexdigest()[:32]


def _same_login(checked: StoredUser | None, now: StoredUser | None) -> bool:
    """Whether a user who may log in still has the password that was checked."""
    return (
        checked is not None
        and now is not None
        and now.user.active
        and (now.user.id, now.password_hash) == (checked.user.id, checked.password_hash)
    )


def takes_password(stored: StoredUser | None, rules: LoginRules) -> bool:
    """Whether a user may log in by a password: not who signs in by a provider, nor where that is off."""
    if stored is None or stored.user.issuer is not None:
        return False
    return rules.password_sign_in or rules.is_break_glass(stored.user.name)


def trust_of(session: UseSession, found: tuple[StoredToken, StoredUser] | None) -> StoredTrust | None:
    """The trust that a token came of, as it is now. Other tokens, most of them, cost no statement for it."""
    trust_id = None if found is None else found[0].trust_id
    return None if trust_id is None else session.trust(trust_id)


def trust_id_of(session: UseSession, caller: Caller) -> str | None:
    """The id of the trust by which a caller's token came; None for all others."""
    found = session.token(caller.token_id) if caller.token_id else None
    return None if found is None else found[0].trust_id


def is_trusted(trust: StoredTrust, stored: StoredUser) -> bool:
    """Whether a workload may act as a user by a trust: asked at each exchange, and at each request after it.

    A service user has neither password nor system role, so that no person is behind it. Others may be named
    by themselves alone.
    """
    user = stored.user
    return (
        trust.enabled
        and user.active
        and user.id == trust.user_id
        and user.system_role is SystemRole.DEFAULT
        and ((stored.password_hash is None and user.issuer is None) or trust.created_by == user.id)
    )


class Gate:
    """Identifies callers and lets them into tenants.

    Args:
        store: where users and tokens are kept.
        passwords: makes the password hasher, once one is needed.
        clock: gives the time as it is stored.
        rules: how people get in.
        on_break_glass: records that the break-glass account was used, in the transaction that lets it in.
    """

    def __init__(
        self,
        store: UseStore,
        passwords: Callable[[], PasswordHasher],
        clock: Callable[[], str],
        rules: LoginRules,
        on_break_glass: Callable[[Session, Caller], None],
    ) -> None:
        self._store = store
        self._rules = rules
        self._on_break_glass = on_break_glass
        self._make_hasher = passwords
        self._clock = clock
        self._strangers = Strangers()

    def present_token(self, token: str) -> Caller:
        """The same as `authenticate_token`: here, that takes no request."""
        return self.authenticate_token(token)

    def exchange_jwt(self, jwt: str, trust: str = "") -> Caller:  # noqa: ARG002 - the port's
        """Nothing here: a server alone exchanges JWTs, for whoever has the keys needs no identity.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "identities of workloads are exchanged by a server, and this store is on this machine",
            hint="RESOLVER_URL names a server; here a token is given in RESOLVER_TOKEN",
        )

    def confirm(self, caller: Caller) -> None:
        """Nothing: whoever became a caller here was identified."""

    def authenticate_token(self, token: str, address: str = "") -> Caller:
        """Identify a caller by an access token.

        Args:
            token: the token.
            address: where it comes from; empty for this machine itself.

        Raises:
            AuthenticationError: the token is malformed, or unknown, revoked, expired, of a user who is not
                active, or bound to other networks: one text for these.
        """
        public = token_id(token)
        with self._store.read() as session:
            found = session.token(public)
            trust = trust_of(session, found)
        digest = hashlib.sha256(token.encode()).hexdigest()
        expected = found[0].digest if found else hashlib.sha256(b"").hexdigest()
        if not hmac.compare_digest(digest, expected) or found is None:
            self._strangers.note("an access token was refused", token=public if found else "unknown")
            raise _refused_token()
        if not found[0].scope.permits_address(address):
            where = address or "this machine"
            self._strangers.note("a token came from outside its networks", token=public, address=where)
            raise _refused_token()
        try:
            caller = self._caller(*found, trust)
        except AuthenticationError:
            self._strangers.note("an access token was refused", token=public, user=found[1].user.name)
            raise
        self._note_use(found[0])
        return caller

    def _note_use(self, token: StoredToken) -> None:
        """Record a token's use, at most once a minute: a request is not a write for that."""
        now = self._clock()
        if token.last_used_at is not None and later(now, -_USE_NOTED_EVERY) < str(token.last_used_at):
            return  # which is not read: nothing vouches for what is in that column
        # A database that can't be written refuses what needs a record of its own, and not the rest.
        with contextlib.suppress(StoreError), self._store.write() as session:
            session.note_token_use(token.id, now)

    def _caller(self, token: StoredToken, stored: StoredUser, trust: StoredTrust | None) -> Caller:
        expired = token.expires_at is not None and token.expires_at <= self._clock()
        if expired or not stored.user.active:
            raise _refused_token()
        stored = stored.as_of(self._clock())
        user, scope, run = stored.user, token.scope, None
        if token.trust_id is not None:
            if trust is None or token.run is None or not is_trusted(trust, stored):
                raise _refused_token()
            scope, run = scope.within(trust.scope), json.loads(token.run)
        return Caller(
            user.id,
            user.name,
            user.system_role,
            stored.roles,
            token.id,
            scope,
            expires_at=token.expires_at,
            run=run,
            roles_until=user.roles_until,
        )

    def authenticate_password(self, username: str, password: str) -> Caller:
        """Identify a caller by user name and password.

        After some wrong passwords a user name is refused for a while, with the right one too. That is kept in
        the database, so that all servers share it, and does not touch tokens.

        Raises:
            AuthenticationError: unknown user, wrong password, not active or refused for now; one text and
                cost for all.
            UnavailableError: too many passwords are being checked.
        """
        store = self._store.managed
        with store.read() as session:
            stored = session.user(name=username)
        matches = self.passwords.verify(
            stored.password_hash if stored else None, password[: MAX_PASSWORD + 1]
        )
        # Decided where the failures are locked: many who guess at once get no more guesses than one.
        with store.write() as session:
            now = self._clock()
            session.hold_user(stored.user.id if stored else "")
            # While the hash was computed the password may have become another, or the user been deactivated.
            again = session.user(name=username)
            slot = slot_of(stored.user.id if stored else None, username)
            failures = session.login_failures(slot)
            fits = (
                again
                if matches and _same_login(stored, again) and takes_password(again, self._rules)
                else None
            )
            let_in = fits if not failures.refuses(now) else None
            # The same writes whatever the outcome, so that the time taken tells nothing.
            kept = Failures() if let_in else failures if fits else failures.with_another(now)
            session.set_login_failures(slot, kept)
            session.note_login(let_in.user.id if let_in else "", now)
            caller = None if let_in is None else self.person(let_in, _login_of(let_in), now)
            if caller is not None and not self._rules.password_sign_in:
                self._on_break_glass(session, caller)
        if caller is None:
            self._strangers.note("a login was refused", user=stored.user.name if stored else "unknown")
            hint = "" if self._rules.password_sign_in else "passwords are switched off: sign in by a provider"
            raise AuthenticationError("the user name or the password is wrong", hint=hint)
        if not self._rules.password_sign_in:
            self._strangers.note("the break-glass account was used", user=caller.username)
        return caller

    def person(self, stored: StoredUser, login: str, confirmed_at: str) -> Caller:
        """A person who has just shown who it is, with the rights of this moment.

        Args:
            stored: the user.
            login: what the login is bound to.
            confirmed_at: when the person showed who it is; empty when that is not known.
        """
        stored = stored.as_of(self._clock())
        user = stored.user
        return Caller(
            user.id,
            user.name,
            user.system_role,
            stored.roles,
            login=login,
            interactive=True,
            confirmed_at=confirmed_at,
            roles_until=user.roles_until,
        )

    def _with_login(self, current: Caller, caller: Caller, stored: StoredUser) -> Caller:
        """A caller whose rights were read again, as one who was identified in the same way as before."""
        if caller.login:
            valid = [_login_of(stored)] if takes_password(stored, self._rules) else []
            if stored.user.issuer in self._rules.issuers:
                valid.append(sign_in_of(stored))
            if not any(hmac.compare_digest(caller.login, one) for one in valid):
                raise AuthenticationError("the password was changed since this login", hint="log in again")
        return replace(
            current, login=caller.login, interactive=caller.interactive, confirmed_at=caller.confirmed_at
        )

    @functools.cached_property
    def passwords(self) -> PasswordHasher:
        """The password hasher, made when one is needed."""
        return self._make_hasher()

    def current(self, session: UseSession, caller: Caller) -> Caller:
        """The caller with the rights of this moment.

        Raises:
            AuthenticationError: the token was revoked or has expired, or the user is not active any more.
        """
        if caller.token_id:
            return self._by_token(session, caller, session.token(caller.token_id))
        known = session.user(user_id=caller.user_id)
        if known is None or not known.user.active:
            raise AuthenticationError("the user is not active any more")
        known = known.as_of(self._clock())
        user = known.user
        current = replace(
            caller,
            username=user.name,
            system_role=user.system_role,
            roles=known.roles,
            roles_until=user.roles_until,
        )
        return self._with_login(current, caller, known)

    def _by_token(
        self, session: UseSession, caller: Caller, found: tuple[StoredToken, StoredUser] | None
    ) -> Caller:
        """The same of one who was identified by a token, which was read with its user."""
        if found is None or found[1].user.id != caller.user_id:
            raise _refused_token()
        return self._with_login(self._caller(*found, trust_of(session, found)), caller, found[1])

    def enter(
        self,
        session: UseSession,
        caller: Caller,
        permission: Permission,
        tenant_name: str,
    ) -> tuple[Caller, Tenant]:
        """Read the rights again and decide about a permission in a tenant, before any look-up in it.

        Raises:
            MemberRefusedError: a member's role or token does not permit it.
            NotPermittedError: not a member; the same whether or not the tenant exists.
            NotFoundError: there is no such tenant, for those who may know.
        """
        if caller.token_id:
            found = session.entering(caller.token_id, tenant_name)
            caller = self._by_token(session, caller, found and found[:2])
            tenant = found and found[2]
        else:
            caller = self.current(session, caller)
            tenant = session.tenant(tenant_name) if tenant_name else None
        if not tenant_name:
            raise NotPermittedError("no tenant was named", hint="name the tenant that it is asked in")
        decision = policy.decide_in_tenant(caller, permission, tenant)
        if not decision.allowed:
            if tenant is not None and (tenant.id in caller.roles or decision.reason is Verdict.TOKEN):
                raise MemberRefusedError(caller, tenant, permission, decision.reason)
            self._strangers.note(
                "a non-member was refused", user=caller.username, asked=permission.value, tenant=tenant_name
            )
            raise not_permitted(caller, permission, tenant_name)
        if tenant is None:
            raise NoSuchTenantError(f"tenant {tenant_name!r} does not exist")
        return caller, tenant

    def enter_system(self, session: UseSession, caller: Caller, permission: Permission) -> Caller:
        """The same for what concerns the whole system.

        Raises:
            NotPermittedError: the caller's system role does not permit it.
        """
        caller = self.current(session, caller)
        if not policy.decide_in_tenant(caller, permission, None).allowed:
            self._strangers.note("a user was refused", user=caller.username, asked=permission.value)
            raise not_permitted(caller, permission, "")
        return caller


MAX_TOLD = 20
"""Most things that a refusal names."""


def find_tenant(session: UseSession, name: str) -> Tenant:
    """A tenant by name; NotFoundError when there is none."""
    tenant = session.tenant(name)
    if tenant is None:
        raise NotFoundError(f"tenant {name!r} does not exist")
    return tenant


def tell(holdings: Sequence[Holding]) -> str:
    """What is owned or held, as text for a message; a long list is cut, and always counted."""
    named = [f"{holding.kind} {holding.tenant.name}/{holding.name}" for holding in holdings[:MAX_TOLD]]
    more = len(holdings) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def demand_way_in(session: Session, now: str, rules: LoginRules) -> None:
    """See, within the transaction that took a credential or a role away, that a sys_admin can still log in.

    Sign-ins by providers do not count: a provider may be down, or gone.

    Raises:
        LastCredentialError: no active one has a password, or a token that neither expired nor is narrowed.
    """
    for stored in session.users(WHOLE):
        if stored.user.system_role is not SystemRole.SYS_ADMIN or not stored.user.active:
            continue
        if stored.user.roles_until is not None:  # it ends, and a sign-in alone renews it
            continue
        has_password = stored.password_hash is not None and takes_password(stored, rules)
        if has_password or any(
            not token.scope.is_limited and (token.expires_at is None or token.expires_at > now)
            for token, _ in session.tokens(stored.user.id, WHOLE)
        ):
            return
    raise LastCredentialError(
        "no sys_admin could log in any more: this is the last credential of the last one",
        hint="give one a password with `resolver users set-password` first; to go on all the same, "
        "commands take --yes, requests `?even_last=true`, and `resolver recover` is the way back",
    )


def find_user(session: UseSession, name: str) -> User:
    """A user by name, whatever its case; NotFoundError when there is none."""
    stored = session.user(name=name)
    if stored is None:
        raise NotFoundError(f"user {name!r} does not exist")
    return stored.user


def reach_of_all(
    session: Session, gate: Gate, caller: Caller, permission: Permission, tenant: str, *, all_tenants: bool
) -> tuple[Caller, Reach]:
    """Which secrets exist for a caller in a tenant, or in all tenants where the permission is given.

    Args:
        session: the transaction.
        gate: lets callers in.
        caller: who asks.
        permission: what is to be done with the secrets.
        tenant: the name of the tenant to ask in; may be empty with all tenants.
        all_tenants: whether to ask in all tenants.

    Returns:
        The caller with the rights of this moment, and the reach.

    Raises:
        NotPermittedError: not here, or in no tenant.
    """
    if tenant or not all_tenants:
        caller, home = gate.enter(session, caller, permission, tenant)
        if not all_tenants:
            return caller, policy.reach(caller, [home])
    else:
        caller = gate.current(session, caller)
    permitted = [one for one in session.tenants() if policy.decide_in_tenant(caller, permission, one).allowed]
    if not permitted:
        raise not_permitted(caller, permission, "", where=" in any tenant")
    return caller, policy.reach(caller, permitted)


def narrowed(caller: Caller, listing: Listing) -> Listing:
    """A list without the keys that the caller's token may not name."""
    if caller.scope.keys is None:
        return listing
    # Sets like `[a-z]` are not the same in every database.
    if listing.patterns is None and not any("[" in pattern for pattern in caller.scope.keys):
        return replace(listing, patterns=caller.scope.keys)
    permits, matches = caller.scope.permits_key, listing.matches
    return replace(listing, matches=lambda key: permits(key) and (matches is None or matches(key)))
