"""What can be done, and which role may do it.

The table is Cloudify Manager's for its secrets store, except that it separates listing and seeing
(`secret:list`, `secret:show`) from using a value in a blueprint (`secret:use`), which a viewer may not do.
"""

from __future__ import annotations

import enum
import functools


class Permission(enum.StrEnum):
    """Everything that a caller can be permitted to do."""

    SECRET_LIST = "secret:list"
    SECRET_SHOW = "secret:show"
    SECRET_USE = "secret:use"
    SECRET_CREATE = "secret:create"
    SECRET_UPDATE = "secret:update"
    SECRET_DELETE = "secret:delete"
    SECRET_EXPORT = "secret:export"
    SECRET_IMPORT = "secret:import"
    SECRET_CREATE_GLOBAL = "secret:create_global"
    SECRET_SET_OWNER = "secret:set_owner"
    SECRET_ADMINISTER = "secret:administer"
    """See and change private secrets and hidden values that belong to others."""
    ALL_TENANTS = "all_tenants"
    PROVIDER_LIST = "provider:list"
    PROVIDER_CREATE = "provider:create"
    PROVIDER_UPDATE = "provider:update"
    PROVIDER_DELETE = "provider:delete"
    PROVIDER_CREDENTIALS = "provider:credentials"
    AUDIT_READ = "audit:read"
    TENANT_MANAGE = "tenant:manage"
    USER_MANAGE = "user:manage"
    MEMBERSHIP_MANAGE = "membership:manage"
    KEY_ROTATE = "key:rotate"
    TOKEN_MANAGE_OTHERS = "token:manage_others"
    WEBHOOK_MANAGE = "webhook:manage"
    TRUST_MANAGE = "trust:manage"
    APPROVAL_GRANT = "approval:grant"
    """See what was asked to be approved in a tenant, and grant or deny it."""


class SystemRole(enum.StrEnum):
    """A user's role in the whole system."""

    SYS_ADMIN = "sys_admin"
    DEFAULT = "default"


class TenantRole(enum.StrEnum):
    """A user's role in one tenant."""

    MANAGER = "manager"
    USER = "user"
    OPERATIONS = "operations"
    VIEWER = "viewer"


_READ = frozenset({Permission.SECRET_LIST, Permission.SECRET_SHOW, Permission.PROVIDER_LIST})
_USE = _READ | {Permission.SECRET_USE}
_CHANGE = _USE | {
    Permission.SECRET_CREATE,
    Permission.SECRET_UPDATE,
    Permission.SECRET_DELETE,
    Permission.SECRET_EXPORT,
    Permission.SECRET_IMPORT,
    Permission.PROVIDER_CREATE,
    Permission.PROVIDER_UPDATE,
    Permission.PROVIDER_DELETE,
}

SYSTEM_ROLE_PERMISSIONS: dict[SystemRole, frozenset[Permission]] = {
    SystemRole.SYS_ADMIN: frozenset(Permission),
    SystemRole.DEFAULT: frozenset(),
}
"""What a system role permits, in every tenant. Own profile, tokens and password need no permission."""

TENANT_ROLE_PERMISSIONS: dict[TenantRole, frozenset[Permission]] = {
    TenantRole.MANAGER: _CHANGE
    | {Permission.SECRET_ADMINISTER, Permission.AUDIT_READ, Permission.APPROVAL_GRANT},
    TenantRole.USER: _CHANGE,
    TenantRole.OPERATIONS: _USE,
    TenantRole.VIEWER: _READ,
}
"""What a tenant role permits in its tenant."""


EQUAL_TO_SYS_ADMIN = frozenset(
    {
        Permission.USER_MANAGE,
        Permission.MEMBERSHIP_MANAGE,
        Permission.TOKEN_MANAGE_OTHERS,
        Permission.TRUST_MANAGE,
    }
)
"""Whoever has one of these can get everything else by it."""

_READ_VALUES = frozenset({Permission.SECRET_SHOW, Permission.SECRET_USE})

_LEADS_TO: dict[Permission, frozenset[Permission]] = {
    **dict.fromkeys(EQUAL_TO_SYS_ADMIN, frozenset(Permission)),
    # A new owner reads, changes and deletes what was private or hidden.
    Permission.SECRET_SET_OWNER: _READ_VALUES
    | {
        Permission.SECRET_LIST,
        Permission.SECRET_UPDATE,
        Permission.SECRET_DELETE,
        Permission.SECRET_EXPORT,
        Permission.SECRET_ADMINISTER,
    },
    Permission.SECRET_EXPORT: frozenset({Permission.SECRET_LIST, Permission.SECRET_SHOW}),
    Permission.SECRET_IMPORT: frozenset({Permission.SECRET_CREATE}),
    # A provider that is another place gives the secrets kept with it other values.
    Permission.PROVIDER_UPDATE: frozenset({Permission.PROVIDER_LIST, Permission.SECRET_UPDATE}),
    Permission.PROVIDER_CREATE: frozenset({Permission.PROVIDER_LIST}),
    Permission.PROVIDER_DELETE: frozenset({Permission.PROVIDER_LIST}),
    # Events tell, for as long as the webhook is there, what is in the audit trails.
    Permission.WEBHOOK_MANAGE: frozenset({Permission.AUDIT_READ, Permission.ALL_TENANTS}),
    # With the credentials the provider itself is asked for what is kept there, and given something else.
    Permission.PROVIDER_CREDENTIALS: _READ_VALUES | {Permission.PROVIDER_LIST, Permission.SECRET_UPDATE},
}

CLOSURES: dict[Permission, frozenset[Permission]] = {
    permission: frozenset({permission}) | _LEADS_TO.get(permission, frozenset()) for permission in Permission
}
"""All that each permission can lead to in any sequence of operations, itself included.

What is not named here leads to nothing else, since the operations that would lead further ask for the other
permission themselves: unhiding and widening for `secret:show`, purging for `secret:delete`.
"""


@functools.lru_cache(maxsize=256)
def held(permissions: frozenset[Permission]) -> frozenset[Permission]:
    """Those of a token's permissions that it has together with their whole closure; the others are void."""
    return frozenset(one for one in permissions if CLOSURES[one] <= permissions)
