"""Records of rounds, one for all secrets that were asked for together, and the index of all records.

A record of format 2 has a list, `keys`, of what was decided about each secret, and one of `blueprints`, which
the keys name by their places in it. All other records, and those of release 0.1.0, tell of one thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.core.audit import ROUND, IndexFault, canonical, fields_of, name_of, told_of
from resolver.core.model import is_storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resolver.core.audit import AuditRecord

MAX_KEYS = 1000
"""Most keys of one record; the others are in the next."""

MAX_BYTES = 256 * 1024
"""Most bytes of a record with several keys."""

MAX_REFUSED = 20
"""Most keys that are told of a round that was refused as a whole; it always counts them all."""

_LARGEST = 2**31 - 1
_PAIR = len(("name", "digest"))


class RoundKey(Struct, frozen=True):
    """What a record of a round tells of one key.

    Args:
        about: its fields: decision, reason, key, and where they may be told id, tenant and version.
        blueprints: name and digest of each blueprint that needs it.
        calls: source, line, column and path of its first calls.
    """

    about: Mapping[str, Any]
    blueprints: Sequence[tuple[str, str]] = ()
    calls: Sequence[tuple[str, int, int, str]] = ()


def round_fields(base: Mapping[str, Any], keys: Sequence[RoundKey], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON data
    """The fields of a round's record.

    Args:
        base: what holds for all of it: time, action, who asked, in which tenant.
        keys: what was decided about each key.
        more: other fields of the whole.
    """
    places: dict[tuple[str, str], int] = {}
    told = []
    refused: Mapping[str, Any] | None = None
    for key in keys:
        about = dict(key.about)
        if key.blueprints:
            about["blueprints"] = [places.setdefault(one, len(places)) for one in key.blueprints]
        if key.calls:
            about["calls"] = key.calls
        if refused is None and about["decision"] != "allowed":
            refused = about
        told.append(about)
    decision = {"decision": refused["decision"], "reason": refused["reason"]} if refused else {}
    return {**base, **decision, "format": ROUND, "blueprints": list(places), "keys": told, **more}


def parts_of(fields: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """An entry as it may be recorded, with its canonical bytes: a round that is too long, as several."""
    keys = fields.get("keys", ()) if fields.get("format") == ROUND else ()
    body = canonical(fields) if len(keys) <= MAX_KEYS else b""
    if body and (len(body) <= MAX_BYTES or len(keys) <= 1):
        yield fields, body
        return
    middle = MAX_KEYS if len(keys) > MAX_KEYS else len(keys) // 2
    for part in (keys[:middle], keys[middle:]):
        yield from parts_of(_with_keys(fields, part))


def _with_keys(fields: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A round's fields with some of its keys, and the blueprints that these name."""
    places: dict[int, int] = {}
    told = [
        {**key, "blueprints": [places.setdefault(one, len(places)) for one in key["blueprints"]]}
        if "blueprints" in key
        else key
        for key in keys
    ]
    refused = next((key for key in told if key["decision"] != "allowed"), told[0])
    return {
        **fields,
        "decision": refused["decision"],
        "reason": refused["reason"],
        "blueprints": [fields["blueprints"][place] for place in places],
        "keys": told,
    }


class AuditRun(Struct, frozen=True):
    """A row of the index: who did what where, as a record tells; once more for each blueprint it names.

    Args:
        number: the record's.
        nth: the blueprint's place among the record's, from 1; 0 for the row without one.
        at: when, UTC.
        action: the permission used, or the event.
        caller: who asked.
        folded: the same, whatever its case.
        caller_id: the caller's id.
        token: the id of the token that was used.
        tenant: the tenant that was asked in.
        tenant_id: its id.
        blueprint: the blueprint's name; empty in the row without one.
        digest: SHA-256 of its text.
        claimed: whether name and digest are a client's word.
        run: the id of the workload's run that it was done in; None for all others.
    """

    number: int
    nth: int
    at: str
    action: str
    caller: str
    folded: str
    caller_id: str
    token: str
    tenant: str
    tenant_id: str
    blueprint: str
    digest: str
    claimed: bool
    run: str | None = None


class AuditUse(Struct, frozen=True):
    """A row of the index: what a record tells of one key, once for each blueprint that needs it.

    Args:
        number: the record's.
        place: the key's place in it, from 0.
        nth: which of the record's blueprints needs it; 0 when none is told.
        key: the key that was asked for, or the name of what was changed.
        secret_id: the secret's id; empty when it is not told.
        version: the version; None when it is not told.
        decision: `allowed` or `refused`.
    """

    number: int
    place: int
    nth: int
    key: str
    secret_id: str
    version: int | None
    decision: str


class IndexRows(Struct, frozen=True):
    """The rows that some records have in the index, in their order."""

    runs: Sequence[AuditRun] = ()
    uses: Sequence[AuditUse] = ()


def storable(text: object) -> str:
    """A text of a record as the index has it: what no database takes is replaced."""
    told = text if type(text) is str else str(text or "")
    return told if is_storable(told) else "".join(one if is_storable(one) else "\ufffd" for one in told)


def index_of(entries: Iterable[tuple[int, Mapping[str, Any]]]) -> IndexRows:
    """The rows of the index that records have, by their numbers and fields."""
    runs: list[AuditRun] = []
    uses: list[AuditUse] = []
    for number, fields in entries:
        blueprints = _blueprints(fields)
        runs += _runs(number, fields, blueprints)
        named = [*range(1, len(blueprints) + 1)] if fields.get("format") != ROUND else []
        for place, told in enumerate(told_of(fields)):
            version = told.get("version")
            about = (
                storable(name_of(told)),
                storable(told.get("secret_id")),
                version if type(version) is int and 0 <= version <= _LARGEST else None,
                storable(told.get("decision")),
            )
            needing = named or _needing(told, len(blueprints))
            uses += [AuditUse(number, place, nth, *about) for nth in needing or (0,)]
    return IndexRows(runs, uses)


def _blueprints(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and digests of the blueprints that a record names, as the index has them."""
    told = fields.get("blueprints")
    pairs: Iterable[Any] = told.items() if isinstance(told, dict) else told if isinstance(told, list) else ()
    return [
        (storable(pair[0]), storable(pair[1]))
        if isinstance(pair, list | tuple) and len(pair) == _PAIR
        else ("", "")
        for pair in pairs
    ]


def _needing(told: Mapping[str, Any], count: int) -> list[int]:
    """Which of a round's blueprints need a key, from 1."""
    places = told.get("blueprints")
    if not isinstance(places, list):
        return []
    return sorted({place + 1 for place in places if type(place) is int and 0 <= place < count})


def _runs(number: int, fields: Mapping[str, Any], blueprints: Sequence[tuple[str, str]]) -> list[AuditRun]:
    caller = storable(fields.get("caller"))
    common = (
        storable(fields.get("at")),
        storable(fields.get("action")),
        caller,
        caller.casefold(),
        storable(fields.get("caller_id")),
        storable(fields.get("token")),
        storable(fields.get("tenant")),
        storable(fields.get("tenant_id")),
    )
    claimed = fields.get("claimed") is True
    told = fields.get("run")
    run = storable(told.get("id")) if isinstance(told, dict) else None
    named = enumerate([("", ""), *blueprints])
    return [AuditRun(number, nth, *common, name, digest, claimed, run) for nth, (name, digest) in named]


def index_of_records(records: Iterable[AuditRecord]) -> IndexRows:
    """The rows of the index that stored records have."""
    return index_of((record.number, fields_of(record)) for record in records)


def compare(expected: IndexRows, stored: IndexRows) -> list[IndexFault]:
    """What differs between the rows that records have and those that are stored."""
    return [
        *_differing(
            {(use.number, f"{use.place}/{use.nth}"): use for use in expected.uses},
            {(use.number, f"{use.place}/{use.nth}"): use for use in stored.uses},
            "key",
        ),
        *_differing(
            {(run.number, f"{run.nth}"): run for run in expected.runs},
            {(run.number, f"{run.nth}"): run for run in stored.runs},
            "run",
        ),
    ]


def _differing(
    expected: Mapping[tuple[int, str], Struct], stored: Mapping[tuple[int, str], Struct], kind: str
) -> Iterator[IndexFault]:
    if expected == stored:
        return
    for place in sorted(expected.keys() | stored.keys()):
        if expected.get(place) != stored.get(place):
            fault = "missing" if place not in stored else "changed" if place in expected else "extra"
            yield IndexFault(place[0], f"{kind} {place[1]}", fault)
