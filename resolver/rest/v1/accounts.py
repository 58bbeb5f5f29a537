"""Tenants, users and tokens in our own words, for `resolver tenants`, `users` and `tokens` in remote mode."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.query import Choice
from resolver.protocol.codec import encode
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import OWN, Body, CallerDep, Flag, Group, ServerDep, ServiceDep
from resolver.rest.schemas import HoldingFacts, Narrowed, NarrowingFacts

GROUP = Group("people in full", OWN)

_Count = Annotated[int, Query(ge=0, le=2**31 - 1)]
_TenantRole = Literal["manager", "user", "operations", "viewer"]
_SystemRole = Literal["sys_admin", "default"]


class TenantFacts(TypedDict):
    """A tenant, with the caller's role there; `roles` is null for who may not know the members."""

    tenant: str
    role: str | None
    members: int
    roles: dict[str, str] | None


class UserItem(TypedDict):
    """A user by itself."""

    name: str
    system_role: str
    active: bool
    created_at: str
    first_login_at: str | None
    last_login_at: str | None


class UserFacts(TypedDict):
    """A user, with the role in each tenant."""

    user: UserItem
    roles: dict[str, str]
    locked: bool


class TokenFacts(TypedDict):
    """A token as it is listed: never the token."""

    id: str
    username: str
    description: str
    created_at: str
    expires_at: str | None
    scope: NarrowingFacts
    last_used_at: str | None


class MadeFacts(TypedDict):
    """A token, shown this once."""

    token: str
    info: TokenFacts


class TenantPart(TypedDict):
    """A part of a list of tenants."""

    items: list[TenantFacts]
    total: int


class UserPart(TypedDict):
    """A part of a list of users."""

    items: list[UserFacts]
    total: int


class TokenPart(TypedDict):
    """A part of a list of tokens."""

    items: list[TokenFacts]
    total: int


class DeletedTenantFacts(TypedDict):
    """What was deleted with a tenant."""

    tenant: str
    held: list[HoldingFacts]
    wiped: bool


class Holdings(TypedDict):
    """What was given to another user, or deleted."""

    holdings: list[HoldingFacts]


class Named(TypedDict):
    """What was made."""

    name: str


class Number(TypedDict):
    """How many access tokens were revoked, or are still there."""

    number: int


class NewUser(Body):
    """A user to be made; without a password only tokens let them in."""

    password: str | None = None
    system_role: _SystemRole = "default"


class UserChange(Body):
    """What is to be changed of a user."""

    system_role: _SystemRole | None = None
    active: StrictBool | None = None


class NewPassword(Body):
    """A new password."""

    password: str
    revoke_tokens: StrictBool = False


class Membership(Body):
    """A role in a tenant."""

    role: _TenantRole


class NewToken(Narrowed):
    """A token to be made; an empty list narrows to nothing at all."""

    username: str = ""
    description: str = ""
    expires_at: str | None = None


@GROUP.route("GET", "/tenants", TenantPart)
def list_own_tenants(
    caller: CallerDep, service: ServiceDep, size: _Count | None = None, offset: _Count = 0
) -> Response:
    """The caller's own tenants; all of them for a sys_admin."""
    return Answer(encode(service.tenants.list(caller, Choice(size, offset))))


@GROUP.route("GET", "/tenants/{name}", TenantFacts)
def get_own_tenant(name: str, caller: CallerDep, service: ServiceDep) -> Response:
    """One tenant."""
    return Answer(encode(service.tenants.get(caller, name)))


@GROUP.route("PUT", "/tenants/{name}", Named)
def make_tenant(name: str, caller: CallerDep, service: ServiceDep) -> Response:
    """Make a tenant, with a data key of its own."""
    return Answer({"name": service.tenants.create(caller, name).name})


@GROUP.route("DELETE", "/tenants/{name}", DeletedTenantFacts)
def drop_tenant(
    name: str, caller: CallerDep, service: ServiceDep, *, purge: Annotated[Flag, Query()] = False
) -> Response:
    """Delete a tenant, and with `purge` what it holds."""
    return Answer(encode(service.tenants.delete(caller, name, purge=purge)))


@GROUP.route("PUT", "/tenants/{name}/members/{username}", status=204)
def set_member(
    name: str, username: str, body: Membership, caller: CallerDep, service: ServiceDep
) -> Response:
    """Make a user a member, or change the role."""
    service.tenants.add_member(caller, name, username, TenantRole(body.role))
    return nothing()


@GROUP.route("DELETE", "/tenants/{name}/members/{username}", status=204)
def end_member(name: str, username: str, caller: CallerDep, service: ServiceDep) -> Response:
    """End a membership."""
    service.tenants.remove_member(caller, name, username)
    return nothing()


@GROUP.route("GET", "/users", UserPart)
def list_all_users(
    caller: CallerDep, service: ServiceDep, size: _Count | None = None, offset: _Count = 0
) -> Response:
    """All users."""
    return Answer(encode(service.users.list(caller, Choice(size, offset))))


@GROUP.route("GET", "/user", UserFacts)
def get_oneself(caller: CallerDep, service: ServiceDep) -> Response:
    """The caller."""
    return Answer(encode(service.users.get(caller)))


@GROUP.route("GET", "/users/{username}", UserFacts)
def get_one_user(username: str, caller: CallerDep, service: ServiceDep) -> Response:
    """One user."""
    return Answer(encode(service.users.get(caller, username)))


@GROUP.route("PUT", "/users/{username}", UserItem)
async def make_user(username: str, body: NewUser, caller: CallerDep, server: ServerDep) -> Response:
    """Make a user."""
    made = await server.authenticator.hash_password(
        lambda: server.service.users.create(caller, username, body.password, SystemRole(body.system_role))
    )
    return Answer(encode(made))


@GROUP.route("PATCH", "/users/{username}", status=204)
def change_user(username: str, body: UserChange, caller: CallerDep, service: ServiceDep) -> Response:
    """Give a user another system role, or let them in or not."""
    if body.system_role is not None:
        service.users.set_role(caller, username, SystemRole(body.system_role))
    if body.active is not None:
        service.users.set_active(caller, username, active=body.active)
    return nothing()


@GROUP.route("POST", "/users/{username}/unlock", status=204)
def unlock_one_user(username: str, caller: CallerDep, service: ServiceDep) -> Response:
    """Forget the wrong passwords that were given for a user."""
    service.users.unlock(caller, username)
    return nothing()


@GROUP.route("POST", "/users/{username}/password", Number)
async def set_password(username: str, body: NewPassword, caller: CallerDep, server: ServerDep) -> Response:
    """Give a user a new password; one's own is everyone's to change."""
    number = await server.authenticator.hash_password(
        lambda: server.service.users.set_password(
            caller, username, body.password, revoke_tokens=body.revoke_tokens
        )
    )
    return Answer({"number": number})


@GROUP.route("DELETE", "/users/{username}", Holdings)
def drop_user(
    username: str,
    caller: CallerDep,
    service: ServiceDep,
    reassign_to: str = "",
    *,
    purge: Annotated[Flag, Query()] = False,
) -> Response:
    """Delete a user; what they own goes to another one, or with `purge` is deleted."""
    owned = service.users.delete(caller, username, reassign_to=reassign_to, purge=purge)
    return Answer({"holdings": encode(owned)})


@GROUP.route("POST", "/tokens", MadeFacts)
def make_token(body: NewToken, caller: CallerDep, service: ServiceDep) -> Response:
    """Make a token; this answer alone shows it."""
    made = service.tokens.create(
        caller,
        body.username,
        description=body.description,
        expires_at=body.expires_at,
        scope=body.scope(),
    )
    return Answer(encode(made))


@GROUP.route("GET", "/tokens", TokenPart)
def list_own_tokens(
    caller: CallerDep, service: ServiceDep, size: _Count | None = None, offset: _Count = 0
) -> Response:
    """The caller's own tokens; everyone's for a sys_admin."""
    return Answer(encode(service.tokens.list(caller, Choice(size, offset))))


@GROUP.route("GET", "/tokens/{token_id}", TokenFacts)
def get_one_token(token_id: str, caller: CallerDep, service: ServiceDep) -> Response:
    """One token."""
    return Answer(encode(service.tokens.get(caller, token_id)))


@GROUP.route("DELETE", "/tokens/{token_id}", status=204)
def revoke_token(token_id: str, caller: CallerDep, service: ServiceDep) -> Response:
    """Revoke a token, at once."""
    service.tokens.revoke(caller, token_id)
    return nothing()
