"""The room that deleted secrets took in SQLite's file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import MAX_VALUE_BYTES
from resolver.errors import StoreError
from resolver.store.sql import SqlStore
from tests.databases import World, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MIB = 1024 * 1024


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service on a file of its own."""
    url = database("sqlite", tmp_path)
    world = World(url, SqlStore(url))
    yield world
    world.service.close()


def _pragma(world: World, name: str) -> int:
    with closing(sqlite3.connect(world.url.removeprefix("sqlite:///"))) as connection:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _fill(world: World, count: int) -> None:
    for number in range(count):
        world.secret(f"k{number}", "x" * MAX_VALUE_BYTES)


def _empty(world: World, count: int) -> None:
    for number in range(count):
        world.service.secrets.delete(world.admin, "home", f"k{number}")


def test_deleted_secrets_give_their_room_back(world: World) -> None:
    """In the transaction that deletes them, but for a little that is used again."""
    before = _pragma(world, "page_count")
    _fill(world, 3)
    assert _pragma(world, "page_count") > before + 3 * MIB // 4096
    _empty(world, 3)
    assert _pragma(world, "freelist_count") <= MIB // 4096
    assert _pragma(world, "page_count") < before + MIB // 4096 + 50


def test_what_a_transaction_gives_back_has_a_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next ones go on with it."""
    monkeypatch.setattr("resolver.store.engine._RETURNED_PAGES", 100)
    _fill(world, 2)
    world.service.secrets.delete(world.admin, "home", "k0")
    world.service.secrets.delete(world.admin, "home", "k1")
    left = _pragma(world, "freelist_count")
    assert left > MIB // 4096
    world.service.tenants.create(world.admin, "other")
    assert left - 110 < _pragma(world, "freelist_count") < left - 90


def test_an_older_file_does_so_after_a_vacuum(tmp_path: Path) -> None:
    """It was made without the map that this needs; reading goes on as before."""
    url = database("sqlite", tmp_path)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.executescript("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM")
    world = World(url, SqlStore(url))
    try:
        world.secret("kept", "value")
        _fill(world, 3)
        _empty(world, 3)
        assert _pragma(world, "freelist_count") > 3 * MIB // 4096
        store = SqlStore(url)
        sizes = store.vacuum()
        store.close()
        assert sizes is not None
        assert sizes[1] < sizes[0] - 3 * MIB
        assert (_pragma(world, "freelist_count"), _pragma(world, "auto_vacuum")) == (0, 2)
        shown = world.service.secrets.show(world.admin, "home", "kept")[1]
        assert shown is not None
        assert shown.reveal() == "value"
    finally:
        world.service.close()


def test_sorting_needs_no_folder_for_temporary_files(world: World) -> None:
    """SQLite would write keys there, or fail where none can be written to."""
    with world.store.read() as session:
        connection = session._connection  # noqa: SLF001 - what every connection is given
        assert connection.exec_driver_sql("PRAGMA temp_store").scalar_one() == 2


def test_a_folder_that_can_t_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a read-only file system: SQLite says no more than that it can't open its file."""
    (tmp_path / "resolver.db").mkdir()  # which it can't open either
    for writable, hint in (
        (False, f"'{tmp_path}' can't be written to"),
        (True, "`resolver init` makes a store"),
    ):
        monkeypatch.setattr("os.access", lambda _path, _mode, writable=writable: writable)
        with pytest.raises(StoreError, match="unable to open database file") as raised:
            SqlStore(tmp_path / "resolver.db").check_schema()
        assert raised.value.hint.startswith(hint)
