"""Tenants and their members."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.model import Tenant, check_key
from resolver.core.permissions import Permission, TenantRole
from resolver.errors import NotFoundError, StoreError
from resolver.service.lookup import find_tenant, find_user

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.core.model import Caller
    from resolver.core.ports import Cipher, Session, Store
    from resolver.service.gate import Gate
    from resolver.service.trail import Trail


class Tenants:
    """The tenants, and who belongs to them.

    Args:
        store: where they are kept.
        cipher: makes the data keys of new tenants.
        gate: lets callers in.
        trail: records every change.
        clock: gives the time as it is stored.
    """

    def __init__(
        self,
        store: Store,
        cipher: Cipher,
        gate: Gate,
        trail: Trail,
        clock: Callable[[], str],
    ) -> None:
        self._store = store
        self._cipher = cipher
        self._gate = gate
        self._trail = trail
        self._clock = clock

    def create(self, caller: Caller, name: str) -> Tenant:
        """Make a tenant with a data key of its own; ConflictError when the name is taken."""
        check_key(name, "tenant name")
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.TENANT_MANAGE)
            return self.add(session, current, name)

    def add(self, session: Session, caller: Caller, name: str) -> Tenant:
        """Make a tenant within a transaction that has let the caller in."""
        at = self._clock()
        tenant = Tenant(str(uuid.uuid4()), name)
        session.add_tenant(tenant, at)
        root_key_id = session.wrapping_root_key(lock=True)
        if root_key_id is None:
            raise StoreError("the store has no root key", hint="`resolver init` gives it one")
        session.add_data_key(self._cipher.new_data_key(tenant.id, root_key_id), at)
        self._trail.append_system(session, caller, "tenant:create", object=name)
        return tenant

    def list(self, caller: Caller) -> Sequence[tuple[Tenant, TenantRole | None]]:
        """The caller's own tenants with the role in each; all tenants for those who manage them."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            everything = policy.decide_in_tenant(current, Permission.TENANT_MANAGE, None).allowed
            tenants = session.tenants()
        narrowed = current.narrowing.tenants
        return [
            (tenant, current.roles.get(tenant.id))
            for tenant in tenants
            if (everything or tenant.id in current.roles) and (narrowed is None or tenant.name in narrowed)
        ]

    def add_member(self, caller: Caller, tenant: str, username: str, role: TenantRole) -> None:
        """Make a user a member of a tenant, or change the role there."""
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.MEMBERSHIP_MANAGE)
            home, user = find_tenant(session, tenant), find_user(session, username)
            session.set_membership(home.id, user.id, role)
            self._trail.append_system(
                session, current, "membership:set", object=user.name, tenant=tenant, role=role
            )

    def remove_member(self, caller: Caller, tenant: str, username: str) -> None:
        """End a user's membership in a tenant; NotFoundError when there is none."""
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.MEMBERSHIP_MANAGE)
            home, user = find_tenant(session, tenant), find_user(session, username)
            if not session.remove_membership(home.id, user.id):
                raise NotFoundError(f"user {user.name!r} is not a member of tenant {tenant!r}")
            self._trail.append_system(session, current, "membership:remove", object=user.name, tenant=tenant)
