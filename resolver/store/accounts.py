"""The rows of users, tenants and memberships, and of wrong passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, select, update

from resolver.core.login_backoff import Failures
from resolver.core.model import User, is_storable
from resolver.core.permissions import SystemRole
from resolver.core.query import TenantField, UserField
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.aggregates import SESSION, STANDING_ADMIN, TOKEN, TRUST
from resolver.store.aggregates import TENANT as TENANTS
from resolver.store.aggregates import USER as USERS
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns
from resolver.store.rows import TENANT, USER, Rows, batches, count_of
from resolver.store.use import role_in

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Select

    from resolver.core.model import Tenant
    from resolver.core.permissions import TenantRole
    from resolver.core.ports import StoredUser
    from resolver.core.ports.accounts import KnownTenants
    from resolver.core.query import Choice
    from resolver.store.row_macs import Wrong


DECIDES = [column.name for column in USERS.decides]
"""What is under the MAC of a user, but for the roles."""

_WHOLE = select(t.user_account)
WITH_ROLES = _WHOLE.add_columns(
    t.membership.c.tenant_id.label("in_tenant"), t.membership.c.role.label("in_role")
).outerjoin_from(t.user_account, t.membership, t.membership.c.user_id == t.user_account.c.id)
_TENANTS = select(*TENANT.columns)

_MEMBERS = (
    select(func.count())
    .select_from(t.membership)
    .where(t.membership.c.tenant_id == t.tenant.c.id)
    .correlate(t.tenant)
    .scalar_subquery()
)
_MEMBERSHIPS = (
    select(func.count())
    .select_from(t.membership)
    .where(t.membership.c.user_id == t.user_account.c.id)
    .correlate(t.user_account)
    .scalar_subquery()
)

_TENANT_FIELDS: dict[TenantField, ColumnElement[Any]] = {
    TenantField.NAME: t.tenant.c.name,
    TenantField.MEMBERS: _MEMBERS,
}
_USER_FIELDS: dict[UserField, ColumnElement[Any]] = {
    UserField.NAME: t.user_account.c.name,
    UserField.SYSTEM_ROLE: t.user_account.c.system_role,
    UserField.ACTIVE: t.user_account.c.active,
    UserField.TENANTS: _MEMBERSHIPS,
    UserField.CREATED_AT: t.user_account.c.created_at,
    UserField.FIRST_LOGIN_AT: t.user_account.c.first_login_at,
    UserField.LAST_LOGIN_AT: t.user_account.c.last_login_at,
}


class AccountRows(AuthenticatedRows):
    """Users, tenants and memberships."""

    def _users(self, query: Select[Any]) -> Sequence[StoredUser]:
        """The users whose whole rows a query selects, in its order, with their roles."""

        def attempt() -> tuple[Sequence[StoredUser], Wrong | None]:
            rows = self._execute(query).mappings().all()
            roles: dict[str, dict[str, TenantRole]] = {row["id"]: {} for row in rows}
            for ids in batches(list(roles)):
                members = select(t.membership).where(t.membership.c.user_id.in_(ids))
                for member in self._execute(members):
                    roles[member.user_id][member.tenant_id] = member.role
            found = [self._stored_user(row, roles[row["id"]]) for row in rows]
            return [user for user, _ in found], next((wrong for _, wrong in found if wrong), None)

        return self._twice(attempt)

    def users(self, choice: Choice[UserField]) -> Sequence[StoredUser]:
        """A part of all users, by name, with their roles."""
        query = _WHOLE.where(*self._named(t.user_account.c.name, choice.search))
        return self._users(self._part(query, choice, _USER_FIELDS, [t.user_account.c.folded_name]))

    def count_users(self, search: str = "") -> int:
        """How many users there are."""
        return count_of(self._connection, t.user_account, *self._named(t.user_account.c.name, search))

    def add_user(self, user: User, password_hash: str | None) -> None:
        """Store a user; ConflictError when the name is taken."""
        values = {**USER.values(user), "folded_name": user.name.casefold(), "password_hash": password_hash}
        done = self._execute(
            self._insert(t.user_account)
            .values(self._made(USERS, values))
            .on_conflict_do_nothing(index_elements=["folded_name"])
            .returning(t.user_account.c.id)  # PostgreSQL's driver counts no inserted rows
        )
        if done.one_or_none() is None:
            raise ConflictError(f"user {user.name!r} already exists")
        admin = user.system_role is SystemRole.SYS_ADMIN and user.active
        if admin and self._execute(select(t.standing_admin.c.number)).first() is None:  # the first one stands
            standing = {"number": 1, "user_id": user.id, "system_role": user.system_role, "active": True}
            self._execute(
                self._insert(t.standing_admin)
                .values(self._made(STANDING_ADMIN, standing))
                .on_conflict_do_nothing(index_elements=["number"])
            )

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace a password hash."""
        self._change_one(USERS, t.user_account.c.id == user_id, values={"password_hash": password_hash})

    def user_of(self, issuer: str, subject: str) -> StoredUser | None:
        """The user who is somebody for an OpenID provider."""
        if not is_storable(subject):
            return None
        c = t.user_account.c
        found = self._users(_WHOLE.where(c.issuer == issuer, c.subject == subject))
        for stored in found:  # what was asked for, or a row was put in another's place
            self._demand_asked_for(USERS.kind, subject, stored.user.subject or "")
            self._demand_asked_for(USERS.kind, issuer, stored.user.issuer or "")
        return found[0] if found else None

    def set_identity(self, user_id: str, issuer: str | None, subject: str | None) -> None:
        """Say who a user is for an OpenID provider, or that it is nobody there; the password goes.

        ConflictError when another user is.
        """
        c = t.user_account.c
        taken = c.issuer == issuer, c.subject == subject, c.id != user_id
        if issuer is not None and self._execute(select(c.id).where(*taken)).first() is not None:
            raise ConflictError("another user is this person already")
        values = {"issuer": issuer, "subject": subject, "password_hash": None}
        self._change_one(USERS, c.id == user_id, values=values)

    def set_roles_until(self, user_id: str, until: str | None) -> None:
        """Say when the roles of groups end."""
        self._change_one(USERS, t.user_account.c.id == user_id, values={"roles_until": until})

    def note_login(self, user_id: str, at: str) -> None:
        """Record a login."""
        self._execute(
            update(t.user_account)
            .where(t.user_account.c.id == user_id)
            .values(first_login_at=func.coalesce(t.user_account.c.first_login_at, at), last_login_at=at)
        )

    def set_system_role(self, user_id: str, role: SystemRole, at: str) -> None:
        """Give a system role; ConflictError when no active sys_admin would remain at that time."""
        if role is not SystemRole.SYS_ADMIN:
            self._keep_an_admin(user_id, at, "given another role")
        self._change_one(USERS, t.user_account.c.id == user_id, values={"system_role": role})

    def set_active(self, user_id: str, at: str, *, active: bool) -> None:
        """Let a user in again, or not any more; ConflictError when no active sys_admin would remain."""
        if not active:
            self._keep_an_admin(user_id, at, "deactivated")
        self._change_one(USERS, t.user_account.c.id == user_id, values={"active": active})

    def delete_user(self, user_id: str, at: str) -> None:
        """Delete a user with memberships, tokens and failures; who owns anything can't be deleted.

        ConflictError when no active sys_admin would remain, or the user owns something.
        """
        self._keep_an_admin(user_id, at, "deleted")
        for aggregate in (SESSION, TOKEN, TRUST):
            self._remove(aggregate, aggregate.table.c.user_id == user_id)
        self._execute(delete(t.login_failure).where(t.login_failure.c.slot == user_id))
        self._execute(delete(t.membership).where(t.membership.c.user_id == user_id))
        self._remove_one(USERS, t.user_account.c.id == user_id)

    def hold_user(self, user_id: str) -> None:
        """Have others wait who change how this user gets in, until the transaction ends."""
        self._execute(select(t.user_account.c.id).where(t.user_account.c.id == user_id).with_for_update())

    def hold_tenant(self, tenant_id: str) -> None:
        """Have others wait who add to a tenant or delete it; ConflictError when it was just deleted."""
        query = select(t.tenant.c.id).where(t.tenant.c.id == tenant_id).with_for_update(key_share=True)
        if self._execute(query).one_or_none() is None:
            raise ConflictError("the tenant was deleted by someone else at the same time")

    def hold_admins(self) -> None:
        """Wait for others who change users, and keep them waiting until the transaction ends.

        One row that all of them lock first, before any user's: those who lock users in an order of their own
        would wait for each other in a circle.
        """
        self._locked(STANDING_ADMIN)

    def _keep_an_admin(self, user_id: str, at: str, becomes: str) -> None:
        # Under the lock of `hold_admins` this reads who is left, and says so in words; without it, the
        # database still refuses to let the standing one go.
        admins = and_(t.user_account.c.system_role == SystemRole.SYS_ADMIN, t.user_account.c.active)
        found = self._users(_WHOLE.where(admins))
        # Who lost the role with a group's is none that remains, unless that is so of this one as well.
        standing = {
            stored.user.id for stored in found if stored.as_of(at).user.system_role is SystemRole.SYS_ADMIN
        }
        if user_id not in standing:
            standing = {stored.user.id for stored in found}
        others = standing - {user_id}
        if not others and standing:
            raise ConflictError(
                f"the last active sys_admin can't be {becomes}", hint="make another user a sys_admin first"
            )
        if others:
            self._change(
                STANDING_ADMIN, t.standing_admin.c.user_id == user_id, values={"user_id": min(others)}
            )

    def tenants(self, ids: Collection[str] | None = None) -> Sequence[Tenant]:
        """All tenants, or those with these ids, by name."""
        parts = [_TENANTS]
        if ids is not None:
            parts = [_TENANTS.where(t.tenant.c.id.in_(some)) for some in batches(list(ids))]
        found = [tenant for part in parts for tenant in self._read(TENANT, part)]
        return sorted(found, key=lambda tenant: tenant.name)

    def tenant_part(self, known: KnownTenants, choice: Choice[TenantField]) -> Sequence[tuple[Tenant, int]]:
        """A part of some tenants, by name, each with how many members it has."""
        query = _TENANTS.add_columns(_MEMBERS.label("members")).where(*self._known(known, choice.search))
        query = self._part(query, choice, _TENANT_FIELDS, [t.tenant.c.name])
        return [(tenant, row.members) for tenant, row in self._read_with(TENANT, query)]

    def count_tenants(self, known: KnownTenants, search: str = "") -> int:
        """How many of some tenants there are."""
        return count_of(self._connection, t.tenant, *self._known(known, search))

    def _known(self, known: KnownTenants, search: str) -> list[ColumnElement[bool]]:
        conditions = self._named(t.tenant.c.name, search)
        if known.ids is not None:
            conditions.append(t.tenant.c.id.in_(sorted(known.ids)))
        if known.names is not None:
            conditions.append(t.tenant.c.name.in_(sorted(filter(is_storable, known.names))))
        return conditions

    def members(self, tenant_id: str) -> Sequence[tuple[User, TenantRole]]:
        """A tenant's members with their roles, by name."""
        theirs = select(t.membership.c.user_id).where(t.membership.c.tenant_id == tenant_id)
        found = self._users(
            _WHOLE.where(t.user_account.c.id.in_(theirs)).order_by(t.user_account.c.folded_name)
        )
        return [(stored.user, stored.roles[tenant_id]) for stored in found]

    def delete_tenant(self, tenant_id: str) -> None:
        """Delete a tenant with its memberships; ConflictError while it holds anything."""
        theirs = select(t.membership.c.user_id).where(t.membership.c.tenant_id == tenant_id)
        self._change(USERS, t.user_account.c.id.in_(theirs), values={role_in(tenant_id): None})
        self._execute(delete(t.membership).where(t.membership.c.tenant_id == tenant_id))
        self._remove_one(TENANTS, t.tenant.c.id == tenant_id)

    def add_tenant(self, tenant: Tenant, at: str) -> None:
        """Store a tenant; ConflictError when the name is taken."""
        done = self._execute(
            self._insert(t.tenant)
            .values(self._made(TENANTS, {**TENANT.values(tenant), "created_at": at}))
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(t.tenant.c.id)  # PostgreSQL's driver counts no inserted rows
        )
        if done.one_or_none() is None:
            raise ConflictError(f"tenant {tenant.name!r} already exists")

    def set_membership(self, tenant_id: str, user_id: str, role: TenantRole) -> None:
        """Make a user a member, or change the role."""
        self._change_one(USERS, t.user_account.c.id == user_id, values={role_in(tenant_id): role})
        self._execute(
            self._insert(t.membership)
            .values(tenant_id=tenant_id, user_id=user_id, role=role)
            .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_={"role": role})
        )

    def remove_membership(self, tenant_id: str, user_id: str) -> bool:
        """End a membership; whether there was one."""
        where = (t.membership.c.tenant_id == tenant_id, t.membership.c.user_id == user_id)
        self._change_one(USERS, t.user_account.c.id == user_id, values={role_in(tenant_id): None})
        return self._execute(delete(t.membership).where(*where)).rowcount > 0


_FAILURES = RecordColumns(Failures, t.login_failure, {"count": t.login_failure.c.failures}, unread=["slot"])


class LoginFailureRows(Rows):
    """Counts of wrong passwords, by user."""

    def login_failures(self, slot: str) -> Failures:
        """The failures of a slot, locked until the transaction ends."""
        self._execute(
            self._insert(t.login_failure)
            .values(slot=slot, **_FAILURES.values(Failures()))
            .on_conflict_do_nothing(index_elements=["slot"])
        )
        query = select(*_FAILURES.columns).where(t.login_failure.c.slot == slot).with_for_update()
        return _FAILURES.read(self._execute(query))[0]

    def set_login_failures(self, slot: str, failures: Failures) -> None:
        """Store a slot's failures."""
        self._execute(
            update(t.login_failure).where(t.login_failure.c.slot == slot).values(_FAILURES.values(failures))
        )

    def refused_logins(self, at: str) -> frozenset[str]:
        """The slots whose logins are refused at a time."""
        return frozenset(
            self._execute(
                select(t.login_failure.c.slot).where(t.login_failure.c.refused_until > at)
            ).scalars()
        )
