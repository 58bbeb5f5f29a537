"""Using secrets in blueprints: all values of a run in one answer, and blueprints that the server resolves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct, field
from starlette.responses import Response

from resolver.blueprint.context_file import make_context
from resolver.core.formats import DialectName, DocumentFormat
from resolver.core.permissions import Permission
from resolver.core.redacted import Redacted
from resolver.dsl.budget import Budget
from resolver.dsl.context import DeploymentContext
from resolver.dsl.problems import WARNINGS, Reason
from resolver.dsl.values import GivenInput
from resolver.errors import InvalidRequestError
from resolver.protocol.use import (
    CheckedKey,
    CheckRequest,
    CheckResult,
    SentKey,
    SentProvenance,
    UseRequest,
    UseResult,
)
from resolver.resolution import BlueprintText, Options, resolve
from resolver.resolution.resolved import joined_text
from resolver.rest.errors import RefusedUseError
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group, Server
from resolver.service.use import Claim, ClaimedUse

GROUP = Group("use", OWN)

MAX_BLUEPRINTS = 100
"""Most blueprints that one request may bring."""

MAX_NAME = 1000
"""Longest name of a blueprint, in characters."""


@GROUP.route("POST", "/use", UseResult, needs=Permission.SECRET_USE)
def use_secrets(call: ApiCall, body: UseRequest) -> Response:
    """Give out the values of keys, all of them or none; hidden ones, too, to those who may use secrets.

    The digests and call sites are recorded as the client's word.
    """
    server = call.server
    answer = server.service.use.use(
        call.caller,
        body.tenant,
        _claimed(body.keys),
        body.digests,
        claim=_claim(server),
        forwards=call.forwards,
    )
    if answer.refusals:
        raise RefusedUseError(answer.refusals)
    given = answer.secrets.values()
    server.metrics.count_values(
        "batch",
        len(given),
        expired=sum(one.expired_at is not None for one in given),
        due=sum(one.due_at is not None for one in given),
    )
    return Answer(UseResult(answer.secrets))


def _claim(server: Server) -> Claim:
    """Mark a use as claimed by a client, with what such a claim permits on this server."""
    return Claim(may_use_hidden=not server.options.hidden_for_uploads_only)


def _claimed(keys: Sequence[SentKey]) -> list[ClaimedUse]:
    """The uses that keys are asked for, each once, however often a key of one provenance is named."""
    named: dict[tuple[str, SentProvenance], list[SentKey]] = {}
    for wanted in keys:
        named.setdefault((wanted.key, wanted.provenance), []).append(wanted)
    return [_use(same) for same in named.values()]


def _use(same: Sequence[SentKey]) -> ClaimedUse:
    """The one use that is asked for by all of these."""
    return ClaimedUse(
        same[0].key,
        same[0].provenance.provenance,
        [site.location for wanted in same for site in wanted.calls],
        sum(max(wanted.calls_total, len(wanted.calls)) for wanted in same),
        needs_value=any(wanted.needs_value for wanted in same),
    )


@GROUP.route("POST", "/check", CheckResult, needs=Permission.SECRET_LIST)
def check_keys(call: ApiCall, body: CheckRequest) -> Response:
    """Say of each key whether a batch could use it, without decrypting or using anything."""
    statuses = call.service.use.check(call.caller, body.tenant, body.keys, _claim(call.server))
    return Answer(CheckResult({key: CheckedKey.of(status) for key, status in statuses.items()}))


class UploadedBlueprint(Struct, frozen=True, forbid_unknown_fields=True):
    """A blueprint's text, and what messages call it."""

    text: str
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)] = "<uploaded>"


class ResolveRequest(Redacted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Blueprints to be resolved by the server, and how."""

    tenant: str
    blueprints: Annotated[Sequence[UploadedBlueprint], Meta(min_length=1, max_length=MAX_BLUEPRINTS)]
    inputs: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] | None = None
    format: DocumentFormat = DocumentFormat.YAML
    evaluate: bool = False
    partial: bool = False
    strict: bool = False
    dialect: DialectName | None = None
    fail_on: Sequence[Reason] = ()
    allow_duplicate_keys: bool = False


class UsedKey(Struct, frozen=True):
    """A secret that was used."""

    key: str
    version: int


class ResolveResult(Redacted, frozen=True):
    """The resolved text, and what the reader should know of it."""

    text: str
    notes: Sequence[str]
    kept: int
    uses: Sequence[UsedKey]
    digests: Mapping[str, str]


@GROUP.route("POST", "/resolve", ResolveResult, needs=Permission.SECRET_USE)
def resolve_blueprints(call: ApiCall, body: ResolveRequest, budget: Budget) -> Response:
    """Resolve uploaded blueprints, all of them or none. The digests on record are of the text that came.

    Imports are left to the manager: nothing is read from the server's disk.
    """
    if len({blueprint.name for blueprint in body.blueprints}) < len(body.blueprints):
        raise InvalidRequestError("two blueprints have the same name")
    # Lone surrogates can't be encoded; the reader says of what stands for them that it is no UTF-8.
    texts = [
        BlueprintText(blueprint.name, blueprint.text.encode("utf-8", "surrogatepass"), None)
        for blueprint in body.blueprints
    ]
    digests = {text.name: hashlib.sha256(text.data).hexdigest() for text in texts}
    call.server.service.use.demand(call.caller, body.tenant, digests)
    options = Options(
        {name: GivenInput(value) for name, value in body.inputs.items()},
        DeploymentContext(body.tenant) if body.context is None else make_context(body.context, body.tenant),
        body.partial,
        body.evaluate,
        strict=body.strict,
        dialect=body.dialect,
        fail_on=warning_reasons(body.fail_on, _OF_A_RESOLVE),
        allow_duplicate_keys=body.allow_duplicate_keys,
        budget=budget,
    )
    resolution = resolve(call.service, call.caller, body.tenant, texts, options)
    expired, due = (
        len({each.key for each in resolution.warnings if each.reason is reason})
        for reason in (Reason.EXPIRED, Reason.DUE)
    )
    call.server.metrics.count_values("upload", len(resolution.uses), expired=expired, due=due)
    return Answer(
        ResolveResult(
            joined_text(resolution.blueprints, body.format, budget),
            resolution.told,
            resolution.deferred,
            [UsedKey(use.key, use.version) for use in resolution.uses],
            digests,
        )
    )


_OF_A_RESOLVE = tuple(reason for reason in WARNINGS if reason is not Reason.UNUSED)
"""Only a check lists what the tenant has besides."""


def warning_reasons(reasons: Sequence[Reason], known: Sequence[Reason] = WARNINGS) -> frozenset[Reason]:
    """The reasons that a request gives for `fail_on`; only those of warnings are any."""
    if others := sorted(set(reasons) - set(known)):
        raise InvalidRequestError(
            f"no warning here has the reason {', '.join(others)}",
            hint=f"there are: {', '.join(sorted(known))}",
        )
    return frozenset(reasons)
