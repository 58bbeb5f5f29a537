"""Tenants, users and tokens in our own words, for `resolver tenants`, `users` and `tokens` in remote mode."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from resolver.core.account_changes import NewPassword, NewToken, NewUser, RotationRequest, UserChange
from resolver.core.model import UserProfile
from resolver.core.permissions import TenantRole
from resolver.core.query import Choice, Part
from resolver.core.results import DeletedTenant, DeletedUser, MadeToken, TenantInfo, TokenInfo, UserInfo
from resolver.rest.pagination import Count
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import OWN, ApiCall, Flag, Group, is_true

GROUP = Group("people in full", OWN)


class PartQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list is asked for."""

    size: Count | None = None
    offset: Count = 0

    @property
    def choice(self) -> Choice[Any]:
        """The same, for the service."""
        return Choice(self.size, self.offset)


class TokenQuery(PartQuery, frozen=True, forbid_unknown_fields=True):
    """Which tokens are asked for: all, or those that were not used since a time, or for so long."""

    unused: str = ""


class TenantDeletionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether what a tenant holds is deleted with it."""

    purge: Flag = False


class CredentialQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether to go on where no sys_admin could log in any more."""

    even_last: Flag = False


class UserDeletionQuery(CredentialQuery, frozen=True, forbid_unknown_fields=True):
    """Who gets what a user owns, or whether it is deleted."""

    reassign_to: str = ""
    purge: Flag = False


class Membership(Struct, frozen=True, forbid_unknown_fields=True):
    """A role in a tenant."""

    role: TenantRole


class MadeTenant(Struct, frozen=True):
    """A tenant that was made."""

    name: str


class TokenCount(Struct, frozen=True):
    """How many access tokens were revoked, or are still there."""

    number: int


@GROUP.route("GET", "/tenants", Part[TenantInfo])
def list_tenants(call: ApiCall, query: PartQuery) -> Response:
    """The caller's own tenants; all of them for a sys_admin."""
    return Answer(call.service.tenants.list(call.caller, query.choice))


@GROUP.route("GET", "/tenants/{name}", TenantInfo)
def get_tenant(call: ApiCall, name: str) -> Response:
    """One tenant."""
    return Answer(call.service.tenants.get(call.caller, name))


@GROUP.route("PUT", "/tenants/{name}", MadeTenant)
def create_tenant(call: ApiCall, name: str) -> Response:
    """Make a tenant, with a data key of its own."""
    return Answer(MadeTenant(call.service.tenants.create(call.caller, name).name))


@GROUP.route("DELETE", "/tenants/{name}", DeletedTenant)
def delete_tenant(call: ApiCall, name: str, query: TenantDeletionQuery) -> Response:
    """Delete a tenant, and with `purge` what it holds."""
    return Answer(call.service.tenants.delete(call.caller, name, purge=is_true(query.purge)))


@GROUP.route("PUT", "/tenants/{name}/members/{username}", TenantInfo)
def set_member(call: ApiCall, name: str, username: str, body: Membership) -> Response:
    """Make a user a member, or change the role."""
    return Answer(call.service.tenants.add_member(call.caller, name, username, body.role))


@GROUP.route("DELETE", "/tenants/{name}/members/{username}", status=204)
def remove_member(call: ApiCall, name: str, username: str) -> Response:
    """End a membership."""
    call.service.tenants.remove_member(call.caller, name, username)
    return nothing()


@GROUP.route("GET", "/users", Part[UserInfo])
def list_users(call: ApiCall, query: PartQuery) -> Response:
    """All users."""
    return Answer(call.service.users.list(call.caller, query.choice))


@GROUP.route("GET", "/user", UserInfo)
def get_self(call: ApiCall) -> Response:
    """The caller."""
    return Answer(call.service.users.get(call.caller))


@GROUP.route("GET", "/users/{username}", UserInfo)
def get_user(call: ApiCall, username: str) -> Response:
    """One user."""
    return Answer(call.service.users.get(call.caller, username))


@GROUP.route("PUT", "/users/{username}", UserProfile)
async def create_user(call: ApiCall, username: str, body: NewUser) -> Response:
    """Make a user; without a password only tokens let the user in."""
    users = call.service.users
    hash_password = call.server.authenticator.hash_password
    return Answer(await hash_password(call.account, lambda: users.create(call.caller, username, body)))


@GROUP.route("PATCH", "/users/{username}", UserInfo)
def update_user(call: ApiCall, username: str, body: UserChange, query: CredentialQuery) -> Response:
    """Give a user another system role, or let them in or not."""
    even_last = is_true(query.even_last)
    return Answer(call.service.users.update(call.caller, username, body, even_last=even_last))


@GROUP.route("POST", "/users/{username}/unlock", UserInfo)
def unlock_user(call: ApiCall, username: str) -> Response:
    """Forget the wrong passwords that were given for a user."""
    return Answer(call.service.users.unlock(call.caller, username))


@GROUP.route("POST", "/users/{username}/password", TokenCount)
async def set_password(call: ApiCall, username: str, body: NewPassword) -> Response:
    """Give a user a new password; one's own is everyone's to change."""
    users = call.service.users
    hash_password = call.server.authenticator.hash_password
    ended = await hash_password(call.account, lambda: users.set_password(call.caller, username, body))
    return Answer(TokenCount(ended))


@GROUP.route("DELETE", "/users/{username}", DeletedUser)
def delete_user(call: ApiCall, username: str, query: UserDeletionQuery) -> Response:
    """Delete a user; what they own goes to another one, or with `purge` is deleted."""
    owned = call.service.users.delete(
        call.caller,
        username,
        reassign_to=query.reassign_to,
        purge=is_true(query.purge),
        even_last=is_true(query.even_last),
    )
    return Answer(owned)


@GROUP.route("POST", "/tokens", MadeToken)
def create_token(call: ApiCall, body: NewToken) -> Response:
    """Make a token; this answer alone shows it. An empty list leaves nothing at all."""
    return Answer(call.service.tokens.create(call.caller, body))


@GROUP.route("GET", "/tokens", Part[TokenInfo])
def list_tokens(call: ApiCall, query: TokenQuery) -> Response:
    """The caller's own tokens; everyone's for a sys_admin."""
    return Answer(call.service.tokens.list(call.caller, query.choice, query.unused))


@GROUP.route("POST", "/tokens/{token_id}/rotate", MadeToken)
def rotate_token(call: ApiCall, token_id: str, body: RotationRequest) -> Response:
    """Make a token's successor, which this answer alone shows; the old one ends after the overlap."""
    return Answer(call.service.tokens.rotate(call.caller, token_id, body.overlap))


@GROUP.route("GET", "/tokens/{token_id}", TokenInfo)
def get_token(call: ApiCall, token_id: str) -> Response:
    """One token."""
    return Answer(call.service.tokens.get(call.caller, token_id))


@GROUP.route("DELETE", "/tokens/{token_id}", status=204)
def revoke_token(call: ApiCall, token_id: str, query: CredentialQuery) -> Response:
    """Revoke a token, at once."""
    call.service.tokens.revoke(call.caller, token_id, even_last=is_true(query.even_last))
    return nothing()
