"""A store and its transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from resolver.core.audit import AuditHead
from resolver.core.ports.accounts import AccountSession
from resolver.core.ports.keys import KeySession
from resolver.core.ports.secrets import SecretSession

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from resolver.core.audit import AuditRecord


class AuditSession(Protocol):
    """The part of a transaction about audit chains."""

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


class Session(AccountSession, KeySession, SecretSession, AuditSession, Protocol):
    """One transaction of a store."""

    def attempt(self) -> AbstractContextManager[None]:
        """A part of the transaction that an exception rolls back alone."""


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
