"""`/tenants`, `/users` and `/user`, as Cloudify has them. There are no groups."""

import functools
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.query import TenantField, UserField
from resolver.core.results import TenantInfo, UserInfo
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError
from resolver.rest.pagination import ListQueryDep
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import V31, Body, CallerDep, Group, ServerDep, ServiceDep

GROUP = Group("people", V31)

RESERVED = ("users", "user-groups")
"""Names that no tenant can have here: they are addresses of their own."""


class TenantObject(TypedDict):
    """A tenant as Cloudify shows it; `users` is a number unless `_get_data` is true."""

    name: str
    groups: Any
    users: Any
    user_roles: dict[str, dict[str, str]] | None
    rabbitmq_username: None
    rabbitmq_password: None
    rabbitmq_vhost: None


class UserObject(TypedDict):
    """A user as Cloudify shows it; `tenants` is a number unless `_get_data` is true."""

    username: str
    tenants: Any
    tenant_roles: dict[str, dict[str, str]] | None
    groups: Any
    role: str
    group_system_roles: dict[str, list[str]]
    active: bool
    created_at: str
    first_login_at: str | None
    last_login_at: str | None
    is_locked: bool
    show_getting_started: bool
    password_hash: None


_TENANT_SORTS: dict[str, TenantField | None] = {
    **dict.fromkeys(TenantObject.__annotations__),
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


class TenantPage(TypedDict):
    """A page of tenants."""

    items: list[TenantObject]
    metadata: dict[str, Any]


class UserPage(TypedDict):
    """A page of users."""

    items: list[UserObject]
    metadata: dict[str, Any]


class NewTenant(Body):
    """What Cloudify's client sends along with a new tenant: nothing that is used."""


class Membership(Body):
    """A user's role in a tenant."""

    username: str
    tenant_name: str
    role: Literal["manager", "user", "operations", "viewer"] = "user"


class EndedMembership(Body):
    """A user and a tenant."""

    username: str
    tenant_name: str


class NewUser(Body):
    """A user to be created."""

    username: str
    password: str
    role: Literal["sys_admin", "default"] = "default"


class UserChange(Body):
    """One thing to be changed of a user."""

    role: Literal["sys_admin", "default"] | None = None
    password: str | None = None
    show_getting_started: bool | None = None


class Activation(Body):
    """Whether a user is let in."""

    action: Literal["activate", "deactivate"]


def _tenant_object(info: TenantInfo, *, get_data: bool) -> TenantObject:
    roles = info.roles or {}
    return TenantObject(
        name=info.tenant.name,
        groups={} if get_data else 0,
        users={name: {"tenant-role": role.value, "roles": [role.value]} for name, role in roles.items()}
        if get_data
        else info.members,
        user_roles={"direct": {name: role.value for name, role in roles.items()}, "groups": {}},
        rabbitmq_username=None,
        rabbitmq_password=None,
        rabbitmq_vhost=None,
    )


def _user_object(info: UserInfo, *, get_data: bool) -> UserObject:
    user = info.user
    return UserObject(
        username=user.name,
        tenants={
            tenant: {"tenant-role": role.value, "roles": [role.value]} for tenant, role in info.roles.items()
        }
        if get_data
        else len(info.roles),
        tenant_roles={"direct": {tenant: role.value for tenant, role in info.roles.items()}, "groups": {}},
        groups=[] if get_data else 0,
        role=user.system_role.value,
        group_system_roles={},
        active=user.active,
        created_at=user.created_at,
        first_login_at=user.first_login_at,
        last_login_at=user.last_login_at,
        is_locked=info.locked,
        show_getting_started=False,
        password_hash=None,
    )


@GROUP.route("GET", "/tenants", TenantPage)
def list_tenants(query: ListQueryDep, caller: CallerDep, service: ServiceDep) -> Response:
    """The caller's own tenants; all of them for a sys_admin."""
    page = query.part_of(
        functools.partial(service.tenants.list, caller),
        lambda info: _tenant_object(info, get_data=False),
        list(TenantObject.__annotations__),
        _TENANT_SORTS,
    )
    if query.get_data and not query.include:
        page["items"] = [
            _tenant_object(service.tenants.get(caller, item["name"]), get_data=True) for item in page["items"]
        ]
    return Answer(page)


@GROUP.route("PUT", "/tenants/users", TenantObject)
def add_tenant_user(body: Membership, caller: CallerDep, service: ServiceDep) -> Response:
    """Make a user a member of a tenant."""
    if _is_member(body, caller, service):
        raise ConflictError(f"user {body.username!r} is a member of tenant {body.tenant_name!r} already")
    return _set_member(body, caller, service)


@GROUP.route("PATCH", "/tenants/users", TenantObject)
def update_tenant_user(body: Membership, caller: CallerDep, service: ServiceDep) -> Response:
    """Give a member another role."""
    if _is_member(body, caller, service) is False:
        raise NotFoundError(f"user {body.username!r} is not a member of tenant {body.tenant_name!r}")
    return _set_member(body, caller, service)


def _is_member(body: Membership, caller: CallerDep, service: ServiceDep) -> bool | None:
    """Whether a user is a member; None when the caller may not know, and is refused by what comes next."""
    roles = service.tenants.get(caller, body.tenant_name).roles
    return None if roles is None else body.username.casefold() in {name.casefold() for name in roles}


def _set_member(body: Membership, caller: CallerDep, service: ServiceDep) -> Response:
    service.tenants.add_member(caller, body.tenant_name, body.username, TenantRole(body.role))
    return Answer(_tenant_object(service.tenants.get(caller, body.tenant_name), get_data=False))


@GROUP.route("DELETE", "/tenants/users", status=204)
def remove_tenant_user(body: EndedMembership, caller: CallerDep, service: ServiceDep) -> Response:
    """End a membership."""
    service.tenants.remove_member(caller, body.tenant_name, body.username)
    return nothing()


@GROUP.route("GET", "/tenants/{name}", TenantObject)
def get_tenant(name: str, query: ListQueryDep, caller: CallerDep, service: ServiceDep) -> Response:
    """One tenant."""
    return Answer(_tenant_object(service.tenants.get(caller, name), get_data=query.get_data))


@GROUP.route("POST", "/tenants/{name}", TenantObject, status=201)
def create_tenant(
    name: str, caller: CallerDep, service: ServiceDep, _body: NewTenant | None = None
) -> Response:
    """Make a tenant."""
    if name in RESERVED:
        raise InvalidRequestError(f"a tenant can't be called {name!r}")
    service.tenants.create(caller, name)
    return Answer(_tenant_object(service.tenants.get(caller, name), get_data=False), 201)


@GROUP.route("DELETE", "/tenants/{name}", status=204)
def delete_tenant(name: str, caller: CallerDep, service: ServiceDep) -> Response:
    """Delete a tenant that holds nothing any more."""
    service.tenants.delete(caller, name)
    return nothing()


@GROUP.route("GET", "/users", UserPage)
def list_users(query: ListQueryDep, caller: CallerDep, service: ServiceDep) -> Response:
    """All users, for a sys_admin."""
    page = query.part_of(
        functools.partial(service.users.list, caller),
        lambda info: _user_object(info, get_data=query.get_data),
        list(UserObject.__annotations__),
        _USER_SORTS,
    )
    return Answer(page)


@GROUP.route("PUT", "/users", UserObject, status=201)
async def create_user(body: NewUser, caller: CallerDep, server: ServerDep) -> Response:
    """Make a user."""

    def create() -> Response:
        service = server.service
        service.users.create(caller, body.username, body.password, SystemRole(body.role))
        return _told(caller, service, body.username, 201)

    return await server.authenticator.hash_password(create)


@GROUP.route("GET", "/user", UserObject)
def get_self(query: ListQueryDep, caller: CallerDep, service: ServiceDep) -> Response:
    """Who the caller is."""
    return Answer(_user_object(service.users.get(caller), get_data=query.get_data))


@GROUP.route("POST", "/users/active/{username}", UserObject)
def activate_user(username: str, body: Activation, caller: CallerDep, service: ServiceDep) -> Response:
    """Let a user in again, or not any more."""
    service.users.set_active(caller, username, active=body.action == "activate")
    return _told(caller, service, username)


@GROUP.route("POST", "/users/unlock/{username}", UserObject)
def unlock_user(username: str, caller: CallerDep, service: ServiceDep) -> Response:
    """Forget the wrong passwords that were given for a user."""
    service.users.unlock(caller, username)
    return _told(caller, service, username)


@GROUP.route("GET", "/users/{username}", UserObject)
def get_user(username: str, query: ListQueryDep, caller: CallerDep, service: ServiceDep) -> Response:
    """One user."""
    return Answer(_user_object(service.users.get(caller, username), get_data=query.get_data))


@GROUP.route("POST", "/users/{username}", UserObject)
async def update_user(username: str, body: UserChange, caller: CallerDep, server: ServerDep) -> Response:
    """Change a user's system role or password; the own password is everyone's to change."""
    if body.role is None and body.password is None and body.show_getting_started is None:
        raise InvalidRequestError("nothing to change was given", hint="give role or password")
    if body.role is not None and body.password is not None:
        raise InvalidRequestError("a role and a password were given", hint="give one of them")

    def update() -> Response:
        service = server.service
        if body.role is not None:
            service.users.set_role(caller, username, SystemRole(body.role))
        if body.password is not None:
            service.users.set_password(caller, username, body.password)
        return _told(caller, service, username)

    if body.password is None:
        return await run_in_threadpool(update)
    return await server.authenticator.hash_password(update)


@GROUP.route("DELETE", "/users/{username}", status=204)
def delete_user(username: str, caller: CallerDep, service: ServiceDep) -> Response:
    """Delete a user who owns nothing any more."""
    service.users.delete(caller, username)
    return nothing()


def _told(caller: CallerDep, service: ServiceDep, username: str, status: int = 200) -> Response:
    return Answer(_user_object(service.users.get(caller, username), get_data=False), status)
