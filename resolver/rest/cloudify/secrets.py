"""`/secrets`, as Cloudify has it."""

import contextlib
import json
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import Field as PydanticField
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.model import Secret, Visibility
from resolver.core.query import Field, Listing
from resolver.core.strict_json import read_json
from resolver.errors import InvalidRequestError, NotFoundError, NotPermittedError
from resolver.rest.cloudify.filters import AnyRule, Constraints, order_of, rules_match, wanted_fields
from resolver.rest.errors import IllegalActionError
from resolver.rest.pagination import ListQueryDep
from resolver.rest.responses import Answer, nothing, page
from resolver.rest.routing import V3, V31, Body, CallerDep, Flag, Group, HopsDep, ServiceDep, TenantDep
from resolver.rest.schemas import (
    SecretItem,
    SecretObject,
    VisibilityName,
    secret_item,
    secret_object,
    texts,
)

GROUP = Group("secrets", V31, V3)

ITEM_FIELDS = list(SecretItem.__annotations__)
OBJECT_FIELDS = list(SecretObject.__annotations__)

_ProviderOptions = dict[str, Any] | None


class NewSecret(Body):
    """A secret to be created. With a schema the value is any JSON, else it is text."""

    value: Any
    json_schema: dict[str, Any] | None = PydanticField(None, alias="schema")
    visibility: VisibilityName = "tenant"
    is_hidden_value: Flag = False
    update_if_exists: Flag = False
    provider_name: str | None = None
    provider_options: _ProviderOptions = None


class SecretChange(Body):
    """What is to be changed of a secret; what is not there stays."""

    value: Any = None
    visibility: VisibilityName = "tenant"
    is_hidden_value: Flag | None = None
    creator: str | None = None
    provider_name: str | None = None
    provider_options: _ProviderOptions = None


class NewVisibility(Body):
    """A wider visibility."""

    visibility: Literal["tenant", "global"]


class Search(Body):
    """What is searched for: one of the two, or nothing for everything."""

    filter_rules: list[AnyRule] | None = None
    constraints: Constraints | None = None


class SecretPage(TypedDict):
    """A page of secrets."""

    items: list[SecretItem]
    metadata: dict[str, Any]


class SearchPage(TypedDict):
    """A page of secrets as a whole."""

    items: list[SecretObject]
    metadata: dict[str, Any]


def _text(value: Any, *, has_schema: bool) -> str:  # noqa: ANN401 - JSON data
    if has_schema:
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        raise InvalidRequestError("the value is not text", hint="other JSON is for secrets with a schema")
    return value


def _known(caller: CallerDep, tenant: TenantDep, service: ServiceDep, key: str) -> Secret:
    """What is known of a secret without its value."""
    found = service.secrets.list(caller, tenant, Listing(equal={Field.KEY: [key]}, size=1)).items
    if not found:
        raise NotFoundError(f"secret {key!r} was not found in tenant {tenant!r}")
    return found[0]


@GROUP.route("PUT", "/secrets/{key}", SecretObject)
def create_secret(
    key: str, body: NewSecret, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Create a secret, or with `update_if_exists` give an existing one this value."""
    has_schema = bool(body.json_schema)
    provider = body.provider_name or None
    # A value that is not there is none for those whose provider has it.
    value = "" if body.value is None and provider is not None else body.value
    if body.update_if_exists and not has_schema and not isinstance(value, str):
        has_schema = _has_schema(caller, tenant, service, key)
    secret = service.secrets.create(
        caller,
        tenant,
        key,
        _text(value, has_schema=has_schema),
        visibility=Visibility(body.visibility),
        hidden=body.is_hidden_value,
        schema=json.dumps(body.json_schema) if body.json_schema else None,
        update_if_exists=body.update_if_exists,
        provider=provider,
        provider_options=texts(body.provider_options) or None,
    )
    return Answer(secret_object(secret))


@GROUP.route("GET", "/secrets/{key}", SecretObject)
def get_secret(
    key: str,
    query: ListQueryDep,
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    hops: HopsDep,
    *,
    skip_value: Annotated[Flag, Query(alias="_skip_value")] = False,
) -> Response:
    """A secret with its value; an empty one in place of a hidden value that the caller may not see."""
    query.demand_included(OBJECT_FIELDS)
    value = None
    if skip_value:
        secret = _known(caller, tenant, service, key)
    else:
        secret, value = service.secrets.show(caller, tenant, key, hops=hops)
    shown: Any = "" if value is None else value.reveal()
    if value is not None and secret.schema is not None:
        with contextlib.suppress(ValueError, RecursionError):  # as text, when JSON can't say it to everyone
            shown = read_json(shown)
    options = None if secret.provider is None else service.providers.options_of(caller, tenant, key)
    return Answer(query.chosen({**secret_object(secret, shown, options)}))


@GROUP.route("PATCH", "/secrets/{key}", SecretObject)
def update_secret(
    key: str,
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    body: SecretChange | None = None,
    *,
    request: Request,
) -> Response:
    """Change a secret. An empty value is passed over, as Cloudify's client means it."""
    if body is None or not request.state.has_fields:
        raise IllegalActionError("nothing to change was given")
    options = texts(body.provider_options)
    wants_value = body.value is not None and body.value != ""
    visibility = Visibility(body.visibility) if "visibility" in body.model_fields_set else None
    given = (visibility, body.is_hidden_value, body.creator, body.provider_name or None, options or None)
    if not wants_value and all(one is None for one in given):
        visibility = _known(caller, tenant, service, key).visibility  # only the time of its change moves
    value = None
    if wants_value:
        value = _text(body.value, has_schema=_has_schema(caller, tenant, service, key))
    secret = service.secrets.update(
        caller,
        tenant,
        key,
        value=value,
        visibility=visibility,
        hidden=body.is_hidden_value,
        owner=body.creator,
        provider=body.provider_name or None,
        provider_options=options or None,
    )
    return Answer(secret_object(secret))


def _has_schema(caller: CallerDep, tenant: TenantDep, service: ServiceDep, key: str) -> bool:
    try:
        return _known(caller, tenant, service, key).schema is not None
    except (NotFoundError, NotPermittedError):
        return False  # a token for changes alone: a value for a schema must come as JSON text


@GROUP.route("PATCH", "/secrets/{key}/set-visibility", SecretObject)
def set_visibility(
    key: str, body: NewVisibility, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Widen who knows of a secret."""
    secret = service.secrets.update(caller, tenant, key, visibility=Visibility(body.visibility))
    return Answer(secret_object(secret))


@GROUP.route("DELETE", "/secrets/{key}", status=204)
def delete_secret(key: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Delete a secret with all its versions."""
    service.secrets.delete(caller, tenant, key)
    return nothing()


@GROUP.route("GET", "/secrets", SecretPage)
def list_secrets(
    query: ListQueryDep,
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    request: Request,
    *,
    all_tenants: Annotated[Flag, Query(alias="_all_tenants")] = False,
) -> Response:
    """The secrets of a tenant that the caller may see, and the global ones; no values.

    Other parameters are names of fields with a value that they must have.
    """
    query.demand_included(ITEM_FIELDS)
    listing = Listing(
        query.search,
        [order_of(text) for text in query.sort],
        query.offset,
        None if query.everything else query.size,
        wanted_fields(request.query_params.multi_items()),
    )
    found = service.secrets.list(caller, tenant, listing, all_tenants=all_tenants)
    items = [query.chosen({**secret_item(secret)}) for secret in found.items]
    return Answer(page(items, found.total, query.size, query.offset))


@GROUP.route("POST", "/searches/secrets", SearchPage)
def search_secrets(
    query: ListQueryDep,
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    body: Search | None = None,
) -> Response:
    """The secrets that rules or constraints select, without values; what may not be seen does not count."""
    query.demand_included(OBJECT_FIELDS)
    asked = body or Search()
    if asked.filter_rules is not None and asked.constraints is not None:
        raise InvalidRequestError("filter rules and constraints were given", hint="give one of them")
    equal, conditions = rules_match(asked.filter_rules, asked.constraints)
    listing = Listing(
        query.search,
        [order_of(text) for text in query.sort],
        query.offset,
        None if query.everything else query.size,
        equal,
        conditions,
    )
    found = service.secrets.list(caller, tenant, listing)
    filtered = None
    if asked.filter_rules is not None:
        filtered = service.secrets.list(caller, tenant, Listing(size=0)).total - found.total
    items = [query.chosen({**secret_object(secret)}) for secret in found.items]
    return Answer(page(items, found.total, query.size, query.offset, filtered))
