"""The rows of audit chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import LargeBinary, cast, func, literal, select, update

from resolver.core.audit import AuditHead, AuditRecord
from resolver.core.ports import AuditEnd
from resolver.store import compiled
from resolver.store import tables as t
from resolver.store.audit_index import AuditIndexRows, between, in_order
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns
from resolver.store.use import head_of, number_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.audit import AuditQuery


_RECORD = RecordColumns(
    AuditRecord,
    t.audit_record,
    {"body": func.coalesce(cast(t.audit_record.c.body, LargeBinary), literal(b""))},
    unread=["chain_id"],
)


class AuditRows(AuditIndexRows, AuthenticatedRows):
    """Audit chains: their records and heads, and the index of these."""

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
        rows = self._run(compiled.CHAIN, chain=chain)
        last = self._execute(
            select(func.max(t.audit_record.c.number)).where(t.audit_record.c.chain_id == chain)
        ).scalar()
        if not rows:
            return AuditEnd(AuditHead(chain), "", "", last or 0)
        return AuditEnd(head_of(chain, rows[0]), text_of(rows[0][3]), rows[0][4] or "", number_of(last or 0))

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
