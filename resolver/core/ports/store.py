"""A store and its transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from resolver.core.ports.accounts import PeopleSession
from resolver.core.ports.audit import AuditSession
from resolver.core.ports.keys import KeySession
from resolver.core.ports.secrets import SecretSession

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Session(PeopleSession, KeySession, SecretSession, AuditSession, Protocol):
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
