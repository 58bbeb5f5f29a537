"""Users and tenants by name, and what they own and hold, for those who may know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Tenant, User
    from resolver.core.ports import Holding, Session

MAX_TOLD = 20
"""Most things that a refusal names."""


def find_tenant(session: Session, name: str) -> Tenant:
    """A tenant by name; NotFoundError when there is none."""
    tenant = session.tenant(name)
    if tenant is None:
        raise NotFoundError(f"tenant {name!r} does not exist")
    return tenant


def tell(holdings: Sequence[Holding]) -> str:
    """What is owned or held, in words; a long list is cut, and always counted."""
    named = [f"{holding.kind} {holding.tenant.name}/{holding.name}" for holding in holdings[:MAX_TOLD]]
    more = len(holdings) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def find_user(session: Session, name: str) -> User:
    """A user by name, whatever its case; NotFoundError when there is none."""
    stored = session.user(name=name)
    if stored is None:
        raise NotFoundError(f"user {name!r} does not exist")
    return stored.user
