"""The audit trail: one chain of records for each tenant and one for the system."""

from __future__ import annotations

import contextlib
import hmac
import itertools
import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from resolver.core.audit import (
    SYSTEM_CHAIN,
    AuditHead,
    AuditQuery,
    AuditRecord,
    KeptHead,
    Verification,
    canonical,
    cap,
    extend_with,
    find_break,
)
from resolver.core.audit_rounds import (
    IndexRows,
    compare,
    index_of,
    index_of_records,
    parts_of,
    round_fields,
)
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.row_ledger import ROWS, RowLedger, tells_of_rows
from resolver.core.times import parse_time
from resolver.errors import NotFoundError, ResolverError, StoreError, TamperedRowError
from resolver.service.access import demand_full_scope
from resolver.service.shared_commits import SharedCommits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from resolver.core.audit import IndexFault
    from resolver.core.audit_rounds import RoundKey
    from resolver.core.model import Caller, Secret, Tenant
    from resolver.core.ports import Cipher, DataKey, Session, Store, StoredDataKey, UseSession, UseStore
    from resolver.core.results import Holding
    from resolver.core.rows import StoredRow
    from resolver.service.access import Gate
    from resolver.service.shared_commits import Entry, StandingDecision

_ROWS_IN_RECORD = 500
"""Most rows that one record tells of."""

_MAX_TAMPERED = 1000
"""Most refused rows that one process records."""

_MAX_TOLD = 10_000
"""Most records of one minute that a process remembers, so as not to repeat them."""

EVERYTHING = AuditQuery()
"""All records of a chain, oldest first."""

_PART = 2000
"""Records that are read at once."""

MAX_FAULTS = 20
"""Most rows of the index that are named; all are counted."""

_FEW = 50
"""Most records of others that are looked at to see whether they tell of changed rows."""

_FIRST, _LAST = -(2**31), 2**31 - 1
"""The least and the greatest number that a database can hold, whatever record should have it."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def decided(reason: str) -> dict[str, str]:
    """The fields of a record that show the decision."""
    return {"decision": "allowed" if reason == Verdict.ALLOWED else "refused", "reason": reason}


def named(secret: Secret) -> dict[str, Any]:
    """The fields that show which version of which secret a record is about."""
    return {
        "key": secret.key,
        "secret_id": secret.id,
        "secret_tenant": secret.tenant.name,
        "version": secret.version,
    }


class Trail:
    """Writes and reads audit records.

    Args:
        store: where they are kept.
        cipher: opens the key of the heads' MACs.
        gate: lets readers in.
        clock: gives the time as it is stored.
    """

    def __init__(self, store: UseStore, cipher: Cipher, gate: Gate, clock: Callable[[], str]) -> None:
        self._store = store
        self._cipher = cipher
        self._gate = gate
        self._clock = clock
        self._shared = SharedCommits(store, self)
        self._tampered: set[tuple[str, str]] = set()
        self._minute = ""
        self._told: set[bytes] = set()  # in this minute

    def verify(self, caller: Caller, tenant: str = "", kept: AuditHead | None = None) -> Verification:
        """Check a tenant's chain, or the system's: against its head, the head's MAC and a head that was kept.

        Records that are added meanwhile are not looked at. The chain is read in parts, and never held whole.
        """
        with self._store.managed.read() as session:
            chain = self._chain(session, caller, tenant)
            end = session.audit_end(chain)
            genuine = self._genuine(session, end.head, end.mac, end.mac_key_id)
            stored = _rows_of(session, chain)
            seen = session.seen_head(chain)
        number = end.head.number
        comparison = KeptHead(kept) if kept is not None else None
        index = _IndexCheck(self._store.managed, chain)
        last = min(max(number, end.last), _LAST - 1)
        records = index.watch(self.read(chain, EVERYTHING, _FIRST, last + 1))
        ledger = RowLedger()
        if stored is not None:
            records = ledger.watch(records)
        watched = comparison.watch(records) if comparison else records
        broken = find_break(end.head, watched)
        for _ in watched:  # those behind a break; the index is looked at as a whole
            pass
        index.finish()
        if broken is None and not genuine and number:
            broken = number
        if broken is None and end.last > number:  # beyond all numbers that were looked at
            broken = number + 1
        rows = [] if broken is not None or stored is None else ledger.compare(stored)
        found = Verification(
            end.head,
            broken,
            kept_differs=_cut(end.head, seen),
            rows=rows,
            index=index.first,
            index_faults=index.count,
        )
        return comparison.judge(found) if comparison else found

    def reindex(self, caller: Caller, tenant: str = "") -> int:
        """Make the index of a tenant's trail, or of the system's, again out of its records.

        A part of the records at a time, each in a transaction of its own: others go on meanwhile.

        Returns:
            How many records it was made of.

        Raises:
            NotPermittedError: the caller may not read the system's audit trail, or has a narrowed token.
        """
        with self._store.managed.read() as session:
            current = self._gate.enter_system(session, caller, Permission.AUDIT_READ)
            demand_full_scope(current, "make an index again")
            chain = self._chain(session, caller, tenant)
        after, count = _FIRST, 0
        while True:
            with self._store.managed.write() as session:
                part = session.audit_records(chain, EVERYTHING, after=after, size=_PART)
                until = part[-1].number if part else None
                session.delete_audit_index(chain, after, until)
                session.append_audit_index(chain, index_of_records(part))
                if until is None:
                    self.append_system(session, current, "audit:reindex", object=chain, records=count)
                    return count
            after, count = until, count + len(part)

    def head(self, caller: Caller, tenant: str = "") -> AuditHead:
        """The end of a tenant's chain, or of the system's.

        Raises:
            StoreError: its MAC is not the one that this program gave it: it was changed by hand.
        """
        with self._store.managed.read() as session:
            end = session.audit_end(self._chain(session, caller, tenant))
            if end.head.number and not self._genuine(session, end.head, end.mac, end.mac_key_id):
                raise _forged()
        return end.head

    def stream(
        self, caller: Caller, tenant: str = "", query: AuditQuery = EVERYTHING
    ) -> Iterator[AuditRecord]:
        """The records of a tenant's chain, or of the system's, that are asked for.

        The permission is decided now, the records are read as they are taken, in parts.

        Raises:
            InvalidRequestError: a time is none that `parse_time` reads.
        """
        with self._store.managed.read() as session:
            chain = self._chain(session, caller, tenant)
            end = session.audit_end(chain).last
        query = self._timed(query)
        after, before = 0, min(end, _LAST - 1) + 1
        if query.after is not None:
            asked = min(query.after, _LAST)
            after, before = (after, asked) if query.newest_first else (asked, before)
        wanted = (record for record in self.read(chain, query, after, before) if query.wants(record))
        return itertools.islice(wanted, query.size)

    def _timed(self, query: AuditQuery) -> AuditQuery:
        """A query with its times as they are stored; others would be compared with them as text."""
        now = self._clock()
        return replace(
            query,
            since=query.since and parse_time(query.since, now, "the start", ago=True),
            until=query.until and parse_time(query.until, now, "the end", ago=True),
        )

    def records(self, caller: Caller, tenant: str = "") -> Sequence[AuditRecord]:
        """All records of a chain at once, oldest first: for chains that are known to be short."""
        return list(self.stream(caller, tenant))

    def export(self, caller: Caller, tenant: str = "") -> tuple[AuditHead, Iterator[AuditRecord]]:
        """A chain's head and the records up to it, oldest first."""
        head = self.head(caller, tenant)
        return head, self.read(head.chain, EVERYTHING, 0, head.number + 1)

    def read(
        self, chain: str, query: AuditQuery, after: int = 0, before: int | None = None
    ) -> Iterator[AuditRecord]:
        """The records between two numbers and the query's times, for who was let in.

        Each part is a transaction of its own.
        """
        part: Sequence[AuditRecord] = ()
        while True:
            with self._store.managed.read() as session:
                part = session.audit_records(chain, query, after=after, before=before, size=_PART)
            yield from part
            if len(part) < _PART:
                return
            if query.newest_first:
                before = part[-1].number
            else:
                after = part[-1].number

    def _genuine(
        self,
        session: UseSession,
        head: AuditHead,
        mac: str,
        mac_key_id: str,
        active: StoredDataKey | None = None,
    ) -> bool:
        """Whether a head has the MAC that this program gave it, with the system key of that time.

        Args:
            session: where that key is looked up, unless it is the active one.
            head: the head.
            mac: the MAC that it has.
            mac_key_id: the key that the MAC is said to be of.
            active: the system key of today, where it was read already.
        """
        keys = [active] if active and active.id == mac_key_id else session.data_keys([mac_key_id])
        return head.number >= 0 and any(
            not key.tenant_id
            and hmac.compare_digest(mac.encode(), self._cipher.open_data_key(key).mac(head.encode()).encode())
            for key in keys
        )

    def _chain(self, session: Session, caller: Caller, tenant: str) -> str:
        """The chain that a caller may read: the system's, a tenant's, or by its id a deleted tenant's."""
        if not tenant:
            self._gate.enter_system(session, caller, Permission.AUDIT_READ)
            return SYSTEM_CHAIN
        if _ID.match(tenant) and session.tenant(tenant) is None:
            self._gate.enter_system(session, caller, Permission.AUDIT_READ)
            if tenant not in session.all_audit_chains():
                raise NotFoundError(f"there is no audit trail {tenant!r}")
            return tenant
        return self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)[1].id

    def entry(
        self,
        caller: Caller,
        tenant: Tenant | None,
        action: str,
        /,
        *,
        secret: Secret | None = None,
        reason: str = Verdict.ALLOWED,
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> dict[str, Any]:
        """The fields of an audit record."""
        entry: dict[str, Any] = {
            "at": self._clock(),
            "action": action,
            "caller": caller.username,
            "caller_id": caller.user_id,
            "token": caller.token_id,
            **decided(reason),
        }
        if caller.run is not None:
            entry["run"] = caller.run
        if tenant is not None:
            entry |= {"tenant": tenant.name, "tenant_id": tenant.id}
        if secret is not None:
            entry |= named(secret)
        return entry | more

    def round(
        self,
        caller: Caller,
        tenant: Tenant,
        action: str,
        keys: Sequence[RoundKey],
        /,
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> dict[str, Any]:
        """The fields of a record about all keys that one request asks for together."""
        return round_fields(self.entry(caller, tenant, action), keys, **more)

    def commit(self, chain: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Commit records; whatever happens after this, they stay."""
        self.commit_all({chain: list(entries)})

    def commit_once(self, chain: str, entry: Mapping[str, Any]) -> None:
        """Commit a record unless this process committed the same one, but for its time, in the same minute.

        For what can be repeated at will, and whose repetitions tell nothing new.
        """
        minute, about = entry["at"][:16], canonical({**entry, "at": chain})
        if minute != self._minute:
            self._minute, self._told = minute, set()
        told = self._told
        if about not in told:
            self.commit(chain, [entry])
            if len(told) < _MAX_TOLD:
                told.add(about)

    def commit_all(
        self, entries: Mapping[str, Sequence[Mapping[str, Any]]], decision: StandingDecision | None = None
    ) -> None:
        """Commit records of several chains, all of them or none.

        Args:
            entries: the fields of the records, by chain.
            decision: what they depend on.

        Raises:
            OvertakenError: what was decided is not so any more; nothing was recorded.
        """
        told = {chain: _parts(some) for chain, some in entries.items() if some}
        if told:
            self._shared.commit(told, decision)

    def append_all(self, session: UseSession, entries: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Put records at the ends of several chains, within the transaction that they tell of."""
        for chain in sorted(entries):  # all who lock several chains do so in this order, the system's last
            if entries[chain]:
                self.append(session, chain, entries[chain])

    def append(self, session: UseSession, chain: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Put records at the end of a chain, within the transaction that they are about."""
        head, key = self.locked(session, chain)
        self.extend(session, head, key, self._with_rows(session, chain, _parts(entries)))

    def locked(self, session: UseSession, chain: str) -> tuple[AuditHead, DataKey]:
        """A chain's head, locked until the transaction ends, with the key that makes the next one's MAC.

        Raises:
            StoreError: it has not the MAC that this program gave it.
            TamperedRowError: it is older than one that this process has seen.
        """
        head, mac, mac_key_id, stored = session.locked_head(chain)
        stored = stored or session.active_data_key("")
        if stored is None:
            raise StoreError("the store has no system key", hint="`resolver init` gives it one")
        mac_key = self._cipher.open_data_key(stored)
        if head.number and not self._genuine(session, head, mac, mac_key_id, stored):
            raise _forged()
        if differs := _cut(head, session.seen_head(chain)):
            raise TamperedRowError.of("audit trail", chain, f"is refused, {differs}")
        return head, mac_key

    @staticmethod
    def extend(
        session: UseSession,
        head: AuditHead,
        key: DataKey,
        entries: Sequence[Entry],
        system_end: int | None = None,
    ) -> AuditHead | None:
        """Put records behind a head that is locked.

        Args:
            session: the transaction.
            head: the head.
            key: makes the next one's MAC.
            entries: the fields of the records, with their canonical bytes.
            system_end: the number that the system's chain has to end with; None for any.

        Returns:
            The new head; None when the system's chain ends elsewhere, and nothing was done.
        """
        newer, records = extend_with(head, entries)
        index = index_of(enumerate((fields for fields, _ in entries), head.number + 1))
        mac = key.mac(newer.encode())
        moved = session.append_audit(newer, mac, key.id, records, index, system_end=system_end)
        return newer if moved else None

    def _with_rows(self, session: UseSession, chain: str, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Entries that also tell what the transaction made of rows that decide: in the last, or in more."""
        rows = [change.told for change in session.row_changes(chain)]
        if not rows:
            return entries
        base = by_nobody(self._clock(), "rows:change")
        *others, last = [fields for fields, _ in entries] or [base]
        parts = [rows[start : start + _ROWS_IN_RECORD] for start in range(0, len(rows), _ROWS_IN_RECORD)]
        told = [*others, {**last, ROWS: parts[0]}, *({**base, ROWS: part} for part in parts[1:])]
        return [(fields, canonical(fields)) for fields in told]

    def append_rows(self, session: UseSession) -> None:
        """Record changes of rows that decide which no record tells of yet; the system's chain is the last."""
        chains = session.untold_chains
        for chain in (*sorted(chains - {SYSTEM_CHAIN}), *(chains & {SYSTEM_CHAIN})):
            self.append(session, chain, [])

    @staticmethod
    def tells_of_rows(session: UseSession, chain: str, after: int, last: int) -> bool:
        """Whether records tell of changed rows that decide; True when in doubt.

        Args:
            session: the transaction.
            chain: the chain.
            after: the number of the record before them.
            last: that of the last one.
        """
        if last - after > _FEW:
            return True
        between = session.audit_between(chain, after, last + 1, size=_FEW)
        return len(between) != last - after or any(map(tells_of_rows, between))

    def note_tampered(self, kind: str, row_id: str) -> None:
        """Record that a row was refused: once in this process, so that nobody fills the trail with it."""
        about = (kind, row_id)
        if about in self._tampered or len(self._tampered) >= _MAX_TAMPERED:
            return
        self._tampered.add(about)
        entry = by_nobody(self._clock(), "row:tampered")
        entry |= {"kind": kind, "object": cap(row_id), **decided("tampered_row")}
        # The trail itself may be what was changed. Not shared: who is refused may be the one that leads.
        with contextlib.suppress(ResolverError), self._store.write() as session:
            self.append(session, SYSTEM_CHAIN, [entry])

    def is_genuine(self, session: UseSession, chain: str) -> bool:
        """Whether a chain's head has the MAC that this program gave it."""
        return self._genuine(session, *session.audit_head(chain, lock=False))

    def demand_genuine(self, session: UseSession, chain: str) -> None:
        """See that a chain's head, which is locked by that, has the MAC that this program gave it.

        Raises:
            StoreError: it does not.
        """
        if not self._genuine(session, *session.audit_head(chain)):
            raise _forged()

    def enforce(self, session: UseSession, rows: int) -> None:
        """Have the system's head say that a row without a genuine MAC is refused, and record that."""
        head, mac, mac_key_id = session.audit_head(SYSTEM_CHAIN)
        stored = session.active_data_key("")
        if stored is None or not self._genuine(session, head, mac, mac_key_id, stored):
            raise _forged()
        mac_key = self._cipher.open_data_key(stored)
        entry = by_nobody(self._clock(), "rows:enforce") | {"number": rows, **decided(Verdict.ALLOWED)}
        self.extend(session, replace(head, enforced=True), mac_key, _parts([entry]))

    def renew_mac(self, session: Session, chain: str) -> bool:
        """Give a chain's head a MAC of the active system key; False when it is not genuine."""
        head, mac, mac_key_id = session.audit_head(chain)
        stored = session.active_data_key("")
        if stored is None or not self._genuine(session, head, mac, mac_key_id, stored):
            return False
        mac_key = self._cipher.open_data_key(stored)
        session.set_audit_mac(head, mac_key.mac(head.encode()), mac_key.id)
        return True

    def append_holdings(
        self,
        session: Session,
        caller: Caller,
        holdings: Sequence[Holding],
        action: str,
        /,
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> None:
        """Put a record for each thing that was deleted or given away at the end of its tenant's chain."""
        entries: dict[str, list[Mapping[str, Any]]] = {}
        for holding in holdings:
            about: dict[str, Any] = {
                f"{holding.kind}_id": holding.id,
                "key" if holding.kind == "secret" else "object": holding.name,
            }
            entry = self.entry(caller, holding.tenant, f"{holding.kind}:{action}", **about, **more)
            entries.setdefault(holding.tenant.id, []).append(entry)
        self.append_all(session, entries)

    def append_system(self, session: UseSession, caller: Caller, action: str, /, **more: Any) -> None:  # noqa: ANN401 - JSON data
        """Put a record at the end of the system's chain."""
        self.append(session, SYSTEM_CHAIN, [self.entry(caller, None, action, **more)])


def _cut(head: AuditHead, seen: AuditHead | None) -> str:
    """Why a chain is not the one that this process saw; empty when it is, as far as that tells."""
    if seen is None or head.number > seen.number or (head.number, head.hash) == (seen.number, seen.hash):
        return ""
    return (
        f"it ends at record {head.number} and ended at {seen.number} before: "
        "it was cut or rewritten, or the database is an older copy"
    )


def by_nobody(at: str, action: str) -> dict[str, Any]:
    """The fields of a record about what no caller asked for."""
    return {"at": at, "action": action, "caller": "", "caller_id": "", "token": ""}


def _rows_of(session: Session, chain: str) -> Mapping[tuple[str, str], StoredRow] | None:
    """The rows that a chain tells of, as they are stored; None in a store that is not that far yet."""
    if not session.rows_enforced:
        return None
    return {
        row: is_there
        for kind in session.row_kinds
        for row, is_there in session.stored_rows(kind, chain=chain)[0].items()
    }


def _parts(entries: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """Entries as they are recorded, with their canonical bytes."""
    return [part for entry in entries for part in parts_of(entry)]


class _IndexCheck:
    """Compares a chain's index with its records, while these pass by.

    Args:
        store: where the index is.
        chain: the chain.
    """

    def __init__(self, store: Store, chain: str) -> None:
        self._store, self._chain = store, chain
        self._after = _FIRST
        self._part: list[AuditRecord] = []
        self.first: list[IndexFault] = []
        self.count = 0

    def watch(self, records: Iterable[AuditRecord]) -> Iterator[AuditRecord]:
        """The same records."""
        for record in records:
            self._part.append(record)
            if len(self._part) == _PART:
                self._compare()
            yield record

    def finish(self) -> None:
        """Look at what is left: rows of the last records, and those that no record has."""
        if self._part:
            self._compare()
        with self._store.read() as session:
            self._note(compare(IndexRows(), session.stray_audit_index(self._chain, self._after)))

    def _compare(self) -> None:
        until = self._part[-1].number
        with self._store.read() as session:
            stored = session.audit_index(self._chain, self._after, until)
        self._note(compare(index_of_records(self._part), stored))
        self._after, self._part = until, []

    def _note(self, faults: Iterable[IndexFault]) -> None:
        for fault in faults:
            self.count += 1
            if len(self.first) < MAX_FAULTS:
                self.first.append(fault)


def _forged() -> StoreError:
    return StoreError(
        "the audit trail's head was changed by hand, so nothing can be recorded and nothing is done",
        hint="`resolver audit verify` tells more; compare the database with a backup",
    )
