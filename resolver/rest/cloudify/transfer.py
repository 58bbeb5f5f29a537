"""`/secrets/share`: exports and imports in Cloudify's format."""

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.bootstrap.transfer import read_cloudify, write_cloudify
from resolver.core.query import Listing
from resolver.errors import InvalidRequestError
from resolver.rest.cloudify.filters import wanted_fields
from resolver.rest.pagination import ListQueryDep
from resolver.rest.responses import Answer
from resolver.rest.routing import V3, V31, Body, CallerDep, Flag, Group, ServiceDep, TenantDep

GROUP = Group("secrets", V31, V3)

SHORTEST_PASSPHRASE = 8
"""Fewest characters of a passphrase (the rule of Cloudify's client)."""

FIELDS = (
    "key",
    "value",
    "visibility",
    "tenant_name",
    "is_hidden_value",
    "encrypted",
    "provider",
    "provider_options",
    "creator",
    "created_at",
    "updated_at",
)
"""What an entry may have."""


class ExportEntry(TypedDict):
    """A secret as it leaves."""

    key: str
    value: str
    visibility: str
    tenant_name: str
    is_hidden_value: bool
    encrypted: bool
    provider: None
    provider_options: None


class ImportRequest(Body):
    """Secrets that come from elsewhere."""

    secrets_list: list[Any]
    override_collisions: StrictBool
    tenant_map: dict[str, str] | None = None
    passphrase: str | None = None


class ImportResult(TypedDict):
    """Which keys were taken, and what was wrong with entries, by their positions."""

    colliding_secrets: dict[str, list[str]]
    secrets_errors: dict[str, dict[str, Any]]


@GROUP.route("GET", "/secrets/share/export", list[ExportEntry])
def export_secrets(
    query: ListQueryDep,
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    request: Request,
    passphrase: Annotated[str | None, Query(alias="_passphrase")] = None,
    metadata: Annotated[str, Query(alias="_include_metadata")] = "",
    *,
    all_tenants: Annotated[Flag, Query(alias="_all_tenants")] = False,
) -> Response:
    """The secrets of a tenant with their values, encrypted when a passphrase is given.

    Hidden ones whose values the caller may not see are left out. Other parameters are names of fields with a
    value that they must have. The passphrase travels in the query, as Cloudify's client sends it: this
    server's log has no queries, a proxy's must have none either.
    """
    if passphrase is not None:
        demand_long(passphrase)
    query.demand_included(FIELDS if metadata else FIELDS[:-3])
    listing = Listing(query.search, size=None, equal=wanted_fields(request.query_params.multi_items()))
    found = service.moving.export(caller, tenant, listing, all_tenants=all_tenants)
    entries = write_cloudify(found.secrets, passphrase, metadata=bool(metadata))
    return Answer([query.chosen(entry) for entry in entries])


@GROUP.route("POST", "/secrets/share/import", ImportResult)
def import_secrets(
    body: ImportRequest, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Store secrets that come from elsewhere. Good entries are stored although others are not."""
    entries = read_cloudify(body.secrets_list, body.passphrase)
    done = service.moving.import_(
        caller, tenant, entries, tenant_map=body.tenant_map, override=body.override_collisions
    )
    return Answer(
        {
            "colliding_secrets": done.colliding,
            "secrets_errors": {str(position): problems for position, problems in done.errors.items()},
        }
    )


def demand_long(passphrase: str) -> None:
    """Refuse a passphrase that is too short; InvalidRequestError."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise InvalidRequestError(
            f"the passphrase is too short: it needs {SHORTEST_PASSPHRASE} characters at least"
        )
