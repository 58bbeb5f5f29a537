"""Exports and imports that the server seals and opens, for clients that can't do so themselves: browsers.

The passphrase comes in the body, never in an address, and values leave sealed or not at all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from starlette.responses import Response

from resolver.bootstrap import transfer
from resolver.core.permissions import Permission
from resolver.core.redacted import Redacted
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, ImportResult
from resolver.errors import InvalidRequestError
from resolver.rest.cloudify.transfer import demand_long
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group
from resolver.transfer import cloudify, sealed

if TYPE_CHECKING:
    from collections.abc import Sequence


GROUP = Group("sealed files", OWN)


class SealRequest(Redacted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which secrets are to leave, and how."""

    passphrase: str
    format: Literal["sealed", "cloudify"] = "sealed"
    search: str = ""
    all_tenants: bool = False
    all_versions: bool = False


class SealResult(Struct, frozen=True):
    """The file's text, how many secrets are in it, and what is not."""

    text: str
    count: int
    left_out: int
    external: int = field(name="elsewhere")
    schemas_left_out: int


class OpenRequest(Redacted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file's text, and what it was sealed with."""

    text: str
    passphrase: str | None = None
    override: bool = False
    tenant_map: dict[str, str] = field(default_factory=dict)
    rotated: bool = False


@GROUP.route("POST", "/sealed-export", SealResult)
async def seal_export(call: ApiCall, tenant: str, body: SealRequest) -> Response:
    """The secrets of a tenant with their values, in a file that a passphrase seals."""
    demand_long(body.passphrase)

    def seal() -> SealResult:
        theirs = body.format == "cloudify"
        wanted = ExportRequest(
            tenant,
            body.search,
            all_tenants=body.all_tenants,
            all_versions=body.all_versions and not theirs,
        )
        found = call.service.transfer.export(call.caller, wanted)
        data = (
            transfer.write_cloudify(found.secrets, body.passphrase)
            if theirs
            else transfer.write_sealed(found.secrets, body.passphrase)
        )
        lost = sum(one.secret.schema is not None for one in found.secrets) if theirs else 0
        text = json.dumps(data, indent=1) + "\n"
        return SealResult(text, len(found.secrets), found.left_out, found.external, lost)

    return Answer(await call.account.run(seal, call.server.sealing))


@GROUP.route("POST", "/sealed-import", ImportResult, needs=Permission.SECRET_IMPORT)
async def open_import(call: ApiCall, tenant: str, body: OpenRequest) -> Response:
    """Store the secrets of a file. Good entries are stored although others are not.

    They are stored together: when the import fails or is stopped, none of them is.
    """

    def store() -> ImportResult:
        service = call.service.transfer
        # Nothing is stored yet: whoever may not import must not have the server compute keys either.
        service.import_(call.caller, ImportRequest(tenant, ()))
        entries = _entries(body.text, body.passphrase or None)
        wanted = ImportRequest(tenant, entries, body.tenant_map, body.override, body.rotated)
        return service.import_(call.caller, wanted, call.pace())

    return Answer(await call.account.run(store, call.server.sealing))


def _entries(text: str, passphrase: str | None) -> Sequence[ImportEntry]:
    data = cloudify.parse(text.encode("utf-8", "surrogatepass"))
    if sealed.is_sealed(data):
        if passphrase is None:
            raise InvalidRequestError("the file is sealed, and no passphrase was given")
        return transfer.read_sealed(data, passphrase, server=True)
    if not isinstance(data, list):
        raise InvalidRequestError(
            "the file is no export of secrets", hint="it must be from `resolver` or `cfy secrets export`"
        )
    return transfer.read_cloudify(data, passphrase)
