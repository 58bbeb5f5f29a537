"""What the service needs of the edges: a store, a cipher, password hashes. Protocols and records only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from resolver.core.audit import AuditHead, AuditRecord
    from resolver.core.backoff import Failures
    from resolver.core.envelope import Place
    from resolver.core.listing import Listing, Page, Reach
    from resolver.core.model import Narrowing, Secret, SecretValue, Tenant, User
    from resolver.core.permissions import SystemRole, TenantRole
    from resolver.core.providers import Provider


@dataclass(slots=True)  # as good as frozen, which would make each of these many cost several times as much
class StoredSecret:
    """A secret with the token of its current version."""

    secret: Secret
    data_key_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a secret, with its token.

    Args:
        secret_id: whose version it is.
        version: its number.
        data_key_id: the key that encrypts the token.
        token: the encrypted value.
        created_at: UTC time.
        created_by: the name of the user who made it, or the id of one who was deleted.
    """

    secret_id: str
    version: int
    data_key_id: str
    token: str = field(repr=False)
    created_at: str
    created_by: str


@dataclass(frozen=True, slots=True)
class StoredDataKey:
    """A data key as stored: wrapped by a root key.

    Args:
        id: its id.
        tenant_id: whose values it encrypts; empty for the key of the audit heads.
        root_key_id: the root key that wraps it.
        wrapped: the wrapped key.
    """

    id: str
    tenant_id: str
    root_key_id: str
    wrapped: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredProvider:
    """A secrets provider as stored.

    Args:
        provider: what may be known of it.
        data_key_id: the data key that sealed its connection parameters; None when it has none.
        token: its sealed connection parameters; None when it has none.
    """

    provider: Provider
    data_key_id: str | None
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DataKeyState:
    """A data key with what becomes of it.

    Args:
        key: the key as stored.
        active: whether new values are sealed with it.
        outdated: whether it is to be replaced, or was; it is destroyed once nothing is sealed with it.
        created_at: when it was made.
    """

    key: StoredDataKey
    active: bool
    outdated: bool
    created_at: str


@dataclass(frozen=True, slots=True)
class RootKeyState:
    """A root key that the store knows by its id.

    Args:
        id: its id.
        wraps: whether new data keys are wrapped by it.
        since: when it began to wrap, most recently.
    """

    id: str
    wraps: bool
    since: str


@dataclass(frozen=True, slots=True)
class SealedToken:
    """A token of any kind, with the place that it is bound to.

    Args:
        column: the table and column that hold it.
        row: the values that tell its row.
        place: where it belongs.
        token: the token.
    """

    column: str
    row: tuple[Any, ...]
    place: Place
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredElsewhere:
    """A secret whose value is kept with a provider, and what its provider is asked with.

    Args:
        secret_id: the secret's id.
        stored: the provider, which is not of the type `local`.
        options_key_id: the data key that sealed its provider options; None when it has none.
        options: its sealed provider options; None when it has none.
    """

    secret_id: str
    stored: StoredProvider
    options_key_id: str | None
    options: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredToken:
    """An access token as stored: a digest, never the token."""

    id: str
    user_id: str
    digest: str = field(repr=False)
    description: str
    created_at: str
    expires_at: str | None
    narrowing: Narrowing
    last_used_at: str | None = None


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user with roles and, for a login, the password hash."""

    user: User
    roles: Mapping[str, TenantRole]
    password_hash: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class StoredConsoleSession:
    """A session of the web console as stored.

    Args:
        digest: SHA-256 of its secret, hexadecimal.
        user_id: whose it is.
        token_id: the token that it was opened with; None after a login with a password.
        created_at: when it was opened.
        last_used_at: when it was last used, to the minute or so.
    """

    digest: str = field(repr=False)
    user_id: str
    token_id: str | None
    created_at: str
    last_used_at: str


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that a user owns and a tenant holds.

    Args:
        kind: `secret` or `provider`.
        id: the row's id.
        name: its key or name.
        tenant: the tenant that it is in.
    """

    kind: str
    id: str
    name: str
    tenant: Tenant


@dataclass(frozen=True, slots=True)
class AuditEnd:
    """A chain's end as stored.

    Args:
        head: its head.
        mac: the head's MAC.
        mac_key_id: the key that the MAC was made with.
        last: the number of the last record that is there; the head's, in a whole chain.
    """

    head: AuditHead
    mac: str
    mac_key_id: str
    last: int


def count_holdings(holdings: Iterable[Holding]) -> str:
    """How many there are of each kind, in words."""
    kinds = Counter(holding.kind for holding in holdings)
    return " and ".join(f"{number} {kind}{'' if number == 1 else 's'}" for kind, number in kinds.items())


class DataKey(Protocol):
    """An opened data key."""

    @property
    def id(self) -> str:
        """The id of its row."""

    def seal(self, place: Place, value: SecretValue) -> str:
        """Encrypt a value for its place."""

    def open(self, place: Place, token: str) -> SecretValue:
        """Decrypt a token at its place; DecryptionError or MisplacedTokenError when it does not belong."""

    def mac(self, data: bytes) -> str:
        """A message authentication code over data, hexadecimal."""


class WrappingKey(Protocol):
    """A root key: it wraps data keys, wherever it is kept."""

    @property
    def id(self) -> str:
        """What the store knows it by: 16 hexadecimal digits."""

    @property
    def source(self) -> str:
        """Where it came from, for messages."""

    def wrap(self, data: bytes) -> str:
        """Encrypt a data key."""

    def unwrap(self, token: str) -> bytes:
        """Decrypt a data key; DecryptionError when it was not wrapped by this key."""


class Cipher(Protocol):
    """The key ring: root keys that open, one of which wraps."""

    @property
    def root_key_ids(self) -> Sequence[str]:
        """The ids of the root keys at hand."""

    def new_data_key(self, tenant_id: str, root_key_id: str) -> StoredDataKey:
        """Make a data key, wrapped by a root key; RootKeyError when that one is not at hand."""

    def open_data_key(self, stored: StoredDataKey) -> DataKey:
        """Open a data key; RootKeyError names the root key that is missing."""

    def rewrap(self, stored: StoredDataKey, root_key_id: str) -> StoredDataKey:
        """Wrap a data key anew, by another root key; RootKeyError when one of the two is not at hand."""

    def alone(self, root_key_id: str) -> Cipher:
        """A ring with one root key and nothing opened; RootKeyError when it is not at hand."""

    @property
    def root_key_sources(self) -> Mapping[str, str]:
        """Where each root key at hand came from, by its id."""


class PasswordHasher(Protocol):
    """Makes and checks password hashes."""

    def hash(self, password: str) -> str:
        """A salted hash of a password."""

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether a password matches; as slow for None as for a hash."""


class Session(Protocol):
    """One transaction of a store."""

    def attempt(self) -> AbstractContextManager[None]:
        """A part of the transaction that an exception rolls back alone."""

    # users and tenants
    def user(self, *, name: str = "", user_id: str = "") -> StoredUser | None:
        """A user by name (whatever its case) or id, with roles."""

    def users(self, size: int | None = None, offset: int = 0) -> Sequence[StoredUser]:
        """A part of all users, by name, with their roles and without their password hashes."""

    def count_users(self) -> int:
        """How many users there are."""

    def add_user(self, user: User, password_hash: str | None) -> None:
        """Store a user; ConflictError when the name is taken."""

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace a password hash."""

    def hold_admins(self) -> None:
        """Wait for others who change users, and keep them waiting until the transaction ends."""

    def set_system_role(self, user_id: str, role: SystemRole) -> None:
        """Give a system role; ConflictError when no active sys_admin would remain."""

    def set_active(self, user_id: str, *, active: bool) -> None:
        """Let a user in again, or not any more; ConflictError when no active sys_admin would remain."""

    def delete_user(self, user_id: str) -> None:
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

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by name."""

    def tenants(self) -> Sequence[Tenant]:
        """All tenants, by name."""

    def add_tenant(self, tenant: Tenant, at: str) -> None:
        """Store a tenant; ConflictError when the name is taken."""

    def members(self, tenant_id: str) -> Sequence[tuple[User, TenantRole]]:
        """A tenant's members with their roles, by name."""

    def member_counts(self) -> Mapping[str, int]:
        """How many members each tenant has, by its id; none for one that is not there."""

    def delete_tenant(self, tenant_id: str) -> None:
        """Delete a tenant with its memberships; ConflictError while it holds anything."""

    def set_membership(self, tenant_id: str, user_id: str, role: TenantRole) -> None:
        """Make a user a member, or change the role."""

    def remove_membership(self, tenant_id: str, user_id: str) -> bool:
        """End a membership; whether there was one."""

    # tokens
    def token(self, token_id: str) -> tuple[StoredToken, StoredUser] | None:
        """A token that was not revoked, with its user."""

    def tokens(
        self, user_id: str | None, size: int | None = None, offset: int = 0
    ) -> Sequence[tuple[StoredToken, str]]:
        """A part of the tokens of one user, or of all, with the user's name; oldest first."""

    def count_tokens(self, user_id: str | None) -> int:
        """How many tokens one user has, or all have."""

    def note_token_use(self, token_id: str, at: str) -> None:
        """Record that a token was used."""

    def delete_tokens(self, user_id: str, expired_at: str | None = None) -> int:
        """Delete a user's tokens, all or those that have expired by a time; how many there were."""

    def add_token(self, token: StoredToken) -> None:
        """Store a token."""

    def revoke_token(self, token_id: str) -> None:
        """Delete a token."""

    # console sessions
    def console_session(self, digest: str) -> StoredConsoleSession | None:
        """A session by the digest of its secret."""

    def console_sessions(self, user_id: str) -> Sequence[StoredConsoleSession]:
        """A user's sessions, oldest first."""

    def add_console_session(self, session: StoredConsoleSession) -> None:
        """Store a session."""

    def touch_console_session(self, digest: str, at: str) -> None:
        """Note when a session was used."""

    def delete_console_sessions(self, *digests: str) -> None:
        """End sessions."""

    def delete_console_sessions_of(self, user_id: str) -> None:
        """End all sessions of a user."""

    def delete_stale_console_sessions(self, created_before: str, used_before: str) -> None:
        """Forget sessions whose time is over."""

    # keys
    def wrapping_root_key(self, *, lock: bool = False) -> str | None:
        """The id of the root key that wraps, or None in a store that is not initialised.

        With `lock` it stays the one until the transaction ends.
        """

    def root_keys(self) -> Sequence[RootKeyState]:
        """All root keys that wrap or ever wrapped, oldest first."""

    def set_wrapping_root_key(self, root_key_id: str, at: str) -> None:
        """Record which root key wraps; ConflictError when another process just did."""

    def data_keys(self, ids: Collection[str]) -> Sequence[StoredDataKey]:
        """Data keys by id."""

    def data_key_states(self, tenant_id: str | None = None) -> Sequence[DataKeyState]:
        """All data keys, or those of a tenant, with what becomes of them; oldest first."""

    def data_keys_to_rewrap(self, root_key_id: str, limit: int, after: str = "") -> Sequence[StoredDataKey]:
        """Some data keys that another root key wraps, by id."""

    def rewrap_data_key(self, old: StoredDataKey, new: StoredDataKey) -> None:
        """Store a data key as another root key wraps it, unless it was changed or destroyed meanwhile."""

    def outdate_data_keys(self, tenant_id: str | None = None) -> None:
        """Say of the active data keys of all tenants, or of one, that they are to be replaced."""

    def destroy_data_key(self, data_key_id: str) -> None:
        """Delete a data key that is not active; ConflictError while anything is sealed with it."""

    def active_data_key(self, tenant_id: str, *, lock: bool = False) -> StoredDataKey | None:
        """The data key that new values of a tenant are encrypted with.

        With `lock` it is not destroyed until the transaction ends.
        """

    def add_data_key(self, data_key: StoredDataKey, at: str) -> None:
        """Store the first data key of a tenant, which is active; ConflictError when there is one."""

    def replace_data_key(self, old_id: str, data_key: StoredDataKey, at: str) -> None:
        """Have another data key be the active one; nothing happens when the old one is not, any more."""

    def destroy_data_keys(self, tenant_id: str) -> int:
        """Delete all data keys of a tenant; how many. ConflictError while anything is sealed with one."""

    # tokens of all kinds
    @property
    def sealed_columns(self) -> Sequence[str]:
        """The names of the columns that hold tokens."""

    def sealed(
        self, column: str, data_key_id: str, *, after: Sequence[Any] = (), limit: int
    ) -> Sequence[SealedToken]:
        """Some of the tokens that a data key sealed, in the order of their rows."""

    def strays(self, column: str, tenant_id: str, data_key_id: str) -> Sequence[SealedToken]:
        """A tenant's tokens that another data key sealed than the one named."""

    def sealed_counts(self) -> Mapping[str, int]:
        """How many tokens there are by data key id."""

    def reseal(self, column: str, changes: Sequence[tuple[SealedToken, str, str]]) -> int:
        """Put new tokens, each with its data key's id, in place of those that are still there; how many.

        Those that another writer has locked are left for a next time.
        """

    # secrets
    def secrets_by_keys(self, tenant_id: str, keys: Collection[str]) -> Sequence[StoredSecret]:
        """One SELECT: the tenant's own secrets under these keys, and global ones of other tenants."""

    def page(self, reach: Reach, listing: Listing) -> Page:
        """The part of a list that is asked for, with the number of all that the caller may see."""

    def versions(self, secret_ids: Sequence[str], *, current_only: bool = False) -> Sequence[StoredVersion]:
        """The versions of secrets, in the order of their numbers."""

    def drop_versions(self, secret_id: str, up_to: int) -> None:
        """Delete a secret's versions up to a number."""

    def add_secret(self, secret: Secret, data_key_id: str, token: str) -> None:
        """Store a secret with its first version; ConflictError when its key is taken."""

    def add_version(self, secret: Secret, data_key_id: str, token: str, by: str) -> None:
        """Store a new version; `secret` has the new number. ConflictError when it is not the next one."""

    def restore_version(self, secret: Secret, newer: Secret, data_key_id: str, token: str, by: str) -> None:
        """Store a later version that was made elsewhere; numbers in between may be missing."""

    def change_secret(self, secret: Secret, newer: Secret) -> None:
        """Change everything but key, tenant and value, from what `secret` has.

        ConflictError when a global key would collide, or another writer was quicker.
        """

    def delete_secret(self, secret: Secret) -> None:
        """Delete a secret with all its versions; ConflictError when another writer was quicker."""

    # providers
    def providers(self, tenant_id: str, name: str | None = None) -> Sequence[StoredProvider]:
        """The tenant's providers before global ones of others, each by name; all, or those of a name."""

    def add_provider(self, stored: StoredProvider) -> None:
        """Store a provider; ConflictError when its tenant has one of this name."""

    def change_provider(self, stored: StoredProvider, since: str) -> None:
        """Change a provider that was last changed at `since`; ConflictError when another was quicker."""

    def delete_provider(self, provider_id: str) -> None:
        """Delete a provider that no secret is kept with; the database refuses one that still has any."""

    def elsewhere(self, secret_ids: Sequence[str]) -> Sequence[StoredElsewhere]:
        """Those of the secrets whose values are kept with providers."""

    def set_provider(
        self, secret_id: str, provider_id: str | None, options_key_id: str | None, options: str | None
    ) -> None:
        """Say which provider a secret is kept with, and its sealed options for that."""

    def secrets_of_provider(self, provider_id: str, limit: int) -> Sequence[tuple[str, str]]:
        """Tenant and key of some of the secrets that are kept with a provider."""

    # audit
    def audit_head(self, chain: str, *, lock: bool = True) -> tuple[AuditHead, str, str]:
        """A chain's head with its MAC and that key's id; locked until the transaction ends."""

    def append_audit(
        self, head: AuditHead, mac: str, mac_key_id: str, records: Sequence[AuditRecord]
    ) -> None:
        """Store records and the new head."""

    def audit_chains(self, mac_key_id: str) -> Sequence[str]:
        """The chains whose head has its MAC from a data key."""

    def set_audit_mac(self, head: AuditHead, mac: str, mac_key_id: str) -> None:
        """Give a head that is locked another MAC."""

    def audit_end(self, chain: str) -> AuditEnd:
        """A chain's head as it is stored, without waiting for writers; an empty chain's for one not there."""

    def all_audit_chains(self) -> Sequence[str]:
        """The ids of all chains, those of deleted tenants too."""

    def audit_records(
        self,
        chain: str,
        *,
        after: int = 0,
        before: int | None = None,
        newest_first: bool = False,
        since: str = "",
        until: str = "",
        size: int,
    ) -> Sequence[AuditRecord]:
        """At most so many of a chain's records between two numbers and two times, by number."""


class Store(Protocol):
    """A database."""

    def read(self) -> AbstractContextManager[Session]:
        """A transaction that only reads, on one state of the data."""

    def write(self) -> AbstractContextManager[Session]:
        """A transaction that writes; committed at the end of the block, rolled back by an exception."""

    def wipe_deleted(self) -> bool:
        """Overwrite what deleted rows left behind, as far as the database lets a client do so.

        Returns:
            Whether it is done; False when a reader of an older state kept it from being done now.
        """

    @property
    def place(self) -> str:
        """Where the database is, without password."""

    def close(self) -> None:
        """Give back connections."""
