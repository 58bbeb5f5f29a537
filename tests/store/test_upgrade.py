"""Upgrades: a store of every released version becomes one of this version, with all that is in it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from resolver.bootstrap.embedded import open_service
from resolver.bootstrap.initialise import initialise
from resolver.config.settings import Settings
from resolver.core.audit import AuditHead
from resolver.core.model import SecretValue
from resolver.core.secret_changes import NewSecret
from resolver.errors import AuthenticationError, ConflictError, StoreError, TamperedRowError
from resolver.store import tables as t
from resolver.store.migrate import configuration, upgrade
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, database, described, raw_connection
from tests.releases import fill
from tests.releases.snapshot import FILES, RELEASES, dump, load, missing, released

if TYPE_CHECKING:
    from pathlib import Path

    from resolver.core.model import Caller
    from resolver.service import Service

CHANGELOG = (RELEASES.parents[1] / "CHANGELOG.md").read_text()
VERSIONS = released(CHANGELOG)


def revision_of(url: str) -> str:
    """The Alembic revision that a database has."""
    with raw_connection(url) as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def schema_of(url: str) -> dict[str, Any]:
    """A database's tables, as it describes them."""
    with raw_connection(url) as connection:
        return described(connection)


def reloaded(url: str, dialect: str, folder: Path) -> dict[str, Any]:
    """A database's tables as its dump makes them: PostgreSQL writes checks in other words after that."""
    copy = database(dialect, folder, empty=True)
    load(dump(url, rows=False), copy)
    return schema_of(copy)


KEPT_SESSIONS = """
    SELECT user_account.name FROM console_session JOIN user_account ON user_account.id = user_id
    WHERE token_id IS NOT NULL
"""


def made_current(url: str) -> None:
    """Bring a database to this program's schema, as `resolver db upgrade` does."""
    with contextlib.closing(SqlStore(url)) as store:
        found = store.schema_status()
        assert [one.revision for one in found.due] == sorted(one.revision for one in found.due)
        assert all(one.what.endswith(".") for one in found.due)
        store.initialise()
        assert store.schema_status().due == []


def upgrades(store: str, contents: dict[str, Any], dialect: str, folder: Path) -> None:
    """Assert that a dump becomes a database of this version, in which everything is there and works."""
    url = database(dialect, folder, empty=True)
    load(store, url)
    keys = " ".join(contents["root_keys_for_tests_only"].values())
    settings = Settings({"RESOLVER_DATABASE_URL": url, "RESOLVER_KEY": keys}, folder / "home")
    revision = revision_of(url)
    if revision != t.SCHEMA_REVISION:
        with pytest.raises(StoreError, match=f"^the database has schema {revision}, this program") as caught:
            open_service(settings)
        assert caught.value.hint.startswith("`resolver db upgrade` brings it up to date")
    if revision != t.SCHEMA_REVISION:
        with pytest.raises(StoreError, match=f"^the database has schema {revision}, this program needs"):
            initialise(settings, password=lambda: None, profile=False)
    made_current(url)
    assert not initialise(settings, password=lambda: None, profile=False).made
    open_service(settings).close()
    assert schema_of(url) == reloaded(database(dialect, folder), dialect, folder)
    with raw_connection(url) as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), t.metadata) == []
        for table in t.metadata.sorted_tables:
            if revision < "0006" and table.name.startswith("webhook"):
                continue
            if revision < "0010" and table.name == "approval":
                continue
            if revision < "0008" and table.name in ("trust", "jwt_exchange"):
                continue
            assert connection.execute(text(f"SELECT count(*) FROM {table.name}")).scalar_one(), table.name
    service = fill.make_service(url)
    if revision < "0003":  # those that were opened with a password have to be opened again
        with raw_connection(url) as connection:
            kept = set(connection.execute(text(KEPT_SESSIONS)).scalars())
        for name in contents["sessions"].keys() - kept:
            with pytest.raises(AuthenticationError, match=r"^the session has ended$"):
                service.sessions.authenticate(contents["sessions"][name])
        sessions = {name: contents["sessions"][name] for name in kept}
        contents = contents | {"sessions": sessions}
    callers = has_its_people(service, contents)
    admin = callers["admin"]
    has_its_providers(service, admin, contents)
    has_its_secrets(service, admin, contents)
    for chain in ("prod", "test", ""):
        assert service.trail.verify(admin, chain).broken is None
    done = service.keys.rotate_data(admin, "", lambda _doing, _more: None)
    assert (done.keys, done.unreadable) == (3, [])
    has_its_secrets(service, admin, contents)
    assert service.secrets.create(admin, "prod", "new", NewSecret(value=SecretValue("value"))).version == 1
    service.close()


def has_its_people(service: Service, contents: dict[str, Any]) -> dict[str, Caller]:
    """Assert that users, roles, tokens, passwords, sessions and back-offs hold; each token's caller."""
    callers = {
        name: service.gate.authenticate_token(about["token"]) for name, about in contents["tokens"].items()
    }
    for name, about in contents["tokens"].items():
        scope, wanted = callers[name].scope, about.get("narrowing", {})
        assert callers[name].username == about["user"]
        for part in ("permissions", "tenants", "keys"):
            found, left = getattr(scope, part), wanted.get(part)
            assert (found and set(found)) == (left and set(left)), (name, part)
    users = {info.user.name: info for info in service.users.list(callers["admin"]).items}
    assert {name: info.roles for name, info in users.items()} == {"admin": {}} | contents["roles"]
    assert [name for name, info in users.items() if not info.user.active] == contents["inactive"]
    assert [name for name, info in users.items() if info.locked] == contents["locked"]
    admins = {name for name, info in users.items() if info.user.system_role == "sys_admin"}
    assert admins == {"admin", "second_admin"}
    for name, password in contents["passwords"].items():
        if name in contents["locked"]:
            with pytest.raises(AuthenticationError, match=r"^the user name or the password is wrong$"):
                service.gate.authenticate_password(name, password)
        else:
            assert service.gate.authenticate_password(name, password).username == name
    for name, secret in contents["sessions"].items():
        assert service.sessions.authenticate(secret).username == name
    return callers


def has_its_providers(service: Service, admin: Caller, contents: dict[str, Any]) -> None:
    """Assert that providers are there, with connection parameters that open."""
    for name, wanted in contents["providers"].items():
        info = service.providers.get(admin, "prod", name)
        found = {"kind": info.provider.kind, "visibility": info.provider.visibility}
        assert found | {"parameters": info.parameters} == wanted


def has_its_secrets(service: Service, admin: Caller, contents: dict[str, Any]) -> None:
    """Assert that secrets are there as they were, and that each version opens."""
    plain = {
        "visibility": "tenant",
        "hidden": False,
        "schema": None,
        "expires_at": None,
        "rotate_after": None,
        "provider": None,
    }
    for tenant, secrets in contents["secrets"].items():
        for key, about in secrets.items():
            if "options" in about:  # the value is not here
                assert service.providers.options_of(admin, tenant, key) == about["options"]
                continue
            found, value = service.secrets.show(admin, tenant, key)
            assert value is not None
            assert value.reveal() == about["values"][-1]
            assert {name: getattr(found, name) for name in plain} == plain | {
                name: about[name] for name in plain if name in about
            }
            for number, earlier in enumerate(about["values"], 1):
                if number == found.version:
                    continue  # it is the current one
                found = service.secrets.rollback(admin, tenant, key, number)
                value = service.secrets.show(admin, tenant, key)[1]
                assert value is not None
                assert value.reveal() == earlier


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_is_upgraded(version: str, dialect: str, tmp_path: Path) -> None:
    """What each released version stored is there after the upgrade, in the schema of a new store."""
    folder = RELEASES / version
    contents = json.loads((folder / "contents.json").read_text(encoding="utf-8"))[dialect]
    upgrades((folder / f"store.{dialect}.sql").read_text(encoding="utf-8"), contents, dialect, tmp_path)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_this_version_stores_will_be_upgraded(dialect: str, tmp_path: Path) -> None:
    """A dump of what this version's own code fills passes, too: with it, the next release is kept."""
    url = database(dialect, tmp_path)
    contents = json.loads(json.dumps(fill.fill(url)))
    upgrades(dump(url), contents, dialect, tmp_path)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_released_migration_stays_as_it_is(version: str, dialect: str, tmp_path: Path) -> None:
    """The migrations up to a release make that release's very schema: later changes are later migrations."""
    folder, released_url = RELEASES / version, database(dialect, tmp_path, empty=True)
    load((folder / f"store.{dialect}.sql").read_text(encoding="utf-8"), released_url)
    kept_url, made_url = (database(dialect, tmp_path, empty=True) for _ in range(2))
    load((folder / f"schema.{dialect}.sql").read_text(encoding="utf-8"), kept_url)
    with raw_connection(made_url) as connection:
        upgrade(connection, revision_of(released_url))
    assert reloaded(made_url, dialect, tmp_path) == schema_of(kept_url) == schema_of(released_url)


def test_the_code_needs_the_newest_migration() -> None:
    """`SCHEMA_REVISION` is the end of the one line of migrations."""
    assert ScriptDirectory.from_config(configuration()).get_heads() == [t.SCHEMA_REVISION]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dump_that_lacks_something_is_noticed(dialect: str, tmp_path: Path) -> None:
    """A column that an upgrade would have forgotten is found, and a schema that has no upgrade."""
    url = database(dialect, tmp_path)
    contents = fill.fill(url)
    with raw_connection(url) as connection:
        connection.execute(text("ALTER TABLE secret DROP COLUMN expires_at"))
    with pytest.raises((AssertionError, StoreError)):
        upgrades(dump(url), contents, dialect, tmp_path)
    with raw_connection(url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store = SqlStore(url)
    with pytest.raises(StoreError, match=r"^the database has schema 9999, this program knows those up to "):
        store.check_schema()
    store.close()


def test_every_released_version_has_its_files() -> None:
    """Each version with a date in the changelog left its files; the one that is being made none."""
    names = [f"{path.parent.name}/{path.name}" for path in RELEASES.glob("*/*")]
    assert missing(CHANGELOG, names) == []
    example = "## 0.2.0, not released yet\n\n## 0.1.1, 2030-02-01\n\n## 0.1.0, 2030-01-01\n"
    there = [f"{version}/{name}" for version in ("0.1.0", "0.1.1") for name in FILES]
    there.remove("0.1.1/store.postgresql.sql")
    assert missing(example, there) == ["0.1.1/store.postgresql.sql"]


PLANTED = (
    "INSERT INTO access_token (id, user_id, digest, description, created_at, narrowing)"
    " SELECT 'planted000', id, 'd', 'quiet', '2030',"
    ' \'{"permissions": null, "tenants": null, "keys": null}\' FROM user_account WHERE name = \'admin\''
)

PLANTED_ROLE = (
    "INSERT INTO membership (tenant_id, user_id, role) SELECT tenant.id, user_account.id, 'manager'"
    " FROM tenant, user_account WHERE tenant.name = 'test' AND user_account.name = 'second_admin'"
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_upgrade_to_rows_with_macs_is_finished(version: str, dialect: str, tmp_path: Path) -> None:
    """It shows what was planted before, refuses what is planted later, and shuts older releases out."""
    url = database(dialect, tmp_path, empty=True)
    load((RELEASES / version / f"store.{dialect}.sql").read_text(encoding="utf-8"), url)
    contents = json.loads((RELEASES / version / "contents.json").read_text(encoding="utf-8"))[dialect]
    keys = " ".join(contents["root_keys_for_tests_only"].values())
    settings = Settings({"RESOLVER_DATABASE_URL": url, "RESOLVER_KEY": keys}, tmp_path / "home")
    with raw_connection(url) as connection:
        connection.execute(text(PLANTED))
        connection.execute(text(PLANTED_ROLE))
    made_current(url)
    service = open_service(settings)
    token = contents["tokens"]["admin"]["token"]
    admin = service.gate.authenticate_token(token)
    # Not finished: servers of the release before still write rows without MACs, and nothing is refused.
    assert not service.status().rows_enforced
    assert service.rows.round() == []
    service.secrets.create(admin, "prod", "between", NewSecret(value=SecretValue("value")))
    with raw_connection(url) as connection:
        connection.execute(text("UPDATE secret SET description = 'by hand' WHERE key = 'between'"))
    assert service.secrets.show(admin, "prod", "between")[0].description == "by hand"
    vouched = service.enforcement.vouched()
    assert set(vouched.sys_admins) == {"admin", "second_admin"}
    assert ("planted000", "admin", "quiet") in {
        (one.id, one.username, one.description) for one in vouched.tokens
    }
    assert ("second_admin", "test", "manager") in {
        (one.username, one.tenant, one.role) for one in vouched.members
    }
    assert {(one.tenant, one.name, one.destination) for one in vouched.providers} == {
        ("prod", name, about["parameters"].get("url") or about["parameters"].get("host", ""))
        for name, about in contents["providers"].items()
    }
    with raw_connection(url) as other:  # as a server that is still up
        other.execute(text("SELECT count(*) FROM tenant")).all()
        with pytest.raises(StoreError, match=r"^other programs have the database .* open$"):
            service.enforcement.finish(vouched)
    service.tokens.revoke(admin, "planted000")
    with pytest.raises(ConflictError, match="were changed since they were shown"):
        service.enforcement.finish(vouched)
    assert service.enforcement.finish(service.enforcement.vouched())
    assert service.status().rows_enforced
    assert service.rows.round() == []
    for name, about in contents["tokens"].items():
        assert service.gate.authenticate_token(about["token"]).username == about["user"], name
    has_its_providers(service, admin, contents)
    has_its_secrets(service, admin, contents)
    assert service.rows.round() == []
    for chain in ("prod", "test", ""):
        assert service.trail.verify(admin, chain).whole
    with pytest.raises(ConflictError, match="are refused already"):
        service.enforcement.finish(service.enforcement.vouched())
    service.close()
    refuses_what_is_planted(settings, url, admin, token)


def refuses_what_is_planted(settings: Settings, url: str, admin: Caller, token: str) -> None:
    """Assert that a row without a MAC is refused, and that nobody can go back to before."""
    with raw_connection(url) as connection:
        connection.execute(text(PLANTED))
        # What an older release would make of the head: it knows nothing of the mark.
        head = connection.execute(text("SELECT number, hash FROM audit_chain WHERE id = 'system'")).one()
        assert AuditHead("system", *head).encode() != AuditHead("system", *head, enforced=True).encode()
    service = open_service(settings)
    with pytest.raises(TamperedRowError, match="token planted000 is refused, it has no MAC"):
        service.tokens.list(admin)
    with raw_connection(url) as connection:
        connection.execute(text("UPDATE user_account SET row_mac = NULL"))
        connection.execute(text("UPDATE audit_chain SET enforced = NULL"))
    again = open_service(settings)
    with pytest.raises(TamperedRowError):
        again.gate.authenticate_token(token)
    again.close()
    service.close()
