"""The rows of users, tenants and memberships, and of wrong passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, select, update

from resolver.core.login_backoff import Failures
from resolver.core.model import is_storable
from resolver.core.permissions import SystemRole
from resolver.core.ports import StoredUser
from resolver.core.query import TenantField, UserField
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.records import RecordColumns
from resolver.store.rows import TENANT, USER, Rows, batches, count_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement

    from resolver.core.model import Tenant, User
    from resolver.core.permissions import TenantRole
    from resolver.core.ports.accounts import KnownTenants
    from resolver.core.query import Choice


# Read at each request, so not built anew for each.
_WITH_ROLES = select(
    *USER.columns, t.user_account.c.password_hash, t.membership.c.tenant_id, t.membership.c.role
).outerjoin_from(t.user_account, t.membership, t.membership.c.user_id == t.user_account.c.id)
_USER_BY_ID = _WITH_ROLES.where(t.user_account.c.id == bindparam("user"))
_USER_BY_NAME = _WITH_ROLES.where(t.user_account.c.folded_name == bindparam("user"))
_TENANTS = select(*TENANT.columns)
_TENANT_BY_NAME = _TENANTS.where(t.tenant.c.name == bindparam("tenant"))

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


class AccountRows(Rows):
    """Users, tenants and memberships."""

    def user(self, *, name: str = "", user_id: str = "") -> StoredUser | None:
        """A user by name (whatever its case) or id, with roles."""
        if not is_storable(name):
            return None
        query, user = (_USER_BY_ID, user_id) if user_id else (_USER_BY_NAME, name.casefold())
        result = self._execute(query, {"user": user})
        make, rows = USER.maker(result), result.all()
        if not rows:
            return None
        roles = {row.tenant_id: row.role for row in rows if row.role is not None}
        return StoredUser(make(rows[0]), roles, rows[0].password_hash)

    def users(self, choice: Choice[UserField]) -> Sequence[StoredUser]:
        """A part of all users, by name, with their roles and without their password hashes."""
        query = select(*USER.columns).where(*self._named(t.user_account.c.name, choice.search))
        query = self._part(query, choice, _USER_FIELDS, [t.user_account.c.folded_name])
        users = USER.read(self._execute(query))
        roles: dict[str, dict[str, TenantRole]] = {user.id: {} for user in users}
        for ids in batches(list(roles)):
            members = select(t.membership).where(t.membership.c.user_id.in_(ids))
            for row in self._execute(members):
                roles[row.user_id][row.tenant_id] = row.role
        return [StoredUser(user, roles[user.id]) for user in users]

    def count_users(self, search: str = "") -> int:
        """How many users there are."""
        return count_of(self._connection, t.user_account, *self._named(t.user_account.c.name, search))

    def add_user(self, user: User, password_hash: str | None) -> None:
        """Store a user; ConflictError when the name is taken."""
        done = self._execute(
            self._insert(t.user_account)
            .values(**USER.values(user), folded_name=user.name.casefold(), password_hash=password_hash)
            .on_conflict_do_nothing(index_elements=["folded_name"])
            .returning(t.user_account.c.id)  # PostgreSQL's driver counts no inserted rows
        )
        if done.one_or_none() is None:
            raise ConflictError(f"user {user.name!r} already exists")
        if user.system_role is SystemRole.SYS_ADMIN and user.active:  # the first one stands
            self._execute(
                self._insert(t.standing_admin)
                .values(number=1, user_id=user.id, system_role=user.system_role, active=True)
                .on_conflict_do_nothing(index_elements=["number"])
            )

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace a password hash."""
        self._execute(
            update(t.user_account).where(t.user_account.c.id == user_id).values(password_hash=password_hash)
        )

    def note_login(self, user_id: str, at: str) -> None:
        """Record a login."""
        self._execute(
            update(t.user_account)
            .where(t.user_account.c.id == user_id)
            .values(first_login_at=func.coalesce(t.user_account.c.first_login_at, at), last_login_at=at)
        )

    def set_system_role(self, user_id: str, role: SystemRole) -> None:
        """Give a system role; ConflictError when no active sys_admin would remain."""
        if role is not SystemRole.SYS_ADMIN:
            self._keep_an_admin(user_id, "given another role")
        self._execute(update(t.user_account).where(t.user_account.c.id == user_id).values(system_role=role))

    def set_active(self, user_id: str, *, active: bool) -> None:
        """Let a user in again, or not any more; ConflictError when no active sys_admin would remain."""
        if not active:
            self._keep_an_admin(user_id, "deactivated")
        self._execute(update(t.user_account).where(t.user_account.c.id == user_id).values(active=active))

    def delete_user(self, user_id: str) -> None:
        """Delete a user with memberships, tokens and failures; who owns anything can't be deleted.

        ConflictError when no active sys_admin would remain, or the user owns something.
        """
        self._keep_an_admin(user_id, "deleted")
        for table in (t.access_token, t.membership):
            self._execute(delete(table).where(table.c.user_id == user_id))
        self._execute(delete(t.login_failure).where(t.login_failure.c.slot == user_id))
        self._execute(delete(t.user_account).where(t.user_account.c.id == user_id))

    def hold_user(self, user_id: str) -> None:
        """Have others wait who change how this user gets in, until the transaction ends."""
        self._execute(select(t.user_account.c.id).where(t.user_account.c.id == user_id).with_for_update())

    def hold_admins(self) -> None:
        """Wait for others who change users, and keep them waiting until the transaction ends.

        One row that all of them lock first, before any user's: those who lock users in an order of their own
        would wait for each other in a circle.
        """
        self._execute(select(t.standing_admin.c.number).with_for_update())

    def _keep_an_admin(self, user_id: str, becomes: str) -> None:
        # Under the lock of `hold_admins` this reads who is left, and says so in words; without it, the
        # database still refuses to let the standing one go.
        admins = and_(t.user_account.c.system_role == SystemRole.SYS_ADMIN, t.user_account.c.active)
        standing = set(self._execute(select(t.user_account.c.id).where(admins)).scalars())
        others = standing - {user_id}
        if not others and standing:
            raise ConflictError(
                f"the last active sys_admin can't be {becomes}", hint="make another user a sys_admin first"
            )
        if others:
            self._execute(
                update(t.standing_admin)
                .where(t.standing_admin.c.user_id == user_id)
                .values(user_id=min(others))
            )

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by name."""
        if not is_storable(name):
            return None
        return TENANT.first(self._execute(_TENANT_BY_NAME, {"tenant": name}))

    def tenants(self, ids: Collection[str] | None = None) -> Sequence[Tenant]:
        """All tenants, or those with these ids, by name."""
        parts = [_TENANTS]
        if ids is not None:
            parts = [_TENANTS.where(t.tenant.c.id.in_(some)) for some in batches(list(ids))]
        found = [tenant for part in parts for tenant in TENANT.read(self._execute(part))]
        return sorted(found, key=lambda tenant: tenant.name)

    def tenant_part(self, known: KnownTenants, choice: Choice[TenantField]) -> Sequence[tuple[Tenant, int]]:
        """A part of some tenants, by name, each with how many members it has."""
        query = _TENANTS.add_columns(_MEMBERS.label("members")).where(*self._known(known, choice.search))
        rows = self._execute(self._part(query, choice, _TENANT_FIELDS, [t.tenant.c.name]))
        make = TENANT.maker(rows)
        return [(make(row), row.members) for row in rows]

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
        rows = self._execute(
            select(*USER.columns, t.membership.c.role)
            .join(t.membership, t.membership.c.user_id == t.user_account.c.id)
            .where(t.membership.c.tenant_id == tenant_id)
            .order_by(t.user_account.c.folded_name)
        )
        make = USER.maker(rows)
        return [(make(row), row.role) for row in rows]

    def delete_tenant(self, tenant_id: str) -> None:
        """Delete a tenant with its memberships; ConflictError while it holds anything."""
        self._execute(delete(t.membership).where(t.membership.c.tenant_id == tenant_id))
        self._execute(delete(t.tenant).where(t.tenant.c.id == tenant_id))

    def add_tenant(self, tenant: Tenant, at: str) -> None:
        """Store a tenant; ConflictError when the name is taken."""
        done = self._execute(
            self._insert(t.tenant)
            .values(**TENANT.values(tenant), created_at=at)
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(t.tenant.c.id)  # PostgreSQL's driver counts no inserted rows
        )
        if done.one_or_none() is None:
            raise ConflictError(f"tenant {tenant.name!r} already exists")

    def set_membership(self, tenant_id: str, user_id: str, role: TenantRole) -> None:
        """Make a user a member, or change the role."""
        self._execute(
            self._insert(t.membership)
            .values(tenant_id=tenant_id, user_id=user_id, role=role)
            .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_={"role": role})
        )

    def remove_membership(self, tenant_id: str, user_id: str) -> bool:
        """End a membership; whether there was one."""
        done = self._execute(
            delete(t.membership).where(
                t.membership.c.tenant_id == tenant_id, t.membership.c.user_id == user_id
            )
        )
        return done.rowcount > 0


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
