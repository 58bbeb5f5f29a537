"""What travels when an audit trail is read: parts of it, its head, and what a check of it found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from resolver.core.audit import IndexFault
from resolver.core.rows import RowFinding


class RecordsResult(Struct, frozen=True):
    """Records of a chain, and whether more follow."""

    records: Sequence[dict[str, Any]]
    more: bool


class HeadResult(Struct, frozen=True):
    """The end of a chain, to be kept elsewhere."""

    number: int
    hash: str


class VerifyResult(HeadResult, frozen=True):
    """What a check found.

    Args:
        broken: the first record that does not fit.
        kept_differs: why it is not the chain of the kept head.
        rows: rows that are not as the chain tells.
        index: the first rows of the index that are not what the records say.
        index_faults: how many there are.
    """

    broken: int | None
    kept_differs: str
    rows: Sequence[RowFinding] = ()
    index: Sequence[IndexFault] = ()
    index_faults: int = 0


class ReindexResult(Struct, frozen=True):
    """How many records an index was made of."""

    records: int


class ExportedChain(Struct, frozen=True):
    """The first line of an export."""

    chain: str


class ExportedRecord(HeadResult, frozen=True):
    """A record in an export."""

    body: str


class ExportedHead(Struct, frozen=True):
    """The last line of an export."""

    head: HeadResult
