"""Who could read a secret, and what somebody could read: asked of the policy, for everyone there is."""

from __future__ import annotations

import functools
from operator import attrgetter
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.access import AccessPart, RoleAccess, SecretAccess, SecretReader, WhoCan, grounds
from resolver.core.audit import cap
from resolver.core.model import FULL_SCOPE, Caller, Scope, Visibility, check_key
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.query import EVERYTHING, WHOLE, Listing
from resolver.errors import InvalidRequestError, NotFoundError
from resolver.service.access import is_trusted, narrowed, not_found, trust_of
from resolver.service.base import ServicePart
from resolver.service.decryption import look_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resolver.core.access import Ground
    from resolver.core.model import Secret, Tenant
    from resolver.core.ports import Session, StoredToken, StoredTrust, StoredUser

_READS = (Permission.SECRET_USE, Permission.SECRET_SHOW)


class AccessReport(ServicePart):
    """Tells who may read what. The answers are the policy's, and no value is read for them."""

    def who_can(self, caller: Caller, tenant: str, key: str) -> WhoCan:
        """Every user and token that a blueprint's use, or a look, would give a secret's value now.

        Args:
            caller: who asks.
            tenant: the name of the tenant to ask in.
            key: the secret's name.

        Raises:
            InvalidRequestError: this can't be a key.
            NotPermittedError: the caller may not read the tenant's audit trail.
            NotFoundError: there is no such secret, or it does not exist for the caller.
        """
        check_key(key)
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)
            row = look_up(session, current, home, [key]).get(key)
            if row is None or not policy.is_visible(current, row.secret, home):
                raise not_found(key, tenant)
            secret = row.secret
            everywhere = (
                secret.visibility is Visibility.GLOBAL
                and policy.decide_in_tenant(current, Permission.AUDIT_READ, None).allowed
            )
            tenants = {one.id: one for one in (session.tenants() if everywhere else [home])}
            readers = [
                reader
                for holder, trust in self._holders(session)
                if (reader := _reader(holder, trust, secret, _asked_from(holder, tenants, home))) is not None
            ]
        expired = self._rules.refuse_expired and secret.is_expired(self._clock())
        return WhoCan(secret, expired, everywhere, _by_role(secret, home), readers)

    def access(
        self,
        caller: Caller,
        tenant: str,
        username: str = "",
        token_id: str = "",
        listing: Listing = EVERYTHING,
    ) -> AccessPart:
        """What somebody could use and be shown in a tenant, out of a part of its secrets.

        Args:
            caller: who asks: for themselves, or as someone who may read the tenant's audit trail.
            tenant: the name of the tenant to ask in.
            username: of whom; empty for the caller, with the token that is used now.
            token_id: the public part of the token that is meant instead of a user.
            listing: which part of the secrets to look at.

        Raises:
            InvalidRequestError: both a user and a token are named.
            NotPermittedError: the caller may not ask this of others, or has no part in the tenant.
            NotFoundError: there is no such user or token.
        """
        if username and token_id:
            raise InvalidRequestError("either a user or a token is named, not both")
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            of_self = (
                token_id == current.token_id
                if token_id
                else username.casefold() in ("", current.username.casefold())
            )
            current, home = self._gate.enter(
                session, caller, Permission.SECRET_LIST if of_self else Permission.AUDIT_READ, tenant
            )
            holder = current if of_self else self._other(session, current, home, username, token_id)
            page = session.page(policy.reach(current, [home]), narrowed(current, listing))
        items = [_access(holder, secret, home) for secret in page.items]
        return AccessPart(
            holder.username,
            holder.token_id,
            home.name,
            sorted(policy.rights(holder, home)),
            [item for item in items if item.use or item.show],
            page.total,
        )

    def _other(self, session: Session, caller: Caller, home: Tenant, username: str, token_id: str) -> Caller:
        """A user or a token as the caller that they would be; who has no part in the tenant is not found."""
        token, trust = None, None
        if token_id:
            found = session.token(token_id)
            token, stored = found if found is not None else (None, None)
            trust = trust_of(session, found)
        else:
            stored = session.user(name=username)
        if stored is None or not (
            home.id in stored.roles
            or stored.user.system_role is SystemRole.SYS_ADMIN
            or policy.decide_in_tenant(caller, Permission.USER_MANAGE, None).allowed
        ):
            what = f"token {cap(token_id)!r}" if token_id else f"user {cap(username)!r}"
            raise NotFoundError(f"{what} has no part in tenant {home.name!r}")
        return self._holder(stored, token, trust)

    def _holders(self, session: Session) -> Iterator[tuple[Caller, str]]:
        """Every user, with their tokens and the trusts that act as them; of each the name of the trust.

        What workloads got for a trust lives for minutes, within the trust, and is not told apart.
        """
        tokens: dict[str, list[StoredToken]] = {}
        for token, _ in session.tokens(None, WHOLE):
            if token.trust_id is None:
                tokens.setdefault(token.user_id, []).append(token)
        trusts: dict[str, list[StoredTrust]] = {}
        for trust in session.trusts():
            trusts.setdefault(trust.user_id, []).append(trust)
        for stored in session.users(WHOLE):
            for token in (None, *tokens.get(stored.user.id, ())):
                yield self._holder(stored, token, None), ""
            for trust in trusts.get(stored.user.id, ()):
                yield self._holder(stored, None, trust), trust.name

    def _holder(self, stored: StoredUser, token: StoredToken | None, trust: StoredTrust | None) -> Caller:
        """A user, a token or a trust as the caller that it would be, without rights if not let in."""
        stored = stored.as_of(self._clock())
        user = stored.user
        ended = token is not None and token.expires_at is not None and token.expires_at <= self._clock()
        by_trust = token is not None and token.trust_id is not None
        distrusted = by_trust if trust is None else not is_trusted(trust, stored)
        is_in = user.active and not ended and not distrusted
        scopes = [one.scope for one in (token, trust) if one is not None]
        return Caller(
            user.id,
            user.name,
            user.system_role if is_in else SystemRole.DEFAULT,
            stored.roles if is_in else {},
            token.id if token is not None else "",
            functools.reduce(Scope.within, scopes, FULL_SCOPE),
        )


def _reader(holder: Caller, trust: str, secret: Secret, asked_from: Iterable[Tenant]) -> SecretReader | None:
    found: dict[Permission, list[str]] = {permission: [] for permission in _READS}
    by: dict[Ground, None] = {}
    for tenant in asked_from:
        for permission, names in found.items():
            if rules := grounds(holder, permission, secret, tenant):
                names.append(tenant.name)
                by.update(dict.fromkeys(rules))
    use, show = found.values()
    if not use and not show:
        return None
    return SecretReader(holder.username, holder.token_id, trust, use, show, list(by))


def _asked_from(holder: Caller, tenants: Mapping[str, Tenant], home: Tenant) -> list[Tenant]:
    """The tenants that somebody would ask in, by name: those of their own, and the one asked about."""
    ids = {home.id, *holder.roles} & tenants.keys()
    return sorted((tenants[one] for one in ids), key=attrgetter("name"))


def _by_role(secret: Secret, home: Tenant) -> list[RoleAccess]:
    members = {role: Caller("", "", SystemRole.DEFAULT, {home.id: role}) for role in TenantRole}
    return [
        RoleAccess(role, *(bool(grounds(member, permission, secret, home)) for permission in _READS))
        for role, member in members.items()
    ]


def _access(holder: Caller, secret: Secret, home: Tenant) -> SecretAccess:
    use, show = (grounds(holder, permission, secret, home) for permission in _READS)
    return SecretAccess(
        secret.key, secret.tenant.name, bool(use), bool(show), list(dict.fromkeys(use + show))
    )
