"""The audit trail, and who the caller is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from resolver.core.audit import AuditQuery, AuditRecord, fields_of, parse_head
from resolver.core.results import Identity, StaleBlueprints, Usage
from resolver.protocol.audit import HeadResult, RecordsResult, ReindexResult, VerifyResult
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Flag, Group, is_true

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = Group("audit", OWN)

MAX_RECORDS = 1000
"""Most records that one answer lists."""

_Word = Annotated[str, Meta(max_length=1000)]


@GROUP.route("GET", "/whoami", Identity)
def whoami(call: ApiCall) -> Response:
    """Who the caller is, and what may be done where."""
    return Answer(call.service.users.whoami(call.caller))


class RecordQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which records of which trail are wanted."""

    tenant: _Word = ""
    since: _Word = ""
    until: _Word = ""
    by: _Word = ""
    key: _Word = ""
    action: _Word = ""
    decision: Literal["", "allowed", "refused"] = ""
    run: _Word = ""
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    size: Annotated[int, Meta(ge=1, le=MAX_RECORDS)] = 100
    newest_first: Flag = False


class TrailQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which trail is meant: a tenant's, or the system's when none is named."""

    tenant: _Word = ""


class VerifyQuery(TrailQuery, frozen=True, forbid_unknown_fields=True):
    """Which trail is checked, and against which head (NUMBER:HASH)."""

    head: str | None = None


class UnusedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """In which tenant, and since when."""

    tenant: _Word
    since: _Word = ""


class StaleQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """In which tenant, and of which secret alone."""

    tenant: _Word
    key: _Word = ""


@GROUP.route("GET", "/audit", RecordsResult)
def list_audit_records(call: ApiCall, query: RecordQuery) -> Response:
    """The records of a tenant's trail, or of the system's when no tenant is named. No record holds a value.

    Times are UTC as records have them; `by` is who asked; `key` and `action` may be globs. `run` is the id of
    a workload's run, or one of its claims, `NAME=VALUE`.
    """
    wanted = AuditQuery(
        since=query.since,
        until=query.until,
        caller=query.by,
        key=query.key,
        action=query.action,
        decision=query.decision,
        run=query.run,
        after=query.after,
        newest_first=is_true(query.newest_first),
        size=query.size + 1,  # one more shows whether more follow
    )
    found = list(call.service.trail.stream(call.caller, query.tenant, wanted))
    records: list[dict[str, Any]] = [
        {"number": record.number, "hash": record.hash, **fields_of(record)} for record in found[: query.size]
    ]
    return Answer(RecordsResult(records, len(found) > query.size))


@GROUP.route("GET", "/audit/head", HeadResult)
def get_audit_head(call: ApiCall, query: TrailQuery) -> Response:
    """The end of a tenant's trail, or of the system's, to be kept elsewhere."""
    head = call.service.trail.head(call.caller, query.tenant)
    return Answer(HeadResult(head.number, head.hash))


@GROUP.route("GET", "/audit/verify", VerifyResult)
def verify_audit_trail(call: ApiCall, query: VerifyQuery) -> Response:
    """Check a trail from its first record to its end, and against a kept `head` (NUMBER:HASH)."""
    kept = None if query.head is None else parse_head(query.head)
    found = call.service.trail.verify(call.caller, query.tenant, kept)
    head = found.head
    return Answer(
        VerifyResult(
            head.number,
            head.hash,
            found.broken,
            found.kept_differs,
            found.rows,
            found.index,
            found.index_faults,
        )
    )


@GROUP.route("POST", "/audit/reindex", ReindexResult)
def reindex_audit_trail(call: ApiCall, query: TrailQuery) -> Response:
    """Make the index of a trail again out of its records."""
    return Answer(ReindexResult(call.service.trail.reindex(call.caller, query.tenant)))


@GROUP.route("GET", "/audit/export")
def export_audit_trail(call: ApiCall, query: TrailQuery) -> Response:
    """A whole trail as lines of JSON with the texts that the hashes cover; the last line is its head."""
    head, records = call.service.trail.export(call.caller, query.tenant)
    return StreamingResponse(
        _lines(head.chain, records, head.number, head.hash), media_type="application/jsonl"
    )


def _lines(chain: str, records: Iterator[AuditRecord], number: int, digest: str) -> Iterator[str]:
    yield json.dumps({"chain": chain}) + "\n"
    for record in records:
        body = record.body.decode("ascii", "backslashreplace")
        yield json.dumps({"number": record.number, "hash": record.hash, "body": body}) + "\n"
    yield json.dumps({"head": {"number": number, "hash": digest}}) + "\n"


@GROUP.route("GET", "/audit/unused", Usage)
def list_unused_secrets(call: ApiCall, query: UnusedQuery) -> Response:
    """Secrets that nobody used, and roles and tokens wider than their use."""
    return Answer(call.service.usage.unused(call.caller, query.tenant, query.since))


@GROUP.route("GET", "/audit/stale", StaleBlueprints)
def list_stale_blueprints(call: ApiCall, query: StaleQuery) -> Response:
    """Blueprints whose last use of a secret was of a version that is not current: to be deployed again."""
    return Answer(call.service.usage.stale(call.caller, query.tenant, query.key))
