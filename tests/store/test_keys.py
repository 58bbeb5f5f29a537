"""The rows of keys: destroyed with a tenant, and no trace of them left in SQLite's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.errors import ConflictError
from resolver.store.sql import SqlStore
from tests.databases import World, database, raw_connection

if TYPE_CHECKING:
    from collections.abc import Iterator


def data_key_of(world: World, tenant: str) -> tuple[str, bytes]:
    """A tenant's id, and its data key as it is stored."""
    with world.store.read() as session:
        home = session.tenant(tenant)
        assert home is not None
        stored = session.active_data_key(home.id)
        assert stored is not None
    return home.id, stored.wrapped.encode()


def test_a_key_in_use_is_not_destroyed(world: World) -> None:
    """While a version is sealed with it, the database itself keeps a data key."""
    world.secret("k")
    home, _ = data_key_of(world, "home")
    with pytest.raises(ConflictError), world.store.write() as session:
        session.destroy_data_keys(home)
    assert data_key_of(world, "home")[0] == home


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[World]:
    """A service on SQLite."""
    url = database("sqlite", tmp_path)
    world = World(url, SqlStore(url))
    yield world
    world.service.close()


def files_with(world: World, searched: bytes) -> list[str]:
    """The names of the database's files that hold some bytes."""
    path = Path(world.url.removeprefix("sqlite:///"))
    return [file.name for file in path.parent.glob(f"{path.name}*") if searched in file.read_bytes()]


def test_a_destroyed_key_is_in_no_file(embedded: World) -> None:
    """Once a tenant's keys are destroyed and wiped, neither the file nor the log holds them."""
    home, wrapped = data_key_of(embedded, "away")
    assert files_with(embedded, wrapped)
    with embedded.store.write() as session:
        assert session.destroy_data_keys(home) == 1
    assert files_with(embedded, wrapped)  # in the log still
    assert embedded.store.wipe_deleted()
    assert files_with(embedded, wrapped) == []
    with embedded.store.read() as session:
        assert session.active_data_key(home) is None


def test_a_reader_of_an_older_state_keeps_the_log(embedded: World) -> None:
    """While someone reads what was there before, wiping says that it is not done; later it is."""
    home, wrapped = data_key_of(embedded, "away")
    with raw_connection(embedded.url) as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM data_key").all()
        with embedded.store.write() as session:
            session.destroy_data_keys(home)
        assert not embedded.store.wipe_deleted()
    assert embedded.store.wipe_deleted()
    assert files_with(embedded, wrapped) == []


def test_wiping_a_server_s_database_is_left_to_it(world: World) -> None:
    """It is done at once: what is left of dead rows is the server's own affair."""
    assert world.store.wipe_deleted()
