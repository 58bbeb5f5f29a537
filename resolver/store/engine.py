"""Database engines, and the translation of database errors into ours."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from resolver.core.extras import how_to_install
from resolver.errors import ConflictError, StoreError, UsageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Engine

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another one."""

_RETRY_SECONDS = 0.01

WRITES = "resolver_writes"
"""The execution option of a transaction that will write."""


def parse_url(text: str | Path) -> URL:
    """Read a database URL; `postgresql:` means the psycopg driver, a path a file of SQLite.

    Raises:
        UsageError: it is no URL, names a database that is not supported, or a file whose place depends on
            the working directory. The text is not repeated, since it may hold a password.
    """
    if isinstance(text, Path):
        return URL.create("sqlite", database=str(text))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(
            "the database URL is malformed",
            hint="write sqlite:////absolute/path or postgresql://user@host/database",
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageError(f"database {url.drivername!r} is not supported", hint="use sqlite or postgresql")
    if url.drivername == "sqlite" and url.query:
        raise UsageError("the database URL has options that SQLite does not take here")
    if url.drivername == "sqlite" and not Path(url.database or "").is_absolute():
        raise UsageError(
            "the database URL names no absolute path",
            hint="write sqlite:////absolute/path, with four slashes",
        )
    return url


def make_engine(url: URL, pool: Mapping[str, int]) -> Engine:
    """Make an engine that shows no parameter in any message.

    Args:
        url: the database.
        pool: settings for connections to a server: size, overflow, wait, recycle, connect.

    Raises:
        UsageError: the driver is not installed.
    """
    options: dict[str, Any] = {"hide_parameters": True}
    if url.drivername == "sqlite":
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_MS / 1000}
    else:
        # A connection that a restarted server dropped is noticed before it is used, not in the middle.
        options |= {
            "pool_pre_ping": True,
            "pool_size": pool.get("size", 5),
            "max_overflow": pool.get("overflow", 10),
            "pool_timeout": pool.get("wait", 30),
            "pool_recycle": pool.get("recycle", 1800),
            "connect_args": {"connect_timeout": pool.get("connect", 10)},
        }
    try:
        engine = create_engine(url, **options)
    except (ImportError, NoSuchModuleError):
        raise UsageError(
            f"the driver for {url.get_backend_name()} is not installed",
            hint=how_to_install("postgresql"),
        ) from None
    if url.drivername == "sqlite":
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection
    # The driver's own transaction handling begins too late for a consistent read; BEGIN is ours to say.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts for a file without tables only
    _use_write_ahead_log(cursor)
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


_PRAGMAS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "temp_store = MEMORY",  # else sorting a long list needs a folder for temporary files
    "journal_size_limit = 16777216",
)

_FREE_PAGES = 256
"""Pages without content that an SQLite file keeps, 1 MiB."""

_RETURNED_PAGES = 8192
"""Most pages that one transaction gives back, 32 MiB: it takes as long as writing them."""


def give_back(connection: Connection) -> None:
    """Take pages without content out of an SQLite file, at the end of a transaction that writes.

    Where they are many, some are left to the next one. A file that a release before 0.2.0 made has no map of
    what is where, and keeps them until `vacuum`.
    """
    cursor = connection.connection.cursor()
    free = cursor.execute("PRAGMA freelist_count").fetchone()[0] - _FREE_PAGES
    for _ in range(min(free, _RETURNED_PAGES)):
        cursor.execute("PRAGMA incremental_vacuum(1)")  # of more the driver asks for one alone
    cursor.close()


def _use_write_ahead_log(cursor: sqlite3.Cursor) -> None:
    """Set SQLite's journal mode, and wait for another process that is setting it on a new file.

    SQLite itself does not wait then: its busy handler is not called for the lock that this needs
    (https://sqlite.org/c3ref/busy_handler.html).
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except cursor.connection.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _on_sqlite_begin(connection: Connection) -> None:
    # IMMEDIATE: a writer that first reads must not find at its first write that another one was quicker.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def show_url(url: URL) -> str:
    """A URL as messages show it: without password, and without options, since one may be among them."""
    if url.drivername == "sqlite":
        return f"sqlite:///{url.database}"  # a path as it is
    return url.set(query={}).render_as_string(hide_password=True)


_UNDEFINED_TABLE, _UNDEFINED_COLUMN = "42P01", "42703"
"""PostgreSQL's codes. Its words are those for a database or a role that does not exist, too."""


@contextlib.contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the database's errors into ours; nothing that a statement carried is repeated."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(
            "the change collides with what is stored, or with another writer", hint=_constraint(error)
        ) from None
    except PoolTimeoutError:
        raise StoreError(
            "all connections to the database are in use",
            hint="try again; `pool` in config.yaml says how many there are",
        ) from None
    except DBAPIError as error:
        shown = show_url(engine.url)
        if error.connection_invalidated:
            raise StoreError(
                f"the connection to the database {shown} was lost",
                hint="whether a change under way was made is not known: look at it before you repeat it",
            ) from None
        cause = (
            str(error.orig).splitlines()[0]
            if error.orig is not None and str(error.orig)
            else "no reason given"
        )
        code = getattr(error.orig, "sqlstate", None)
        if "no such table" in cause or code == _UNDEFINED_TABLE:
            raise StoreError(f"there is no store in {shown}", hint="`resolver init` makes one") from None
        is_other = "no such column" in cause or code == _UNDEFINED_COLUMN
        raise StoreError(
            f"the database {shown} failed: {type(error.orig).__name__}: {cause}",
            hint=UNRELEASED if is_other else _folder_advice(engine.url) or _advice(cause),
        ) from None
    except SQLAlchemyError as error:
        raise StoreError(f"the database failed: {type(error).__name__}") from None


def _constraint(error: IntegrityError) -> str:
    diagnostic = getattr(error.orig, "diag", None)
    return getattr(diagnostic, "constraint_name", None) or ""


UNRELEASED = (
    "a version before 0.1.0 made the database: export its secrets with that program, "
    "and import them into a new store"
)

LOCKED_ADVICE = "another writer holds the database; try again when it is done"


def _folder_advice(url: URL) -> str:
    """What to do about a folder of SQLite's that can't be written to, as on a read-only file system."""
    folder = Path(url.database or "").parent
    if url.drivername != "sqlite" or not folder.exists() or os.access(folder, os.W_OK):
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
