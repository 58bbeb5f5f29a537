"""`/secrets`, as Cloudify has it."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Literal

from msgspec import Struct, UnsetType, field
from msgspec.structs import replace
from starlette.responses import Response

from resolver.core.model import Secret, SecretValue, Visibility
from resolver.core.permissions import Permission
from resolver.core.query import KEY_ALONE, Field, Listing
from resolver.core.secret_changes import UNCHANGED, NewSecret, SecretChange, unless_none
from resolver.core.strict_json import read_json
from resolver.errors import InvalidRequestError, NotFoundError, NotPermittedError
from resolver.rest.cloudify.filters import AnyRule, Constraints, order_of, rules_match, wanted_fields
from resolver.rest.errors import IllegalActionError
from resolver.rest.pagination import ListQuery
from resolver.rest.responses import Answer, CloudifyPage, nothing, page, versioned
from resolver.rest.routing import V3, V31, ApiCall, Flag, Group, is_true
from resolver.rest.schemas import SecretItem, SecretObject, secret_item, secret_object, texts

GROUP = Group("secrets", V31, V3)


class CloudifyNewSecret(Struct, frozen=True, kw_only=True):
    """A secret to be created. With a schema the value is any JSON, else it is text."""

    value: Any
    schema: dict[str, Any] | None = None
    visibility: Visibility = Visibility.TENANT
    is_hidden_value: Flag = False
    update_if_exists: Flag = False
    provider_name: str | None = None
    provider_options: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return "CloudifyNewSecret(****)"


class CloudifySecretChange(Struct, frozen=True, kw_only=True):
    """What is to be changed of a secret; what is not there stays."""

    value: Any = None
    visibility: Visibility | UnsetType = UNCHANGED
    is_hidden_value: Flag | None = None
    creator: str | None = None
    provider_name: str | None = None
    provider_options: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return "CloudifySecretChange(****)"


class NewVisibility(Struct, frozen=True):
    """A wider visibility."""

    visibility: Literal["tenant", "global"]


class OneSecretQuery(ListQuery, frozen=True, kw_only=True):
    """What is asked of one secret."""

    skip_value: Flag = field(name="_skip_value", default=False)


class Search(Struct, frozen=True):
    """What is searched for: one of the two, or nothing for everything."""

    filter_rules: list[AnyRule] | None = None
    constraints: Constraints | None = None


def _text(value: Any, *, has_schema: bool) -> str:  # noqa: ANN401 - JSON data
    if has_schema:
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        raise InvalidRequestError("the value is not text", hint="other JSON is for secrets with a schema")
    return value


def _known(call: ApiCall, tenant: str, key: str) -> Secret:
    """What is known of a secret without its value."""
    found = call.service.secrets.list(call.caller, tenant, Listing(equal={Field.KEY: [key]}, size=1)).items
    if not found:
        raise NotFoundError(f"secret {key!r} was not found in tenant {tenant!r}")
    return found[0]


@GROUP.route("PUT", "/secrets/{key}", SecretObject, needs=Permission.SECRET_CREATE)
def create_secret(call: ApiCall, tenant: str, key: str, body: CloudifyNewSecret) -> Response:
    """Create a secret, or with `update_if_exists` give an existing one this value."""
    call.refuse_if_match()
    has_schema, update_if_exists = bool(body.schema), is_true(body.update_if_exists)
    provider = body.provider_name or None
    # A value that is not there is none for those whose provider has it.
    value = "" if body.value is None and provider is not None else body.value
    if update_if_exists and not has_schema and not isinstance(value, str):
        has_schema = _has_schema(call, tenant, key)
    new = NewSecret(
        value=SecretValue(_text(value, has_schema=has_schema)),
        visibility=body.visibility,
        hidden=is_true(body.is_hidden_value),
        schema=json.dumps(body.schema) if body.schema else None,
        update_if_exists=update_if_exists,
        provider=provider,
        provider_options=texts(body.provider_options) or None,
        rotated=True,  # Cloudify compares no values
    )
    return _answer(call.service.secrets.create(call.caller, tenant, key, new))


@GROUP.route("GET", "/secrets/{key}", SecretObject)
def get_secret(call: ApiCall, tenant: str, key: str, query: OneSecretQuery) -> Response:
    """A secret with its value; an empty one in place of a hidden value that the caller may not see."""
    query.demand_included(SecretObject.__struct_fields__)
    value = None
    if is_true(query.skip_value):
        secret = _known(call, tenant, key)
    else:
        secret, value = call.service.secrets.show(call.caller, tenant, key, forwards=call.forwards)
    shown: Any = "" if value is None else value.reveal()
    if value is not None and secret.schema is not None:
        with contextlib.suppress(ValueError, RecursionError):  # as text, when JSON can't say it to everyone
            shown = read_json(shown)
    options = None
    if secret.provider is not None:
        options = call.service.providers.options_of(call.caller, tenant, key)
    return versioned(query.chosen(secret_object(secret, shown, options)), secret.version)


@GROUP.route("PATCH", "/secrets/{key}", SecretObject, needs=Permission.SECRET_UPDATE)
def update_secret(call: ApiCall, tenant: str, key: str, body: CloudifySecretChange | None = None) -> Response:
    """Change a secret. An empty value is passed over, as Cloudify's client means it."""
    if body is None or not call.has_fields:
        raise IllegalActionError("nothing to change was given")
    change = SecretChange(
        visibility=body.visibility,
        hidden=UNCHANGED if body.is_hidden_value is None else is_true(body.is_hidden_value),
        owner=UNCHANGED if body.creator is None else body.creator,
        provider=body.provider_name or UNCHANGED,
        provider_options=texts(body.provider_options) or UNCHANGED,
        if_version=unless_none(call.if_version()),
    )
    if body.value is not None and body.value != "":
        text = _text(body.value, has_schema=_has_schema(call, tenant, key))
        change = replace(change, value=SecretValue(text), rotated=True)  # Cloudify compares no values
    elif not change.changed:  # only the time of its change moves
        change = replace(change, visibility=_known(call, tenant, key).visibility)
    return _answer(call.service.secrets.update(call.caller, tenant, key, change))


def _has_schema(call: ApiCall, tenant: str, key: str) -> bool:
    try:
        return _known(call, tenant, key).schema is not None
    except (NotFoundError, NotPermittedError):
        return False  # a token for changes alone: a value for a schema must come as JSON text


@GROUP.route("PATCH", "/secrets/{key}/set-visibility", SecretObject)
def set_visibility(call: ApiCall, tenant: str, key: str, body: NewVisibility) -> Response:
    """Widen who knows of a secret."""
    wanted = unless_none(call.if_version())
    change = SecretChange(visibility=Visibility(body.visibility), if_version=wanted)
    return _answer(call.service.secrets.update(call.caller, tenant, key, change))


def _answer(secret: Secret) -> Response:
    return versioned(secret_object(secret), secret.version)


@GROUP.route("DELETE", "/secrets/{key}", status=204)
def delete_secret(call: ApiCall, tenant: str, key: str) -> Response:
    """Delete a secret with all its versions."""
    call.service.secrets.delete(call.caller, tenant, key, if_version=call.if_version())
    return nothing()


@GROUP.route("GET", "/secrets", CloudifyPage[SecretItem])
def list_secrets(call: ApiCall, tenant: str, query: ListQuery) -> Response:
    """The secrets of a tenant that the caller may see, and the global ones; no values.

    Other parameters are names of fields with a value that they must have.
    """
    query.demand_included(SecretItem.__struct_fields__)
    equal = wanted_fields(call.request.query_params.multi_items())
    order = [order_of(text) for text in query.sort]
    listing = Listing(query.search, order, query.offset, query.limit, equal, searched=KEY_ALONE)
    all_tenants = is_true(query.all_tenants)
    found = call.service.secrets.list(call.caller, tenant, listing, all_tenants=all_tenants)
    items = [query.chosen(secret_item(secret)) for secret in found.items]
    return Answer(page(items, found.total, query.size, query.offset))


@GROUP.route("POST", "/searches/secrets", CloudifyPage[SecretObject], needs=Permission.SECRET_LIST)
def search_secrets(call: ApiCall, tenant: str, query: ListQuery, body: Search | None = None) -> Response:
    """The secrets that rules or constraints select, without values; what may not be seen does not count."""
    query.demand_included(SecretObject.__struct_fields__)
    asked = body or Search()
    if asked.filter_rules is not None and asked.constraints is not None:
        raise InvalidRequestError("filter rules and constraints were given", hint="give one of them")
    equal, conditions = rules_match(asked.filter_rules, asked.constraints)
    order = [order_of(text) for text in query.sort]
    listing = Listing(query.search, order, query.offset, query.limit, equal, conditions, searched=KEY_ALONE)
    secrets = call.service.secrets
    found = secrets.list(call.caller, tenant, listing)
    filtered = None
    if asked.filter_rules is not None:
        filtered = secrets.list(call.caller, tenant, Listing(size=0)).total - found.total
    items = [query.chosen(secret_object(secret)) for secret in found.items]
    return Answer(page(items, found.total, query.size, query.offset, filtered))
