"""The rows of audit chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from resolver.core.audit import AuditHead, AuditRecord
from resolver.store import tables as t
from resolver.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence


class AuditRows(Rows):
    """Audit chains: their records and heads."""

    def audit_head(self, chain: str, *, lock: bool = True) -> tuple[AuditHead, str, str]:
        """A chain's head with its MAC and that key's id; locked until the transaction ends."""
        query = select(t.audit_chain).where(t.audit_chain.c.id == chain)
        if lock:
            query = query.with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            start = AuditHead(chain)
            if not lock:
                return start, "", ""
            self._connection.execute(
                self._insert(t.audit_chain)
                .values(id=chain, number=start.number, hash=start.hash, mac="")
                .on_conflict_do_nothing(index_elements=["id"]),
            )
            row = self._connection.execute(query).one()
        return AuditHead(row.id, row.number, row.hash), row.mac, row.mac_key_id or ""

    def append_audit(
        self, head: AuditHead, mac: str, mac_key_id: str, records: Sequence[AuditRecord]
    ) -> None:
        """Store records and the new head."""
        self._connection.execute(
            insert(t.audit_record),
            [
                {
                    "chain_id": head.chain,
                    "number": record.number,
                    "at": record.at,
                    "action": record.action,
                    "body": record.body,
                    "hash": record.hash,
                }
                for record in records
            ],
        )
        self._connection.execute(
            update(t.audit_chain)
            .where(t.audit_chain.c.id == head.chain)
            .values(number=head.number, hash=head.hash, mac=mac, mac_key_id=mac_key_id),
        )

    def audit_chains(self, mac_key_id: str) -> Sequence[str]:
        """The chains whose head has its MAC from a data key."""
        rows = self._connection.execute(
            select(t.audit_chain.c.id).where(t.audit_chain.c.mac_key_id == mac_key_id)
        )
        return rows.scalars().all()

    def set_audit_mac(self, head: AuditHead, mac: str, mac_key_id: str) -> None:
        """Give a head that is locked another MAC."""
        self._connection.execute(
            update(t.audit_chain)
            .where(t.audit_chain.c.id == head.chain)
            .values(mac=mac, mac_key_id=mac_key_id),
        )

    def audit_records(self, chain: str) -> Sequence[AuditRecord]:
        """A chain's records by number."""
        rows = self._connection.execute(
            select(t.audit_record)
            .where(t.audit_record.c.chain_id == chain)
            .order_by(t.audit_record.c.number),
        )
        return [AuditRecord(row.number, row.at, row.action, row.body, row.hash) for row in rows]
