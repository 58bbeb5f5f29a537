"""`/tokens`, as Cloudify has it; a token may also be made for another user, and narrowed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from starlette.responses import Response

from resolver.core.account_changes import NewToken
from resolver.core.model import Scope
from resolver.core.permissions import Permission
from resolver.core.query import TokenField
from resolver.rest.pagination import ListQuery
from resolver.rest.responses import Answer, CloudifyPage, nothing
from resolver.rest.routing import V31, ApiCall, Group

if TYPE_CHECKING:
    from resolver.core.results import TokenInfo

GROUP = Group("tokens", V31)

_HIDDEN = "*" * 8


class TokenObject(Struct, frozen=True, kw_only=True):
    """A token as Cloudify shows it; `value` is whole only in the answer that makes it."""

    id: str
    username: str
    value: str
    role: str | None = None
    expiration_date: str | None
    last_used: str | None
    description: str
    permissions: frozenset[Permission] | None
    tenants: frozenset[str] | None
    keys: Sequence[str] | None
    networks: Sequence[str] | None

    def __repr__(self) -> str:
        return f"TokenObject({self.id!r})"


_SORTS: dict[str, TokenField | None] = {
    "id": TokenField.ID,
    "username": TokenField.USERNAME,
    "value": TokenField.ID,
    "role": None,
    "expiration_date": TokenField.EXPIRES_AT,
    "last_used": TokenField.LAST_USED_AT,
    "description": TokenField.DESCRIPTION,
}
"""What a list of tokens can be sorted by."""


class CloudifyNewToken(Scope, frozen=True, kw_only=True):
    """A token to be made."""

    description: str | None = None
    expiration_date: str | None = None
    username: str = ""


def _token_object(info: TokenInfo, value: str = "") -> TokenObject:
    return TokenObject(
        id=info.id,
        username=info.username,
        value=value or f"ctok-{info.id}-{_HIDDEN}",
        expiration_date=info.expires_at,
        last_used=info.last_used_at,
        description=info.description,
        permissions=info.scope.permissions,
        tenants=info.scope.tenants,
        keys=info.scope.keys,
        networks=info.scope.networks,
    )


@GROUP.route("POST", "/tokens", TokenObject)
def create_token(call: ApiCall, body: CloudifyNewToken | None = None) -> Response:
    """Make a token; this answer alone shows it whole. An empty list narrows to nothing at all."""
    given = body or CloudifyNewToken()
    new = NewToken(
        username=given.username,
        description=given.description or "",
        expires_at=given.expiration_date or None,
        permissions=given.permissions,
        tenants=given.tenants,
        keys=given.keys,
        networks=given.networks,
    )
    made = call.service.tokens.create(call.caller, new)
    return Answer(_token_object(made.info, made.token))


@GROUP.route("GET", "/tokens", CloudifyPage[TokenObject])
def list_tokens(call: ApiCall, query: ListQuery) -> Response:
    """The caller's own tokens; everyone's for a sys_admin."""
    fetch = functools.partial(call.service.tokens.list, call.caller)
    return Answer(query.part_of(fetch, _token_object, TokenObject.__struct_fields__, _SORTS))


@GROUP.route("GET", "/tokens/{token_id}", TokenObject)
def get_token(call: ApiCall, token_id: str) -> Response:
    """One token."""
    return Answer(_token_object(call.service.tokens.get(call.caller, token_id)))


@GROUP.route("DELETE", "/tokens/{token_id}", status=204)
def delete_token(call: ApiCall, token_id: str) -> Response:
    """Revoke a token, at once."""
    call.service.tokens.revoke(call.caller, token_id)
    return nothing()
