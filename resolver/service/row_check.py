"""Comparing rows that decide with what the audit trail tells of them, again and again while a server runs."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from resolver.core.audit import GENESIS, record_hash
from resolver.core.row_ledger import RowLedger
from resolver.core.rows import RowFault
from resolver.errors import ResolverError, StoreError, TamperedRowError
from resolver.service.audit import EVERYTHING
from resolver.service.base import ServicePart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resolver.core.ports import Session
    from resolver.core.rows import RowFinding
    from resolver.service.base import Shared

LOG = logging.getLogger("resolver.server")

EVERY = 60.0
"""Seconds from the beginning of a round to that of the next one."""

_BATCH = 200
"""Rows that are compared in one transaction."""

_PART = 1000
"""Records that are read in one."""

_IDLE = 19
"""How much longer than a step the pause after it is: the work never takes more than a twentieth of a core."""


class RowCheck(ServicePart):
    """Finds rows that were put back, planted or taken away, and refuses them from then on.

    It has read each chain to some number, and goes on from there; what it read is in its memory, where nobody
    who writes the database can change it.

    Args:
        shared: what all parts share.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._ledger = RowLedger()
        self._ends: dict[str, tuple[int, str]] = {}
        self._ahead: dict[str, tuple[int, str, RowLedger]] = {}
        self._broken: dict[str, TamperedRowError] = {}
        self._told: set[tuple[str, str, RowFault]] = set()

    def watch(self, wait: Callable[[float], bool]) -> None:
        """Go round until told to stop.

        Args:
            wait: waits for so many seconds; whether it is time to stop.
        """

        class StopError(Exception):
            """It is time to stop."""

        def pause(seconds: float) -> None:
            if wait(seconds):
                raise StopError

        try:
            while True:
                began = time.monotonic()
                told = "the database could not be compared with the audit trail: %s"
                try:
                    self.round(pause)
                except ResolverError as error:  # the database is away, or a chain was cut
                    LOG.error(told, error.message)  # noqa: TRY400 - in words, without a traceback
                except StopError:
                    raise
                except Exception as error:  # noqa: BLE001 - of what a database may hold: it has to go on
                    LOG.error(told, type(error).__name__)  # noqa: TRY400 - the same
                pause(max(EVERY / 60, EVERY - (time.monotonic() - began)))
        except StopError:
            return

    def round(self, pause: Callable[[float], None] = lambda _seconds: None) -> list[RowFinding]:
        """Compare all rows with the trail; those that were changed of late first.

        Args:
            pause: is called after each step with the seconds to pause for.

        Returns:
            What was found; each is logged and recorded once, and refused from then on.

        Raises:
            TamperedRowError: a chain was cut or rewritten. What the others tell was compared all the same.
        """
        self._broken = {}
        changed = self._catch_up(pause)
        if changed is None:  # a store from an older release, which is not that far
            return []
        found: list[RowFinding] = []
        there: set[tuple[str, str]] = set()
        for kind in sorted({kind for kind, _ in changed}):
            found += self._compare_some(kind, {row_id for of, row_id in changed if of == kind})
        with self._store.read() as session:
            kinds = session.row_kinds
        for kind in kinds:
            after = None
            while True:
                began = time.monotonic()
                with self._store.read() as session:
                    self._advance(session)
                    rows, after = session.stored_rows(kind, after=after or (), limit=_BATCH)
                    found += self._ledger.compare(rows, among=())
                there.update(rows)
                if after is None:
                    break
                pause(_IDLE * (time.monotonic() - began))
        gone = {row for row, (_, digest) in self._ledger.last.items() if digest is not None} - there
        for kind in sorted({kind for kind, _ in gone}):  # may have been made after its kind was gone through
            found += self._compare_some(kind, {row_id for of, row_id in gone if of == kind})
        if self._broken:  # it may tell of newer states, and of what was deleted
            unsure = (RowFault.UNRECORDED, RowFault.MISSING)
            found = [finding for finding in found if finding.fault not in unsure]
        self._act(found)
        for error in self._broken.values():
            raise error
        return found

    def _compare_some(self, kind: str, ids: set[str]) -> list[RowFinding]:
        found: list[RowFinding] = []
        listed = sorted(ids)
        for start in range(0, len(listed), _BATCH):
            some = listed[start : start + _BATCH]
            with self._store.read() as session:
                self._advance(session)
                rows, _ = session.stored_rows(kind, ids=some)
                found += self._ledger.compare(rows, among=[(kind, row_id) for row_id in some])
        return found

    def _act(self, found: Iterable[RowFinding]) -> None:
        """Refuse what was found, and tell of it."""
        listed = list(found)
        self._store.refuse_rows({(finding.kind, finding.id): finding.floor for finding in listed})
        for finding in listed:
            about = (finding.kind, finding.id, finding.fault)
            if about not in self._told:
                self._told.add(about)
                LOG.error("%s %s is not as the audit trail tells: %s", *about)
                self._trail.note_tampered(finding.kind, finding.id)

    def _catch_up(self, pause: Callable[[float], None]) -> set[tuple[str, str]] | None:
        """Read what the chains tell since the last time, in short transactions; which rows that is about."""
        changed: set[tuple[str, str]] = set()
        while True:
            began = time.monotonic()
            with self._store.read() as session:
                if not session.rows_enforced:
                    return None
                more, whole = self._read_on(session, _PART)
            changed |= more
            if whole:
                return changed
            pause(_IDLE * (time.monotonic() - began))

    def _advance(self, session: Session) -> None:
        """Know all that the chains tell in the state that a transaction sees."""
        while not self._read_on(session, _PART)[1]:
            pass

    def _read_on(self, session: Session, most: int) -> tuple[set[tuple[str, str]], bool]:
        """Read at most so many further records of each chain; which rows they are about, and whether all."""
        changed: set[tuple[str, str]] = set()
        whole = True
        chains = {*session.all_audit_chains(), *self._ends}  # one that was read does not end
        for chain in sorted(chains - self._broken.keys()):
            try:
                told = self._read_chain(session, chain, most)
            except Exception as error:  # whoever plants one, of whatever, hides nothing in the others
                if isinstance(error, StoreError) and not isinstance(error, TamperedRowError):
                    raise  # the database is away
                self._broken[chain] = error if isinstance(error, TamperedRowError) else _cut(chain)
                self._ahead.pop(chain, None)
            else:
                changed |= told or set()
                whole = whole and told is not None
        return changed, whole

    def _read_chain(self, session: Session, chain: str, most: int) -> set[tuple[str, str]] | None:
        """Read on in one chain; which rows it tells of, or None before its end.

        It is believed from its end on, whose MAC is the only one.
        """
        number, digest = self._ends.get(chain, (0, GENESIS))
        head, _, _ = session.audit_head(chain, lock=False)
        if head.number < number or (head.number == number and head.hash != digest):
            raise _cut(chain)
        if head.number == number:
            return set()
        number, digest, ledger = self._ahead.pop(chain, (number, digest, RowLedger()))
        records = session.audit_records(chain, EVERYTHING, after=number, before=head.number + 1, size=most)
        for record in records:
            number += 1
            if record.number != number or record.hash != record_hash(chain, number, digest, record.body):
                raise _cut(chain)
            digest = record.hash
            ledger.add(record)
        if number < head.number and records:
            self._ahead[chain] = number, digest, ledger
            return None
        if number != head.number or digest != head.hash or not self._trail.is_genuine(session, chain):
            raise _cut(chain)
        self._ends[chain] = number, digest
        return self._ledger.merge(ledger)


def _cut(chain: str) -> TamperedRowError:
    return TamperedRowError.of("audit trail", chain, "was cut or rewritten", verified=True)
