"""Approvals: bundles that clients upload, who grants their use of protected secrets, and their runs."""

from __future__ import annotations

from starlette.responses import Response

from resolver.core.approvals import (
    Approval,
    ApprovalDenial,
    ApprovalDetails,
    ApprovalGrant,
    ApprovalList,
    ApprovalRequest,
    ApprovedRun,
    ResolvedBundle,
)
from resolver.core.permissions import Permission
from resolver.dsl.budget import Budget
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group

GROUP = Group("approvals", OWN)


@GROUP.route("GET", "/approvals", ApprovalList)
def list_approvals(call: ApiCall, tenant: str) -> Response:
    """What was asked to be approved in a tenant, the latest first; one's own for who may not grant."""
    return Answer(ApprovalList(call.service.approvals.list(call.caller, tenant)))


@GROUP.route("POST", "/approvals", Approval, needs=Permission.SECRET_USE)
def request_approval(call: ApiCall, tenant: str, body: ApprovalRequest, budget: Budget) -> Response:
    """Ask for an approval. One that is open for the same is the answer, and none when none is needed."""
    return Answer(call.service.approvals.request(call.caller, tenant, body, budget))


@GROUP.route("GET", "/approvals/{approval_id}", Approval)
def get_approval(call: ApiCall, tenant: str, approval_id: str) -> Response:
    """One request, with what became of it."""
    return Answer(call.service.approvals.get(call.caller, tenant, approval_id))


@GROUP.route("GET", "/approvals/{approval_id}/bundle", ApprovalDetails)
def get_approval_bundle(call: ApiCall, tenant: str, approval_id: str) -> Response:
    """One request with the bundle that it is about, and the bundle's calls in place."""
    return Answer(call.service.approvals.details(call.caller, tenant, approval_id))


@GROUP.route("POST", "/approvals/{approval_id}/grant", Approval)
def grant_approval(call: ApiCall, tenant: str, approval_id: str, body: ApprovalGrant) -> Response:
    """Grant what was asked for: a person does so, who gave the password lately and did not ask for it."""
    return Answer(call.service.approvals.grant(call.caller, tenant, approval_id, body))


@GROUP.route("POST", "/approvals/{approval_id}/deny", Approval)
def deny_approval(call: ApiCall, tenant: str, approval_id: str, body: ApprovalDenial) -> Response:
    """Deny what was asked for, or end what was granted; who asked may do so, too."""
    return Answer(call.service.approvals.deny(call.caller, tenant, approval_id, body.comment))


@GROUP.route("POST", "/approvals/{approval_id}/resolve", ResolvedBundle, needs=Permission.SECRET_USE)
def resolve_approved(
    call: ApiCall, tenant: str, approval_id: str, body: ApprovedRun, budget: Budget
) -> Response:
    """Resolve the bundle that was approved, as the server keeps it; one of the uses is spent."""
    answer = call.service.approvals.resolve(call.caller, tenant, approval_id, body.digest, budget)
    call.server.metrics.count_values("upload", answer.uses, expired=0, due=0)
    return Answer(answer)
