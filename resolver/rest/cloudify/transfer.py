"""`/secrets/share`: exports and imports in Cloudify's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, UnsetType, field
from starlette.responses import Response

from resolver.bootstrap.transfer import read_cloudify, write_cloudify
from resolver.core.model import SecretValue
from resolver.core.permissions import Permission
from resolver.core.redacted import Redacted
from resolver.core.secret_changes import UNCHANGED
from resolver.core.transfer import ExportRequest, ImportRequest
from resolver.errors import InvalidRequestError
from resolver.rest.cloudify.filters import wanted_fields
from resolver.rest.pagination import ListQuery
from resolver.rest.responses import Answer
from resolver.rest.routing import V3, V31, ApiCall, Group, is_true

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


class ExportQuery(ListQuery, frozen=True, kw_only=True):
    """Which secrets are to leave, and how.

    Args:
        passphrase: what values are encrypted with; they are plain when none is given.
        metadata: whether owners and times leave, too: any text does.
    """

    passphrase: SecretValue | UnsetType = field(name="_passphrase", default=UNCHANGED)
    metadata: str = field(name="_include_metadata", default="")


class ExportEntry(Redacted, frozen=True, kw_only=True):
    """A secret as it leaves."""

    key: str
    value: str
    visibility: str
    tenant_name: str
    is_hidden_value: bool
    encrypted: bool
    provider: None
    provider_options: None


class CloudifyImportRequest(Redacted, frozen=True, kw_only=True):
    """Secrets that come from elsewhere."""

    secrets_list: list[Any]
    override_collisions: bool
    tenant_map: Mapping[str, str] | None = None
    passphrase: str | None = None


class CloudifyImportResult(Struct, frozen=True):
    """Which keys were taken, and what was wrong with entries, by their positions."""

    colliding_secrets: Mapping[str, Sequence[str]]
    secrets_errors: Mapping[int, Mapping[str, Any]]


@GROUP.route("GET", "/secrets/share/export", list[ExportEntry])
def export_secrets(call: ApiCall, tenant: str, query: ExportQuery) -> Response:
    """The secrets of a tenant with their values, encrypted when a passphrase is given.

    Hidden ones whose values the caller may not see are left out. Other parameters are names of fields with a
    value that they must have. The passphrase travels in the query, as Cloudify's client sends it: this
    server's log has no queries, a proxy's must have none either.
    """
    passphrase = None if isinstance(query.passphrase, UnsetType) else query.passphrase.reveal()
    if passphrase is not None:
        demand_long(passphrase)
    metadata = bool(query.metadata)
    query.demand_included(FIELDS if metadata else FIELDS[:-3])
    equal = wanted_fields(call.request.query_params.multi_items())
    wanted = ExportRequest(tenant, query.search, all_tenants=is_true(query.all_tenants))
    found = call.service.transfer.export(call.caller, wanted, equal)
    entries = write_cloudify(found.secrets, passphrase, metadata=metadata)
    return Answer([query.chosen(entry) for entry in entries])


@GROUP.route("POST", "/secrets/share/import", CloudifyImportResult, needs=Permission.SECRET_IMPORT)
def import_secrets(call: ApiCall, tenant: str, body: CloudifyImportRequest) -> Response:
    """Store secrets that come from elsewhere. Good entries are stored although others are not.

    They are stored in parts: when the import fails or is stopped, those that were stored before stay.
    """
    # Whoever may not import must not have the server derive a key from a passphrase either.
    call.service.transfer.import_(call.caller, ImportRequest(tenant, ()))
    entries = read_cloudify(body.secrets_list, body.passphrase)
    wanted = ImportRequest(
        tenant,
        entries,
        body.tenant_map or {},
        body.override_collisions,
        rotated=True,  # Cloudify compares no values
    )
    done = call.service.transfer.import_(call.caller, wanted, call.pace(), in_parts=True)
    return Answer(CloudifyImportResult(done.colliding, done.errors))


def demand_long(passphrase: str) -> None:
    """Refuse a passphrase that is too short; InvalidRequestError."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise InvalidRequestError(
            f"the passphrase is too short: it needs {SHORTEST_PASSPHRASE} characters at least"
        )
