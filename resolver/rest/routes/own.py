"""Secrets in our own words, for `resolver secrets` in remote mode: versions, times, schemas and history."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field as PydanticField
from pydantic import StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.listing import Field, Listing, Order
from resolver.core.model import Visibility, check_value
from resolver.core.transfer import Exported, Incoming, MovedVersion
from resolver.errors import InvalidRequestError
from resolver.rest.answers import Answer, nothing
from resolver.rest.routes.queries import ListQueryDep
from resolver.rest.routes.shapes import SecretFacts, secret_facts
from resolver.rest.routing import OWN, Body, CallerDep, Flag, Group, ServiceDep, TenantDep
from resolver.service.manage import KEEP

GROUP = Group("secrets in full", OWN)

_Visibility = Literal["private", "tenant", "global"]
_Days = Annotated[int, PydanticField(ge=1, le=36_500)]
_Version = Annotated[int, PydanticField(ge=1, le=2**31 - 1)]


class NewFacts(Body):
    """A secret to be created."""

    value: str
    visibility: _Visibility = "tenant"
    hidden: StrictBool = False
    json_schema: str | None = PydanticField(None, alias="schema")
    expires_at: str | None = None
    rotate_after: _Days | None = None
    update_if_exists: StrictBool = False


class ChangedFacts(Body):
    """What is to be changed of a secret; what is not there stays, and null ends a time."""

    value: str | None = None
    visibility: _Visibility | None = None
    hidden: StrictBool | None = None
    owner: str | None = None
    expires_at: str | None = None
    rotate_after: _Days | None = None
    if_version: _Version | None = None


class Rollback(Body):
    """A version whose value is to be the current one again."""

    version: _Version
    if_version: _Version | None = None


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
    tenant: TenantDep,
    visibility: Annotated[list[_Visibility] | None, Query()] = None,
    *,
    all_tenants: Annotated[Flag, Query(alias="_all_tenants")] = False,
) -> Response:
    """The secrets of a tenant that the caller may see, and the global ones; no values."""
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
    )
    return Answer(secret_facts(secret))


@GROUP.route("GET", "/secrets/{key}", ShownFacts)
def show_facts(key: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """A secret with its value."""
    secret, value = service.secrets.show(caller, tenant, key)
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
    )
    return Answer(secret_facts(secret))


@GROUP.route("DELETE", "/secrets/{key}", status=204)
def delete_facts(
    key: str,
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    if_version: Annotated[_Version | None, Query()] = None,
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


class MovedFacts(Body):
    """One version of a secret with its value."""

    number: _Version
    value: str
    created_at: str | None = None
    created_by: str | None = None


class ExportRequest(Body):
    """Which secrets are to leave."""

    tenant: str = ""
    search: str = ""
    visibility: _Visibility | None = None
    all_tenants: StrictBool = False
    all_versions: StrictBool = False


class ExportedSecret(TypedDict):
    """A secret with the values of its versions."""

    secret: SecretFacts
    versions: list[dict[str, Any]]


class ExportResult(TypedDict):
    """The secrets that leave, and how many hidden ones stay."""

    secrets: list[ExportedSecret]
    left_out: int


@GROUP.route("POST", "/export", ExportResult)
def export_facts(body: ExportRequest, caller: CallerDep, service: ServiceDep) -> Response:
    """Secrets with their values, for a client that seals them itself: no passphrase comes here."""
    found = service.moving.export(
        caller,
        body.tenant,
        Listing(
            body.search,
            size=None,
            equal={} if body.visibility is None else {Field.VISIBILITY: [body.visibility]},
        ),
        all_tenants=body.all_tenants,
        all_versions=body.all_versions,
    )
    return Answer({"secrets": [_exported(one) for one in found.secrets], "left_out": found.left_out})


def _exported(one: Exported) -> ExportedSecret:
    versions: list[dict[str, Any]] = [
        {
            "number": version.number,
            "value": version.value.reveal(),
            "created_at": version.created_at,
            "created_by": version.created_by,
        }
        for version in one.versions
    ]
    return ExportedSecret(secret=secret_facts(one.secret), versions=versions)


class IncomingFacts(Body):
    """One entry of an import."""

    key: str
    tenant: str
    versions: list[MovedFacts]
    visibility: _Visibility = "tenant"
    hidden: StrictBool = False
    json_schema: str | None = PydanticField(None, alias="schema")
    expires_at: str | None = None
    rotate_after: int | None = None
    owner: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    provider: str | None = None
    whole: StrictBool = False
    problems: dict[str, Any] = PydanticField({})


class ArrivalRequest(Body):
    """Secrets that come from elsewhere, opened by the client."""

    tenant: str
    entries: list[IncomingFacts]
    tenant_map: dict[str, str] = PydanticField({})
    override: StrictBool = False


class ArrivalResult(TypedDict):
    """What became of the entries."""

    stored: int
    colliding: dict[str, list[str]]
    errors: dict[str, dict[str, Any]]


@GROUP.route("POST", "/import", ArrivalResult)
def import_facts(body: ArrivalRequest, caller: CallerDep, service: ServiceDep) -> Response:
    """Store secrets that come from elsewhere. Good entries are stored although others are not."""
    done = service.moving.import_(
        caller,
        body.tenant,
        [_incoming(entry) for entry in body.entries],
        tenant_map=body.tenant_map,
        override=body.override,
    )
    errors = {str(position): dict(problems) for position, problems in done.errors.items()}
    return Answer({"stored": done.stored, "colliding": done.colliding, "errors": errors})


def _incoming(entry: IncomingFacts) -> Incoming:
    problems = dict(entry.problems)
    versions: list[MovedVersion] = []
    for version in entry.versions:
        try:
            value = check_value(version.value)
        except InvalidRequestError as error:
            problems["value"] = error.message
            continue
        versions.append(MovedVersion(version.number, value, version.created_at, version.created_by))
    if not versions and not entry.provider:
        problems.setdefault("missing secret fields", ["value"])
    return Incoming(
        entry.key,
        entry.tenant,
        versions,
        Visibility(entry.visibility),
        entry.hidden,
        entry.json_schema,
        entry.expires_at,
        entry.rotate_after,
        entry.owner,
        entry.created_at,
        entry.updated_at,
        entry.provider,
        entry.whole,
        problems,
    )
