"""Using secrets in blueprints: all values of a run in one answer, and blueprints that the server resolves."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.blueprint.context_file import make_context
from resolver.core.formats import DocumentFormat
from resolver.core.location import Location, Position
from resolver.core.provenance import Provenance
from resolver.dsl.context import DeploymentContext
from resolver.dsl.values import GivenInput
from resolver.errors import InvalidRequestError
from resolver.resolution import BlueprintText, Options, resolve
from resolver.resolution.resolved import ResolvedBlueprint, joined_text
from resolver.rest.errors import RefusedUseError
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, Body, CallerDep, Group, HopsDep, Server, ServerDep
from resolver.rest.schemas import SecretFacts, secret_facts
from resolver.service.use import Claim, ClaimedUse

GROUP = Group("use", OWN)

MAX_KEYS = 10_000
"""Most keys that one request may name."""

MAX_BLUEPRINTS = 100
"""Most blueprints that one request may bring."""

MAX_NAME = 1000
"""Longest name of a blueprint, in characters."""

_Number = Annotated[int, Field(ge=0, le=2**31)]


class Site(Body):
    """Where a call stands, as the client says."""

    source: str
    line: _Number = 0
    column: _Number = 0
    path: tuple[int | str, ...] = ()


class KeyOrigin(Body):
    """What a key was computed from: names of inputs and secrets, and whether the context went into it."""

    secrets: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    context: bool = False


class KeyWanted(Body):
    """A key whose value is wanted, with its calls."""

    key: str
    calls: tuple[Site, ...] = ()
    calls_total: _Number = 0
    origin: KeyOrigin = KeyOrigin()
    placed: bool = True


class UseRequest(Body):
    """The keys that one round of a blueprint needs."""

    tenant: str
    keys: Annotated[list[KeyWanted], Field(max_length=MAX_KEYS)]
    digests: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field({}, max_length=MAX_KEYS)


class UsedValue(TypedDict):
    """A value for use in a blueprint."""

    value: str
    version: int
    may_show: bool
    expired_at: str | None


class UseResult(TypedDict):
    """All values that were asked for, by key."""

    secrets: dict[str, UsedValue]


@GROUP.route("POST", "/use", UseResult)
def use_secrets(body: UseRequest, caller: CallerDep, server: ServerDep, hops: HopsDep) -> Response:
    """Give out the values of keys, all of them or none; hidden ones, too, to those who may use secrets.

    The digests and call sites are recorded as the client's word.
    """
    uses = _claimed(body.keys)
    claim = _claim(server)
    answer = server.service.use.use(caller, body.tenant, uses, body.digests, claim=claim, hops=hops)
    if answer.refusals:
        raise RefusedUseError(answer.refusals)
    server.metrics.values.labels("batch").inc(len(answer.secrets))
    return Answer(
        {
            "secrets": {
                key: UsedValue(
                    value=used.value.reveal(),
                    version=used.version,
                    may_show=used.may_show,
                    expired_at=used.expired_at,
                )
                for key, used in answer.secrets.items()
            }
        }
    )


def _claim(server: Server) -> Claim:
    """What a client's word is good for on this server."""
    return Claim(may_use_hidden=not server.options.hidden_for_uploads_only)


def _claimed(keys: Sequence[KeyWanted]) -> list[ClaimedUse]:
    """The uses that keys are asked for, each once, however often a key of one origin is named."""
    named: dict[tuple[str, KeyOrigin], list[KeyWanted]] = {}
    for wanted in keys:
        named.setdefault((wanted.key, wanted.origin), []).append(wanted)
    return [_use(same) for same in named.values()]


def _use(same: Sequence[KeyWanted]) -> ClaimedUse:
    """The one use that is asked for by all of these."""
    told = same[0].origin
    return ClaimedUse(
        same[0].key,
        Provenance(told.secrets, told.inputs, context=told.context),
        [_site(site) for wanted in same for site in wanted.calls],
        sum(max(wanted.calls_total, len(wanted.calls)) for wanted in same),
        needs_value=any(wanted.placed for wanted in same),
    )


def _site(site: Site) -> Location:
    position = Position(site.line, site.column) if site.line else None
    return Location(site.source, position, site.path)


class CheckRequest(Body):
    """The keys that a check is about."""

    tenant: str
    keys: Annotated[list[str], Field(max_length=MAX_KEYS)]


class KeyChecked(TypedDict):
    """What a check tells of one key."""

    secret: SecretFacts | None
    refusal: str | None
    expired: bool
    due: bool


class CheckResult(TypedDict):
    """What a check tells, by key."""

    keys: dict[str, KeyChecked]


@GROUP.route("POST", "/check", CheckResult)
def check_keys(body: CheckRequest, caller: CallerDep, server: ServerDep) -> Response:
    """Say of each key whether a batch could use it, without decrypting or using anything."""
    statuses = server.service.use.check(caller, body.tenant, body.keys, _claim(server))
    return Answer(
        {
            "keys": {
                key: KeyChecked(
                    secret=secret_facts(status.secret) if status.secret else None,
                    refusal=status.refusal.verdict.value if status.refusal else None,
                    expired=status.expired,
                    due=status.due,
                )
                for key, status in statuses.items()
            }
        }
    )


class Uploaded(Body):
    """A blueprint's text, and what messages call it."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)] = "<uploaded>"
    text: str


class ResolveRequest(Body):
    """Blueprints to be resolved by the server, and how."""

    tenant: str
    blueprints: Annotated[list[Uploaded], Field(min_length=1, max_length=MAX_BLUEPRINTS)]
    inputs: dict[str, Any] = Field({})
    context: dict[str, Any] | None = None
    format: Literal["yaml", "json"] = "yaml"
    evaluate: bool = False
    partial: bool = False
    strict: bool = False


class UsedKey(TypedDict):
    """A secret that was used."""

    key: str
    version: int


class ResolveResult(TypedDict):
    """The resolved text, and what the reader should know of it."""

    text: str
    notes: list[str]
    kept: int
    uses: list[UsedKey]
    digests: dict[str, str]


@GROUP.route("POST", "/resolve", ResolveResult)
def resolve_blueprints(body: ResolveRequest, caller: CallerDep, server: ServerDep) -> Response:
    """Resolve uploaded blueprints, all of them or none. The digests on record are of the text that came.

    Imports are left to the manager: nothing is read from the server's disk.
    """
    if len({blueprint.name for blueprint in body.blueprints}) < len(body.blueprints):
        raise InvalidRequestError("two blueprints have the same name")
    options = Options(
        {name: GivenInput(value) for name, value in body.inputs.items()},
        DeploymentContext(body.tenant) if body.context is None else make_context(body.context, body.tenant),
        body.partial,
        body.evaluate,
        strict=body.strict,
    )
    # Lone surrogates can't be encoded; the reader says of what stands for them that it is no UTF-8.
    texts = [
        BlueprintText(blueprint.name, blueprint.text.encode("utf-8", "surrogatepass"), None)
        for blueprint in body.blueprints
    ]
    resolution = resolve(server.service, caller, body.tenant, texts, options)
    server.metrics.values.labels("upload").inc(len(resolution.uses))
    return Answer(
        {
            "text": joined_text(resolution.blueprints, DocumentFormat(body.format)),
            "notes": [*resolution.notes, *_written_out(resolution.blueprints)],
            "kept": resolution.deferred,
            "uses": [UsedKey(key=use.key, version=use.version) for use in resolution.uses],
            "digests": {text.name: hashlib.sha256(text.data).hexdigest() for text in texts},
        }
    )


def _written_out(blueprints: Sequence[ResolvedBlueprint]) -> list[str]:
    return [
        f"{blueprint.name}:{position.line}:{position.column}: alias written out"
        for blueprint in blueprints
        for position in blueprint.written_out
    ]
