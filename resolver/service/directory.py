"""Tenants, users, memberships and tokens."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.model import UNNARROWED, Caller, Narrowing, Tenant, User, check_key
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.ports import StoredToken
from resolver.errors import InvalidRequestError, NotFoundError, StoreError
from resolver.service.gate import (
    TOKEN_ID_LENGTH,
    TOKEN_PREFIX,
    TOKEN_SECRET_LENGTH,
    demand_unnarrowed,
    not_permitted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.ports import Cipher, Session, Store
    from resolver.service.gate import Gate
    from resolver.service.trail import Trail

_TOKEN_ALPHABET = string.ascii_letters + string.digits
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
_MAX_DESCRIPTION = 256
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


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as a list shows it: never the token."""

    id: str
    username: str
    description: str
    created_at: str
    expires_at: str | None
    narrowing: Narrowing


class Directory:
    """Who there is, and where they belong.

    Args:
        store: where it is kept.
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

    def initialise(
        self,
        admin: str,
        password: str | None,
        tenant: str,
        keep: Callable[[str], None],
    ) -> str | None:
        """Fill an empty store: root key, system key, first tenant, and a sys_admin with a token.

        Args:
            admin: the sys_admin's name.
            password: the sys_admin's password; None for no password login.
            tenant: the first tenant's name.
            keep: called with the token before anything is committed: a token that could not be kept anywhere
                would leave a store that nobody can enter.

        Returns:
            The sys_admin's token; None when the store is initialised already, and nothing was changed.

        Raises:
            StoreError: the store was initialised with a root key that is not at hand.
        """
        at = self._clock()
        hashed = None if password is None else self._gate.passwords.hash(_checked_password(password))
        with self._store.write() as session:
            if session.wrapping_root_key() is not None:
                return None
            root_key_id = self._cipher.root_key_ids[0]
            session.set_wrapping_root_key(root_key_id, at)
            session.add_data_key(self._cipher.new_data_key("", root_key_id), at)
            user = User(str(uuid.uuid4()), check_key(admin, "user name"), SystemRole.SYS_ADMIN, True, at)  # noqa: FBT003
            session.add_user(user, hashed)
            caller = Caller(user.id, user.name, user.system_role)
            self._add_tenant(session, caller, tenant)
            token = self._add_token(session, caller, user, "made by init", None, UNNARROWED)
            keep(token)
            return token

    def create_tenant(self, caller: Caller, name: str) -> Tenant:
        """Make a tenant with a data key of its own; ConflictError when the name is taken."""
        check_key(name, "tenant name")
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.TENANT_MANAGE)
            return self._add_tenant(session, current, name)

    def _add_tenant(self, session: Session, caller: Caller, name: str) -> Tenant:
        at = self._clock()
        tenant = Tenant(str(uuid.uuid4()), name)
        session.add_tenant(tenant, at)
        root_key_id = session.wrapping_root_key()
        if root_key_id is None:
            raise StoreError("the store has no root key", hint="`resolver init` gives it one")
        session.add_data_key(self._cipher.new_data_key(tenant.id, root_key_id), at)
        self._trail.append_system(session, caller, "tenant:create", object=name)
        return tenant

    def list_tenants(self, caller: Caller) -> Sequence[tuple[Tenant, TenantRole | None]]:
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
            home, user = self._tenant(session, tenant), self._user(session, username)
            session.set_membership(home.id, user.id, role)
            self._trail.append_system(
                session, current, "membership:set", object=user.name, tenant=tenant, role=role
            )

    def remove_member(self, caller: Caller, tenant: str, username: str) -> None:
        """End a user's membership in a tenant; NotFoundError when there is none."""
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.MEMBERSHIP_MANAGE)
            home, user = self._tenant(session, tenant), self._user(session, username)
            if not session.remove_membership(home.id, user.id):
                raise NotFoundError(f"user {user.name!r} is not a member of tenant {tenant!r}")
            self._trail.append_system(session, current, "membership:remove", object=user.name, tenant=tenant)

    def create_user(
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
        hashed = None if password is None else self._gate.passwords.hash(_checked_password(password))
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            user = User(str(uuid.uuid4()), name, system_role, active=True, created_at=self._clock())
            session.add_user(user, hashed)
            self._trail.append_system(session, current, "user:create", object=name, role=system_role)
            return user

    def list_users(self, caller: Caller) -> Sequence[User]:
        """All users."""
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            return session.users()

    def set_system_role(self, caller: Caller, username: str, role: SystemRole) -> None:
        """Give a user another system role; ConflictError when no active sys_admin would remain."""
        with self._store.write() as session:
            current = self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            user = self._user(session, username)
            session.set_system_role(user.id, role)
            self._trail.append_system(session, current, "user:set_role", object=user.name, role=role)

    def set_password(self, caller: Caller, username: str, password: str) -> None:
        """Give a user a new password: one's own, or another's for those who manage users."""
        with self._store.read() as session:  # before the hash, which is made slow on purpose
            self._enter_for_password(session, caller, username)
        hashed = self._gate.passwords.hash(_checked_password(password))
        with self._store.write() as session:
            current = self._enter_for_password(session, caller, username)
            user = self._user(session, username)
            session.set_password(user.id, hashed)
            self._trail.append_system(session, current, "user:set_password", object=user.name)

    def _enter_for_password(self, session: Session, caller: Caller, username: str) -> Caller:
        current = self._gate.current(session, caller)
        demand_unnarrowed(current, "change a password")
        mine = username.casefold() == current.username.casefold()
        if not mine and not policy.decide_in_tenant(current, Permission.USER_MANAGE, None).allowed:
            raise not_permitted(current, Permission.USER_MANAGE, "")
        return current

    def create_token(
        self,
        caller: Caller,
        username: str = "",
        *,
        description: str = "",
        expires_at: str | None = None,
        narrowing: Narrowing = UNNARROWED,
    ) -> str:
        """Make an access token, shown this once.

        Args:
            caller: who makes it.
            username: whose token it is; the caller's own when empty.
            description: what it is for.
            expires_at: UTC time from which it is refused, as stored times are written; None for never.
            narrowing: what it leaves of its user's rights.

        Raises:
            InvalidRequestError: the expiry is malformed or past, or the description not one short line.
            NotPermittedError: the caller's own token is narrowed, or the user is someone else.
        """
        if expires_at is not None:
            if not _TIME.match(expires_at):
                raise InvalidRequestError(
                    "the expiry is malformed", hint="it is UTC time, like 2030-12-31T23:59:59.000Z"
                )
            if expires_at <= self._clock():
                raise InvalidRequestError("the expiry is in the past")
        if len(description) > _MAX_DESCRIPTION or not description.isprintable():
            raise InvalidRequestError(
                f"a description is one line of at most {_MAX_DESCRIPTION} printable characters"
            )
        with self._store.write() as session:
            current = self._gate.current(session, caller)
            demand_unnarrowed(current, "make a token")
            user = self._own_or_other(session, current, username)
            limit = session.token(current.token_id) if current.token_id else None
            if limit is not None and (longest := limit[0].expires_at) is not None:
                # No token makes one that outlives it.
                expires_at = longest if expires_at is None else min(longest, expires_at)
            return self._add_token(session, current, user, description, expires_at, narrowing)

    def _add_token(
        self,
        session: Session,
        caller: Caller,
        user: User,
        description: str,
        expires_at: str | None,
        narrowing: Narrowing,
    ) -> str:
        token_id, secret = (_random_text(length) for length in (TOKEN_ID_LENGTH, TOKEN_SECRET_LENGTH))
        token = f"{TOKEN_PREFIX}-{token_id}-{secret}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        at = self._clock()
        session.add_token(StoredToken(token_id, user.id, digest, description, at, expires_at, narrowing))
        self._trail.append_system(session, caller, "token:create", object=user.name, made=token_id)
        return token

    def list_tokens(self, caller: Caller) -> Sequence[TokenInfo]:
        """The caller's own tokens; everyone's for those who manage them."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_unnarrowed(current, "list tokens")
            everyone = policy.decide_in_tenant(current, Permission.TOKEN_MANAGE_OTHERS, None).allowed
            found = session.tokens(None if everyone else current.user_id)
        return [
            TokenInfo(token.id, name, token.description, token.created_at, token.expires_at, token.narrowing)
            for token, name in found
        ]

    def revoke_token(self, caller: Caller, token_id: str) -> None:
        """Revoke a token, at once; NotFoundError when it is not one of the caller's."""
        with self._store.write() as session:
            current = self._gate.current(session, caller)
            demand_unnarrowed(current, "revoke a token")
            found = session.token(token_id)
            others = policy.decide_in_tenant(current, Permission.TOKEN_MANAGE_OTHERS, None).allowed
            if found is None or (found[0].user_id != current.user_id and not others):
                raise NotFoundError(f"token {token_id!r} does not exist")
            session.revoke_token(token_id)
            self._trail.append_system(
                session, current, "token:revoke", object=found[1].user.name, made=token_id
            )

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

    @staticmethod
    def _tenant(session: Session, name: str) -> Tenant:
        tenant = session.tenant(name)
        if tenant is None:
            raise NotFoundError(f"tenant {name!r} does not exist")
        return tenant

    @staticmethod
    def _user(session: Session, name: str) -> User:
        stored = session.user(name=name)
        if stored is None:
            raise NotFoundError(f"user {name!r} does not exist")
        return stored.user

    def _own_or_other(self, session: Session, caller: Caller, username: str) -> User:
        if username.casefold() in ("", caller.username.casefold()):
            return self._user(session, caller.username)
        if not policy.decide_in_tenant(caller, Permission.TOKEN_MANAGE_OTHERS, None).allowed:
            raise not_permitted(caller, Permission.TOKEN_MANAGE_OTHERS, "")
        return self._user(session, username)


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length))


def _checked_password(password: str) -> str:
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        raise InvalidRequestError(f"a password has {_MIN_PASSWORD} to {_MAX_PASSWORD} characters")
    return password
