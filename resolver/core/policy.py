"""Who may do what: pure decisions, each with its reason.

Two questions, in this order. `decide_in_tenant` is answered before anything is looked up. `decide` is about a
secret that was found, and judges private and hidden ones by the caller's role in the *secret's* tenant,
whatever tenant the question came from.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, assert_never

import msgspec
from msgspec.structs import replace

from resolver.core.model import Tenant, Visibility
from resolver.core.permissions import (
    SYSTEM_ROLE_PERMISSIONS,
    TENANT_ROLE_PERMISSIONS,
    Permission,
    SystemRole,
    held,
)
from resolver.core.query import Reach
from resolver.core.times import later

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.core.model import Caller, Secret
    from resolver.core.providers import Provider


class Verdict(enum.StrEnum):
    """Why something was allowed or refused. The values are stable: audit records carry them."""

    ALLOWED = "allowed"
    ROLE = "role_does_not_permit"
    TOKEN = "token_is_narrowed"  # noqa: S105 - a reason's name
    INVISIBLE = "not_visible"
    ABSENT = "does_not_exist"
    EXPIRED = "has_expired"
    UNAVAILABLE = "provider_failed"
    HIDDEN = "value_is_hidden"
    OTHER_TENANT = "belongs_to_another_tenant"
    PROTECTED = "approval_is_needed"


class CredentialVerdict(enum.Enum):
    """Whether a caller may set passwords and make tokens, or why not."""

    ALLOWED = enum.auto()
    NARROWED = enum.auto()
    EXPIRES = enum.auto()
    UNCONFIRMED = enum.auto()


class Decision(msgspec.Struct, frozen=True):
    """Whether something is allowed, and why."""

    allowed: bool
    reason: Verdict


CONFIRMED_FOR = 300
"""Seconds for which a password that was given lets a session set passwords and make tokens."""

_ALLOWED = Decision(allowed=True, reason=Verdict.ALLOWED)

_CHANGES = frozenset({Permission.SECRET_UPDATE, Permission.SECRET_DELETE, Permission.SECRET_SET_OWNER})

_ABOUT_KEYS = frozenset(
    permission
    for permission in Permission
    if permission.startswith("secret:") or permission.value in ("provider:list", "all_tenants")
)
"""What a token can still do that is narrowed to keys: nothing that reaches further than they do.

The audit trail shows other keys; providers, tenants and users are not any key's own.
"""


def _refused(reason: Verdict) -> Decision:
    return Decision(allowed=False, reason=reason)


def rights(caller: Caller, tenant: Tenant | None) -> frozenset[Permission]:
    """What a caller may do in a tenant: system role and tenant role together, cut by the token's scope.

    Args:
        caller: who asks.
        tenant: where; None for what concerns the whole system.
    """
    granted = SYSTEM_ROLE_PERMISSIONS[caller.system_role]
    if tenant is not None and (role := caller.roles.get(tenant.id)) is not None:
        granted |= TENANT_ROLE_PERMISSIONS[role]
    scope = caller.scope
    if scope.permissions is not None:
        granted &= held(scope.permissions)
    if scope.tenants is not None and (tenant is None or tenant.name not in scope.tenants):
        return frozenset()
    if scope.keys is not None:
        granted &= _ABOUT_KEYS
    return granted


def rights_by_id(caller: Caller, tenant_id: str) -> frozenset[Permission]:
    """What a caller may do in a tenant that was not looked up, at most: a token may not reach it.

    Args:
        caller: who asks.
        tenant_id: the tenant's id; empty for one in which the caller has no role.
    """
    anywhere = replace(caller, scope=replace(caller.scope, tenants=None))
    return rights(anywhere, Tenant(tenant_id, ""))


def could(caller: Caller, permission: Permission) -> bool:
    """Whether a caller has a permission anywhere, as far as that can be told without looking tenants up."""
    return any(permission in rights_by_id(caller, home) for home in (*caller.roles, ""))


def decide_in_tenant(caller: Caller, permission: Permission, tenant: Tenant | None) -> Decision:
    """Whether a caller has a permission in a tenant, before anything is looked up there."""
    if permission in rights(caller, tenant):
        return _ALLOWED
    role_permits = permission in SYSTEM_ROLE_PERMISSIONS[caller.system_role] or (
        tenant is not None
        and (role := caller.roles.get(tenant.id)) is not None
        and permission in TENANT_ROLE_PERMISSIONS[role]
    )
    return _refused(Verdict.TOKEN if role_permits else Verdict.ROLE)


def is_confirmed(caller: Caller, now: str) -> bool:
    """Whether the password was given for this session within the last five minutes."""
    return bool(caller.confirmed_at) and now < later(caller.confirmed_at, CONFIRMED_FOR)


def decide_credentials(caller: Caller, now: str) -> CredentialVerdict:
    """Whether a caller may set passwords and make access tokens at all.

    A token that is narrowed or ends would otherwise make itself whole or last for good. A person's session
    may when its password was given a moment ago, whatever it was opened with.
    """
    if caller.scope.is_limited:
        return CredentialVerdict.NARROWED
    if is_confirmed(caller, now):
        return CredentialVerdict.ALLOWED
    if caller.interactive:
        return CredentialVerdict.UNCONFIRMED
    return CredentialVerdict.ALLOWED if caller.expires_at is None else CredentialVerdict.EXPIRES


def decide_key(caller: Caller, key: str) -> Decision:
    """Whether a narrowed token may name a key at all, before it is looked up."""
    return _ALLOWED if caller.scope.permits_key(key) else _refused(Verdict.TOKEN)


def administers(caller: Caller, tenant: Tenant) -> bool:
    """Whether private secrets and hidden values of others in a tenant are open to the caller.

    A token narrowed to permissions keeps this part of its user's role: that scope says what may be done,
    not who one is. One narrowed to other tenants has no part in this one.
    """
    tenants = caller.scope.tenants
    if tenants is not None and tenant.name not in tenants:
        return False
    role = caller.roles.get(tenant.id)
    return caller.system_role is SystemRole.SYS_ADMIN or (
        role is not None and Permission.SECRET_ADMINISTER in TENANT_ROLE_PERMISSIONS[role]
    )


def is_visible(caller: Caller, thing: Secret | Provider, asked_from: Tenant) -> bool:
    """Whether a secret or a provider exists for a caller, by its visibility.

    Args:
        caller: who asks.
        thing: what was found under the name.
        asked_from: the tenant that the question came from.
    """
    match thing.visibility:
        case Visibility.GLOBAL:
            return True
        case Visibility.TENANT:
            return thing.tenant.id == asked_from.id
        case Visibility.PRIVATE:
            mine = thing.owner.id == caller.user_id
            return thing.tenant.id == asked_from.id and (mine or administers(caller, thing.tenant))
        case _:
            assert_never(thing.visibility)


def reach(caller: Caller, tenants: Iterable[Tenant]) -> Reach:
    """Which secrets exist for a caller in tenants where listing, showing or exporting was allowed.

    The same as asking `decide` about each secret: private ones are judged by the role in their own tenant.
    """
    asked = list(tenants)
    return Reach(
        caller.user_id,
        frozenset(tenant.id for tenant in asked),
        frozenset(tenant.id for tenant in asked if administers(caller, tenant)),
    )


def decide(caller: Caller, permission: Permission, secret: Secret, asked_from: Tenant) -> Decision:
    """Decide about one secret, after `decide_in_tenant` allowed the permission in the tenant asked from.

    Args:
        caller: who asks.
        permission: one of the `secret:` permissions.
        secret: the secret that was found under the key.
        asked_from: the tenant that the question came from.

    Returns:
        A decision. `not_visible` must look like a secret that does not exist.
    """
    home = secret.tenant
    if not is_visible(caller, secret, asked_from):
        return _refused(Verdict.INVISIBLE)
    if permission in _CHANGES and home.id != asked_from.id:
        return _refused(Verdict.OTHER_TENANT)
    if secret.protected_at is not None and permission in (Permission.SECRET_SHOW, Permission.SECRET_EXPORT):
        return _refused(Verdict.PROTECTED)
    if (
        secret.hidden
        and permission in _CHANGES | {Permission.SECRET_SHOW, Permission.SECRET_EXPORT}
        and not may_open_hidden(caller, permission, secret)
    ):
        return _refused(Verdict.HIDDEN)
    return _ALLOWED


def may_open_hidden(caller: Caller, permission: Permission, secret: Secret) -> bool:
    """Whether a hidden value is open to a caller: its creator while still permitted, and administrators."""
    mine = secret.owner.id == caller.user_id
    return administers(caller, secret.tenant) or (mine and permission in rights(caller, secret.tenant))
