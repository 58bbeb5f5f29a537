"""`/tenants`, `/users` and `/user`, as Cloudify has them. There are no groups."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response

from resolver.core.account_changes import NewPassword, NewUser, UserChange
from resolver.core.model import SecretValue
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.query import TenantField, UserField
from resolver.core.results import TenantInfo, UserInfo
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError
from resolver.rest.pagination import ListQuery
from resolver.rest.responses import Answer, CloudifyPage, nothing
from resolver.rest.routing import V31, ApiCall, Flag, Group

GROUP = Group("people", V31)


class TenantObject(Struct, frozen=True, kw_only=True):
    """A tenant as Cloudify shows it; `users` is a number unless `_get_data` is true."""

    name: str
    groups: Any
    users: Any
    user_roles: Mapping[str, Mapping[str, TenantRole]] | None
    rabbitmq_username: None = None
    rabbitmq_password: None = None
    rabbitmq_vhost: None = None


class UserObject(Struct, frozen=True, kw_only=True):
    """A user as Cloudify shows it, and who that is for an OpenID provider.

    `tenants` is a number unless `_get_data` is true.
    """

    username: str
    tenants: Any
    tenant_roles: Mapping[str, Mapping[str, TenantRole]] | None
    groups: Any
    role: SystemRole
    group_system_roles: Mapping[str, list[str]]
    active: bool
    created_at: str
    first_login_at: str | None
    last_login_at: str | None
    is_locked: bool
    issuer: str | None = None
    subject: str | None = None
    show_getting_started: bool = False
    password_hash: None = None


_TENANT_SORTS: dict[str, TenantField | None] = {
    **dict.fromkeys(TenantObject.__struct_fields__),
    "name": TenantField.NAME,
    "users": TenantField.MEMBERS,
}
"""What a list of tenants can be sorted by; nothing else differs in it."""

_USER_SORTS: dict[str, UserField | None] = {
    "username": UserField.NAME,
    "tenants": UserField.TENANTS,
    "groups": None,
    "role": UserField.SYSTEM_ROLE,
    "group_system_roles": None,
    "active": UserField.ACTIVE,
    "created_at": UserField.CREATED_AT,
    "first_login_at": UserField.FIRST_LOGIN_AT,
    "last_login_at": UserField.LAST_LOGIN_AT,
    "show_getting_started": None,
    "password_hash": None,
}
"""What a list of users can be sorted by."""


class NewTenant(Struct, frozen=True):
    """What Cloudify's client sends along with a new tenant: nothing that is used."""


class EndedMembership(Struct, frozen=True):
    """A user and a tenant."""

    username: str
    tenant_name: str


class CloudifyMembership(EndedMembership, frozen=True):
    """A user's role in a tenant."""

    role: TenantRole = TenantRole.USER


class CloudifyNewUser(Struct, frozen=True):
    """A user to be created."""

    username: str
    password: SecretValue
    role: SystemRole = SystemRole.DEFAULT


class CloudifyUserChange(Struct, frozen=True):
    """One thing to be changed of a user."""

    role: SystemRole | None = None
    password: SecretValue | None = None
    show_getting_started: Flag | None = None


class Activation(Struct, frozen=True):
    """Whether a user is let in."""

    action: Literal["activate", "deactivate"]


def _by_name(roles: Mapping[str, TenantRole]) -> Mapping[str, Any]:
    """Users or tenants by name, as `_get_data` asks for them."""
    return {name: {"tenant-role": role, "roles": [role]} for name, role in roles.items()}


def _tenant_object(info: TenantInfo, *, get_data: bool) -> TenantObject:
    roles = info.roles or {}
    return TenantObject(
        name=info.tenant.name,
        groups={} if get_data else 0,
        users=_by_name(roles) if get_data else info.members,
        user_roles={"direct": roles, "groups": {}},
    )


def _user_object(info: UserInfo, *, get_data: bool) -> UserObject:
    user = info.user
    return UserObject(
        username=user.name,
        tenants=_by_name(info.roles) if get_data else len(info.roles),
        tenant_roles={"direct": info.roles, "groups": {}},
        groups=[] if get_data else 0,
        role=user.system_role,
        group_system_roles={},
        active=user.active,
        created_at=user.created_at,
        first_login_at=user.first_login_at,
        last_login_at=user.last_login_at,
        is_locked=info.locked,
        issuer=user.issuer,
        subject=user.subject,
    )


@GROUP.route("GET", "/tenants", CloudifyPage[TenantObject])
def list_tenants(call: ApiCall, query: ListQuery) -> Response:
    """The caller's own tenants; all of them for a sys_admin."""
    tenants = call.service.tenants
    page = query.part_of(
        functools.partial(tenants.list, call.caller),
        lambda info: _tenant_object(info, get_data=False),
        TenantObject.__struct_fields__,
        _TENANT_SORTS,
    )
    if query.wants_data and not query.included:
        names = [item["name"] for item in page.items]
        whole = [_tenant_object(tenants.get(call.caller, name), get_data=True) for name in names]
        page = replace(page, items=whole)
    return Answer(page)


@GROUP.route("PUT", "/tenants/users", TenantObject)
def add_tenant_user(call: ApiCall, body: CloudifyMembership) -> Response:
    """Make a user a member of a tenant."""
    if _is_member(call, body):
        raise ConflictError(f"user {body.username!r} is a member of tenant {body.tenant_name!r} already")
    return _set_member(call, body)


@GROUP.route("PATCH", "/tenants/users", TenantObject)
def update_tenant_user(call: ApiCall, body: CloudifyMembership) -> Response:
    """Give a member another role."""
    if _is_member(call, body) is False:
        raise NotFoundError(f"user {body.username!r} is not a member of tenant {body.tenant_name!r}")
    return _set_member(call, body)


def _is_member(call: ApiCall, body: CloudifyMembership) -> bool | None:
    """Whether a user is a member; None when the caller may not know, and is refused by what comes next."""
    roles = call.service.tenants.get(call.caller, body.tenant_name).roles
    return None if roles is None else body.username.casefold() in {name.casefold() for name in roles}


def _set_member(call: ApiCall, body: CloudifyMembership) -> Response:
    tenants = call.service.tenants
    info = tenants.add_member(call.caller, body.tenant_name, body.username, body.role)
    return Answer(_tenant_object(info, get_data=False))


@GROUP.route("DELETE", "/tenants/users", status=204)
def remove_tenant_user(call: ApiCall, body: EndedMembership) -> Response:
    """End a membership."""
    call.service.tenants.remove_member(call.caller, body.tenant_name, body.username)
    return nothing()


@GROUP.route("GET", "/tenants/{name}", TenantObject)
def get_tenant(call: ApiCall, name: str, query: ListQuery) -> Response:
    """One tenant."""
    return Answer(_tenant_object(call.service.tenants.get(call.caller, name), get_data=query.wants_data))


@GROUP.route("POST", "/tenants/{name}", TenantObject, status=201)
def create_tenant(
    call: ApiCall,
    name: str,
    body: NewTenant | None = None,  # noqa: ARG001 - it has to be JSON, and nothing of it is used
) -> Response:
    """Make a tenant."""
    tenant = call.service.tenants.create(call.caller, name)
    return Answer(_tenant_object(TenantInfo(tenant, None, 0, {}), get_data=False), 201)


@GROUP.route("DELETE", "/tenants/{name}", status=204)
def delete_tenant(call: ApiCall, name: str) -> Response:
    """Delete a tenant that holds nothing any more."""
    call.service.tenants.delete(call.caller, name)
    return nothing()


@GROUP.route("GET", "/users", CloudifyPage[UserObject])
def list_users(call: ApiCall, query: ListQuery) -> Response:
    """All users, for a sys_admin."""
    page = query.part_of(
        functools.partial(call.service.users.list, call.caller),
        lambda info: _user_object(info, get_data=query.wants_data),
        UserObject.__struct_fields__,
        _USER_SORTS,
    )
    return Answer(page)


@GROUP.route("PUT", "/users", UserObject, status=201)
async def create_user(call: ApiCall, body: CloudifyNewUser) -> Response:
    """Make a user."""

    def create() -> Response:
        new = NewUser(password=body.password, system_role=body.role)
        profile = call.service.users.create(call.caller, body.username, new)
        return _show(UserInfo(profile, {}, locked=False), status=201)

    return await call.server.authenticator.hash_password(call.account, create)


@GROUP.route("GET", "/user", UserObject)
def get_self(call: ApiCall, query: ListQuery) -> Response:
    """Who the caller is."""
    return _show(call.service.users.get(call.caller), get_data=query.wants_data)


@GROUP.route("POST", "/users/active/{username}", UserObject)
def activate_user(call: ApiCall, username: str, body: Activation) -> Response:
    """Let a user in again, or not any more."""
    change = UserChange(active=body.action == "activate")
    return _show(call.service.users.update(call.caller, username, change))


@GROUP.route("POST", "/users/unlock/{username}", UserObject)
def unlock_user(call: ApiCall, username: str) -> Response:
    """Forget the wrong passwords that were given for a user."""
    return _show(call.service.users.unlock(call.caller, username))


@GROUP.route("GET", "/users/{username}", UserObject)
def get_user(call: ApiCall, username: str, query: ListQuery) -> Response:
    """One user."""
    return _show(call.service.users.get(call.caller, username), get_data=query.wants_data)


@GROUP.route("POST", "/users/{username}", UserObject)
async def update_user(call: ApiCall, username: str, body: CloudifyUserChange) -> Response:
    """Change a user's system role or password; the own password is everyone's to change."""
    if body.role is None and body.password is None and body.show_getting_started is None:
        raise InvalidRequestError("nothing to change was given", hint="give role or password")
    if body.role is not None and body.password is not None:
        raise InvalidRequestError("a role and a password were given", hint="give one of them")

    def update() -> Response:
        users = call.service.users
        if body.role is not None:
            return _show(users.update(call.caller, username, UserChange(system_role=body.role)))
        shown = _show(users.get(call.caller, username))
        if body.password is not None:  # one's own ends the login that asks, so nothing is read after it
            users.set_password(call.caller, username, NewPassword(body.password))
        return shown

    if body.password is None:
        return await call.account.run(update)
    return await call.server.authenticator.hash_password(call.account, update)


@GROUP.route("DELETE", "/users/{username}", status=204)
def delete_user(call: ApiCall, username: str) -> Response:
    """Delete a user who owns nothing any more."""
    call.service.users.delete(call.caller, username)
    return nothing()


def _show(info: UserInfo, *, status: int = 200, get_data: bool = False) -> Response:
    return Answer(_user_object(info, get_data=get_data), status)
