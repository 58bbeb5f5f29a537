"""Connections are used again only as they were made, and what they say of rows shows nothing of them."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest

from resolver.errors import ConflictError, ResolverError, StoreError, TamperedRowError
from tests.databases import DIALECTS, World, made_world
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resolver.store.engine import Database


@pytest.fixture(params=DIALECTS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A service on a database of its own."""
    world = made_world(request.param, tmp_path)
    yield world
    world.service.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[World]:
    """A service on a file."""
    world = made_world("sqlite", tmp_path)
    yield world
    world.service.close()


def _of(world: World) -> Database:
    return world.store._database  # noqa: SLF001 - what is tested


def test_a_connection_in_use_ends_with_a_closed_store(world: World) -> None:
    """Not then, but once it is given back: nobody would close it afterwards."""
    with world.store.read(), _of(world).connection() as other:
        world.store.close()
        assert not other.is_lost
    assert other.is_lost
    assert _of(world)._idle == []  # noqa: SLF001 - as above
    with world.store.read():
        pass
    assert len(_of(world)._idle) == 1  # noqa: SLF001 - as above


def test_a_connection_within_a_transaction_is_not_used_again(world: World) -> None:
    """The next one would find what another one has not committed, and commit it."""
    with _of(world).connection() as held:
        held.raw.execute("BEGIN")
    assert held.is_lost


def test_a_rollback_that_is_broken_off_leaves_no_transaction(world: World) -> None:
    """As by Ctrl-C in a program that goes on."""

    class Broken:
        def __init__(self, raw: object) -> None:
            self._raw = raw

        def __getattr__(self, name: str) -> object:
            return getattr(self._raw, name)

        def execute(self, words: str) -> None:
            assert words == "ROLLBACK"
            raise KeyboardInterrupt

    transaction = _of(world).transaction(writes=True, with_sql=False)
    held = transaction.__enter__()
    held.raw = Broken(held.raw)
    with pytest.raises(KeyboardInterrupt):
        transaction.__exit__(ValueError, ValueError(), None)
    assert held.is_lost
    world.secret("after")


def test_settings_of_a_vacuum_that_failed_go_with_its_connection(on_sqlite: World) -> None:
    """The next sort would write temporary files."""
    file = _of(on_sqlite).url.database
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with on_sqlite.store.read():
            pass
        (held,) = _of(on_sqlite)._idle  # noqa: SLF001 - as above
        held.raw.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(StoreError, match="locked"):
            on_sqlite.store.vacuum()
    with _of(on_sqlite).connection() as held:
        assert held.raw.execute("PRAGMA temp_store").fetchone() == (2,)
        assert held.raw.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def _in_fork(work: Callable[[], None]) -> str:
    """What a forked process raises when it does something; its class alone, and nothing when it is done."""
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        raised = "lost"
        try:
            work()
            raised = ""
        except BaseException as error:  # noqa: BLE001 - it is what is told
            raised = f"{type(error).__name__}: {error}"
        finally:
            os.write(theirs, raised.encode())
            os._exit(0)  # the test ends in the process that began it
    os.close(theirs)
    with open(ours, "rb") as pipe:  # noqa: PTH123 - a descriptor
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def test_a_fork_has_connections_of_its_own(world: World) -> None:
    """Both would speak on the same ones, and what one closes would have ended for the other."""
    world.secret("before")

    def work() -> None:
        world.secret("by_the_child")
        world.store.close()

    with _of(world).connection() as kept:
        in_use = "" if kept.is_postgresql else f"StoreError: the database {_of(world).place} was in use when"
        assert _in_fork(work)[: len(in_use) or None] == in_use
    world.secret("after")
    if not kept.is_postgresql:
        assert _in_fork(work) == ""
    with pytest.raises(ConflictError):
        world.secret("by_the_child")


def test_a_fork_does_not_commit_for_its_parent(world: World) -> None:
    """A transaction under way is the parent's, which goes on with it."""
    transaction = _of(world).transaction(writes=True, with_sql=False)
    held = transaction.__enter__()
    held.raw.execute("DELETE FROM console_session")

    def work() -> None:
        transaction.__exit__(None, None, None)

    assert _in_fork(work).startswith("StoreError: the process was forked within a transaction")
    assert not held.is_lost
    work()
    world.secret("after")


_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_a_server_that_has_gone_left_nothing_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it dropped meanwhile was not in use, so nobody is told that a change may have been made."""
    world = made_world("postgresql", tmp_path)
    world.store.check_schema()
    world.execute(_END_OTHERS)

    def gone() -> None:
        raise psycopg.OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(_of(world), "_connect", gone)
        with pytest.raises(StoreError, match=r"OperationalError: connection refused$") as caught:
            world.store.check_schema()
    assert "not known" not in caught.value.hint
    world.store.check_schema()
    world.service.close()


_NO_TEXT = "CAST(x'68756e74657232ff' AS TEXT)"


@pytest.mark.parametrize(
    "column",
    [
        "user_account.password_hash",
        "access_token.narrowing",
        "secret_version.token",
        "data_key.wrapped",
        "audit_chain.mac",
        "alembic_version.version_num",
    ],
)
def test_a_text_that_is_none_is_not_shown(on_sqlite: World, column: str) -> None:
    """SQLite's driver repeats what it can't decode."""
    on_sqlite.secret("k")
    _put(on_sqlite, column, _NO_TEXT)
    with pytest.raises(ResolverError) as caught:
        _use(on_sqlite)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("column", "value", "refusal"),
    [
        ("access_token.narrowing", f"x'{'5b' * 100_000}'", TamperedRowError),
        ("audit_chain.mac_key_id", "x'00'", StoreError),
        ("alembic_version.version_num", "x'00'", StoreError),
    ],
)
def test_what_no_resolver_writes_is_refused_in_words(
    on_sqlite: World, column: str, value: str, refusal: type[ResolverError]
) -> None:
    """SQLite takes any type in any column."""
    on_sqlite.secret("k")
    _put(on_sqlite, column, value)
    gc.collect()
    gc.disable()  # other tests' garbage can not be freed where a deep text is read to the limit of recursion
    try:
        with pytest.raises(refusal):
            _use(on_sqlite)
    finally:
        gc.enable()


@pytest.mark.parametrize("value", ["'yesterday'", "''", "x'00'", "-1"])
def test_when_a_token_was_used_decides_nothing(on_sqlite: World, value: str) -> None:
    """Nothing vouches for that column, so whatever is in it locks nobody out."""
    on_sqlite.secret("k")
    _put(on_sqlite, "access_token.last_used_at", value)
    _use(on_sqlite)


def _put(world: World, column: str, value: str) -> None:
    """Write a column of all rows past the program, and past foreign keys."""
    table, _, name = column.partition(".")
    with contextlib.closing(sqlite3.connect(_of(world).url.database)) as other, other:
        other.execute(f"UPDATE {table} SET {name} = {value}")


def _use(world: World) -> None:
    service = world.reopened()
    world.store.check_schema()
    caller = service.gate.authenticate_token(world.token or "")
    assert service.use.use(caller, "home", [key_use("k")], DIGESTS).refusals == {}
