"""Which tenants and secrets a caller reaches with one question."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.service.access import not_permitted

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.permissions import Permission
    from resolver.core.ports import Session
    from resolver.core.query import Listing, Reach
    from resolver.service.access import Gate


def reach_of_all(
    session: Session, gate: Gate, caller: Caller, permission: Permission, tenant: str, *, all_tenants: bool
) -> tuple[Caller, Reach]:
    """Which secrets exist for a caller in a tenant, or in all tenants where the permission is given.

    Args:
        session: the transaction.
        gate: lets callers in.
        caller: who asks.
        permission: what is to be done with the secrets.
        tenant: the name of the tenant to ask in; may be empty with all tenants.
        all_tenants: whether to ask in all tenants.

    Returns:
        The caller with the rights of this moment, and the reach.

    Raises:
        NotPermittedError: not here, or in no tenant.
    """
    if tenant or not all_tenants:
        caller, home = gate.enter(session, caller, permission, tenant)
        if not all_tenants:
            return caller, policy.reach(caller, [home])
    else:
        caller = gate.current(session, caller)
    permitted = [one for one in session.tenants() if policy.decide_in_tenant(caller, permission, one).allowed]
    if not permitted:
        raise not_permitted(caller, permission, "", where=" in any tenant")
    return caller, policy.reach(caller, permitted)


def narrowed(caller: Caller, listing: Listing) -> Listing:
    """A list without the keys that the caller's token may not name."""
    if caller.narrowing.keys is None:
        return listing
    # Sets like `[a-z]` are not the same in every database.
    if listing.patterns is None and not any("[" in pattern for pattern in caller.narrowing.keys):
        return replace(listing, patterns=caller.narrowing.keys)
    permits, matches = caller.narrowing.permits_key, listing.matches
    return replace(listing, matches=lambda key: permits(key) and (matches is None or matches(key)))
