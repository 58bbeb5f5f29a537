"""Users: who there is, with which system role, and who one is."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.model import Caller, Narrowing, User, check_key
from resolver.core.permissions import Permission, SystemRole
from resolver.errors import InvalidRequestError
from resolver.service.gate import demand_unnarrowed, not_permitted
from resolver.service.lookup import find_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.permissions import TenantRole
    from resolver.core.ports import Session, Store
    from resolver.service.gate import Gate
    from resolver.service.trail import Trail

_MIN_PASSWORD, _MAX_PASSWORD = 5, 256  # Cloudify's rule


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a caller is and what may be done where, for `whoami`."""

    username: str
    system_role: SystemRole
    roles: Mapping[str, TenantRole]
    token_id: str
    narrowing: Narrowing
    permissions: Mapping[str, frozenset[Permission]]


def check_password(password: str) -> str:
    """The same text; InvalidRequestError when it is too short or too long for a password."""
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        raise InvalidRequestError(f"a password has {_MIN_PASSWORD} to {_MAX_PASSWORD} characters")
    return password


class Users:
    """The users.

    Args:
        store: where they are kept.
        gate: lets callers in, and hashes passwords.
        trail: records every change.
        clock: gives the time as it is stored.
    """

    def __init__(
        self,
        store: Store,
        gate: Gate,
        trail: Trail,
        clock: Callable[[], str],
    ) -> None:
        self._store = store
        self._gate = gate
        self._trail = trail
        self._clock = clock

    def create(
        self,
        caller: Caller,
        name: str,
        password: str | None,
        system_role: SystemRole = SystemRole.DEFAULT,
    ) -> User:
        """Make a user; one without a password can only use tokens. ConflictError when the name is taken."""
        check_key(name, "user name")
        with self._store.read() as session:  # before the hash, which is made slow on purpose
            self._gate.enter_system(session, caller, Permission.USER_MANAGE)
        hashed = None if password is None else self._gate.passwords.hash(check_password(password))
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            user = User(str(uuid.uuid4()), name, system_role, active=True, created_at=self._clock())
            session.add_user(user, hashed)
            self._trail.append_system(session, current, "user:create", object=name, role=system_role)
            return user

    def list(self, caller: Caller) -> Sequence[User]:
        """All users."""
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            return session.users()

    def set_role(self, caller: Caller, username: str, role: SystemRole) -> None:
        """Give a user another system role; ConflictError when no active sys_admin would remain."""
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            user = find_user(session, username)
            session.set_system_role(user.id, role)
            self._trail.append_system(session, current, "user:set_role", object=user.name, role=role)

    def set_password(self, caller: Caller, username: str, password: str) -> None:
        """Give a user a new password: one's own, or another's for those who manage users."""
        with self._store.read() as session:  # before the hash, which is made slow on purpose
            self._enter_for_password(session, caller, username)
        hashed = self._gate.passwords.hash(check_password(password))
        with self._store.write() as session:
            current = self._enter_for_password(session, caller, username)
            user = find_user(session, username)
            session.set_password(user.id, hashed)
            session.delete_console_sessions_of(user.id)  # whoever knew the old one is out
            self._trail.append_system(session, current, "user:set_password", object=user.name)

    def _enter_for_password(self, session: Session, caller: Caller, username: str) -> Caller:
        current = self._gate.current(session, caller)
        demand_unnarrowed(current, "change a password")
        mine = username.casefold() == current.username.casefold()
        if not mine and not policy.decide_in_tenant(current, Permission.USER_MANAGE, None).allowed:
            raise not_permitted(current, Permission.USER_MANAGE, "")
        return current

    def whoami(self, caller: Caller) -> Identity:
        """Who the caller is, and what may be done where."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            tenants = [tenant for tenant in session.tenants() if policy.rights(current, tenant)]
        roles = {tenant.name: current.roles[tenant.id] for tenant in tenants if tenant.id in current.roles}
        return Identity(
            current.username,
            current.system_role,
            roles,
            current.token_id,
            current.narrowing,
            {tenant.name: policy.rights(current, tenant) for tenant in tenants},
        )
