"""The store on SQLAlchemy: one transaction is one `SqlSession`."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, text

from resolver.core.results import SchemaStatus
from resolver.errors import StoreError
from resolver.store import tables as t
from resolver.store.accounts import LoginFailureRows
from resolver.store.approvals import ApprovalRows
from resolver.store.audit import AuditRows
from resolver.store.engine import UNRELEASED, Database, parse_url
from resolver.store.holdings import HoldingRows
from resolver.store.keys import KeyRows
from resolver.store.listing import ListingRows
from resolver.store.providers import ProviderRows
from resolver.store.rows import sql_of
from resolver.store.sealed_columns import SealedTokenRows
from resolver.store.secrets import SecretRows, VersionRows
from resolver.store.sessions import ConsoleSessionRows
from resolver.store.trusts import TrustRows
from resolver.store.use import AnyStore, demand_current, revision_of
from resolver.store.webhooks import WebhookRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from resolver.core.audit import AuditHead
    from resolver.store.engine import Held

_WIPE_TIMEOUT_MS = 1000
"""How long wiping waits for readers of an older state."""


class SqlSession(
    TrustRows,
    LoginFailureRows,
    ConsoleSessionRows,
    HoldingRows,
    KeyRows,
    SealedTokenRows,
    SecretRows,
    ListingRows,
    VersionRows,
    ProviderRows,
    AuditRows,
    WebhookRows,
    ApprovalRows,
):
    """One transaction."""

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """A part of the transaction that an exception rolls back alone."""
        told = len(self._changes)
        try:
            with self._database.translated(), self._connection.begin_nested():
                yield
        except BaseException:
            del self._changes[told:]
            raise


_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class SqlStore(AnyStore[SqlSession]):
    """A SQLite or PostgreSQL database, for all that is done with one.

    Args:
        url: its URL, or the file of an SQLite database.
        pool: settings for connections to a server, as `config.yaml` has them.

    Raises:
        UsageError: the URL is malformed, or its driver is not installed.
    """

    def __init__(self, url: str | Path, pool: Mapping[str, int] | None = None) -> None:
        super().__init__(Database(parse_url(url), pool or {}))

    @classmethod
    def of(cls, store: AnyStore[Any]) -> SqlStore:
        """The same database, with what another store has seen of it."""
        made = cls.__new__(cls)
        made.__dict__.update(store.__dict__)
        return made

    @property
    def managed(self) -> SqlStore:
        """This one."""
        return self

    def _session(self, held: Held, seen: Mapping[str, AuditHead] | None = None) -> SqlSession:
        return SqlSession(held, self._guard, seen)

    def _transaction(self, *, writes: bool) -> contextlib.AbstractContextManager[Held]:
        return self._database.transaction(writes=writes, with_sql=True)

    def refuse_rows(self, floors: Mapping[tuple[str, str], int]) -> None:
        """Refuse aggregates, by kind and id, below a generation from here on."""
        if self._guard is not None:
            self._guard.refuse(floors)

    def initialise(self, *, upgrading: bool = True) -> None:
        """Make the tables, or bring them to this program's schema; nothing happens when they are.

        Args:
            upgrading: whether tables that an older program made are brought to it, or are refused.

        Raises:
            StoreError: a newer program made them, or one that was never released; or an older one did, and
                they are not to be upgraded.
        """
        from resolver.store.migrate import upgrade  # noqa: PLC0415 - Alembic is slow to load

        with self._transaction(writes=True) as held:
            connection = sql_of(held)
            if held.is_postgresql:
                # Two programs at once: the second waits, and then finds nothing to do.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x7265736F6C766572})
            if inspect(connection).has_table("alembic_version"):
                found = revision_of(held)
                if not upgrading and found != "0000":  # as one that was cut off has it
                    demand_current(found)
            upgrade(connection)
            _demand_columns(connection)

    def schema_status(self) -> SchemaStatus:
        """Which schema the database has, and what an upgrade would do.

        Raises:
            StoreError: there is no store, or a newer program made it.
        """
        from resolver.store.migrate import migrations_after  # noqa: PLC0415 - Alembic is slow to load

        with self._transaction(writes=False) as held:
            found = revision_of(held)
        return SchemaStatus(self.place, found, t.SCHEMA_REVISION, migrations_after(found))

    def demand_alone(self) -> None:
        """See that no other program has the database open, as far as it tells.

        SQLite leaves its mode of writing ahead only for who is alone. PostgreSQL shows all connections to the
        database, but not who is behind one that a pooler keeps.

        Raises:
            StoreError: others have.
        """
        self.close()  # what this process has open itself
        others = 0
        with self._database.connection_apart() as held:
            if held.is_postgresql:
                others = held.raw.execute(_OTHERS).fetchone()[0]
            else:
                held.raw.execute("PRAGMA busy_timeout = 0")
                try:
                    held.raw.execute("PRAGMA journal_mode = DELETE")
                    held.raw.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError:
                    others = 1
        if others:
            raise StoreError(
                f"other programs have the database {self.place} open",
                hint="stop all servers and commands; older ones could not work with it afterwards",
            )

    def wipe_deleted(self) -> bool:
        """Empty SQLite's log, which keeps pages as they were; in its file `secure_delete` overwrites rows.

        PostgreSQL's dead rows go with its own VACUUM, which a client does not time.
        """
        with self._database.connection_apart() as held:
            if held.is_postgresql:
                return True
            held.raw.execute(f"PRAGMA busy_timeout = {_WIPE_TIMEOUT_MS}")
            busy = [row[0] for row in held.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()]
        return busy == [0]

    def vacuum(self) -> tuple[int, int] | None:
        """Write SQLite's file anew, without the room of what was deleted.

        Returns:
            Its bytes before and after; None for PostgreSQL, which does this by itself.

        Raises:
            StoreError: others write, or there is no room for a second copy.
        """
        with self._database.queued(), self._database.connection_apart() as held:
            if held.is_postgresql:
                return None
            # The copy lies beside the file: the folder for temporary files may be small, or that of others.
            before = _bytes(held.raw)
            for pragma in ("temp_store = FILE", "auto_vacuum = INCREMENTAL"):
                held.raw.execute(f"PRAGMA {pragma}")
            held.raw.execute("VACUUM")
            after = _bytes(held.raw)
        self.wipe_deleted()  # until then the log has all of it once more
        return before, after


def _bytes(raw: Any) -> int:  # noqa: ANN401 - a driver's connection
    pages, size = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)


def _demand_columns(connection: Connection) -> None:
    """StoreError for tables of a schema that has the name of this one and is another."""
    looked = inspect(connection)
    for table in t.metadata.sorted_tables:
        if missing := set(table.columns.keys()) - {
            column["name"] for column in looked.get_columns(table.name)
        }:
            raise StoreError(
                f"table {table.name} of the database lacks the column {min(missing)}", hint=UNRELEASED
            )
