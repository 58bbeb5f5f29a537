"""Secrets in our own API: with versions, times, schemas and history."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field
from msgspec.structs import asdict, replace
from starlette.responses import Response

from resolver.core.model import Secret, SecretValue, Visibility
from resolver.core.permissions import Permission
from resolver.core.query import DEFAULT_SIZE, Field, Listing, Order, Page
from resolver.core.results import Version, WrittenSecret
from resolver.core.secret_changes import NewSecret, SecretChange, VersionNumber, or_none, unless_none
from resolver.core.times import is_stored_time
from resolver.errors import InvalidRequestError
from resolver.rest.pagination import Count
from resolver.rest.responses import Answer, nothing, versioned
from resolver.rest.routing import OWN, ApiCall, Flag, Group, is_true

GROUP = Group("secrets in full", OWN)


class SecretQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which secrets are listed, in which order."""

    search: str = field(name="_search", default="")
    sort: list[str] = field(name="_sort", default_factory=list)
    offset: Count = field(name="_offset", default=0)
    size: Count = field(name="_size", default=DEFAULT_SIZE)
    get_all_results: Flag = field(name="_get_all_results", default=False)
    all_tenants: Flag = field(name="_all_tenants", default=False)
    visibility: list[Visibility] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    ends_by: str = ""


class VersionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The version that has to be the current one."""

    if_version: VersionNumber | None = None


class Rollback(Struct, frozen=True, forbid_unknown_fields=True):
    """A version whose value is to be the current one again."""

    version: VersionNumber
    if_version: VersionNumber | None = None


class ShownSecret(Secret, frozen=True, kw_only=True):
    """A secret with its value; null for a hidden value that the caller may not see."""

    value: SecretValue | None


class History(Struct, frozen=True):
    """All versions of a secret, oldest first."""

    versions: Sequence[Version]


@GROUP.route("GET", "/secrets", Page)
def list_secrets(call: ApiCall, any_tenant: str, query: SecretQuery) -> Response:
    """The secrets of a tenant that the caller may see, and the global ones; no values.

    With `_all_tenants` those of all tenants; then no tenant needs to be named. With `ends_by`, a time as
    answers have it, only those that expire by then, or whose value falls due. With `key` only those that have
    it, of several one of them.
    """
    if query.ends_by and not is_stored_time(query.ends_by):
        raise InvalidRequestError("ends_by is malformed", hint="write it like 2030-12-31T23:59:59.000Z")
    equal: dict[Field, Sequence[str]] = {Field.VISIBILITY: query.visibility, Field.KEY: query.key}
    listing = Listing(
        query.search,
        [Order.parse(text) for text in query.sort],
        query.offset,
        None if is_true(query.get_all_results) else query.size,
        {name: one_of for name, one_of in equal.items() if one_of},
        ends_by=query.ends_by,
    )
    all_tenants = is_true(query.all_tenants)
    return Answer(call.service.secrets.list(call.caller, any_tenant, listing, all_tenants=all_tenants))


@GROUP.route("PUT", "/secrets/{key}", WrittenSecret, needs=Permission.SECRET_CREATE)
def create_secret(call: ApiCall, tenant: str, key: str, body: NewSecret) -> Response:
    """Create a secret, or with `update_if_exists` give an existing one this value."""
    call.refuse_if_match()
    return _answer(call.service.secrets.create(call.caller, tenant, key, body))


@GROUP.route("GET", "/secrets/{key}", ShownSecret)
def get_secret(call: ApiCall, tenant: str, key: str) -> Response:
    """A secret with its value."""
    secret, value = call.service.secrets.show(call.caller, tenant, key, forwards=call.forwards)
    return versioned(ShownSecret(**asdict(secret), value=value), secret.version)


@GROUP.route("PATCH", "/secrets/{key}", WrittenSecret, needs=Permission.SECRET_UPDATE)
def update_secret(call: ApiCall, tenant: str, key: str, body: SecretChange) -> Response:
    """Change a secret. What is not there stays, and null ends a time."""
    wanted = replace(body, if_version=unless_none(call.if_version(or_none(body.if_version))))
    return _answer(call.service.secrets.update(call.caller, tenant, key, wanted))


@GROUP.route("DELETE", "/secrets/{key}", status=204)
def delete_secret(call: ApiCall, tenant: str, key: str, query: VersionQuery) -> Response:
    """Delete a secret with all its versions."""
    call.service.secrets.delete(call.caller, tenant, key, if_version=call.if_version(query.if_version))
    return nothing()


@GROUP.route("GET", "/secrets/{key}/history", History)
def get_secret_history(call: ApiCall, tenant: str, key: str) -> Response:
    """Who gave a secret which version, and when; no values."""
    return Answer(History(call.service.secrets.history(call.caller, tenant, key)))


@GROUP.route("POST", "/secrets/{key}/rollback", Secret)
def rollback_secret(call: ApiCall, tenant: str, key: str, body: Rollback) -> Response:
    """Give a secret the value of an earlier version, as a new version."""
    current = call.if_version(body.if_version)
    return _answer(call.service.secrets.rollback(call.caller, tenant, key, body.version, if_version=current))


def _answer(secret: Secret) -> Response:
    return versioned(secret, secret.version)
