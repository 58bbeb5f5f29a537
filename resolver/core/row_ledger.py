"""What the audit trail tells of rows that decide: generation and digest of each, after its last change.

A MAC shows that this program wrote a row, and not that it is the newest one. Each record holds what its
transaction made of such rows, so that an older genuine one put back is found by comparison with the chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core.audit import fields_of
from resolver.core.rows import RowFault, RowFinding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resolver.core.audit import AuditRecord
    from resolver.core.rows import StoredRow

ROWS = "rows"
"""The field of a record with changes of rows: of each kind, id, generation, and digest unless it is gone."""


def tells_of_rows(record: AuditRecord) -> bool:
    """Whether a record tells of changed rows; some that quote a caller only look so."""
    return b'"rows":' in record.body


class RowLedger:
    """What records tell of rows, while they pass by."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], tuple[int, str | None]] = {}

    def watch(self, records: Iterable[AuditRecord]) -> Iterator[AuditRecord]:
        """The same records."""
        for record in records:
            self.add(record)
            yield record

    def add(self, record: AuditRecord) -> None:
        """Note what a record tells."""
        if not tells_of_rows(record):  # most records: not read for nothing
            return
        told = fields_of(record).get(ROWS)
        for kind, row_id, generation, digest in told if isinstance(told, list) else []:
            self._note((kind, row_id), generation, digest)

    def merge(self, other: RowLedger) -> set[tuple[str, str]]:
        """Note what another one has; of which rows."""
        for row, (generation, digest) in other.last.items():
            self._note(row, generation, digest)
        return {*other.last}

    def _note(self, row: tuple[str, str], generation: int, digest: str | None) -> None:
        # An older one may come later where two chains tell of one row.
        if generation >= self.last.get(row, (0, None))[0]:
            self.last[row] = generation, digest

    def compare(
        self, stored: Mapping[tuple[str, str], StoredRow], among: Iterable[tuple[str, str]] | None = None
    ) -> list[RowFinding]:
        """What is wrong with rows.

        Args:
            stored: the rows that are there, by kind and id.
            among: the rows that were looked for; None for all that the records tell of.
        """
        found = [self._judged(row, is_there) for row, is_there in stored.items()]
        found += [
            RowFinding(*row, RowFault.MISSING, 0)
            for row in (self.last if among is None else among)
            if row not in stored and row in self.last and self.last[row][1] is not None
        ]
        return [finding for finding in found if finding is not None]

    def _judged(self, row: tuple[str, str], stored: StoredRow) -> RowFinding | None:
        generation, digest = self.last.get(row, (0, None))
        if not stored.genuine:
            return RowFinding(*row, RowFault.FORGED)
        if stored.generation > generation:
            return RowFinding(*row, RowFault.UNRECORDED)
        if stored.generation < generation:
            return RowFinding(*row, RowFault.PUT_BACK if digest is None else RowFault.OLDER, generation)
        if stored.digest != digest:
            return RowFinding(*row, RowFault.FORGED)
        return None
