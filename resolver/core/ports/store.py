"""A store and its transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from resolver.core.audit import AuditHead
from resolver.core.ports.accounts import AccountSession, AccountsForUse
from resolver.core.ports.keys import KeySession, KeysForUse
from resolver.core.ports.secrets import KeyedSecrets, SecretSession

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    from resolver.core.audit import AuditQuery, AuditRecord
    from resolver.core.audit_rounds import IndexRows
    from resolver.core.ports.approvals import ApprovalSession
    from resolver.core.ports.crypto import Cipher
    from resolver.core.ports.keys import StoredDataKey
    from resolver.core.ports.webhooks import WebhookSession
    from resolver.core.results import BlueprintUse, LastUse
    from resolver.core.rows import StoredRow
    from resolver.errors import TamperedRowError

    class LoadedLater(WebhookSession, ApprovalSession, Protocol):
        """The parts of a transaction that a use has no time to load."""

else:
    LoadedLater = object


class RowChange(Struct, frozen=True):
    """What a transaction made of an aggregate, for the audit trail.

    Args:
        kind: what it is, such as `user`.
        id: its id.
        generation: how often it was changed, from 1.
        digest: a digest of what decides in it; None when it was deleted.
        chain: the id of the chain that tells of it.
    """

    kind: str
    id: str
    generation: int
    digest: str | None
    chain: str

    @property
    def told(self) -> tuple[str, str, int, str | None]:
        """The change as an audit record has it."""
        return self.kind, self.id, self.generation, self.digest


class AuditForUse(Protocol):
    """What a use asks of audit chains, and puts to them."""

    def audit_head(self, chain: str, *, lock: bool = True) -> tuple[AuditHead, str, str]:
        """A chain's head with its MAC and that key's id; locked until the transaction ends."""

    def locked_head(self, chain: str) -> tuple[AuditHead, str, str, StoredDataKey | None]:
        """A chain's head, locked, with its MAC, that key's id, and the key where it is the active one."""

    def ends(self, chains: Collection[str]) -> Mapping[str, int]:
        """The numbers of the last records of chains, in a transaction that only reads."""

    def seen_head(self, chain: str) -> AuditHead | None:
        """The latest end of a chain that this process saw before the transaction began."""

    def append_audit(
        self,
        head: AuditHead,
        mac: str,
        mac_key_id: str,
        records: Sequence[AuditRecord],
        index: IndexRows,
        *,
        system_end: int | None = None,
    ) -> bool:
        """Store records, their rows of the index, and the new head.

        Nothing happens when the system's chain does not end with a number that is given.
        """

    def audit_between(self, chain: str, after: int, before: int, *, size: int) -> Sequence[AuditRecord]:
        """At most so many of a chain's records between two numbers, oldest first."""

    @property
    def rows_enforced(self) -> bool:
        """Whether a row without a genuine MAC is refused: so says the system's head, under its own MAC."""

    @property
    def untold_chains(self) -> frozenset[str]:
        """The chains that are still to tell of something that was changed."""

    def row_changes(self, chain: str) -> Sequence[RowChange]:
        """What was changed and a chain is still to tell; it counts as told then."""


class AuditSession(AuditForUse, Protocol):
    """The part of a transaction about audit chains."""

    def audit_chains(self, mac_key_id: str) -> Sequence[str]:
        """The chains whose head has its MAC from a data key."""

    def set_audit_mac(self, head: AuditHead, mac: str, mac_key_id: str) -> None:
        """Give a head that is locked another MAC."""

    def audit_end(self, chain: str) -> AuditEnd:
        """A chain's head as it is stored, without waiting for writers; an empty chain's for one not there."""

    def all_audit_chains(self) -> Sequence[str]:
        """The ids of all chains, those of deleted tenants too."""

    def audit_records(
        self, chain: str, query: AuditQuery, *, after: int = 0, before: int | None = None, size: int
    ) -> Sequence[AuditRecord]:
        """At most so many of a chain's records between two numbers that a query may want, in its order."""


class RowSession(Protocol):
    """The part of a transaction about the MACs of rows that decide."""

    def enforce_rows(self) -> None:
        """Keep other writers away, and tell of rows as in a store that enforces their MACs."""

    def stored_rows(
        self,
        kind: str,
        *,
        chain: str | None = None,
        ids: Collection[str] | None = None,
        after: Sequence[Any] = (),
        limit: int | None = None,
    ) -> tuple[Mapping[tuple[str, str], StoredRow], Sequence[Any] | None]:
        """Aggregates that the trail tells of, as they are stored: by kind and id, in the order of ids.

        Args:
            kind: what they are.
            chain: the chain that tells of them; None for all.
            ids: which of them; None for all.
            after: the id of the one that the last call ended with.
            limit: how many.

        Returns:
            What is stored, and the id of the last one; None when there is none left.
        """

    @property
    def row_kinds(self) -> Sequence[str]:
        """The kinds of rows that decide."""

    def vouch_for_rows(
        self, kind: str, after: Sequence[Any] = (), *, limit: int
    ) -> tuple[int, Sequence[Any] | None]:
        """Give aggregates MACs as they are, genuine or not, for who has looked at them.

        Args:
            kind: what they are.
            after: the id of the one that the last call ended with.
            limit: how many.

        Returns:
            How many there were, and the id of the last one; None when there is none left.
        """

    def renew_row_macs(self, data_key_id: str, *, limit: int) -> int:
        """Give aggregates a MAC of the active system key, of those that have it from another; how many.

        TamperedRowError at the first that is not genuine.
        """


class AuditIndexSession(Protocol):
    """The part of a transaction about the index of audit records."""

    def append_audit_index(self, chain: str, rows: IndexRows) -> None:
        """Store rows of the index."""

    def audit_index(self, chain: str, after: int, until: int) -> IndexRows:
        """A chain's rows after one record up to another."""

    def stray_audit_index(self, chain: str, after: int) -> IndexRows:
        """Some rows after a record that no later record has."""

    def delete_audit_index(self, chain: str, after: int, until: int | None) -> None:
        """Delete a chain's rows after one record up to another; without that, those that no record has."""

    def uses_of_key(
        self,
        chains: Collection[str],
        asked_in: str,
        key: str,
        secret_id: str,
        run: str,
        since: str,
        most: int,
    ) -> Sequence[BlueprintUse]:
        """Uses of a key in some chains, or those of a tenant or of a run in them; the latest first."""

    def uses_by_day(self, tenant_id: str, since: str) -> Sequence[tuple[str, bool, int]]:
        """How many keys were allowed and how many refused, by day, in blueprints of a tenant."""

    def uses_by_pair(self, tenant_id: str, since: str) -> Sequence[tuple[str, str, int]]:
        """How often which key was used by which blueprint of a tenant."""

    def last_uses(self, tenant_id: str, most: int) -> Sequence[LastUse]:
        """When each text of a tenant was last given each version of a secret, the latest first."""

    def secrets_done(self, chains: Collection[str], actions: Collection[str], since: str) -> set[str]:
        """The ids of the secrets with which something was done since some time."""

    def readers_of_secrets(
        self, chain: str, actions: Collection[str], since: str
    ) -> Sequence[tuple[str, str, str]]:
        """Who did something with which secret, by one chain: ids of secret, tenant asked in, and user."""

    def deeds(self, tenant_id: str, since: str) -> Sequence[tuple[str, str, str]]:
        """Which user did what with which token in a tenant: ids of user and token, and the permission."""

    def keys_of_tokens(
        self, tenant_id: str, actions: Collection[str], since: str, most: int
    ) -> Sequence[tuple[str, str]]:
        """Some keys that were named with each token in a tenant, so many at most."""


class UseSession(AccountsForUse, KeysForUse, KeyedSecrets, AuditForUse, Protocol):
    """A transaction in which secrets are used, and that is recorded."""


class Session(
    AccountSession,
    KeySession,
    SecretSession,
    AuditSession,
    AuditIndexSession,
    RowSession,
    UseSession,
    Protocol,
    LoadedLater,  # behind all others, as `object` has to be
):
    """One transaction of a store."""

    def attempt(self) -> AbstractContextManager[None]:
        """A part of the transaction that an exception rolls back alone."""


class UseStore(Protocol):
    """A database of which secrets are used."""

    def read(self) -> AbstractContextManager[UseSession]:
        """A transaction that only reads, on one state of the data."""

    def write(self) -> AbstractContextManager[UseSession]:
        """A transaction that writes; committed at the end of the block, rolled back by an exception."""

    @property
    def managed(self) -> Store:
        """The same database, for all else."""

    def authenticated(
        self,
        cipher: Cipher,
        record: Callable[[UseSession], None],
        report: Callable[[TamperedRowError], None],
    ) -> UseStore:
        """The same database, with rows that decide refused where they are read without a genuine MAC.

        Args:
            cipher: opens the system key, from which the key of the MACs is derived.
            record: is called before a commit with changes of such rows that no audit record tells of yet.
            report: is called with each refusal, once its transaction has ended.
        """

    def check_writable(self) -> None:
        """Check that a change could be stored; StoreError where it could not, as on a full disk."""

    @property
    def place(self) -> str:
        """Where the database is, without password."""

    def close(self) -> None:
        """Give back connections."""


class Store(UseStore, Protocol):
    """A database."""

    def read(self) -> AbstractContextManager[Session]:
        """A transaction that only reads, on one state of the data."""

    def write(self) -> AbstractContextManager[Session]:
        """A transaction that writes; committed at the end of the block, rolled back by an exception."""

    def refuse_rows(self, floors: Mapping[tuple[str, str], int]) -> None:
        """Refuse aggregates, by kind and id, below a generation from here on."""

    def demand_alone(self) -> None:
        """See that no other program has the database open, as far as it tells.

        Raises:
            StoreError: others have.
        """

    def wipe_deleted(self) -> bool:
        """Overwrite what deleted rows left behind, as far as the database lets a client do so.

        Returns:
            Whether it is done; False when a reader of an older state kept it from being done now.
        """


class AuditEnd(Struct, frozen=True):
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
