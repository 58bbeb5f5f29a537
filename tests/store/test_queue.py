"""Threads of one process that write to SQLite queue for it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import Tenant
from resolver.errors import StoreError
from resolver.store import engine
from resolver.store.sql import SqlStore
from tests.databases import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """A store that several threads share."""
    store = SqlStore(database("sqlite", tmp_path))
    yield store
    store.close()


def test_a_writer_asks_the_database_only_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database never makes a thread of the same process wait: here it would refuse it at once."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 0)
    store = SqlStore(database("sqlite", tmp_path))
    failures: list[StoreError] = []

    def write(number: int) -> None:
        try:
            with store.write() as session:
                session.add_tenant(Tenant(f"{number:036}", f"tenant{number}"), AT)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    with store.write() as session:
        for thread in threads:
            thread.start()
        session.add_tenant(Tenant("first", "tenant"), AT)
    for thread in threads:
        thread.join()
    assert failures == []
    with store.read() as session:
        names = [tenant.name for tenant in session.tenants()]
    assert [name for name in names if name.startswith("tenant")] == [
        "tenant",
        *(f"tenant{number}" for number in range(8)),
    ]
    store.close()


def test_a_writer_whose_turn_does_not_come_is_told(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """After as long as one waits for another process, and with the same advice; a turn is given back."""
    monkeypatch.setattr(engine, "_TURN_SECONDS", 0.01)
    with store.write(), pytest.raises(StoreError) as raised, store.write():
        pass
    assert raised.value.message == f"the database {store.place} is locked"
    assert raised.value.hint == "another writer holds the database; try again when it is done"
    with pytest.raises(KeyError), store.write():
        raise KeyError
    with store.write() as session:
        session.add_tenant(Tenant("0" * 36, "after"), AT)


def test_the_first_connection_waits_for_another_writer(tmp_path: Path) -> None:
    """Another program that is writing to a new file is waited for, not reported as an error."""
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.5, other.execute, ["COMMIT"])
    release.start()
    with contextlib.closing(SqlStore(f"sqlite:///{path}")) as store:
        store.initialise()
    release.join()
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_a_journal_mode_that_can_t_be_set_is_an_error_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another program never lets go of is reported as locked."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with (
        contextlib.closing(SqlStore(f"sqlite:///{path}")) as store,
        pytest.raises(StoreError, match=r"database is locked$"),
    ):
        store.initialise()
    other.close()
