"""Secrets between stores, in our own words: the client seals and opens, no passphrase comes here."""

from typing import Any

from pydantic import Field as PydanticField
from pydantic import StrictBool
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.model import Visibility, check_value
from resolver.core.query import Field, Listing
from resolver.core.transfer import Exported, Imported, Incoming, MovedVersion
from resolver.errors import InvalidRequestError
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, Body, CallerDep, Group, ServiceDep
from resolver.rest.schemas import SecretFacts, VersionNumber, VisibilityName, secret_facts

GROUP = Group("secrets in full", OWN)


class MovedFacts(Body):
    """One version of a secret with its value."""

    number: VersionNumber
    value: str
    created_at: str | None = None
    created_by: str | None = None


class ExportRequest(Body):
    """Which secrets are to leave."""

    tenant: str = ""
    search: str = ""
    visibility: VisibilityName | None = None
    all_tenants: StrictBool = False
    all_versions: StrictBool = False


class ExportedSecret(TypedDict):
    """A secret with the values of its versions."""

    secret: SecretFacts
    versions: list[dict[str, Any]]


class ExportResult(TypedDict):
    """The secrets that leave, how many hidden ones stay, and how many whose values providers have."""

    secrets: list[ExportedSecret]
    left_out: int
    elsewhere: int


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
    return Answer(
        {
            "secrets": [_exported(one) for one in found.secrets],
            "left_out": found.left_out,
            "elsewhere": found.elsewhere,
        }
    )


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
    visibility: VisibilityName = "tenant"
    hidden: StrictBool = False
    json_schema: str | None = PydanticField(None, alias="schema")
    expires_at: str | None = None
    rotate_after: int | None = None
    owner: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    provider: str | None = None
    provider_options: dict[str, str] = PydanticField({})
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
    return Answer(arrival_result(done))


def arrival_result(done: Imported) -> ArrivalResult:
    """What became of the entries, as JSON."""
    return ArrivalResult(
        stored=done.stored,
        colliding={tenant: list(keys) for tenant, keys in done.colliding.items()},
        errors={str(position): dict(problems) for position, problems in done.errors.items()},
    )


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
        entry.provider_options,
        entry.whole,
        problems,
    )
