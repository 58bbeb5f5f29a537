"""Exports and imports that the server seals and opens, for clients that can't do so themselves: browsers.

The passphrase comes in the body, never in an address, and values leave sealed or not at all.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Literal

import anyio.to_thread
from pydantic import Field, StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.bootstrap import transfer
from resolver.core.query import Listing
from resolver.core.transfer import Incoming
from resolver.errors import InvalidRequestError
from resolver.rest.cloudify.transfer import demand_long
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, Body, CallerDep, Group, ServerDep, TenantDep
from resolver.rest.v1.transfer import ArrivalResult, arrival_result
from resolver.transfer import cloudify, sealed

GROUP = Group("sealed files", OWN)


class SealRequest(Body):
    """Which secrets are to leave, and how."""

    passphrase: str = Field(repr=False)
    format: Literal["sealed", "cloudify"] = "sealed"
    search: str = ""
    all_tenants: StrictBool = False
    all_versions: StrictBool = False


class SealResult(TypedDict):
    """The file's text, how many secrets are in it, and what is not."""

    text: str
    count: int
    left_out: int
    elsewhere: int
    schemas_left_out: int


class OpenRequest(Body):
    """A file's text, and what it was sealed with."""

    text: str
    passphrase: Annotated[str | None, Field(repr=False)] = None
    override: StrictBool = False
    tenant_map: dict[str, str] = Field({})


@GROUP.route("POST", "/sealed-export", SealResult)
async def seal_export(body: SealRequest, caller: CallerDep, tenant: TenantDep, server: ServerDep) -> Response:
    """The secrets of a tenant with their values, in a file that a passphrase seals."""
    demand_long(body.passphrase)

    def seal() -> SealResult:
        found = server.service.moving.export(
            caller,
            tenant,
            Listing(body.search, size=None),
            all_tenants=body.all_tenants,
            all_versions=body.all_versions and body.format == "sealed",
        )
        theirs = body.format == "cloudify"
        data = (
            transfer.write_cloudify(found.secrets, body.passphrase)
            if theirs
            else transfer.write_sealed(found.secrets, body.passphrase)
        )
        lost = sum(one.secret.schema is not None for one in found.secrets) if theirs else 0
        return SealResult(
            text=json.dumps(data, indent=1) + "\n",
            count=len(found.secrets),
            left_out=found.left_out,
            elsewhere=found.elsewhere,
            schemas_left_out=lost,
        )

    return Answer(await anyio.to_thread.run_sync(seal, limiter=server.sealing))


@GROUP.route("POST", "/sealed-import", ArrivalResult)
async def open_import(body: OpenRequest, caller: CallerDep, tenant: TenantDep, server: ServerDep) -> Response:
    """Store the secrets of a file. Good entries are stored although others are not."""

    def store() -> ArrivalResult:
        # Nothing is stored yet: whoever may not import must not have the server compute keys either.
        server.service.moving.import_(caller, tenant, [])
        entries = _entries(body.text, body.passphrase or None)
        done = server.service.moving.import_(
            caller, tenant, entries, tenant_map=body.tenant_map, override=body.override
        )
        return arrival_result(done)

    return Answer(await anyio.to_thread.run_sync(store, limiter=server.sealing))


def _entries(text: str, passphrase: str | None) -> Sequence[Incoming]:
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
