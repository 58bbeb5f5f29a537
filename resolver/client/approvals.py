"""Approvals that are on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.client.session import Remote, step
from resolver.core.approvals import Approval, ApprovalDetails, ApprovalList, ResolvedBundle
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.approvals import ApprovalGrant, ApprovalRequest
    from resolver.core.model import Caller


class RemoteApprovals(Remote):
    """What is asked to be approved, and what becomes of it."""

    def request(self, caller: Caller, tenant: str, wanted: ApprovalRequest) -> Approval:
        """Ask for an approval; one that is open for the same is the answer."""
        return self._server.ask(caller, Approval, "POST", "/approvals", encode(wanted), tenant=tenant)

    def list(self, caller: Caller, tenant: str) -> Sequence[Approval]:
        """What was asked to be approved in a tenant, the latest first."""
        return self._server.ask(caller, ApprovalList, "GET", "/approvals", tenant=tenant).items

    def get(self, caller: Caller, tenant: str, approval_id: str) -> Approval:
        """One request, with what became of it."""
        return self._server.ask(caller, Approval, "GET", _path(approval_id), tenant=tenant)

    def details(self, caller: Caller, tenant: str, approval_id: str) -> ApprovalDetails:
        """One request with the bundle that it is about."""
        path = f"{_path(approval_id)}/bundle"
        return self._server.ask(caller, ApprovalDetails, "GET", path, tenant=tenant)

    def grant(self, caller: Caller, tenant: str, approval_id: str, wanted: ApprovalGrant) -> Approval:
        """Grant what was asked for."""
        path = f"{_path(approval_id)}/grant"
        return self._server.ask(caller, Approval, "POST", path, encode(wanted), tenant=tenant)

    def deny(self, caller: Caller, tenant: str, approval_id: str, comment: str = "") -> Approval:
        """Deny what was asked for, or end what was granted."""
        path = f"{_path(approval_id)}/deny"
        return self._server.ask(caller, Approval, "POST", path, {"comment": comment}, tenant=tenant)

    def resolve(self, caller: Caller, tenant: str, approval_id: str, digest: str) -> ResolvedBundle:
        """Have the server resolve the bundle that was approved."""
        path = f"{_path(approval_id)}/resolve"
        return self._server.ask(caller, ResolvedBundle, "POST", path, {"digest": digest}, tenant=tenant)


def _path(approval_id: str) -> str:
    # Ids begin with a digit as often as not, which no name does.
    return f"/approvals/{step('a' + approval_id, f'there is no approval {approval_id!r}')[1:]}"
