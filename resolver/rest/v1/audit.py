"""The audit trail, and who the caller is."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response, StreamingResponse
from typing_extensions import TypedDict

from resolver.core.audit import AuditQuery, AuditRecord, fields_of, parse_head
from resolver.protocol.codec import encode
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, CallerDep, Flag, Group, ServiceDep
from resolver.rest.schemas import HoldingFacts, NarrowingFacts

GROUP = Group("audit", OWN)

MAX_RECORDS = 1000
"""Most records that one answer lists."""

_Word = Annotated[str, Query(max_length=1000)]
_Number = Annotated[int, Query(ge=0, le=2**63 - 1)]


class WhoAmI(TypedDict):
    """Who the caller is, and what may be done where."""

    username: str
    system_role: str
    token_id: str
    roles: dict[str, str]
    permissions: dict[str, list[str]]
    narrowing: NarrowingFacts
    system_permissions: list[str]


@GROUP.route("GET", "/whoami", WhoAmI)
def whoami(caller: CallerDep, service: ServiceDep) -> Response:
    """Who the caller is, and what may be done where."""
    return Answer(encode(service.users.whoami(caller)))


class RecordPage(TypedDict):
    """Records of a chain, and whether more follow."""

    records: list[dict[str, Any]]
    more: bool


@GROUP.route("GET", "/audit", RecordPage)
def list_records(  # noqa: PLR0913, PLR0917 - one for each thing that can be asked
    caller: CallerDep,
    service: ServiceDep,
    tenant: _Word = "",
    since: _Word = "",
    until: _Word = "",
    by: _Word = "",
    key: _Word = "",
    action: _Word = "",
    decision: Annotated[Literal["", "allowed", "refused"], Query()] = "",
    after: Annotated[_Number | None, Query()] = None,
    size: Annotated[int, Query(ge=1, le=MAX_RECORDS)] = 100,
    *,
    newest_first: Annotated[Flag, Query()] = False,
) -> Response:
    """The records of a tenant's trail, or of the system's when no tenant is named. No record holds a value.

    Times are UTC as records have them; `by` is who asked; `key` and `action` may be globs.
    """
    query = AuditQuery(
        since=since,
        until=until,
        caller=by,
        key=key,
        action=action,
        decision=decision,
        after=after,
        newest_first=newest_first,
        size=size + 1,  # one more tells whether more follow
    )
    found = list(service.trail.stream(caller, tenant, query))
    records = [{"number": record.number, "hash": record.hash, **fields_of(record)} for record in found[:size]]
    return Answer({"records": records, "more": len(found) > size})


class HeadFacts(TypedDict):
    """The end of a chain, to be kept elsewhere."""

    number: int
    hash: str


@GROUP.route("GET", "/audit/head", HeadFacts)
def get_head(caller: CallerDep, service: ServiceDep, tenant: _Word = "") -> Response:
    """The end of a tenant's trail, or of the system's."""
    head = service.trail.head(caller, tenant)
    return Answer({"number": head.number, "hash": head.hash})


class Verified(HeadFacts):
    """What a check found: the first record that does not fit, and why it is not that of the kept head."""

    broken: int | None
    kept_differs: str


@GROUP.route("GET", "/audit/verify", Verified)
def verify_trail(
    caller: CallerDep, service: ServiceDep, tenant: _Word = "", head: Annotated[str | None, Query()] = None
) -> Response:
    """Check a trail from its first record to its end, and against a kept `head` (NUMBER:HASH)."""
    found = service.trail.verify(caller, tenant, None if head is None else parse_head(head))
    return Answer(
        {
            "number": found.head.number,
            "hash": found.head.hash,
            "broken": found.broken,
            "kept_differs": found.kept_differs,
        }
    )


@GROUP.route("GET", "/audit/export")
def export_trail(caller: CallerDep, service: ServiceDep, tenant: _Word = "") -> Response:
    """A whole trail as lines of JSON with the texts that the hashes cover; the last line is its head."""
    head, records = service.trail.export(caller, tenant)
    return StreamingResponse(
        _lines(head.chain, records, head.number, head.hash), media_type="application/jsonl"
    )


def _lines(chain: str, records: Iterator[AuditRecord], number: int, digest: str) -> Iterator[str]:
    yield json.dumps({"chain": chain}) + "\n"
    for record in records:
        body = record.body.decode("ascii", "backslashreplace")
        yield json.dumps({"number": record.number, "hash": record.hash, "body": body}) + "\n"
    yield json.dumps({"head": {"number": number, "hash": digest}}) + "\n"


class WideMemberFacts(TypedDict):
    """A member whose role permits more than was done; `enough` is null when nothing was."""

    username: str
    role: str
    enough: str | None


class WideTokenFacts(TypedDict):
    """A token that permits more than was done with it."""

    id: str
    username: str
    narrowing: NarrowingFacts
    last_used_at: str | None
    used: list[str]
    unused: list[str]
    keys: list[str]


class UsageFacts(TypedDict):
    """What was not used since some time; `tokens` is null for who manages none."""

    since: str
    secrets: list[HoldingFacts]
    members: list[WideMemberFacts]
    tokens: list[WideTokenFacts] | None


@GROUP.route("GET", "/audit/unused", UsageFacts)
def get_unused(caller: CallerDep, service: ServiceDep, tenant: _Word, since: _Word = "") -> Response:
    """Secrets that nobody used, and roles and tokens wider than their use."""
    return Answer(encode(service.usage.unused(caller, tenant, since)))
