"""Approvals as a store keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from resolver.core.approvals import ApprovalState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class StoredApproval(Struct, frozen=True, kw_only=True):
    """A request for an approval as stored, with what became of it.

    Args:
        id: its id.
        tenant_id: the tenant that was asked in.
        digest: of the bundle; None when the end of a protection was asked for.
        secrets: the protected secrets, keys by id, as JSON text.
        requested_by: the id of the user who asked.
        trust_id: the trust by which that user's token came; None for none.
        trust_owner_id: who made the trust.
        reason: what it is for.
        requested_at: UTC time.
        ends_at: UTC time until which it can be decided, or used.
        decided_by: the id of the user who decided.
        decided_at: UTC time.
        comment: what that one said.
        uses: how many uses were granted; None before that, 0 for a denial.
        uses_left: how many are left.
    """

    id: str
    tenant_id: str
    secrets: str
    requested_by: str
    reason: str
    requested_at: str
    ends_at: str
    digest: str | None = None
    trust_id: str | None = None
    trust_owner_id: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    comment: str | None = None
    uses: int | None = None
    uses_left: int | None = None

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of the protected secrets, by id."""
        return dict(json.loads(self.secrets))

    def is_granted(self, now: str) -> bool:
        """Whether a run may use it, as of a time."""
        return self.digest is not None and bool(self.uses_left) and self.ends_at > now

    def state(self, now: str) -> ApprovalState:
        """What became of it, as of a time."""
        if self.uses == 0:
            return ApprovalState.DENIED
        if self.uses_left == 0:
            return ApprovalState.SPENT
        if self.ends_at <= now:
            return ApprovalState.ENDED
        return ApprovalState.PENDING if self.uses is None else ApprovalState.GRANTED


class ApprovalSession(Protocol):
    """The part of a transaction about approvals."""

    def approvals(self, tenant_id: str, most: int, requested_by: str = "") -> Sequence[StoredApproval]:
        """The approvals of a tenant, or those of one user in it, the latest first; so many at most."""

    def approval(self, tenant_id: str, approval_id: str, *, lock: bool = False) -> StoredApproval | None:
        """One approval of a tenant; with `lock`, nobody else changes it until the transaction ends."""

    def sealed_bundle(self, approval_id: str) -> tuple[str, str] | None:
        """The encrypted bundle of an approval, behind the id of its data key."""

    def add_approval(self, approval: StoredApproval, data_key_id: str | None, bundle: str | None) -> None:
        """Store a request, with its encrypted bundle."""

    def change_approval(self, approval: StoredApproval) -> None:
        """Store an approval that was found before as it is now."""

    def forget_approvals(self, tenant_id: str, before: str, ids: Sequence[str]) -> None:
        """Delete those of a tenant that ended before a time, and some others."""
