"""Upgrades: a database of every released version becomes one of this version, with all that is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from resolver.bootstrap.initialise import initialise
from resolver.config.settings import Settings
from resolver.core.model import UNNARROWED, Caller
from resolver.core.permissions import SystemRole
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.errors import StoreError
from resolver.service import Service
from resolver.store import tables as t
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, ROOT_KEY, PlainPasswords, database, raw_connection
from tests.store import dumps

VALUES = {
    "home": {"k": "second välue", "everywhere": "global value"},
    "away": {"hidden": "hidden value", "everywhere": "global value"},
}


def upgrades(dump: str, dialect: str, folder: Path) -> None:
    """Assert that a dump becomes a database of this version, in which everything is there and works."""
    url = database(dialect, folder, empty=True)
    dumps.load(dump, url)
    settings = Settings({"RESOLVER_DATABASE_URL": url, "RESOLVER_KEY": ROOT_KEY}, folder / "home")
    assert not initialise(settings, password=lambda: None, profile=False).made
    with raw_connection(url) as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), t.metadata) == []
        found = "SELECT id FROM user_account WHERE name = 'admin'"
        admin_id = connection.execute(text(found)).scalar_one()
    admin = Caller(admin_id, "admin", SystemRole.SYS_ADMIN, {}, "", UNNARROWED)
    store = SqlStore(url)
    store.check_schema()
    service = Service(store, KeyRing([RootKey(ROOT_KEY, "the tests")]), PlainPasswords)
    for tenant, values in VALUES.items():
        for key, value in values.items():
            shown = service.secrets.show(admin, tenant, key)[1]
            assert shown is not None
            assert shown.reveal() == value
    for chain in ("home", "away", ""):
        assert service.trail.verify(admin, chain).broken is None
    done = service.keys.rotate_data(admin, "", lambda _doing, _more: None)
    assert (done.keys, done.unreadable) == (3, [])
    assert service.secrets.create(admin, "home", "new", "value").version == 1
    service.close()


@pytest.mark.parametrize("name", [*sorted(path.name for path in dumps.RELEASED.glob("*.sql")), *DIALECTS])
def test_a_version_is_upgraded(name: str, tmp_path: Path) -> None:
    """What each released version stored is there after the upgrade; this version's own dump passes, too."""
    if name not in DIALECTS:
        upgrades((dumps.RELEASED / name).read_text(encoding="utf-8"), name.split(".")[-2], tmp_path)
        return
    url = database(name, tmp_path)
    dumps.make(url)
    upgrades(dumps.dump(url), name, tmp_path)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dump_that_lacks_something_is_noticed(dialect: str, tmp_path: Path) -> None:
    """A column that an upgrade would have forgotten is found, and a schema that has no upgrade."""
    url = database(dialect, tmp_path)
    dumps.make(url)
    with raw_connection(url) as connection:
        connection.execute(text("ALTER TABLE secret DROP COLUMN expires_at"))
    with pytest.raises((AssertionError, StoreError)):
        upgrades(dumps.dump(url), dialect, tmp_path)
    with raw_connection(url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store = SqlStore(url)
    with pytest.raises(StoreError, match=r"^the database has schema 9999, this program needs "):
        store.check_schema()
    store.close()


def test_every_released_version_has_its_dumps() -> None:
    """Each version with a date in the changelog left two dumps; the one that is being made none."""
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    names = [path.name for path in dumps.RELEASED.glob("*.sql")]
    assert dumps.missing(changelog, names) == []
    example = "## 0.2.0, not released yet\n\n## 0.1.1, 2030-02-01\n\n## 0.1.0, 2030-01-01\n"
    assert dumps.missing(example, ["0.1.0.sqlite.sql", "0.1.0.postgresql.sql", "0.1.1.sqlite.sql"]) == [
        "0.1.1.postgresql.sql"
    ]
