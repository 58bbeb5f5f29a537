"""The audit chain: canonical records, gapless numbers, and hashes that each cover the one before.

A chain belongs to one tenant, or to the system. Its head (number and hash) is kept under a MAC whose key the
root key wraps, so that whoever can only write the database can't make a chain that verifies.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYSTEM_CHAIN = "system"
"""The id of the chain that belongs to no tenant."""

GENESIS = "0" * 64
"""What stands for the hash before the first record."""

MAX_TEXT = 300
"""Longest text from a caller that a record keeps, in characters."""

MAX_CALL_SITES = 20
"""Most call sites that a record lists; it always counts them all."""

_NUMBER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of a chain: how many records it has, and the last one's hash."""

    chain: str
    number: int = 0
    hash: str = GENESIS

    def encode(self) -> bytes:
        """The canonical bytes that the MAC covers."""
        return b"blueprint-resolver audit head/1\0" + _covered(self.chain, self.number, self.hash)


@dataclass(frozen=True, slots=True)
class AuditRecord:
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


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def canonical(fields: Mapping[str, Any]) -> bytes:
    """A record's fields as canonical JSON: sorted keys, no spaces, ASCII with all controls escaped."""
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
    records: list[AuditRecord] = []
    number, before = head.number, head.hash
    for fields in entries:
        number += 1
        body = canonical(fields)
        before = record_hash(head.chain, number, before, body)
        records.append(AuditRecord(number, fields["at"], fields["action"], body, before))
    return AuditHead(head.chain, number, before), records


def find_break(head: AuditHead, records: Iterable[AuditRecord]) -> int | None:
    """Check a whole chain against its head.

    Args:
        head: the end that the chain should have.
        records: the stored records, by number.

    Returns:
        The number of the first record that is missing, changed, swapped or beyond the head; None when the
        chain is whole.
    """
    number, before = 0, GENESIS
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
