"""Killed with SIGKILL at any moment, nothing is lost or unreadable, and the next run finishes the work.

RESOLVER_TEST_KILLS sets how many processes are killed on each database; RESOLVER_TEST_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewToken
from resolver.core.query import EVERYTHING
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.service import Service
from resolver.store.sql import SqlStore
from tests.databases import ROOT_KEY
from tests.store.victim import JOBS, Victims

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import World

KILLS = int(os.environ.get("RESOLVER_TEST_KILLS", "6"))
SEED = int(os.environ.get("RESOLVER_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
LONGEST = 0.3
"""Seconds that a victim works at most before it is killed."""


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    """The process that victims are forked from."""
    made = Victims()
    yield made
    made.close()


def test_nothing_is_lost_by_a_kill(world: World, victims: Victims, tmp_path: Path) -> None:
    """What was done before the kill is there, what was under way is there whole or not at all."""
    chance = random.Random(SEED)
    other = RootKey.generate()
    expected = {f"k{number}": f"first of {number}" for number in range(20)}
    for key, value in expected.items():
        world.secret(key, value)
    token = world.service.tokens.create(world.admin, NewToken()).token
    start = {"url": world.url, "root_keys": [ROOT_KEY, other], "token": token}
    taken_up = 0
    for number in range(KILLS):
        job = JOBS[number % len(JOBS)]
        after = chance.uniform(0, LONGEST)
        order = start | {"job": job, "name": f"v{number}"}
        lines = victims.kill_one(order, tmp_path / f"log{number}", after)
        told = f"seed {SEED}, kill {number}: {job} after {after:.3f} s"
        service = opened(world, ROOT_KEY, other)
        under_way: dict[str, str] = {}
        for what, *about in lines[1:]:
            key, value = about
            if what == "begin":
                under_way[key] = value
            else:
                expected[key] = under_way.pop(key)
                assert expected[key] == value
        assert len(under_way) <= (5 if job == "import" else 1), told
        happened: set[bool] = set()
        found = {secret.key for secret in service.secrets.list(world.admin, "home", EVERYTHING).items}
        for key, value in under_way.items():
            shown = reveal(world, service, key) if key in expected or key in found else None
            assert shown in {value, expected.get(key)}, told
            happened.add(shown == value)
            if shown is not None:
                expected[key] = shown
        assert found == expected.keys(), told
        assert len(happened) <= 1, f"{told}: an import was stored in part"
        for key in expected if number % 8 == 7 else list(expected)[:6]:
            assert reveal(world, service, key) == expected[key], told
        prove(world, service, told)
        if job.startswith("rotate") or number == KILLS - 1:
            taken_up += finish(world, service, told)
        service.close()
    assert taken_up or KILLS < 100, "no rotation was killed half-way"
    final = opened(world, ROOT_KEY, other)
    assert {key: reveal(world, final, key) for key in expected} == expected, f"seed {SEED}"
    final.close()


def opened(world: World, *root_keys: str) -> Service:
    """A service on the database that has opened nothing yet."""
    ring = KeyRing([RootKey(text, "the tests") for text in root_keys])
    return Service(SqlStore(world.url), ring, lambda: world.passwords)


def reveal(world: World, service: Service, key: str) -> str:
    """A secret's value."""
    value = service.secrets.show(world.admin, "home", key)[1]
    assert value is not None
    return value.reveal()


def prove(world: World, service: Service, told: str) -> None:
    """Assert that every version of everything decrypts, and that the trails are whole."""
    wrapping = next(key.id for key in service.keys.status(world.admin).root_keys if key.wraps)
    if all(key.root_key_id == wrapping for key in service.keys.status(world.admin).data_keys):
        done = service.keys.rotate_root(world.admin, wrapping, lambda _doing, _more: None)
        assert done.unreadable == [], told
        assert done.proved == world.execute("SELECT count(*) FROM secret_version")[0][0], told
    for chain in ("home", "away", ""):
        assert service.trail.verify(world.admin, chain).broken is None, told


def finish(world: World, service: Service, told: str) -> bool:
    """Assert that running both rotations again finishes what was under way; whether something was."""
    quiet = lambda _doing, _more: None  # noqa: E731 - nobody looks at the progress
    wrapping = next(key.id for key in service.keys.status(world.admin).root_keys if key.wraps)
    root = service.keys.rotate_root(world.admin, wrapping, quiet)
    data = service.keys.rotate_data(world.admin, "", quiet)
    assert root.unreadable == data.unreadable == [], told
    status = service.keys.status(world.admin)
    assert {(key.state, key.root_key_id) for key in status.data_keys} == {("active", wrapping)}, told
    prove(world, service, told)
    return root.resumed or data.resumed
