"""Users, tenants and what they hold, access tokens and sessions, as a store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from resolver.core.model import Scope, User
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.ports.trusts import TrustSession, TrustsForUse
from resolver.core.redacted import Redacted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from resolver.core.login_backoff import Failures
    from resolver.core.model import Tenant
    from resolver.core.query import Choice, TenantField, TokenField, UserField
    from resolver.core.results import Holding


class StoredUser(Redacted, frozen=True):
    """A user with roles and, for a login, the password hash."""

    user: User
    roles: Mapping[str, TenantRole]
    password_hash: str | None = None

    def as_of(self, now: str) -> StoredUser:
        """The same without the roles that have ended: those of groups do, some time after a sign-in."""
        until = self.user.roles_until
        if until is None or now < until:
            return self
        return StoredUser(replace(self.user, system_role=SystemRole.DEFAULT), {}, self.password_hash)


class StoredToken(Redacted, frozen=True):
    """An access token as stored: a digest, never the token.

    One that a workload got has the id of its trust, and as JSON text which run it is of.
    """

    id: str
    user_id: str
    digest: str
    description: str
    created_at: str
    expires_at: str | None
    scope: Scope
    last_used_at: str | None = None
    replaced_by: str | None = None
    trust_id: str | None = None
    run: str | None = None


class StoredConsoleSession(Redacted, frozen=True):
    """A session of the web console as stored.

    Args:
        digest: SHA-256 of its secret, hexadecimal.
        user_id: whose it is.
        token_id: the token that it was opened with; None after a login with a password.
        created_at: when it was opened.
        last_used_at: when it was last used, to the minute or so.
        login: what changes with the password, if one was given: another password ends the session.
        confirmed_at: when the password was last given; None for never.
    """

    digest: str
    user_id: str
    token_id: str | None
    created_at: str
    last_used_at: str
    login: str | None = None
    confirmed_at: str | None = None


class KnownTenants(Struct, frozen=True):
    """Tenants that a caller knows of.

    Args:
        ids: their ids; None for all.
        names: the only names that the caller's token may know; None for all.
    """

    ids: frozenset[str] | None
    names: frozenset[str] | None


class AccountsForUse(TrustsForUse, Protocol):
    """What a use asks about users, tenants and tokens."""

    def user(self, *, name: str = "", user_id: str = "") -> StoredUser | None:
        """A user by name (whatever its case) or id, with roles."""

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by name."""

    def token(self, token_id: str) -> tuple[StoredToken, StoredUser] | None:
        """A token that was not revoked, with its user."""

    def entering(self, token_id: str, tenant: str) -> tuple[StoredToken, StoredUser, Tenant | None] | None:
        """The same, with the tenant of a name, in one statement."""

    def note_token_use(self, token_id: str, at: str) -> None:
        """Record that a token was used."""


class AccountSession(TrustSession, AccountsForUse, Protocol):
    """The part of a transaction about users, tenants, tokens and sessions."""

    def users(self, choice: Choice[UserField]) -> Sequence[StoredUser]:
        """A part of all users, by name, with their roles and without their password hashes."""

    def count_users(self, search: str = "") -> int:
        """How many users there are, of those that are searched for."""

    def add_user(self, user: User, password_hash: str | None) -> None:
        """Store a user; ConflictError when the name is taken."""

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace a password hash."""

    def user_of(self, issuer: str, subject: str) -> StoredUser | None:
        """The user who is somebody for an OpenID provider."""

    def set_identity(self, user_id: str, issuer: str | None, subject: str | None) -> None:
        """Say who a user is for an OpenID provider, or that it is nobody there; the password goes.

        ConflictError when another user is.
        """

    def set_roles_until(self, user_id: str, until: str | None) -> None:
        """Say when the roles of groups end."""

    def hold_user(self, user_id: str) -> None:
        """Have others wait who change how this user gets in, until the transaction ends."""

    def hold_tenant(self, tenant_id: str) -> None:
        """Have others wait who add to a tenant or delete it, until the transaction ends.

        Before anything in it is locked. ConflictError when it was just deleted.
        """

    def hold_admins(self) -> None:
        """Keep other transactions from changing users until this one ends."""

    def set_system_role(self, user_id: str, role: SystemRole, at: str) -> None:
        """Give a system role; ConflictError when no active sys_admin would remain at that time."""

    def set_active(self, user_id: str, at: str, *, active: bool) -> None:
        """Let a user in again, or not any more; ConflictError when no active sys_admin would remain."""

    def delete_user(self, user_id: str, at: str) -> None:
        """Delete a user with memberships, tokens and failures; who owns anything can't be deleted.

        ConflictError when no active sys_admin would remain, or the user owns something.
        """

    def note_login(self, user_id: str, at: str) -> None:
        """Record a login."""

    def login_failures(self, slot: str) -> Failures:
        """The failures of a slot, locked until the transaction ends."""

    def set_login_failures(self, slot: str, failures: Failures) -> None:
        """Keep a slot's failures."""

    def refused_logins(self, at: str) -> frozenset[str]:
        """The slots whose logins are refused at a time."""

    def holdings(self, *, user_id: str = "", tenant_id: str = "") -> Sequence[Holding]:
        """What a user owns, or what a tenant holds; by kind, tenant and name."""

    def give_holdings(self, user_id: str, to_user_id: str, at: str) -> None:
        """Make another user the owner of all that a user owns."""

    def delete_holdings(self, *, user_id: str = "", tenant_id: str = "") -> None:
        """Delete what a user owns, or what a tenant holds; ConflictError when others use a provider of it."""

    def tenants(self, ids: Collection[str] | None = None) -> Sequence[Tenant]:
        """All tenants, or those with these ids, by name."""

    def tenant_part(self, known: KnownTenants, choice: Choice[TenantField]) -> Sequence[tuple[Tenant, int]]:
        """A part of some tenants, by name, each with how many members it has."""

    def count_tenants(self, known: KnownTenants, search: str = "") -> int:
        """How many of some tenants there are, of those that are searched for."""

    def add_tenant(self, tenant: Tenant, at: str) -> None:
        """Store a tenant; ConflictError when the name is taken."""

    def members(self, tenant_id: str) -> Sequence[tuple[User, TenantRole]]:
        """A tenant's members with their roles, by name."""

    def delete_tenant(self, tenant_id: str) -> None:
        """Delete a tenant with its memberships; ConflictError while it holds anything."""

    def set_membership(self, tenant_id: str, user_id: str, role: TenantRole) -> None:
        """Make a user a member, or change the role."""

    def remove_membership(self, tenant_id: str, user_id: str) -> bool:
        """End a membership; whether there was one."""

    def tokens(
        self, user_id: str | None, choice: Choice[TokenField], unused_since: str | None = None
    ) -> Sequence[tuple[StoredToken, str]]:
        """A part of the tokens of one user, or of all, with the user's name; oldest first.

        Args:
            user_id: whose they are; None for everyone's.
            choice: which part.
            unused_since: only those that were made and last used before then.
        """

    def count_tokens(self, user_id: str | None, search: str = "", unused_since: str | None = None) -> int:
        """How many tokens one user has, or all have, of those whose ids are searched for."""

    def replace_token(self, token_id: str, expires_at: str, successor: str) -> None:
        """Have a token end at a time, since another one takes its place."""

    def delete_tokens(self, user_id: str, expired_at: str | None = None) -> int:
        """Delete a user's tokens, all or those that have expired by a time; how many there were."""

    def add_token(self, token: StoredToken) -> None:
        """Store a token."""

    def revoke_token(self, token_id: str) -> None:
        """Delete a token."""

    def console_session(self, digest: str) -> StoredConsoleSession | None:
        """A session by the digest of its secret."""

    def console_sessions(self, user_id: str) -> Sequence[StoredConsoleSession]:
        """A user's sessions, oldest first."""

    def add_console_session(self, session: StoredConsoleSession) -> None:
        """Store a session."""

    def confirm_console_session(self, digest: str, login: str, at: str) -> None:
        """Note when the password was given for a session, and which."""

    def touch_console_session(self, digest: str, at: str) -> None:
        """Note when a session was used."""

    def delete_console_sessions(self, *digests: str) -> None:
        """End sessions."""

    def delete_console_sessions_of(self, user_id: str) -> None:
        """End all sessions of a user."""

    def delete_stale_console_sessions(self, created_before: str, used_before: str) -> None:
        """Forget sessions whose time is over."""
