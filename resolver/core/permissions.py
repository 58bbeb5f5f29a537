"""What can be done, and which role may do it.

The table is Cloudify Manager's for its secrets store, except that it separates listing and seeing
(`secret:list`, `secret:show`) from using a value in a blueprint (`secret:use`), which a viewer may not do.
"""

from __future__ import annotations

import enum


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
    TenantRole.MANAGER: _CHANGE | {Permission.SECRET_ADMINISTER, Permission.AUDIT_READ},
    TenantRole.USER: _CHANGE,
    TenantRole.OPERATIONS: _USE,
    TenantRole.VIEWER: _READ,
}
"""What a tenant role permits in its tenant."""
