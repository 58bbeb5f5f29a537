"""The schema: the migration makes what the code expects, and the database itself keeps global keys unique."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import IntegrityError

from resolver.errors import StoreError, UsageError
from resolver.store import tables as t
from resolver.store.engine import UNRELEASED, parse_url
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, database, described, raw_connection

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_migration_makes_the_tables_that_the_code_describes(dialect: str, tmp_path: Path) -> None:
    """What revision 1 makes equals what the metadata makes, names, partial indexes and deferral included."""
    with raw_connection(database(dialect, tmp_path)) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, t.metadata) == []
        migrated = described(connection)
    with raw_connection(database(dialect, tmp_path, empty=True)) as connection:
        t.metadata.create_all(connection)
        assert described(connection) == migrated
    assert "uq_secret_global_key" in str(migrated["secret"]["indexes"])
    assert "fk_secret_key_scope_key_scope" in str(migrated["secret"]["foreign keys"])


def test_the_schema_has_a_partial_index_and_a_deferred_foreign_key(url: str) -> None:
    """The unique index on global keys is partial; the key's foreign key waits for the commit."""
    with raw_connection(url) as connection:
        if connection.dialect.name == "sqlite":
            sql = " ".join(
                row[0] for row in connection.execute(text("SELECT sql FROM sqlite_master WHERE sql <> ''"))
            )
            assert "UNIQUE INDEX uq_secret_global_key ON secret (\"key\") WHERE scope = 'global'" in sql
            assert "DEFERRABLE INITIALLY DEFERRED" in sql
            return
        (index,) = connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE indexname = 'uq_secret_global_key'")
        ).scalars()
        assert index.startswith("CREATE UNIQUE INDEX")
        assert "WHERE ((scope)::text = 'global'::text)" in index
        deferred = connection.execute(
            text("SELECT condeferrable, condeferred FROM pg_constraint WHERE conname = :name"),
            {"name": "fk_secret_key_scope_key_scope"},
        ).one()
        assert tuple(deferred) == (True, True)


class Rows:
    """Writes rows past the store, in one transaction that is committed at the end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._owner, *self.tenants = (str(uuid.uuid4()) for _ in range(4))
        self._run(
            "INSERT INTO user_account (id, name, folded_name, system_role, active, created_at)"
            " VALUES (:id, 'u', 'u', 'default', true, '')",
            id=self._owner,
        )
        for number, tenant in enumerate(self.tenants):
            self._run(
                "INSERT INTO tenant (id, name, created_at) VALUES (:id, :name, '')",
                id=tenant,
                name=f"t{number}",
            )

    def _run(self, statement: str, **values: object) -> None:
        self._connection.execute(text(statement), values)

    def scope(self, key: str, scope: str) -> None:
        """Say which scope a key has."""
        self._run("INSERT INTO key_scope VALUES (:key, :scope)", key=key, scope=scope)

    def change_scope(self, key: str, scope: str) -> None:
        """Give a key another scope."""
        self._run("UPDATE key_scope SET scope = :scope WHERE key = :key", key=key, scope=scope)

    def secret(self, tenant: int, key: str, scope: str, visibility: str = "") -> None:
        """Make a secret's row."""
        self._run(
            "INSERT INTO secret"
            " (id, tenant_id, key, scope, visibility, hidden, owner_id, version, created_at, updated_at)"
            " VALUES (:id, :tenant, :key, :scope, :visibility, false, :owner, 1, '', '')",
            id=str(uuid.uuid4()),
            tenant=self.tenants[tenant],
            key=key,
            scope=scope,
            visibility=visibility or scope,
            owner=self._owner,
        )


def test_the_database_takes_what_is_allowed(url: str) -> None:
    """One global key, and one key in two tenants, are stored; in either order of the rows."""
    with raw_connection(url) as connection:
        rows = Rows(connection)
        rows.secret(0, "a", "global")
        rows.scope("a", "global")
        rows.scope("b", "tenant")
        rows.secret(0, "b", "tenant")
        rows.secret(1, "b", "tenant", "private")
        rows.scope("c", "tenant")
        rows.secret(0, "c", "tenant")
        rows.change_scope("c", "global")
        connection.execute(text("UPDATE secret SET scope = 'global', visibility = 'global' WHERE key = 'c'"))
        connection.commit()
        assert connection.execute(text("SELECT count(*) FROM secret")).scalar_one() == 4


def _two_globals(rows: Rows) -> None:
    rows.scope("k", "global")
    rows.secret(0, "k", "global")
    rows.secret(1, "k", "global")


def _global_then_tenant(rows: Rows) -> None:
    rows.scope("k", "global")
    rows.secret(0, "k", "global")
    rows.secret(1, "k", "tenant")


def _tenant_then_global(rows: Rows) -> None:
    rows.scope("k", "tenant")
    rows.secret(0, "k", "tenant")
    rows.secret(1, "k", "global")


def _widened_beside_another(rows: Rows) -> None:
    rows.scope("k", "tenant")
    rows.secret(0, "k", "tenant")
    rows.secret(1, "k", "tenant")
    rows.change_scope("k", "global")


def _two_scopes(rows: Rows) -> None:
    rows.scope("k", "global")
    rows.scope("k", "tenant")


def _same_tenant_twice(rows: Rows) -> None:
    rows.scope("k", "tenant")
    rows.secret(0, "k", "tenant")
    rows.secret(0, "k", "tenant")


def _no_scope(rows: Rows) -> None:
    rows.secret(0, "k", "tenant")


def _global_scope_only_in_name(rows: Rows) -> None:
    rows.scope("k", "tenant")
    rows.secret(0, "k", "tenant", "global")


def _unknown_visibility(rows: Rows) -> None:
    rows.scope("k", "tenant")
    rows.secret(0, "k", "tenant", "public")


@pytest.mark.parametrize(
    "attempt",
    [
        _two_globals,
        _global_then_tenant,
        _tenant_then_global,
        _widened_beside_another,
        _two_scopes,
        _same_tenant_twice,
        _no_scope,
        _global_scope_only_in_name,
        _unknown_visibility,
    ],
)
def test_the_database_refuses_what_is_not(url: str, attempt: Any) -> None:  # noqa: ANN401 - a function of rows
    """Whatever the program does, the database keeps a global key unique, and scope and visibility in step."""
    with raw_connection(url) as connection:
        rows = Rows(connection)
        connection.commit()
        with pytest.raises(IntegrityError):  # noqa: PT012 - at the statement or at the commit
            attempt(rows)
            connection.commit()
        connection.close()  # a commit that failed leaves SQLite within the transaction
    with raw_connection(url) as connection:
        assert connection.execute(text("SELECT count(*) FROM secret")).scalar_one() == 0


def test_one_root_key_wraps_and_one_data_key_is_active(url: str) -> None:
    """Two root keys that wrap, and two active data keys of a tenant, are refused; inactive ones are not."""
    root = "INSERT INTO root_key (id, wraps, since) VALUES (:id, :wraps, '')"
    data = (
        "INSERT INTO data_key (id, tenant_id, root_key_id, wrapped, active, outdated, created_at)"
        " VALUES (:id, 't', 'a', 'w', :active, false, '')"
    )
    with raw_connection(url) as connection:
        for name, wraps in (("a", True), ("b", False), ("c", False)):
            connection.execute(text(root), {"id": name, "wraps": wraps})
        for name, active in (("a", True), ("b", False), ("c", False)):
            connection.execute(text(data), {"id": name, "active": active})
        connection.commit()
        for statement, flag in ((root, "wraps"), (data, "active")):
            with pytest.raises(IntegrityError):
                connection.execute(text(statement), {"id": "d", flag: True})
            connection.rollback()


def test_one_active_sys_admin_stays(url: str) -> None:
    """Whatever the program does, the database keeps one: it lets the standing one go for another alone."""
    user = (
        "INSERT INTO user_account (id, name, folded_name, system_role, active, created_at)"
        " VALUES (:id, :id, :id, :role, :active, '')"
    )
    columns = "standing_admin (number, user_id, system_role, active)"
    standing = f"INSERT INTO {columns} VALUES (:number, :id, :role, true)"
    refused = [
        "UPDATE user_account SET system_role = 'default' WHERE id = 'a'",
        "UPDATE user_account SET active = false WHERE id = 'a'",
        "DELETE FROM user_account WHERE id = 'a'",
        "UPDATE standing_admin SET user_id = 'plain'",
        "UPDATE standing_admin SET user_id = 'plain', system_role = 'default'",
        "UPDATE standing_admin SET user_id = 'off'",
        "UPDATE standing_admin SET user_id = 'off', active = false",
        "UPDATE standing_admin SET user_id = 'nobody'",
        f"INSERT INTO {columns} VALUES (1, 'b', 'sys_admin', true)",
        f"INSERT INTO {columns} VALUES (2, 'b', 'sys_admin', true)",
    ]
    with raw_connection(url) as connection:
        for name, role, active in (
            ("a", "sys_admin", True),
            ("b", "sys_admin", True),
            ("plain", "default", True),
            ("off", "sys_admin", False),
        ):
            connection.execute(text(user), {"id": name, "role": role, "active": active})
        connection.execute(text(standing), {"number": 1, "id": "a", "role": "sys_admin"})
        connection.commit()
        for statement in refused:
            with pytest.raises(IntegrityError):
                connection.execute(text(statement))
            connection.rollback()
        connection.execute(text("UPDATE standing_admin SET user_id = 'b'"))
        connection.execute(text("UPDATE user_account SET system_role = 'default' WHERE id = 'a'"))


def test_making_the_tables_again_changes_nothing(url: str) -> None:
    """`initialise` on a database of this schema is done at once, and the schema is then accepted."""
    with raw_connection(url) as connection:
        before = described(connection)
    store = SqlStore(url)
    store.initialise()
    store.check_schema()
    store.close()
    with raw_connection(url) as connection:
        assert described(connection) == before


def test_a_column_that_lacks_is_of_another_program(url: str) -> None:
    """Both databases say so in words of their own; the way out is the same."""
    store = SqlStore(url)
    with raw_connection(url) as connection:
        connection.execute(text("ALTER TABLE tenant DROP COLUMN created_at"))
    with pytest.raises(StoreError) as caught, store.read() as session:
        session.tenants()
    assert caught.value.hint == UNRELEASED
    store.close()


def test_another_schema_and_none_are_refused(url: str, tmp_path: Path) -> None:
    """A newer program's schema and an empty database are told apart, each with what to do."""
    store = SqlStore(url)
    with raw_connection(url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    needed = rf"^the database has schema 9999, this program knows those up to {t.SCHEMA_REVISION}$"
    with pytest.raises(StoreError, match=needed):
        store.check_schema()
    store.close()
    empty = SqlStore(database("sqlite" if url.startswith("sqlite") else "postgresql", tmp_path, empty=True))
    with pytest.raises(StoreError, match=r"^there is no store in ") as caught:
        empty.check_schema()
    assert caught.value.hint == "`resolver init` makes one"
    empty.close()


NO_DATABASE = "databases and roles are made by the server's administrator; `resolver init` fills an empty one"


@pytest.mark.parametrize("missing", ["database", "role"])
def test_a_database_that_is_not_there_is_not_an_empty_one(tmp_path: Path, missing: str) -> None:
    """`resolver init` fills a database and makes none, so it is not what helps here."""
    url = make_url(database("postgresql", tmp_path, empty=True))
    url = url.set(database="absent") if missing == "database" else url.set(username="absent")
    store = SqlStore(url.render_as_string(hide_password=False))
    for use in (store.check_schema, store.initialise):
        with pytest.raises(StoreError) as caught:
            use()
        assert caught.value.message.endswith(f'FATAL:  {missing} "absent" does not exist')
        assert caught.value.hint == NO_DATABASE
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://user:hunter2@host/d",
        "sqlite:///x?hunter2=1",
        "sqlite:///hunter2.db",
        "sqlite:///:memory:",
        "sqlite://",
        "postgresql://user:hunter2@host:port/d",
    ],
)
def test_a_url_that_can_t_be_used_is_not_repeated(url: str) -> None:
    """A wrong URL is a usage error that does not show the password in it."""
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("password", ["20/24", "2024?x", "2024#x", "a/b", "a@b", "[x", "]", "x:y", "\u2100"])
def test_a_password_may_hold_signs_that_ought_to_be_encoded(password: str) -> None:
    """It goes to the host that is named, whole, and is not shown."""
    url = parse_url(f"postgresql://user:{password}@Host:5433/my%20base?sslmode=require")
    assert url.options == {
        "user": "user",
        "password": password,
        "host": "Host",
        "port": "5433",
        "dbname": "my base",
        "sslmode": "require",
    }
    assert url.shown == "postgresql+psycopg://user:***@Host:5433/my base"


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("host=a:1&host=b", {"host": "a,b", "port": "1,"}),
        ("host=a&host=b", {"host": "a,b", "port": ","}),
        ("host=a,b&port=1,2", {"host": "a,b", "port": "1,2"}),
        ("host=/run/postgresql", {"host": "/run/postgresql"}),
    ],
)
def test_a_url_may_name_several_hosts(query: str, options: dict[str, str]) -> None:
    """As SQLAlchemy and libpq take them: one is found that answers."""
    assert parse_url(f"postgresql://user@/d?{query}").options == {"user": "user", "dbname": "d"} | options


@pytest.mark.parametrize("name", ["no_such", "autocommit", "prepare_threshold", "row_factory", "context"])
def test_options_are_those_of_postgresql(name: str) -> None:
    """Arguments of the driver are none; one that may be a piece of a password is not repeated."""
    for shown, query in ((f" {name!r}", f"{name}=hunter2"), ("", f"sslmode=require&hunter2 {name}=1")):
        with pytest.raises(UsageError) as caught:
            SqlStore(f"postgresql://user@127.0.0.1:1/d?{query}")
        assert caught.value.message == f"the database URL has an option{shown} that PostgreSQL does not know"
        assert "hunter2" not in caught.value.hint


def test_a_url_is_shown_without_its_password() -> None:
    """Neither the store's repr nor a failure to connect shows the password."""
    store = SqlStore("postgresql://user:hunter2@127.0.0.1:1/d")
    with pytest.raises(StoreError) as caught:
        store.check_schema()
    assert "hunter2" not in repr(store) + str(caught.value) + caught.value.hint
    assert "user:***@127.0.0.1:1/d" in repr(store)
    store.close()
