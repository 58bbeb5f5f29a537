"""The audit chain: canonical records, gapless numbers, and hashes that each cover the one before.

A chain belongs to one tenant, or to the system. Its head (number and hash) is kept under a MAC whose key the
root key wraps, so that whoever can only write the database can't make a chain that verifies.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from resolver.core.rows import RowFinding
from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SYSTEM_CHAIN = "system"
"""The id of the chain that belongs to no tenant."""

GENESIS = "0" * 64
"""What stands for the hash before the first record."""

MAX_TEXT = 300
"""Longest text from a caller that a record keeps, in characters."""

MAX_CALL_SITES = 20
"""Most call sites that a record lists; it always counts them all."""

ROUND = 2
"""The format of a round's record. Those of format 1 do not say so."""

_NUMBER = struct.Struct(">Q")
_HEAD_FORMAT = b"blueprint-resolver audit head/1\0"


class AuditHead(Struct, frozen=True):
    """The end of a chain: how many records it has, and the last one's hash.

    Args:
        chain: the chain's id.
        number: how many records it has.
        hash: the last one's hash.
        enforced: of the system's chain, whether a row without a genuine MAC is refused.
    """

    chain: str
    number: int = 0
    hash: str = GENESIS
    enforced: bool = False

    def encode(self) -> bytes:
        """The canonical bytes that the MAC covers."""
        form = b"blueprint-resolver audit head/2 enforced\0" if self.enforced else _HEAD_FORMAT
        return form + _covered(self.chain, self.number, self.hash)


class AuditRecord(Struct, frozen=True):
    """One record, as stored.

    Args:
        number: its place in the chain, from 1.
        at: when, UTC.
        action: the permission used, or the event.
        body: the canonical bytes that the hash covers.
        hash: SHA-256 over chain, number, the hash before, and body; hexadecimal.
    """

    number: int
    at: str
    action: str
    body: bytes
    hash: str


_QUICK_ENCODER = msgspec.json.Encoder(order="sorted")
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def canonical(fields: Mapping[str, Any]) -> bytes:
    """A record's fields as canonical JSON: sorted keys, no spaces, ASCII with all controls escaped."""
    try:
        body = _QUICK_ENCODER.encode(fields)
    except (TypeError, ValueError):  # half a character, or a number of more than 64 bits
        body = b"\x7f"
    # The quick one's bytes are the same outside of non-ASCII text and DEL, which it does not escape.
    if body.isascii() and b"\x7f" not in body:
        return body
    return _ENCODER.encode(fields).encode("ascii")


def cap(text: str) -> str:
    """A caller's text, cut to what a record keeps."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _covered(chain: str, number: int, text: str) -> bytes:
    name = chain.encode()
    return _NUMBER.pack(len(name)) + name + _NUMBER.pack(number) + text.encode()


def record_hash(chain: str, number: int, before: str, body: bytes) -> str:
    """The hash of one record, hexadecimal."""
    return hashlib.sha256(_covered(chain, number, before) + body).hexdigest()


def extend(head: AuditHead, entries: Iterable[Mapping[str, Any]]) -> tuple[AuditHead, list[AuditRecord]]:
    """Put records at the end of a chain.

    Args:
        head: the chain's end so far.
        entries: the fields of the new records; each has `at` and `action`.

    Returns:
        The new head and the records to store.
    """
    return extend_with(head, ((fields, canonical(fields)) for fields in entries))


def extend_with(
    head: AuditHead, entries: Iterable[tuple[Mapping[str, Any], bytes]]
) -> tuple[AuditHead, list[AuditRecord]]:
    """The same with the canonical bytes of each."""
    records: list[AuditRecord] = []
    number, before = head.number, head.hash
    for fields, body in entries:
        number += 1
        before = record_hash(head.chain, number, before, body)
        records.append(AuditRecord(number, fields["at"], fields["action"], body, before))
    return replace(head, number=number, hash=before), records


def find_break(
    head: AuditHead, records: Iterable[AuditRecord], start: tuple[int, str] = (0, GENESIS)
) -> int | None:
    """Check a chain against its head.

    Args:
        head: the end that the chain should have.
        records: the stored records, by number.
        start: number and hash of the record before these, where not the whole chain is looked at.

    Returns:
        The number of the first record that is missing, changed, swapped or beyond the head; None when the
        chain is whole.
    """
    number, before = start
    for record in records:
        number += 1
        if (
            record.number != number
            or number > head.number
            or record.hash != record_hash(head.chain, number, before, record.body)
        ):
            return number
        # The hash fits, so the body is what was written; its columns may still have been changed.
        fields = json.loads(record.body)
        if (fields["at"], fields["action"]) != (record.at, record.action):
            return number
        before = record.hash
    if number != head.number or before != head.hash:
        return number + 1
    return None


class AuditQuery(Struct, frozen=True):
    """Which records of a chain are wanted.

    Args:
        since: UTC time from which on, in any form of `parse_time`; empty for the beginning.
        until: UTC time before which, likewise; empty for the end.
        caller: the name of who asked, whatever its case.
        key: the key that was asked for, or the name of what was changed; globs like `prod_*` are understood.
        action: the permission used, or the event; globs are understood.
        decision: `allowed` or `refused`.
        run: the run of a workload, by the id that its platform gives it; or one of its claims, `NAME=VALUE`.
        after: the number of the record that the list goes on from.
        newest_first: whether the list goes backwards.
        size: most records that are wanted; None for all.
    """

    since: str = ""
    until: str = ""
    caller: str = ""
    key: str = ""
    action: str = ""
    decision: str = ""
    run: str = ""
    after: int | None = None
    newest_first: bool = False
    size: int | None = None

    def wants(self, record: AuditRecord) -> bool:
        """Whether a record's fields match; the times are not compared here."""
        if self.action and not fnmatchcase(record.action, self.action):
            return False
        if not self.is_indexed:
            return True
        fields = fields_of(record)
        if self.caller and str(fields.get("caller", "")).casefold() != self.caller.casefold():
            return False
        if self.run and not self._is_of_run(fields.get("run")):
            return False
        return any(map(self.wants_told, told_of(fields)))

    def _is_of_run(self, run: object) -> bool:
        if not isinstance(run, dict):
            return False
        name, is_claim, value = self.run.rpartition("=")
        claims = run.get("claims")
        return isinstance(claims, dict) and claims.get(name) == value if is_claim else run.get("id") == value

    @property
    def is_indexed(self) -> bool:
        """Whether it asks for something that the index tells."""
        return bool(self.caller or self.key or self.decision or self.run)

    def wants_told(self, told: Mapping[str, Any]) -> bool:
        """Whether what a record tells of one key is wanted."""
        return (not self.key or fnmatchcase(name_of(told), self.key)) and (
            not self.decision or told.get("decision") == self.decision
        )


def fields_of(record: AuditRecord) -> dict[str, Any]:
    """The fields of a record; none when its body is not what this program writes."""
    try:
        fields = json.loads(record.body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def told_of(fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What a record tells of each thing: of a round one mapping for each key, of another its own fields."""
    if fields.get("format") != ROUND:
        return [fields]
    keys = fields.get("keys")
    found = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list | tuple) else []
    return found or [fields]


def name_of(told: Mapping[str, Any]) -> str:
    """The key that was asked for, or the name of what was changed."""
    return str(told.get("key", told.get("object", "")))


def parse_head(text: str, chain: str = "") -> AuditHead:
    """A head as `audit head` prints it, `NUMBER:HASH`.

    Raises:
        InvalidRequestError: it is not one.
    """
    number, _, digest = text.strip().partition(":")
    if not (
        number.isascii()
        and number.isdigit()
        and len(number) < len("1" * 19)
        and len(digest) == len(GENESIS)
        and set(digest) <= set("0123456789abcdef")
    ):
        raise InvalidRequestError(
            "the head is malformed", hint="`resolver audit head` prints one: a number, a colon and 64 digits"
        )
    return AuditHead(chain, int(number), digest)


class IndexFault(Struct, frozen=True):
    """A row of the index that is not what the records say.

    Args:
        number: the number of the record that it is, or should be, of.
        row: which one of that record's: `key PLACE/NTH`, or `run NTH`.
        fault: `missing`, `extra` or `changed`.
    """

    number: int
    row: str
    fault: str


class Verification(Struct, frozen=True):
    """What a check of a chain found.

    Args:
        head: the end of the chain as it is stored.
        broken: the number of the first record that is missing, changed, swapped or too many; None when the
            chain is whole in itself.
        kept: the head it was compared with; None without one.
        kept_differs: why the chain is not the one that the kept head was taken of; empty when it is.
        rows: the rows that are not as the chain tells; not looked for in a chain that is broken.
        index: the first rows of the index that are not what the records say.
        index_faults: how many there are.
    """

    head: AuditHead
    broken: int | None = None
    kept: AuditHead | None = None
    kept_differs: str = ""
    rows: Sequence[RowFinding] = ()
    index: Sequence[IndexFault] = ()
    index_faults: int = 0

    @property
    def whole(self) -> bool:
        """Whether the chain is intact, the one of the kept head, and rows and index are as it tells."""
        return not (self.broken is not None or self.kept_differs or self.rows or self.index_faults)


class KeptHead:
    """Compares a chain with a head that was kept elsewhere, while its records pass by.

    Args:
        kept: that head.
    """

    def __init__(self, kept: AuditHead) -> None:
        self._kept = kept
        self._found = GENESIS if kept.number == 0 else ""

    def watch(self, records: Iterable[AuditRecord]) -> Iterator[AuditRecord]:
        """Pass records on, noting the one with the head's number."""
        for record in records:
            if record.number == self._kept.number:
                self._found = record.hash
            yield record

    def judge(self, found: Verification) -> Verification:
        """The verification, with the result of the comparison with the kept head."""
        kept, end = replace(self._kept, chain=found.head.chain), found.head.number
        differs = ""
        if kept.number > end:
            differs = (
                f"it ends at record {end} and the kept head at {kept.number}: "
                "it was cut, or the database is an older copy"
            )
        elif self._found != kept.hash and (found.broken is None or found.broken > kept.number):
            differs = (
                f"its record {kept.number} is another one than the kept head's: "
                "it was rewritten, or an older copy was restored and went on"
            )
        return replace(found, kept=kept, kept_differs=differs or found.kept_differs)
