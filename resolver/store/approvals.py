"""The rows of approvals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from resolver.core.model import is_storable
from resolver.core.ports.approvals import StoredApproval
from resolver.store import tables as t
from resolver.store.aggregates import APPROVAL
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns

if TYPE_CHECKING:
    from collections.abc import Sequence

_STORED = RecordColumns(StoredApproval, t.approval, unread=["bundle", "data_key_id"], aggregate=APPROVAL)
_CHANGING = frozenset({"ends_at", "decided_by", "decided_at", "comment", "uses", "uses_left"})
"""The columns that change once a request is stored, but for a rotation of keys."""


class ApprovalRows(AuthenticatedRows):
    """Approvals."""

    def approvals(self, tenant_id: str, most: int, requested_by: str = "") -> Sequence[StoredApproval]:
        """The approvals of a tenant, or those of one user in it, the latest first; so many at most."""
        c = t.approval.c
        where = [c.tenant_id == tenant_id, *([c.requested_by == requested_by] if requested_by else [])]
        query = select(*_STORED.columns).where(*where).order_by(c.requested_at.desc(), c.id).limit(most)
        found = self._read(_STORED, query)
        for one in found:
            self._demand_asked_for(APPROVAL.kind, tenant_id, one.tenant_id)
        return found

    def approval(self, tenant_id: str, approval_id: str, *, lock: bool = False) -> StoredApproval | None:
        """One approval of a tenant; with `lock`, nobody else changes it until the transaction ends."""
        if not is_storable(approval_id):
            return None
        c = t.approval.c
        where = (c.id == approval_id, c.tenant_id == tenant_id)
        if lock:  # whoever waited for it sees it as it is afterwards
            self._execute(select(c.id).where(*where).with_for_update()).all()
        found = self._read_first(_STORED, select(*_STORED.columns).where(*where))
        if found is not None:
            self._demand_asked_for(APPROVAL.kind, approval_id, found.id)
            self._demand_asked_for(APPROVAL.kind, tenant_id, found.tenant_id)
        return found

    def sealed_bundle(self, approval_id: str) -> tuple[str, str] | None:
        """The encrypted bundle of an approval, behind the id of its data key."""
        c = t.approval.c
        row = self._execute(select(c.data_key_id, c.bundle).where(c.id == approval_id)).one_or_none()
        return None if row is None or row[0] is None else (row[0], row[1])

    def add_approval(self, approval: StoredApproval, data_key_id: str | None, bundle: str | None) -> None:
        """Store a request, with its encrypted bundle."""
        sealed = {"data_key_id": data_key_id, "bundle": bundle}
        values = self._made(APPROVAL, _STORED.values(approval)) | sealed
        self._execute(self._insert(t.approval).values(values))

    def change_approval(self, approval: StoredApproval) -> None:
        """Store an approval that was found before as it is now; ConflictError when it is gone."""
        values = _STORED.values(approval, only=_CHANGING)
        self._change_one(APPROVAL, t.approval.c.id == approval.id, values=values)

    def forget_approvals(self, tenant_id: str, before: str, ids: Sequence[str]) -> None:
        """Delete those of a tenant that ended before a time, and some others."""
        c = t.approval.c
        self._remove(APPROVAL, c.tenant_id == tenant_id, or_(c.ends_at < before, c.id.in_(ids)))
