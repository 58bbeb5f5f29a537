"""Tenants, users and tokens that are on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.client.auth import whoami
from resolver.client.session import Remote, step
from resolver.core.account_changes import DEFAULT_OVERLAP
from resolver.core.audit import cap
from resolver.core.model import Tenant, UserProfile, check_key
from resolver.core.query import WHOLE, Choice, Part, TenantField, TokenField, UserField
from resolver.core.results import (
    DeletedTenant,
    DeletedUser,
    Identity,
    MadeToken,
    TenantInfo,
    TokenInfo,
    UserInfo,
)
from resolver.errors import InvalidRequestError, NotFoundError
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
    from resolver.core.model import Caller
    from resolver.core.permissions import TenantRole


class _Made(Struct, frozen=True):
    """The name of what was made."""

    name: str


class _Number(Struct, frozen=True):
    """How many there are."""

    number: int


def _paging(choice: Choice[Any]) -> Mapping[str, str]:
    """A part of a list, as its routes are asked for it.

    Raises:
        InvalidRequestError: it is searched for, or sorted.
    """
    if choice.search or choice.order:
        raise InvalidRequestError("a server lists people, tenants and tokens in their own order, all of them")
    return {"offset": str(choice.offset)} | ({} if choice.size is None else {"size": str(choice.size)})


class RemoteTenants(Remote):
    """The tenants and their members."""

    def create(self, caller: Caller, name: str) -> Tenant:
        """Make a tenant, with a data key of its own."""
        check_key(name, "tenant name")
        return Tenant("", self._server.ask(caller, _Made, "PUT", _tenant(name), {}).name)

    def list(self, caller: Caller, choice: Choice[TenantField] = WHOLE) -> Part[TenantInfo]:
        """A part of the caller's own tenants, by name; of all tenants for a sys_admin."""
        return self._server.ask(caller, Part[TenantInfo], "GET", "/tenants", query=_paging(choice))

    def get(self, caller: Caller, name: str) -> TenantInfo:
        """One tenant."""
        return self._server.ask(caller, TenantInfo, "GET", _tenant(name))

    def delete(self, caller: Caller, name: str, *, purge: bool = False) -> DeletedTenant:
        """Delete a tenant, and destroy its data keys. Its audit trail stays."""
        query = {"purge": "true"} if purge else None
        return self._server.ask(caller, DeletedTenant, "DELETE", _tenant(name), query=query)

    def add_member(self, caller: Caller, tenant: str, username: str, role: TenantRole) -> TenantInfo:
        """Make a user a member of a tenant, or change the role there; the tenant as it is then."""
        path = _member(tenant, username)
        return self._server.ask(caller, TenantInfo, "PUT", path, {"role": role.value})

    def remove_member(self, caller: Caller, tenant: str, username: str) -> None:
        """End a user's membership in a tenant."""
        self._server.do(caller, "DELETE", _member(tenant, username))


class RemoteUsers(Remote):
    """The users."""

    def whoami(self, caller: Caller) -> Identity:
        """Who the caller is, and what may be done where."""
        return whoami(self._server, caller)

    def create(self, caller: Caller, name: str, new: NewUser) -> UserProfile:
        """Make a user; one without a password can only use tokens."""
        check_key(name, "user name")
        return self._server.ask(caller, UserProfile, "PUT", _user(name), encode(new))

    def list(self, caller: Caller, choice: Choice[UserField] = WHOLE) -> Part[UserInfo]:
        """A part of all users, by name."""
        return self._server.ask(caller, Part[UserInfo], "GET", "/users", query=_paging(choice))

    def get(self, caller: Caller, username: str = "") -> UserInfo:
        """One user: oneself, when no other is named."""
        return self._server.ask(caller, UserInfo, "GET", _user(username) if username else "/user")

    def update(
        self, caller: Caller, username: str, wanted: UserChange, *, even_last: bool = False
    ) -> UserInfo:
        """Give a user another system role, or let the user in again or not any more."""
        query = _even(last=even_last)
        return self._server.ask(caller, UserInfo, "PATCH", _user(username), encode(wanted), query=query)

    def unlock(self, caller: Caller, username: str) -> UserInfo:
        """Forget the wrong passwords that were given for a user."""
        return self._server.ask(caller, UserInfo, "POST", f"{_user(username)}/unlock", {})

    def set_password(self, caller: Caller, username: str, new: NewPassword) -> int:
        """Give a user a new password; how many access tokens were revoked, or else are still there."""
        path = f"{_user(username)}/password"
        return self._server.ask(caller, _Number, "POST", path, encode(new)).number

    def delete(
        self,
        caller: Caller,
        username: str,
        *,
        reassign_to: str = "",
        purge: bool = False,
        even_last: bool = False,
    ) -> DeletedUser:
        """Delete a user; what was given to the other user, or deleted."""
        query = {"reassign_to": reassign_to} | ({"purge": "true"} if purge else {}) | _even(last=even_last)
        return self._server.ask(caller, DeletedUser, "DELETE", _user(username), query=query)


class RemoteTokens(Remote):
    """The access tokens."""

    def create(self, caller: Caller, new: NewToken) -> MadeToken:
        """Make an access token, shown this once."""
        return self._server.ask(caller, MadeToken, "POST", "/tokens", encode(new))

    def rotate(self, caller: Caller, token_id: str, overlap: str = DEFAULT_OVERLAP) -> MadeToken:
        """Make a successor of a token, shown this once; the old one lives as long as the overlap says."""
        path = f"{_token(token_id)}/rotate"
        return self._server.ask(caller, MadeToken, "POST", path, {"overlap": overlap})

    def list(self, caller: Caller, choice: Choice[TokenField] = WHOLE, unused: str = "") -> Part[TokenInfo]:
        """A part of the caller's own tokens; of everyone's for those who manage them."""
        query = {**_paging(choice), **({"unused": unused} if unused else {})}
        return self._server.ask(caller, Part[TokenInfo], "GET", "/tokens", query=query)

    def get(self, caller: Caller, token_id: str) -> TokenInfo:
        """One token."""
        return self._server.ask(caller, TokenInfo, "GET", _token(token_id))

    def revoke(self, caller: Caller, token_id: str, *, even_last: bool = False) -> None:
        """Revoke a token, at once."""
        self._server.do(caller, "DELETE", _token(token_id), query=_even(last=even_last))


def _even(*, last: bool) -> dict[str, str]:
    return {"even_last": "true"} if last else {}


def _tenant(name: str) -> str:
    return f"/tenants/{step(name, f'tenant {name!r} does not exist')}"


def _member(tenant: str, username: str) -> str:
    return f"{_tenant(tenant)}/members/{step(username, f'user {username!r} does not exist')}"


def _user(name: str) -> str:
    return f"/users/{step(name, f'user {name!r} does not exist')}"


def _token(public: str) -> str:
    if not public.isascii() or not public.isalnum():
        raise NotFoundError(f"token {cap(public)!r} does not exist")
    return f"/tokens/{public}"
