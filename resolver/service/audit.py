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
    cap,
    extend,
    find_break,
)
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.row_ledger import ROWS, RowLedger
from resolver.core.times import parse_time
from resolver.errors import NotFoundError, ResolverError, StoreError, TamperedRowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from resolver.core.model import Caller, Secret, Tenant
    from resolver.core.ports import Cipher, Session, Store, StoredDataKey
    from resolver.core.results import Holding
    from resolver.core.rows import StoredRow
    from resolver.service.access import Gate

_ROWS_IN_RECORD = 500
"""Most rows that one record tells of."""

_MAX_TAMPERED = 1000
"""Most refused rows that one process records."""

EVERYTHING = AuditQuery()
"""All records of a chain, oldest first."""

_PART = 2000
"""Records that are read at once."""

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

    def __init__(self, store: Store, cipher: Cipher, gate: Gate, clock: Callable[[], str]) -> None:
        self._store = store
        self._cipher = cipher
        self._gate = gate
        self._clock = clock
        self._tampered: set[tuple[str, str]] = set()

    def verify(self, caller: Caller, tenant: str = "", kept: AuditHead | None = None) -> Verification:
        """Check a tenant's chain, or the system's: against its head, the head's MAC and a head that was kept.

        Records that are added meanwhile are not looked at. The chain is read in parts, and never held whole.
        """
        with self._store.read() as session:
            chain = self._chain(session, caller, tenant)
            end = session.audit_end(chain)
            genuine = self._genuine(session, end.head, end.mac, end.mac_key_id)
            stored = _rows_of(session, chain)
            seen = session.seen_head(chain)
        number = end.head.number
        comparison = KeptHead(kept) if kept is not None else None
        last = min(max(number, end.last), _LAST - 1)
        records: Iterable[AuditRecord] = self.read(chain, EVERYTHING, _FIRST, last + 1)
        ledger = RowLedger()
        if stored is not None:
            records = ledger.watch(records)
        broken = find_break(end.head, comparison.watch(records) if comparison else records)
        if broken is None and not genuine and number:
            broken = number
        if broken is None and end.last > number:  # beyond all numbers that were looked at
            broken = number + 1
        rows = [] if broken is not None or stored is None else ledger.compare(stored)
        found = Verification(end.head, broken, kept_differs=_cut(end.head, seen), rows=rows)
        return comparison.judge(found) if comparison else found

    def head(self, caller: Caller, tenant: str = "") -> AuditHead:
        """The end of a tenant's chain, or of the system's.

        Raises:
            StoreError: its MAC is not the one that this program gave it: it was changed by hand.
        """
        with self._store.read() as session:
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
        with self._store.read() as session:
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
            with self._store.read() as session:
                part = session.audit_records(
                    chain,
                    after=after,
                    before=before,
                    newest_first=query.newest_first,
                    since=query.since,
                    until=query.until,
                    size=_PART,
                )
            yield from part
            if len(part) < _PART:
                return
            if query.newest_first:
                before = part[-1].number
            else:
                after = part[-1].number

    def _genuine(
        self,
        session: Session,
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
        if tenant is not None:
            entry |= {"tenant": tenant.name, "tenant_id": tenant.id}
        if secret is not None:
            entry |= named(secret)
        return entry | more

    def commit(self, chain: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Commit records; whatever happens after this, they stay."""
        made = list(entries)  # before other writers have to wait
        if made:
            with self._store.write() as session:
                self.append(session, chain, made)

    def append(self, session: Session, chain: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Put records at the end of a chain, within the transaction that they are about."""
        head, mac, mac_key_id = session.audit_head(chain)
        stored = session.active_data_key("")
        if stored is None:
            raise StoreError("the store has no system key", hint="`resolver init` gives it one")
        mac_key = self._cipher.open_data_key(stored)
        if head.number and not self._genuine(session, head, mac, mac_key_id, stored):
            raise _forged()
        if differs := _cut(head, session.seen_head(chain)):
            raise TamperedRowError(
                f"the database was changed by hand: audit trail {chain} is refused, {differs}",
                hint="compare the database with a backup",
                kind="audit trail",
                id=chain,
            )
        head, records = extend(head, self._with_rows(session, chain, entries))
        session.append_audit(head, mac_key.mac(head.encode()), mac_key.id, records)

    def _with_rows(
        self, session: Session, chain: str, entries: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """Entries that also tell what the transaction made of rows that decide: in the last, or in more."""
        rows = [change.told for change in session.row_changes(chain)]
        if not rows:
            return entries
        base = _by_nobody(self._clock(), "rows:change")
        *others, last = entries or [base]
        parts = [rows[start : start + _ROWS_IN_RECORD] for start in range(0, len(rows), _ROWS_IN_RECORD)]
        return [*others, {**last, ROWS: parts[0]}, *({**base, ROWS: part} for part in parts[1:])]

    def append_rows(self, session: Session) -> None:
        """Record changes of rows that decide which no record tells of yet; the system's chain is the last."""
        chains = session.untold_chains
        for chain in (*sorted(chains - {SYSTEM_CHAIN}), *(chains & {SYSTEM_CHAIN})):
            self.append(session, chain, [])

    def note_tampered(self, error: TamperedRowError) -> None:
        """Record that a row was refused: once in this process, so that nobody fills the trail with it."""
        about = (error.kind, error.id)
        if about in self._tampered or len(self._tampered) >= _MAX_TAMPERED:
            return
        self._tampered.add(about)
        entry = _by_nobody(self._clock(), "row:tampered")
        entry |= {"kind": error.kind, "object": cap(error.id), **decided("tampered_row")}
        with contextlib.suppress(ResolverError):  # the trail itself may be what was changed
            self.commit(SYSTEM_CHAIN, [entry])

    def is_genuine(self, session: Session, chain: str) -> bool:
        """Whether a chain's head has the MAC that this program gave it."""
        return self._genuine(session, *session.audit_head(chain, lock=False))

    def demand_genuine(self, session: Session, chain: str) -> None:
        """See that a chain's head, which is locked by that, has the MAC that this program gave it.

        Raises:
            StoreError: it does not.
        """
        if not self._genuine(session, *session.audit_head(chain)):
            raise _forged()

    def enforce(self, session: Session, rows: int) -> None:
        """Have the system's head say that a row without a genuine MAC is refused, and record that."""
        head, mac, mac_key_id = session.audit_head(SYSTEM_CHAIN)
        stored = session.active_data_key("")
        if stored is None or not self._genuine(session, head, mac, mac_key_id, stored):
            raise _forged()
        mac_key = self._cipher.open_data_key(stored)
        entry = _by_nobody(self._clock(), "rows:enforce") | {"number": rows, **decided(Verdict.ALLOWED)}
        head, records = extend(replace(head, enforced=True), [entry])
        session.append_audit(head, mac_key.mac(head.encode()), mac_key.id, records)

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
        for chain in sorted(entries):  # all who lock several chains do so in this order, the system's last
            self.append(session, chain, entries[chain])

    def append_system(self, session: Session, caller: Caller, action: str, /, **more: Any) -> None:  # noqa: ANN401 - JSON data
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


def _by_nobody(at: str, action: str) -> dict[str, Any]:
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


def _forged() -> StoreError:
    return StoreError(
        "the audit trail's head was changed by hand, so nothing can be recorded and nothing is done",
        hint="`resolver audit verify` tells more; compare the database with a backup",
    )
