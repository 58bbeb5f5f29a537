"""The rows of audit chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, bindparam, cast, func, literal, select, update

from resolver.core.audit import SYSTEM_CHAIN, AuditHead, AuditRecord
from resolver.core.ports import AuditEnd
from resolver.store import tables as t
from resolver.store.audit_index import AuditIndexRows, between, in_order
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.bulk import ChainInsert
from resolver.store.records import RecordColumns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from resolver.core.audit import AuditQuery
    from resolver.core.audit_rounds import IndexRows


_RECORD = RecordColumns(
    AuditRecord,
    t.audit_record,
    {"body": func.coalesce(cast(t.audit_record.c.body, LargeBinary), literal(b""))},
    unread=["chain_id"],
)
_APPEND = ChainInsert(t.audit_record, AuditRecord)

_CHAIN = select(t.audit_chain).where(t.audit_chain.c.id == bindparam("chain"))
_CHAIN_LOCKED = _CHAIN.with_for_update()
_SET_HEAD = (
    update(t.audit_chain)
    .where(t.audit_chain.c.id == bindparam("chain"))
    .values({name: bindparam(f"new_{name}") for name in ("number", "hash", "mac", "mac_key_id", "enforced")})
)


class AuditRows(AuditIndexRows, AuthenticatedRows):
    """Audit chains: their records and heads, and the index of these."""

    def audit_head(self, chain: str, *, lock: bool = True) -> tuple[AuditHead, str, str]:
        """A chain's head with its MAC and that key's id; locked until the transaction ends."""
        query, which = _CHAIN_LOCKED if lock else _CHAIN, {"chain": chain}
        row = self._execute(query, which).one_or_none()
        if lock:
            self._ends_before.setdefault(chain, 0 if row is None else _number(row.number))
        if row is None:
            start = AuditHead(
                chain, enforced=chain == SYSTEM_CHAIN
            )  # in a new store from its first record on
            if not lock:
                return start, "", ""
            self._execute(
                self._insert(t.audit_chain)
                .values(
                    id=chain, number=start.number, hash=start.hash, mac="", enforced=start.enforced or None
                )
                .on_conflict_do_nothing(index_elements=["id"])
            )
            row = self._execute(query, which).one()
        return _head(chain, row), _text(row.mac), row.mac_key_id or ""

    def end_before(self, chain: str) -> int:
        """The number of a chain's last record, without those of this transaction."""
        if chain not in self._ends_before:
            return self.audit_head(chain, lock=False)[0].number
        return self._ends_before[chain]

    def append_audit(
        self, head: AuditHead, mac: str, mac_key_id: str, records: Sequence[AuditRecord], index: IndexRows
    ) -> None:
        """Store records, their rows of the index, and the new head."""
        _APPEND.run(self._connection, head.chain, records)
        self.append_audit_index(head.chain, index)
        changes = {
            "number": head.number,
            "hash": head.hash,
            "mac": mac,
            "mac_key_id": mac_key_id,
            "enforced": head.enforced or None,
        }
        self.new_heads[head.chain] = head
        self._execute(
            _SET_HEAD, {"chain": head.chain} | {f"new_{name}": value for name, value in changes.items()}
        )

    def audit_chains(self, mac_key_id: str) -> Sequence[str]:
        """The chains whose head has its MAC from a data key."""
        rows = self._execute(select(t.audit_chain.c.id).where(t.audit_chain.c.mac_key_id == mac_key_id))
        return rows.scalars().all()

    def set_audit_mac(self, head: AuditHead, mac: str, mac_key_id: str) -> None:
        """Give a head that is locked another MAC."""
        self._execute(
            update(t.audit_chain)
            .where(t.audit_chain.c.id == head.chain)
            .values(mac=mac, mac_key_id=mac_key_id)
        )

    def audit_end(self, chain: str) -> AuditEnd:
        """A chain's head as it is stored, without waiting for writers; an empty chain's for one not there."""
        row = self._execute(_CHAIN, {"chain": chain}).one_or_none()
        last = self._execute(
            select(func.max(t.audit_record.c.number)).where(t.audit_record.c.chain_id == chain)
        ).scalar()
        if row is None:
            return AuditEnd(AuditHead(chain), "", "", last or 0)
        return AuditEnd(_head(chain, row), _text(row.mac), row.mac_key_id or "", _number(last or 0))

    def all_audit_chains(self) -> Sequence[str]:
        """The ids of all chains, those of deleted tenants too."""
        found = self._execute(select(t.audit_chain.c.id).order_by(t.audit_chain.c.id)).scalars()
        return [one for one in found if isinstance(one, str)]

    def audit_records(
        self, chain: str, query: AuditQuery, *, after: int = 0, before: int | None = None, size: int
    ) -> Sequence[AuditRecord]:
        """At most so many of a chain's records between two numbers that a query may want, in its order.

        Whether it wants one is for the query to say: an action is not looked at, a key not in all its forms.
        """
        c = t.audit_record.c
        where = [c.chain_id == chain, c.number > after, *between(query)]
        where += [c.number < before] if before is not None else []
        wanted = select(*_RECORD.columns).where(*where).limit(size)
        if query.is_indexed:
            found = self.numbers_of(chain, query, after, before, size).subquery()
            wanted = wanted.join(found, found.c.number == c.number)
        return _RECORD.read(self._execute(wanted.order_by(in_order(c.number, query))))


def _head(chain: str, row: Row[*tuple[Any, ...]]) -> AuditHead:
    """The head in a row; of the chain that was asked for, so that another's MAC does not fit."""
    return AuditHead(chain, _number(row.number), _text(row.hash), bool(row.enforced))


def _number(stored: object) -> int:
    """A number as stored; one that is none, which SQLite allows, is one that fits nothing."""
    return stored if isinstance(stored, int) else -1


def _text(stored: object) -> str:
    """A text as stored; one that is none, which SQLite allows, is one that fits nothing."""
    return stored if isinstance(stored, str) else ""
