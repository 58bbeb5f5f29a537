"""The end of the upgrade to rows with MACs: what is there is shown, and refused without one from then on."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from resolver.core.audit import SYSTEM_CHAIN
from resolver.core.permissions import SystemRole
from resolver.core.query import WHOLE
from resolver.errors import ConflictError, TokenError
from resolver.service.base import ServicePart
from resolver.service.providers import open_parameters

_BATCH = 500
"""Rows that get their MACs with one statement."""


class VouchedToken(Struct, frozen=True):
    """A token that would be valid.

    Args:
        id: its public part.
        username: whose it is.
        description: what it is for.
        created_at: when it was made.
        expires_at: when it ends; None for never.
        narrowed: whether it has less than the rights of its user.
    """

    id: str
    username: str
    description: str
    created_at: str
    expires_at: str | None
    narrowed: bool


class VouchedProvider(Struct, frozen=True):
    """A secrets provider that would be asked for values.

    Args:
        tenant: its tenant's name.
        name: its name.
        destination: where it is; empty for one that is nowhere else.
    """

    tenant: str
    name: str
    destination: str


class VouchedTrust(Struct, frozen=True):
    """A trust by which JWTs would be exchanged.

    Args:
        name: its name.
        issuer: who signs them.
        username: the user that workloads act as.
        enabled: whether it is in use.
    """

    name: str
    issuer: str
    username: str
    enabled: bool


class VouchedMember(Struct, frozen=True):
    """A user's role in a tenant.

    Args:
        username: the user's name.
        tenant: the tenant's name; its id where there is no such tenant.
        role: the role.
    """

    username: str
    tenant: str
    role: str


class Vouched(Struct, frozen=True):
    """What whoever finishes the upgrade vouches for.

    Args:
        sys_admins: the names of the users who are sys_admins.
        members: all roles of users in tenants.
        tokens: all access tokens.
        providers: all secrets providers.
        trusts: all trusts.
    """

    sys_admins: Sequence[str]
    members: Sequence[VouchedMember]
    tokens: Sequence[VouchedToken]
    providers: Sequence[VouchedProvider]
    trusts: Sequence[VouchedTrust] = ()


class Enforcement(ServicePart):
    """Whether rows that decide are refused without a genuine MAC, and how that begins."""

    def is_on(self) -> bool:
        """Whether they are."""
        with self._store.read() as session:
            return session.rows_enforced

    def vouched(self) -> Vouched:
        """What would be vouched for now."""
        with self._store.read() as session:
            users = session.users(WHOLE)
            admins = [stored.user.name for stored in users if stored.user.system_role is SystemRole.SYS_ADMIN]
            names = {tenant.id: tenant.name for tenant in session.tenants()}
            members = [
                VouchedMember(stored.user.name, names.get(home, home), role.value)
                for stored in users
                for home, role in sorted(stored.roles.items())
            ]
            tokens = [
                VouchedToken(
                    token.id,
                    name,
                    token.description,
                    token.created_at,
                    token.expires_at,
                    token.scope.is_limited,
                )
                for token, name in session.tokens(None, WHOLE)
            ]
            providers: list[VouchedProvider] = []
            for tenant in session.tenants():
                for provider in session.provider_part(tenant.id, None, WHOLE):
                    if provider.tenant.id == tenant.id:
                        stored = session.providers(tenant.id, provider.name)[0]
                        try:
                            opened = open_parameters(session, self._cipher, stored)
                            place = opened.get("url") or opened.get("host", "")
                        except TokenError:
                            place = "unreadable"
                        providers.append(VouchedProvider(tenant.name, provider.name, place))
            known = {stored.user.id: stored.user.name for stored in users}
            trusts = [
                VouchedTrust(one.name, one.issuer, known.get(one.user_id, one.user_id), one.enabled)
                for one in session.trusts()
            ]
        return Vouched(admins, members, tokens, providers, trusts)

    def finish(self, vouched: Vouched) -> int:
        """Give all rows that decide their MACs, and refuse rows without from then on; how many there were.

        All of it is one transaction, which keeps other writers away.

        Args:
            vouched: what was shown.

        Raises:
            ConflictError: something else is there now, or rows are refused without a MAC already.
            StoreError: other programs have the database open.
        """
        self._store.demand_alone()
        if self.is_on():
            raise ConflictError("rows without a genuine MAC are refused already")
        if self.vouched() != vouched:
            raise ConflictError(
                "users, memberships, tokens or providers were changed since they were shown",
                hint="look at them again",
            )
        count = 0
        with self._store.write() as session:
            self._trail.demand_genuine(session, SYSTEM_CHAIN)
            session.enforce_rows()
            for kind in session.row_kinds:
                after: Sequence[object] | None = ()
                while after is not None:
                    number, after = session.vouch_for_rows(kind, after, limit=_BATCH)
                    count += number
            self._trail.append_rows(session)
            self._trail.enforce(session, count)
        return count
