"""Roles that came of a provider's groups, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.core.permissions import SystemRole

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.ports import Session, StoredUser
    from resolver.service.audit import Trail


def end_roles(session: Session, trail: Trail, caller: Caller, stored: StoredUser, at: str) -> None:
    """Take all roles of a user away, in tenants and in the system, once no group decides about them any more.

    Args:
        session: the transaction.
        trail: where it is recorded.
        caller: who does it.
        stored: the user.
        at: when.

    Raises:
        ConflictError: no active sys_admin would remain.
    """
    user = stored.user
    if user.system_role is not SystemRole.DEFAULT:
        session.set_system_role(user.id, SystemRole.DEFAULT, at)
        trail.append_system(session, caller, "user:set_role", object=user.name, role=SystemRole.DEFAULT)
    for tenant in session.tenants(set(stored.roles)):
        session.remove_membership(tenant.id, user.id)
        trail.append_system(session, caller, "membership:remove", object=user.name, tenant=tenant.name)
    session.set_roles_until(user.id, None)
