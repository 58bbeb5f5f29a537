"""Users and tenants by name, for those who may know whether they exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.errors import NotFoundError

if TYPE_CHECKING:
    from resolver.core.model import Tenant, User
    from resolver.core.ports import Session


def find_tenant(session: Session, name: str) -> Tenant:
    """A tenant by name; NotFoundError when there is none."""
    tenant = session.tenant(name)
    if tenant is None:
        raise NotFoundError(f"tenant {name!r} does not exist")
    return tenant


def find_user(session: Session, name: str) -> User:
    """A user by name, whatever its case; NotFoundError when there is none."""
    stored = session.user(name=name)
    if stored is None:
        raise NotFoundError(f"user {name!r} does not exist")
    return stored.user
