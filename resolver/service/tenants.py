"""Tenants and their members."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.model import Tenant, check_tenant_name
from resolver.core.permissions import Permission, SystemRole
from resolver.core.ports import KnownTenants
from resolver.core.query import WHOLE, Part
from resolver.core.results import DeletedTenant, TenantInfo, count_holdings
from resolver.errors import ConflictError, NotFoundError, StoreError
from resolver.service.access import (
    demand_confirmed,
    demand_full_scope,
    find_tenant,
    find_user,
    not_permitted,
    tell,
)
from resolver.service.base import ServicePart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.model import Caller, User
    from resolver.core.permissions import TenantRole
    from resolver.core.ports import Session
    from resolver.core.query import Choice, TenantField


class Tenants(ServicePart):
    """The tenants, and who belongs to them."""

    def create(self, caller: Caller, name: str) -> Tenant:
        """Make a tenant with a data key of its own; ConflictError when the name is taken."""
        check_tenant_name(name)
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

    def list(self, caller: Caller, choice: Choice[TenantField] = WHOLE) -> Part[TenantInfo]:
        """A part of the caller's own tenants, by name; of all tenants for a sys_admin."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            known = _known(current)
            found = session.tenant_part(known, choice)
            total = session.count_tenants(known, choice.search)
        items = [TenantInfo(tenant, current.roles.get(tenant.id), members) for tenant, members in found]
        return Part(items, total)

    def get(self, caller: Caller, name: str) -> TenantInfo:
        """One tenant; its members are shown to those who manage memberships, and to its managers.

        Raises:
            NotPermittedError: the caller is no member; the same whether or not the tenant exists.
            NotFoundError: there is no such tenant, for those who may know.
        """
        with self._store.read() as session:
            current, tenant = self._gate.enter(session, caller, Permission.SECRET_LIST, name)
            members = session.members(tenant.id)
        told = policy.decide_in_tenant(current, Permission.MEMBERSHIP_MANAGE, tenant).allowed or (
            policy.administers(current, tenant) and not current.scope.is_limited
        )
        return TenantInfo(
            tenant,
            current.roles.get(tenant.id),
            len(members),
            _roles(members) if told else None,
        )

    def delete(self, caller: Caller, name: str, *, purge: bool = False) -> DeletedTenant:
        """Delete a tenant, and destroy its data keys. Its audit trail stays.

        Raises:
            NotPermittedError: the caller may not manage tenants, or not delete what this one holds.
            ConflictError: it holds something and `purge` was not given, or somebody was just adding to it.
        """
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.TENANT_MANAGE)
            tenant = find_tenant(session, name)
            session.hold_tenant(tenant.id)  # as who adds to it does, before anything in it
            held = session.holdings(tenant_id=tenant.id)
            if held and not purge:
                may_list = policy.decide_in_tenant(current, Permission.SECRET_LIST, tenant).allowed
                raise ConflictError(
                    f"tenant {name!r} holds {count_holdings(held)}" + (f": {tell(held)}" if may_list else ""),
                    hint="--purge deletes them with the tenant",
                )
            for permission in (Permission.SECRET_DELETE, Permission.PROVIDER_DELETE) if held else ():
                if not policy.decide_in_tenant(current, permission, tenant).allowed:
                    raise not_permitted(current, permission, name)
            session.delete_holdings(tenant_id=tenant.id)
            keys = session.destroy_data_keys(tenant.id)
            session.delete_tenant(tenant.id)
            self._trail.append_holdings(session, current, held, "delete")
            self._trail.append_system(
                session, current, "tenant:delete", object=name, tenant_id=tenant.id, held=len(held), keys=keys
            )
        return DeletedTenant(tenant, held, self._store.wipe_deleted())

    def add_member(self, caller: Caller, tenant: str, username: str, role: TenantRole) -> TenantInfo:
        """Make a user a member of a tenant, or change the role there.

        Returns:
            The tenant after the change, also where it ended the caller's own rights.
        """
        with self._store.write() as session:
            current = self._enter_for_members(session, caller)
            home, user = find_tenant(session, tenant), find_user(session, username)
            if user.roles_until is not None:
                raise ConflictError(
                    f"the roles of user {user.name!r} come of groups, and are set at each sign-in",
                    hint="`sign_in` in `config.yaml` says which groups have which roles",
                )
            session.hold_tenant(home.id)
            session.set_membership(home.id, user.id, role)
            self._trail.append_system(
                session, current, "membership:set", object=user.name, tenant=tenant, role=role
            )
            members = session.members(home.id)
        own = role if user.id == current.user_id else current.roles.get(home.id)
        return TenantInfo(home, own, len(members), _roles(members))

    def remove_member(self, caller: Caller, tenant: str, username: str) -> None:
        """End a user's membership in a tenant; NotFoundError when there is none."""
        with self._store.write() as session:
            current = self._enter_for_members(session, caller)
            home, user = find_tenant(session, tenant), find_user(session, username)
            if not session.remove_membership(home.id, user.id):
                raise NotFoundError(f"user {user.name!r} is not a member of tenant {tenant!r}")
            self._trail.append_system(session, current, "membership:remove", object=user.name, tenant=tenant)

    def _enter_for_members(self, session: Session, caller: Caller) -> Caller:
        current = self._gate.enter_system(session, caller, Permission.MEMBERSHIP_MANAGE)
        # It could give another user the rights that were kept from it.
        demand_full_scope(current, "change memberships")
        demand_confirmed(current, self._clock(), "change memberships")
        return current


def _roles(members: Sequence[tuple[User, TenantRole]]) -> Mapping[str, TenantRole]:
    return {user.name: role for user, role in members}


def _known(caller: Caller) -> KnownTenants:
    """The tenants that are a caller's own, or all for a sys_admin; as far as the token reaches."""
    if caller.system_role is SystemRole.SYS_ADMIN:
        return KnownTenants(None, caller.scope.tenants)
    mine = frozenset(home for home in caller.roles if policy.rights_by_id(caller, home))
    return KnownTenants(mine, caller.scope.tenants)
