"""Secrets in our own words, for `resolver secrets` in remote mode: versions, times, schemas and history."""

from typing import Annotated

from fastapi import Query
from pydantic import Field as PydanticField
from pydantic import StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.model import Visibility
from resolver.core.query import Field, Listing, Order
from resolver.core.results import KEEP
from resolver.rest.pagination import ListQueryDep
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import (
    OWN,
    AnyTenantDep,
    Body,
    CallerDep,
    Flag,
    Group,
    HopsDep,
    ServiceDep,
    TenantDep,
)
from resolver.rest.schemas import SecretFacts, VersionNumber, VisibilityName, secret_facts

GROUP = Group("secrets in full", OWN)


class NewFacts(Body):
    """A secret to be created."""

    value: str = ""
    visibility: VisibilityName = "tenant"
    hidden: StrictBool = False
    json_schema: str | None = PydanticField(None, alias="schema")
    expires_at: str | None = None
    rotate_after: int | None = None
    update_if_exists: StrictBool = False
    provider: str | None = None
    provider_options: dict[str, str] | None = None


class ChangedFacts(Body):
    """What is to be changed of a secret; what is not there stays, and null ends a time."""

    value: str | None = None
    visibility: VisibilityName | None = None
    hidden: StrictBool | None = None
    owner: str | None = None
    expires_at: str | None = None
    rotate_after: int | None = None
    if_version: VersionNumber | None = None
    provider: str | None = None
    provider_options: dict[str, str] | None = None


class Rollback(Body):
    """A version whose value is to be the current one again."""

    version: VersionNumber
    if_version: VersionNumber | None = None


class ShownFacts(SecretFacts):
    """A secret with its value; null for a hidden value that the caller may not see."""

    value: str | None


class FactsPage(TypedDict):
    """A part of a list of secrets."""

    items: list[SecretFacts]
    total: int


class VersionFacts(TypedDict):
    """One version of a secret."""

    number: int
    created_at: str
    created_by: str
    current: bool


class HistoryResult(TypedDict):
    """All versions of a secret, oldest first."""

    versions: list[VersionFacts]


@GROUP.route("GET", "/secrets", FactsPage)
def list_facts(
    query: ListQueryDep,
    caller: CallerDep,
    service: ServiceDep,
    tenant: AnyTenantDep,
    visibility: Annotated[list[VisibilityName] | None, Query()] = None,
    *,
    all_tenants: Annotated[Flag, Query(alias="_all_tenants")] = False,
) -> Response:
    """The secrets of a tenant that the caller may see, and the global ones; no values.

    With `_all_tenants` those of all tenants; then no tenant needs to be named.
    """
    found = service.secrets.list(
        caller,
        tenant,
        Listing(
            query.search,
            [Order.parse(text) for text in query.sort],
            query.offset,
            None if query.everything else query.size,
            {Field.VISIBILITY: list(visibility)} if visibility else {},
        ),
        all_tenants=all_tenants,
    )
    return Answer({"items": [secret_facts(secret) for secret in found.items], "total": found.total})


@GROUP.route("PUT", "/secrets/{key}", SecretFacts)
def create_facts(
    key: str, body: NewFacts, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Create a secret, or with `update_if_exists` give an existing one this value."""
    secret = service.secrets.create(
        caller,
        tenant,
        key,
        body.value,
        visibility=Visibility(body.visibility),
        hidden=body.hidden,
        schema=body.json_schema,
        expires_at=body.expires_at,
        rotate_after=body.rotate_after,
        update_if_exists=body.update_if_exists,
        provider=body.provider,
        provider_options=body.provider_options,
    )
    return Answer(secret_facts(secret))


@GROUP.route("GET", "/secrets/{key}", ShownFacts)
def show_facts(
    key: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep, hops: HopsDep
) -> Response:
    """A secret with its value."""
    secret, value = service.secrets.show(caller, tenant, key, hops=hops)
    return Answer({**secret_facts(secret), "value": None if value is None else value.reveal()})


@GROUP.route("PATCH", "/secrets/{key}", SecretFacts)
def change_facts(
    key: str, body: ChangedFacts, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Change a secret."""
    given = body.model_fields_set
    secret = service.secrets.update(
        caller,
        tenant,
        key,
        value=body.value,
        visibility=None if body.visibility is None else Visibility(body.visibility),
        hidden=body.hidden,
        owner=body.owner,
        expires_at=body.expires_at if "expires_at" in given else KEEP,
        rotate_after=body.rotate_after if "rotate_after" in given else KEEP,
        if_version=body.if_version,
        provider=body.provider,
        provider_options=body.provider_options,
    )
    return Answer(secret_facts(secret))


@GROUP.route("DELETE", "/secrets/{key}", status=204)
def delete_facts(
    key: str,
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    if_version: Annotated[VersionNumber | None, Query()] = None,
) -> Response:
    """Delete a secret with all its versions."""
    service.secrets.delete(caller, tenant, key, if_version=if_version)
    return nothing()


@GROUP.route("GET", "/secrets/{key}/history", HistoryResult)
def get_history(key: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Who gave a secret which version, and when; no values."""
    versions = [
        VersionFacts(
            number=version.number,
            created_at=version.created_at,
            created_by=version.created_by,
            current=version.current,
        )
        for version in service.secrets.history(caller, tenant, key)
    ]
    return Answer({"versions": versions})


@GROUP.route("POST", "/secrets/{key}/rollback", SecretFacts)
def roll_back(
    key: str, body: Rollback, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Give a secret the value of an earlier version, as a new version."""
    secret = service.secrets.rollback(caller, tenant, key, body.version, if_version=body.if_version)
    return Answer(secret_facts(secret))
