"""The store on SQLAlchemy: one transaction is one `SqlSession`."""

from __future__ import annotations

import contextlib
import copy
import re
import threading
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import inspect, text

from resolver.errors import StoreError, TamperedRowError
from resolver.store import tables as t
from resolver.store.accounts import LoginFailureRows
from resolver.store.audit import AuditRows
from resolver.store.authenticated import Guard
from resolver.store.engine import (
    BUSY_TIMEOUT_MS,
    LOCKED_ADVICE,
    UNRELEASED,
    WRITES,
    give_back,
    make_engine,
    parse_url,
    show_url,
    translated,
)
from resolver.store.holdings import HoldingRows
from resolver.store.keys import KeyRows
from resolver.store.listing import ListingRows
from resolver.store.providers import ProviderRows
from resolver.store.sealed_columns import SealedTokenRows
from resolver.store.secrets import SecretRows, VersionRows
from resolver.store.sessions import ConsoleSessionRows
from resolver.store.tokens import TokenRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from resolver.core.ports import Cipher

_WIPE_TIMEOUT_MS = 1000
"""How long wiping waits for readers of an older state."""


class SqlSession(
    TokenRows,
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
):
    """One transaction."""

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """A part of the transaction that an exception rolls back alone."""
        told = len(self._changes)
        try:
            with translated(self._connection.engine), self._connection.begin_nested():
                yield
        except BaseException:
            del self._changes[told:]
            raise


_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def _nothing(_about: object) -> None:
    """What a store does that authenticates nothing."""


class SqlStore:
    """A SQLite or PostgreSQL database.

    Args:
        url: an SQLAlchemy URL, or the file of an SQLite database.
        pool: settings for connections to a server, as `config.yaml` has them.

    Raises:
        UsageError: the URL is malformed, or its driver is not installed.
    """

    def __init__(self, url: str | Path, pool: Mapping[str, int] | None = None) -> None:
        self._engine = make_engine(parse_url(url), pool or {})
        # SQLite has its writers look again after ever longer pauses, so that of many threads one may wait for
        # seconds while others come and go. Within a process they queue here instead.
        self._turn = threading.Lock() if self._engine.dialect.name == "sqlite" else None
        self._guard: Guard | None = None
        self._record: Callable[[SqlSession], None] = _nothing
        self._report: Callable[[TamperedRowError], None] = _nothing

    def __repr__(self) -> str:
        return f"SqlStore({show_url(self._engine.url)!r})"

    def authenticated(
        self,
        cipher: Cipher,
        record: Callable[[SqlSession], None],
        report: Callable[[TamperedRowError], None],
    ) -> Self:
        """The same database, with rows that decide refused where they are read without a genuine MAC."""
        store = copy.copy(self)
        store._guard, store._record, store._report = Guard(cipher), record, report  # noqa: SLF001 - its own kind
        return store

    def refuse_rows(self, floors: Mapping[tuple[str, str], int]) -> None:
        """Refuse aggregates, by kind and id, below a generation from here on."""
        if self._guard is not None:
            self._guard.refuse(floors)

    def initialise(self) -> None:
        """Make the tables, or bring them to this program's schema; nothing happens when they are.

        Raises:
            StoreError: a newer program made them, or one that was never released.
        """
        from resolver.store.migrate import upgrade  # noqa: PLC0415 - Alembic is slow to load

        with translated(self._engine), self._begin(writes=True) as connection:
            if connection.dialect.name == "postgresql":
                # Two programs at once: the second waits, and then finds nothing to do.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x7265736F6C766572})
            if inspect(connection).has_table("alembic_version"):
                _demand_known(connection)
            upgrade(connection)
            _demand_columns(connection)

    @contextlib.contextmanager
    def read(self) -> Iterator[SqlSession]:
        """A transaction that only reads, on one state of the data."""
        with self._reporting(), translated(self._engine):
            seen = None if self._guard is None else self._guard.heads  # before the state that is read
            with self._begin(writes=False) as connection:
                yield SqlSession(connection, self._guard, seen)

    @contextlib.contextmanager
    def write(self) -> Iterator[SqlSession]:
        """A transaction that writes; committed at the end of the block, rolled back by an exception."""
        with (
            self._reporting(),
            self._queued(),
            translated(self._engine),
            self._begin(writes=True) as connection,
        ):
            session = SqlSession(connection, self._guard)
            yield session
            if session.untold_chains:
                self._record(session)
            if self._turn is not None:
                give_back(connection)
        if self._guard is not None and session.new_heads:
            self._guard.saw(session.new_heads)

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except TamperedRowError as error:
            self._report(error)
            raise

    @contextlib.contextmanager
    def _queued(self) -> Iterator[None]:
        """Wait for this thread's turn to write, where writers of one process queue."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise StoreError(f"the database {self.place} is locked", hint=LOCKED_ADVICE)
        try:
            yield
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def _begin(self, *, writes: bool) -> Iterator[Connection]:
        options: dict[str, Any] = {WRITES: writes}
        if not writes and self._engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def demand_alone(self) -> None:
        """See that no other program has the database open, as far as it tells.

        SQLite leaves its mode of writing ahead only for who is alone. PostgreSQL shows all connections to the
        database, but not who is behind one that a pooler keeps.

        Raises:
            StoreError: others have.
        """
        self._engine.dispose()  # what this process has open itself
        others = 0
        with translated(self._engine), self._engine.connect() as connection:
            if self._engine.dialect.name == "postgresql":
                others = connection.execute(text(_OTHERS)).scalar_one()
            else:
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA busy_timeout = 0")
                try:
                    cursor.execute("PRAGMA journal_mode = DELETE")
                    cursor.execute("PRAGMA journal_mode = WAL")
                except connection.connection.dbapi_connection.OperationalError:  # type: ignore[union-attr]
                    others = 1
                cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if others:
            raise StoreError(
                f"other programs have the database {self.place} open",
                hint="stop all servers and commands; older ones could not work with it afterwards",
            )

    def check_schema(self) -> None:
        """Check that the database has this program's schema.

        Raises:
            StoreError: there is no store, or an older or newer program made it.
        """
        with translated(self._engine), self._begin(writes=False) as connection:
            found = _demand_known(connection)
        if found != t.SCHEMA_REVISION:
            raise StoreError(
                f"the database has schema {found}, this program needs {t.SCHEMA_REVISION}",
                hint="`resolver db upgrade` brings it up to date; back it up before",
            )

    def wipe_deleted(self) -> bool:
        """Empty SQLite's log, which keeps pages as they were; in its file `secure_delete` overwrites rows.

        PostgreSQL's dead rows go with its own VACUUM, which a client does not time.
        """
        if self._engine.dialect.name != "sqlite":
            return True
        with translated(self._engine), self._engine.connect() as connection:
            # Past SQLAlchemy, which would begin a transaction: a checkpoint can't run within one.
            cursor = connection.connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_WIPE_TIMEOUT_MS}")
            busy = [row[0] for row in cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()]
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        return busy == [0]

    def vacuum(self) -> tuple[int, int] | None:
        """Write SQLite's file anew, without the room of what was deleted.

        Returns:
            Its bytes before and after; None for PostgreSQL, which does this by itself.

        Raises:
            StoreError: others write, or there is no room for a second copy.
        """
        if self._engine.dialect.name != "sqlite":
            return None
        with self._queued(), translated(self._engine), self._engine.connect() as connection:
            # Past SQLAlchemy, as above. The copy lies beside the file: the folder for temporary files may be
            # small, or that of others.
            cursor = connection.connection.cursor()
            before = _bytes(cursor)
            for pragma in ("temp_store = FILE", "auto_vacuum = INCREMENTAL"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA temp_store = MEMORY")
            after = _bytes(cursor)
        self.wipe_deleted()  # until then the log has all of it once more
        return before, after

    @property
    def place(self) -> str:
        """The database's URL, without password."""
        return show_url(self._engine.url)

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()


def _bytes(cursor: Any) -> int:  # noqa: ANN401 - a DBAPI cursor
    pages, size = (cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)


_REVISION = re.compile(r"\d{4}")


def _demand_known(connection: Connection) -> str:
    """The revision of the schema; StoreError for one that is none of this program's, or a newer one."""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if found is not None and not _REVISION.fullmatch(found):
        raise StoreError(f"the database has schema {found}, which no release has", hint=UNRELEASED)
    if found is not None and found > t.SCHEMA_REVISION:
        raise StoreError(
            f"the database has schema {found}, this program knows those up to {t.SCHEMA_REVISION}",
            hint="a newer release made it: use that one, or put a backup from before back",
        )
    return found or "0000"


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
