"""`/tokens`, as Cloudify has it; a token may also be made for another user, and narrowed."""

import functools
from typing import Any

from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.query import TokenField
from resolver.core.results import TokenInfo
from resolver.rest.pagination import ListQueryDep
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import V31, CallerDep, Group, ServiceDep
from resolver.rest.schemas import Narrowed

GROUP = Group("tokens", V31)

_HIDDEN = "*" * 8


class TokenObject(TypedDict):
    """A token as Cloudify shows it; `value` is whole only in the answer that makes it."""

    id: str
    username: str
    value: str
    role: str | None
    expiration_date: str | None
    last_used: str | None
    description: str
    permissions: list[str] | None
    tenants: list[str] | None
    keys: list[str] | None


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


class TokenPage(TypedDict):
    """A page of tokens."""

    items: list[TokenObject]
    metadata: dict[str, Any]


class NewToken(Narrowed):
    """A token to be made."""

    description: str | None = None
    expiration_date: str | None = None
    username: str = ""


def _token_object(info: TokenInfo, value: str = "") -> TokenObject:
    scope = info.scope
    return TokenObject(
        id=info.id,
        username=info.username,
        value=value or f"ctok-{info.id}-{_HIDDEN}",
        role=None,
        expiration_date=info.expires_at,
        last_used=info.last_used_at,
        description=info.description,
        permissions=_listed(scope.permissions),
        tenants=_listed(scope.tenants),
        keys=None if scope.keys is None else list(scope.keys),
    )


def _listed(names: frozenset[Any] | None) -> list[str] | None:
    return None if names is None else sorted(map(str, names))


@GROUP.route("POST", "/tokens", TokenObject)
def create_token(caller: CallerDep, service: ServiceDep, body: NewToken | None = None) -> Response:
    """Make a token; this answer alone shows it whole. An empty list narrows to nothing at all."""
    given = body or NewToken()
    made = service.tokens.create(
        caller,
        given.username,
        description=given.description or "",
        expires_at=given.expiration_date or None,
        scope=given.scope(),
    )
    return Answer(_token_object(made.info, made.token))


@GROUP.route("GET", "/tokens", TokenPage)
def list_tokens(query: ListQueryDep, caller: CallerDep, service: ServiceDep) -> Response:
    """The caller's own tokens; everyone's for a sys_admin."""
    page = query.part_of(
        functools.partial(service.tokens.list, caller),
        _token_object,
        list(TokenObject.__annotations__),
        _SORTS,
    )
    return Answer(page)


@GROUP.route("GET", "/tokens/{token_id}", TokenObject)
def get_token(token_id: str, caller: CallerDep, service: ServiceDep) -> Response:
    """One token."""
    return Answer(_token_object(service.tokens.get(caller, token_id)))


@GROUP.route("DELETE", "/tokens/{token_id}", status=204)
def delete_token(token_id: str, caller: CallerDep, service: ServiceDep) -> Response:
    """Revoke a token, at once."""
    service.tokens.revoke(caller, token_id)
    return nothing()
