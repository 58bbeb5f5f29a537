"""A PostgreSQL server that is restarted under load: clean errors, nothing lost, never a wrong answer."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue
from resolver.core.secret_changes import NewSecret
from resolver.errors import NotFoundError, ResolverError, StoreError
from resolver.store.sql import SqlStore
from tests.databases import World, own_postgresql
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import Postgresql

CLEAN = re.compile(
    r"the connection to the database postgresql\S+ was lost"
    r"|the database postgresql\S+ failed: \w+: [^\n]*"
    # A server that stops at once warns each client, one that was just told of its COMMIT, too.
    r"|the database postgresql\S+ warned when it committed, so that does not count"
)


@pytest.fixture(scope="module")
def server() -> Postgresql:
    """A server that no other test uses."""
    server = own_postgresql()
    server.make_durable()  # else a crash takes what was committed just before
    return server


@pytest.fixture
def world(server: Postgresql) -> Iterator[World]:
    """A service on that server."""
    url = server.database("made")
    world = World(url, SqlStore(url))
    yield world
    world.service.close()


class Load:
    """What several threads do to a store, and what they saw.

    Args:
        world: the store.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.possible: dict[str, set[str]] = {}
        self.acknowledged: set[str] = set()
        self.errors: list[ResolverError] = []
        self.wrong: list[str] = []
        self.done = 0
        jobs = [self._write, self._write, self._use]
        self._threads = [threading.Thread(target=self._go, args=(job, n)) for n, job in enumerate(jobs)]

    def __enter__(self) -> Load:  # noqa: PYI034 - not to be subclassed
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, more: int) -> None:
        """Wait until so many more things were done."""
        goal, deadline = self.done + more, time.monotonic() + 60
        while self.done < goal:
            assert time.monotonic() < deadline, self.errors[-3:]
            time.sleep(0.02)

    def _go(self, job: object, name: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                job(f"w{name}.{number % 7}", f"{name} wrote {number}")  # type: ignore[operator]
                with self._lock:
                    self.done += 1
            except ResolverError as error:
                self.errors.append(error)
                time.sleep(0.05)

    def _write(self, key: str, value: str) -> None:
        # Until it is known what became of it, both are possible.
        self.possible.setdefault(key, set()).add(value)
        self._world.service.secrets.create(
            self._world.admin, "home", key, NewSecret(value=SecretValue(value), update_if_exists=True)
        )
        self.possible[key] = {value}
        self.acknowledged.add(key)

    def _use(self, _key: str, _value: str) -> None:
        answer = self._world.service.use.use(self._world.admin, "home", [key_use("fixed")], DIGESTS)
        shown = answer.secrets["fixed"].value.reveal()
        if shown != "the fixed value":
            self.wrong.append(shown)


def test_a_restart_under_load(server: Postgresql, world: World) -> None:
    """Orderly or by a crash: what fails says so, what was done is there, and work goes on by itself."""
    world.secret("fixed", "the fixed value")
    with Load(world) as load:
        for mode in ("fast", "immediate", "fast"):
            load.until(15)
            server.restart(mode)
        load.until(15)
    assert load.wrong == []
    assert load.errors, "the restarts were not noticed"
    for error in load.errors:
        assert isinstance(error, StoreError), error
        assert CLEAN.fullmatch(error.message), error.message
    reopened = world.reopened()
    for key, values in load.possible.items():
        try:
            value = reopened.secrets.show(world.admin, "home", key)[1]
        except NotFoundError:  # each attempt to make it failed
            assert key not in load.acknowledged
            continue
        assert value is not None
        assert value.reveal() in values
    found = reopened.trail.verify(world.admin, "home")
    assert found.broken is None
    assert found.head.number > 60


def test_a_restart_while_keys_are_rotated(server: Postgresql, world: World) -> None:
    """A rotation that loses its server goes on, or ends with an error and is taken up by the next run."""
    for number in range(5):
        world.secret(f"k{number}", f"value {number}")

    def restart_once(_doing: str, _more: int) -> None:
        if not restarted:
            restarted.append(True)
            server.restart("immediate")

    restarted: list[bool] = []
    # The connection at rest in the pool is found dead and replaced, so that a run may well notice nothing.
    with contextlib.suppress(StoreError):
        assert world.service.keys.rotate_data(world.admin, "", restart_once).unreadable == []
    assert restarted
    done = world.reopened().keys.rotate_data(world.admin, "", lambda _doing, _more: None)
    assert done.unreadable == []
    assert {key.state for key in world.service.keys.status(world.admin).data_keys} == {"active"}
    for number in range(5):
        value = world.reopened().secrets.show(world.admin, "home", f"k{number}")[1]
        assert value is not None
        assert value.reveal() == f"value {number}"


def test_a_server_that_is_gone_is_named() -> None:
    """Without a server the error names the database without its password, within the time set."""
    store = SqlStore("postgresql://user:hunter2@127.0.0.1:1/d", {"connect": 2})
    started = time.monotonic()
    refused = r"failed: OperationalError: .*Connection refused"
    with pytest.raises(StoreError, match=refused) as caught, store.read():
        pass
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert time.monotonic() - started < 10
    store.close()


def test_a_pool_that_is_empty_is_told(world: World) -> None:
    """Who waits for a connection longer than set is told what to do about it."""
    store = SqlStore(world.url, {"size": 1, "overflow": 0, "wait": 1})
    with store.read() as _:
        with pytest.raises(StoreError) as caught, store.read():
            pass
        assert caught.value.message == "all connections to the database are in use"
        assert "`pool` in config.yaml" in caught.value.hint
    with store.read() as session:
        assert session.tenant("home") is not None
    store.close()
