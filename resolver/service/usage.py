"""What is not used: secrets, and what roles and tokens permit beyond what the audit trail shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.audit import SYSTEM_CHAIN
from resolver.core.audit_query import AuditQuery, fields_of
from resolver.core.model import Caller
from resolver.core.paging import WHOLE
from resolver.core.permissions import TENANT_ROLE_PERMISSIONS, Permission, TenantRole
from resolver.core.results import Usage, WideMember, WideToken
from resolver.core.times import parse_time
from resolver.service.base import ServicePart

if TYPE_CHECKING:
    from resolver.core.audit import AuditRecord
    from resolver.core.model import Tenant
    from resolver.core.ports import Session

DEFAULT_DAYS = 90
"""How far back one looks when nothing else is said."""

_READS = frozenset({Permission.SECRET_USE, Permission.SECRET_SHOW, Permission.SECRET_EXPORT})
_FROM_NARROW_TO_WIDE = (TenantRole.VIEWER, TenantRole.OPERATIONS, TenantRole.USER, TenantRole.MANAGER)


class _Seen:
    """What the records of a tenant show; grows with users, tokens and secrets, not with records."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.by_user: dict[str, set[Permission]] = {}
        self.by_token: dict[str, set[Permission]] = {}
        self.keys: dict[str, set[str]] = {}

    def add(self, record: AuditRecord, *, own: bool) -> None:
        """Take in a record of the tenant's own chain, or of another's."""
        fields = fields_of(record)
        if fields.get("decision") != "allowed":
            return
        if record.action in _READS:
            self.secrets.add(str(fields.get("secret_id")))
        if own and record.action in _PERMISSIONS:
            permission, token = Permission(record.action), str(fields.get("token"))
            self.by_user.setdefault(str(fields.get("caller_id")), set()).add(permission)
            self.by_token.setdefault(token, set()).add(permission)
            keys = self.keys.setdefault(token, set())
            if len(keys) < _MAX_KEYS:
                keys.add(str(fields.get("key")))


_PERMISSIONS = frozenset(Permission)
_MAX_KEYS = 10


class UsageReport(ServicePart):
    """Compares what is permitted with what was done."""

    def unused(self, caller: Caller, tenant: str, since: str = "") -> Usage:
        """What was not used in a tenant since a time, by default 90 days ago.

        For who may read all trails, uses of global secrets in other tenants count. Listing, checking and
        reading the trail leave no record, so they are not seen.

        Raises:
            InvalidRequestError: the time is malformed.
            NotPermittedError: the caller may not read the tenant's audit trail.
        """
        now = self._clock()
        start = parse_time(since or f"{DEFAULT_DAYS}d", now, "the start", ago=True)
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)
            chains = [home.id]
            if policy.decide_in_tenant(current, Permission.AUDIT_READ, None).allowed:
                chains = [home.id, *({*session.all_audit_chains()} - {home.id, SYSTEM_CHAIN})]
            secrets = [held for held in session.holdings(tenant_id=home.id) if held.kind == "secret"]
            members = session.members(home.id)
        seen = _Seen()
        for chain in chains:
            for record in self._trail.read(chain, AuditQuery(since=start)):
                seen.add(record, own=chain == home.id)
        wide = [
            WideMember(user.name, role, enough)
            for user, role in members
            for enough in (_enough(seen.by_user.get(user.id, set())),)
            if enough is not role
        ]
        unused = [held for held in secrets if held.id not in seen.secrets]
        with self._store.read() as session:
            return Usage(start, unused, wide, self._tokens(session, current, home, seen))

    @staticmethod
    def _tokens(session: Session, caller: Caller, home: Tenant, seen: _Seen) -> list[WideToken] | None:
        if (
            caller.narrowing.narrows
            or not policy.decide_in_tenant(caller, Permission.TOKEN_MANAGE_OTHERS, None).allowed
        ):
            return None
        users = {stored.user.id: stored for stored in session.users(WHOLE)}
        found = []
        for token, username in session.tokens(None, WHOLE):
            user = users[token.user_id]
            holder = Caller(
                token.user_id, username, user.user.system_role, user.roles, token.id, token.narrowing
            )
            used = frozenset(seen.by_token.get(token.id, ()))
            unused = policy.rights(holder, home) - used
            if unused:
                keys = sorted(seen.keys.get(token.id, ()))
                found.append(
                    WideToken(token.id, username, token.narrowing, token.last_used_at, used, unused, keys)
                )
        return found


def _enough(used: set[Permission]) -> TenantRole | None:
    """The narrowest role that permits what was done; the widest when none does, since a sys_admin did it."""
    if not used:
        return None
    fits = (role for role in _FROM_NARROW_TO_WIDE if used <= TENANT_ROLE_PERMISSIONS[role])
    return next(fits, TenantRole.MANAGER)
