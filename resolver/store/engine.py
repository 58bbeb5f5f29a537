"""Connections to a database through its driver, and the translation of its errors into ours.

Transactions are begun and ended here, and nowhere else: SQLAlchemy, where it is loaded, runs its
statements in them on the same connections.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from resolver.core.extras import how_to_install
from resolver.errors import ConflictError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    import sqlalchemy as sa

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another one."""

_TURN_SECONDS = BUSY_TIMEOUT_MS / 1000
"""How long a thread waits for others of its process that write."""

_RETRY_SECONDS = 0.01

_PREPARED_AFTER = 5
"""Uses of a statement after which PostgreSQL keeps it prepared; with that a use takes half the time."""

_SQLITE, _POSTGRESQL = "sqlite", "postgresql+psycopg"

Raw: TypeAlias = Any
"""A connection of `sqlite3` or `psycopg`; both run a statement by `execute`."""


class DatabaseUrl(Struct, frozen=True):
    """Where a database is.

    Args:
        driver: `sqlite` or `postgresql+psycopg`.
        database: the database's name, or the path of SQLite's file.
        options: how the driver connects.
        shown: the URL as messages show it, without password, and without options, since one may be among
            them.
    """

    driver: str
    database: str
    options: Mapping[str, Any]
    shown: str

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.shown!r})"

    @property
    def is_postgresql(self) -> bool:
        """Whether it is a database of a PostgreSQL server."""
        return self.driver == _POSTGRESQL


def parse_url(text: str | Path) -> DatabaseUrl:
    """Read a database URL; `postgresql:` means the psycopg driver, a path a file of SQLite.

    Raises:
        UsageError: it is no URL, names a database that is not supported, or a file whose place depends on
            the working directory. The text is not repeated, since it may hold a password.
    """
    if isinstance(text, Path):
        return DatabaseUrl(_SQLITE, str(text), {}, f"sqlite:///{text}")
    found = _URL.fullmatch(text.strip())
    if found is None or int(found["port"] or 0) > _LAST_PORT:
        raise UsageError(
            "the database URL is malformed",
            hint="write sqlite:////absolute/path or postgresql://user@host/database",
        )
    driver = _POSTGRESQL if found["driver"] in ("postgresql", "postgres") else found["driver"]
    if driver not in (_SQLITE, _POSTGRESQL):
        raise UsageError(f"database {driver!r} is not supported", hint="use sqlite or postgresql")
    database = unquote(found["database"] or "")
    if driver == _SQLITE:
        if found["options"] is not None:
            raise UsageError("the database URL has options that SQLite does not take here")
        if not Path(database).is_absolute():
            raise UsageError(
                "the database URL names no absolute path",
                hint="write sqlite:////absolute/path, with four slashes",
            )
        return DatabaseUrl(driver, database, {}, f"sqlite:///{database}")
    named = {name: unquote(found[name] or "") for name in ("user", "password")}
    named |= {"host": found["host"].strip("[]"), "port": found["port"], "dbname": database}
    hidden = "" if found["password"] is None else ":***"
    signed = "" if found["user"] is None else f"{found['user']}{hidden}@"
    address = found["host"] + (f":{found['port']}" if found["port"] else "")
    shown = f"{driver}://{signed}{address}/{database}"
    options = {name: value for name, value in named.items() if value}
    return DatabaseUrl(driver, database, options | _options(found["options"] or ""), shown)


_URL = re.compile(
    r"""
    (?P<driver>[\w+]+)://
    (?:
        (?P<user>[^:/@]*)
        (?::(?P<password>(?:[^@]|@(?=[^/?\#]*@))*))?  # with signs that ought to be encoded, like a slash
        @
    )?
    (?P<host>\[[^]/?]*]|[^][:/?@]*)
    (?::(?P<port>[0-9]{0,5}))?
    (?:/(?P<database>[^?]*))?
    (?:\?(?P<options>.*))?
    """,
    re.VERBOSE | re.DOTALL,
)

_LAST_PORT = 65535


def _options(query: str) -> dict[str, str]:
    """The options in a URL. Of several hosts, each with its port or without, one is found that answers."""
    named: dict[str, list[str]] = {}
    for name, value in parse_qsl(query):
        named.setdefault(name, []).append(value)
    hosts = named.get("host", [])
    if len(hosts) > 1 and "port" not in named:
        pairs = [host.partition(":") for host in hosts]
        named |= {"host": [host for host, _, _ in pairs], "port": [port for _, _, port in pairs]}
    return {name: ",".join(values) for name, values in named.items()}


class Held:
    """A connection, and what SQLAlchemy has of it once that was needed.

    Args:
        database: what it is a connection to.
        raw: the driver's connection.
    """

    def __init__(self, database: Database, raw: Raw) -> None:
        self.database = database
        self.is_postgresql = database.is_postgresql
        self.renew(raw)

    def renew(self, raw: Raw) -> None:
        """Take another connection in place of one that was lost."""
        self.raw = raw
        self.process = os.getpid()
        self.since = time.monotonic()
        self.used = self.apart = False
        self.sql: sa.Connection | None = None
        self._is_closed = False

    @property
    def is_lost(self) -> bool:
        """Whether it is closed: by us, or since the server has gone or hung up."""
        return self._is_closed or bool(getattr(self.raw, "closed", False))

    @property
    def is_fit(self) -> bool:
        """Whether the next one finds it as it was made: open, within no transaction, with its settings."""
        if self.apart or self.is_lost:
            return False
        return not (self.raw.info.transaction_status if self.is_postgresql else self.raw.in_transaction)

    def close(self) -> None:
        """Give it back to the system."""
        self._is_closed = True
        with contextlib.suppress(Exception):  # whatever a lost one says
            self.raw.close()


class Database:
    """A database, with the connections to it that several threads share.

    Args:
        url: where it is.
        pool: settings for connections to a server: size, overflow, wait, recycle, connect, prepare.

    Raises:
        UsageError: the driver is not installed.
    """

    def __init__(self, url: DatabaseUrl, pool: Mapping[str, int]) -> None:
        self.url = url
        self.is_postgresql = url.is_postgresql
        self._pool = pool
        self._driver: ModuleType = _psycopg() if url.is_postgresql else sqlite3
        if url.is_postgresql:
            _demand_known(self._driver, url.options)
        self._idle: list[Held] = []
        self._lent: set[Held] = set()
        self._most_idle = pool.get("size", 5)
        self._begin_in_process()
        if not url.is_postgresql:
            _FILES.add(self)

    def _begin_in_process(self) -> None:
        """Begin without connections, as a process does that was forked."""
        # Kept without being closed: to close one would end it for the process that made it.
        inherited = [*self._idle, *self._lent]
        _INHERITED.extend(inherited)
        # SQLite takes the locks of the process that it was forked from for its own (sqlite.org/howtocorrupt).
        self._is_unsafe = bool(inherited) and not self.is_postgresql
        self._idle, self._lent = [], set()
        self._process = os.getpid()
        self._closed_at = 0.0
        # A file has as many connections as threads ask for it.
        at_once = self._most_idle + self._pool.get("overflow", 10)
        self._free = threading.BoundedSemaphore(at_once) if self.is_postgresql else None
        # SQLite has its writers look again after ever longer pauses, so that of many threads one may wait for
        # seconds while others come and go. Within a process they queue here instead.
        self._turn = None if self.is_postgresql else threading.Lock()
        self._engine: sa.Engine | None = None
        self._handed = threading.local()

    @property
    def place(self) -> str:
        """Its URL, without password."""
        return self.url.shown

    def _connect(self) -> Raw:
        if self.is_postgresql:
            raw = self._driver.connect(
                **{"connect_timeout": self._pool.get("connect", 10), **self.url.options},
                autocommit=True,
                prepare_threshold=None,
            )
            try:
                # A pooler may run the next transaction in another session, which knows no statement of ours.
                # It shows by the process, which is not the one that the connection was made with.
                (process,) = raw.execute("SELECT pg_backend_pid()").fetchone()
            except BaseException:
                raw.close()
                raise
            is_direct = process == raw.info.backend_pid
            raw.prepare_threshold = self._pool.get("prepare", _PREPARED_AFTER if is_direct else 0) or None
            return raw
        # The driver's own transaction handling begins too late for a consistent read; BEGIN is ours to say.
        raw = sqlite3.connect(
            self.url.database, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
        )
        if raw.execute("PRAGMA page_count").fetchone() == (0,):  # later it counts no more, and would write
            raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _use_write_ahead_log(raw)
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")
        return raw

    @contextlib.contextmanager
    def connection(self) -> Iterator[Held]:
        """A connection for one thread, which waits for one where there are enough."""
        if self._process != os.getpid():
            self._begin_in_process()
        if self._is_unsafe:
            raise StoreError(
                f"the database {self.place} was in use when this process was forked",
                hint="fork when no call is under way, or open the store in each process",
            )
        free = self._free
        if free is not None and not free.acquire(timeout=self._pool.get("wait", 30)):
            raise StoreError(
                "all connections to the database are in use",
                hint="try again; `pool` in config.yaml says how many there are",
            )
        held: Held | None = None
        try:
            with self.translated():
                held = self._take()
            self._lent.add(held)
            try:
                with self.translated(held):
                    yield held
            finally:
                self._lent.discard(held)
                is_late = held.since < self._closed_at
                if held.process != os.getpid():
                    _INHERITED.append(held)
                elif is_late or len(self._idle) >= self._most_idle or not held.is_fit:
                    held.close()
                else:
                    held.used = True
                    self._idle.append(held)
        finally:
            if free is not None:
                free.release()

    @contextlib.contextmanager
    def connection_apart(self) -> Iterator[Held]:
        """A connection whose settings may be changed: nobody gets it afterwards."""
        with self.connection() as held:
            held.apart = True
            yield held

    def _take(self) -> Held:
        while self._idle:
            try:
                held = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            old = self.is_postgresql and time.monotonic() - held.since > self._pool.get("recycle", 1800)
            if not old and not held.is_lost:
                return held
            held.close()
        return Held(self, self._connect())

    @contextlib.contextmanager
    def transaction(self, *, writes: bool, with_sql: bool) -> Iterator[Held]:
        """A transaction, committed at the end of the block, rolled back by an exception.

        Args:
            writes: whether it will write; one that does not reads one state of the data.
            with_sql: whether SQLAlchemy is needed in it.
        """
        with self.queued(writes=writes), self.connection() as held:
            try:
                self._begin(held, writes=writes)
                if with_sql:
                    self._attach(held)
                yield held
                self._commit(held, writes=writes)
            except BaseException:
                if held.process == os.getpid() and not held.is_lost:
                    self._roll_back(held)
                raise

    def _begin(self, held: Held, *, writes: bool) -> None:
        # IMMEDIATE: a writer that first reads must not find at its first write that another one was quicker.
        words = (
            ("BEGIN" if writes else "BEGIN ISOLATION LEVEL REPEATABLE READ")
            if self.is_postgresql
            else ("BEGIN IMMEDIATE" if writes else "BEGIN")
        )
        try:
            held.raw.execute(words)
        except self._driver.OperationalError:
            if not held.used or not held.is_lost:
                raise
            # What a restarted server dropped is noticed here, before anything was done on it.
            self.close()
            with self.translated():  # so that no message says that a change may have been made
                held.renew(self._connect())
            held.raw.execute(words)

    def _commit(self, held: Held, *, writes: bool) -> None:
        if held.process != os.getpid():
            raise StoreError("the process was forked within a transaction, which is its parent's")
        if writes and not self.is_postgresql:
            _give_back(held.raw)
        if not (writes and self.is_postgresql):
            held.raw.execute("COMMIT")
            return
        severities: list[str | None] = []

        def note(told: Any) -> None:  # noqa: ANN401 - the driver's, to be read at once
            severities.append(told.severity_nonlocalized)

        held.raw.add_notice_handler(note)
        try:
            done = held.raw.execute("COMMIT")
        finally:
            held.raw.remove_notice_handler(note)
        if done.statusmessage != "COMMIT":  # of a transaction that had failed
            raise StoreError(f"the database {self.place} failed: it did not commit")
        if "WARNING" in severities:  # as of a standby that has not got it
            raise StoreError(
                f"the database {self.place} warned when it committed, so that does not count",
                hint="its own log tells more; whether the change is kept is not known",
            )

    @staticmethod
    def _roll_back(held: Held) -> None:
        try:
            if getattr(held.raw, "in_transaction", True):
                held.raw.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - what led here is told; this connection is not used again
            held.close()

    @contextlib.contextmanager
    def queued(self, *, writes: bool = True) -> Iterator[None]:
        """Wait for this thread's turn to write, where writers of one process queue."""
        if self._process != os.getpid():
            self._begin_in_process()
        turn = self._turn
        if turn is None or not writes:
            yield
            return
        if not turn.acquire(timeout=_TURN_SECONDS):
            raise StoreError(f"the database {self.place} is locked", hint=LOCKED_ADVICE)
        try:
            yield
        finally:
            turn.release()

    def _attach(self, held: Held) -> None:
        """Have SQLAlchemy run statements on a connection; transactions stay ours."""
        if held.sql is not None:
            return
        self._handed.raw = held.raw
        held.sql = self.engine.connect()

    @property
    def engine(self) -> sa.Engine:
        """SQLAlchemy's engine on our connections; it shows no parameter in any message."""
        if self._engine is None:
            from resolver.store.alchemy import make_engine  # noqa: PLC0415 - slow to load

            self._engine = make_engine(self.url.driver, lambda: self._handed.raw)
        return self._engine

    def check_writable(self) -> None:
        """See that a change could be stored: that there is room, and that this is no copy for readers.

        PostgreSQL writes into its log, which every change needs, and nothing into any table.

        Raises:
            StoreError: nothing can be written.
        """
        if not self.is_postgresql:
            _demand_room(Path(self.url.database).parent)
            return
        with self.transaction(writes=True, with_sql=False) as held:
            if held.raw.execute("SELECT current_setting('transaction_read_only')").fetchone() == ("on",):
                raise StoreError(
                    f"the database {self.place} takes no changes: it is a standby, or set to be read only",
                    hint="name the primary; without it no use is recorded, and so none is allowed",
                )
            held.raw.execute(_EMIT)

    def close(self) -> None:
        """Give back connections; those in use as soon as they are not."""
        if self._process != os.getpid():
            self._begin_in_process()
        self._closed_at = time.monotonic()
        while self._idle:
            self._idle.pop().close()

    @contextlib.contextmanager
    def translated(self, held: Held | None = None) -> Iterator[None]:
        """Turn the database's errors into ours; nothing that a statement carried is repeated."""
        try:
            yield
        except Exception as error:
            cause = getattr(error, "orig", None) or error  # SQLAlchemy's have the driver's within
            if isinstance(cause, self._driver.Error):
                raise self._ours(cause, is_lost=held is not None and held.is_lost) from None
            if type(error).__module__.startswith("sqlalchemy."):
                raise StoreError(f"the database failed: {type(error).__name__}") from None
            raise

    def _ours(self, error: Exception, *, is_lost: bool) -> ConflictError | StoreError:
        if isinstance(error, self._driver.IntegrityError):
            return ConflictError(
                "the change collides with what is stored, or with another writer", hint=_constraint(error)
            )
        if is_lost:
            return StoreError(
                f"the connection to the database {self.place} was lost",
                hint="whether a change under way was made is not known: look at it before you repeat it",
            )
        cause = str(error).splitlines()[0] if str(error) else "no reason given"
        cause = cause.partition(" with text ")[0]  # SQLite's driver shows what is no UTF-8
        code = getattr(error, "sqlstate", None)
        if "no such table" in cause or code == _UNDEFINED_TABLE:
            return StoreError(f"there is no store in {self.place}", hint="`resolver init` makes one")
        is_other = "no such column" in cause or code == _UNDEFINED_COLUMN
        return StoreError(
            f"the database {self.place} failed: {type(error).__name__}: {cause}",
            hint=UNRELEASED if is_other else _folder_advice(self.url) or _advice(cause),
        )


_INHERITED: list[Held] = []
"""Connections of the process that this one was forked from: to close one would end it there."""

_FILES: weakref.WeakSet[Database] = weakref.WeakSet()
"""Databases of SQLite, none of whose connections may be carried through a fork."""


def _close_files() -> None:
    for database in _FILES:
        database.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_files)


def _demand_known(driver: ModuleType, options: Mapping[str, Any]) -> None:
    """Refuse options that no PostgreSQL server is connected to with, such as arguments of the driver.

    Raises:
        UsageError: there is one. It is named only where it looks like a name, since it may be of a password.
    """
    known = {option.keyword.decode() for option in driver.pq.Conninfo.get_defaults()}
    for name in sorted(options.keys() - known):
        shown = f" {name!r}" if re.fullmatch("[a-z_]{1,40}", name) else ""
        raise UsageError(
            f"the database URL has an option{shown} that PostgreSQL does not know",
            hint="it takes those of libpq, such as sslmode, connect_timeout and options",
        )


def _psycopg() -> ModuleType:
    try:
        import psycopg  # noqa: PLC0415 - not for SQLite
    except ImportError:
        raise UsageError(
            "the driver for postgresql is not installed", hint=how_to_install("postgresql")
        ) from None
    return psycopg


_PRAGMAS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "temp_store = MEMORY",  # else sorting a long list needs a folder for temporary files
    "journal_size_limit = 16777216",
)

_EMIT = "SELECT pg_logical_emit_message(true, 'blueprint-resolver', repeat(' ', 8192))"
"""Puts a page into the write-ahead log, about no row."""

_PROBE_BYTES = 1024 * 1024


def _demand_room(folder: Path) -> None:
    """Write a file to a database's folder and take it away: reading works on a full disk, too."""
    import tempfile  # noqa: PLC0415 - for this alone

    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        advice = (
            "mount it writable" if error.errno == errno.EROFS else "make room there, and see who may write"
        )
        raise StoreError(
            f"the database's folder {str(folder)!r} can't be written: {error.strerror}",
            hint=f"{advice}: without it no use is recorded, and so none is allowed",
        ) from None


_FREE_PAGES = 256
"""Pages without content that an SQLite file keeps, 1 MiB."""

_RETURNED_PAGES = 8192
"""Most pages that one transaction gives back, 32 MiB: it takes as long as writing them."""


def _give_back(raw: sqlite3.Connection) -> None:
    """Take pages without content out of an SQLite file, at the end of a transaction that writes.

    Where they are many, some are left to the next one. A file that a release before 0.2.0 made has no map of
    what is where, and keeps them until `vacuum`.
    """
    free = raw.execute("PRAGMA freelist_count").fetchone()[0] - _FREE_PAGES
    for _ in range(min(free, _RETURNED_PAGES)):
        raw.execute("PRAGMA incremental_vacuum(1)")  # of more the driver asks for one alone


def _use_write_ahead_log(raw: sqlite3.Connection) -> None:
    """Set SQLite's journal mode, and wait for another process that is setting it on a new file.

    SQLite itself does not wait then: its busy handler is not called for the lock that this needs
    (https://sqlite.org/c3ref/busy_handler.html).
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


_UNDEFINED_TABLE, _UNDEFINED_COLUMN = "42P01", "42703"
"""PostgreSQL's codes. Its words are those for a database or a role that does not exist, too."""


def _constraint(error: Exception) -> str:
    diagnostic = getattr(error, "diag", None)
    return getattr(diagnostic, "constraint_name", None) or ""


UNRELEASED = (
    "a version before 0.1.0 made the database: export its secrets with that program, "
    "and import them into a new store"
)

LOCKED_ADVICE = "another writer holds the database; try again when it is done"


def _folder_advice(url: DatabaseUrl) -> str:
    """What to do about a folder of SQLite's that can't be written to, as on a read-only file system."""
    folder = Path(url.database).parent
    if url.is_postgresql or not folder.exists() or os.access(folder, os.W_OK):
        return ""
    return (
        f"{str(folder)!r} can't be written to, and SQLite has files of its own beside the database: mount it "
        "writable; a use is recorded before anything is decrypted"
    )


def _advice(cause: str) -> str:
    if "unable to open" in cause:
        return "`resolver init` makes a store; or check RESOLVER_HOME and the permissions of its folder"
    if "locked" in cause:
        return LOCKED_ADVICE
    if "does not exist" in cause:
        return (
            "databases and roles are made by the server's administrator; `resolver init` fills an empty one"
        )
    if "readonly" in cause or "read-only" in cause:
        return "a use is recorded before anything is decrypted, so the database must be writable"
    return ""
