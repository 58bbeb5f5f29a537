"""Writers at the same time, in threads and in processes: one wins, the others are told, nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import Visibility
from tests.databases import ROOT_KEY
from tests.store.racer import Processes, Racer, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import World
    from tests.store.racer import Order

ROUNDS = 50
"""Of each race with each kind of racers, so 100 on each database."""


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Four processes, which all races use."""
    with Processes(4) as processes:
        yield processes


@pytest.fixture(params=["threads", "processes"])
def field(
    request: pytest.FixtureRequest, world: World, processes: Processes
) -> Iterator[Threads | Processes]:
    """Four racers, on connections of their own."""
    token = world.service.tokens.create(world.admin).token
    if request.param == "processes":
        processes.enter(world.url, ROOT_KEY, token)
        yield processes
        return
    with Threads([Racer(world.url, ROOT_KEY, token) for _ in range(4)]) as threads:
        yield threads


def stored(world: World) -> dict[str, list[str]]:
    """The scopes that each key is stored with."""
    found: dict[str, list[str]] = {}
    for key, scope in world.execute("SELECT key, scope FROM secret ORDER BY key, scope"):
        found.setdefault(key, []).append(scope)
    return found


def unbroken(world: World) -> None:
    """Assert that all chains verify."""
    for tenant in ("home", "away", ""):
        found = world.service.trail.verify(world.admin, tenant)
        assert found.whole
        assert found.head.number == len(world.service.trail.records(world.admin, tenant))


def test_one_of_many_writers_makes_a_key(world: World, field: Threads | Processes) -> None:
    """Four create the same key in one tenant: one is done, three get a conflict, one secret is there."""
    for number in range(ROUNDS // 2):
        order = {"do": "create", "tenant": "home", "key": f"k{number}", "visibility": "tenant"}
        assert sorted(field.race([order] * 4)) == ["conflict", "conflict", "conflict", "done"]
    assert all(scopes == ["tenant"] for scopes in stored(world).values())
    unbroken(world)
    assert world.service.trail.head(world.admin, "home").number == ROUNDS // 2


def test_work_that_does_not_collide_is_all_done(world: World, field: Threads | Processes) -> None:
    """Four who make keys of their own at once are all done, and all their records are in one whole chain."""
    for number in range(ROUNDS // 2):
        order = {"do": "create", "tenant": "home", "visibility": "tenant"}
        assert field.race([order | {"key": f"k{number}.{racer}"} for racer in range(4)]) == ["done"] * 4
    unbroken(world)
    assert world.service.trail.head(world.admin, "home").number == ROUNDS // 2 * 4


def test_a_global_key_and_a_tenant_s_never_both_exist(world: World, field: Threads | Processes) -> None:
    """One creates a key globally, others the same key in their tenants: all are global or none is."""
    won: Counter[str] = Counter()
    for number in range(ROUNDS):
        orders = [
            {"do": "create", "tenant": tenant, "key": f"k{number}", "visibility": visibility}
            for tenant, visibility in (("home", "global"), ("away", "tenant"), ("away", "global"))
        ]
        turn = number % 3  # each is told first in turn
        outcomes = field.race(orders[turn:] + orders[:turn])
        assert sorted(outcomes) == ["conflict", "conflict", "done"]
    for scopes in stored(world).values():
        assert scopes in (["global"], ["tenant"])
        won[scopes[0]] += 1
    assert sum(won.values()) == ROUNDS
    unbroken(world)


def test_widening_and_creating_never_leave_two(world: World, field: Threads | Processes) -> None:
    """One widens a secret to global while another creates its key elsewhere: one of the two is refused."""
    for number in range(ROUNDS):
        key = f"k{number}"
        world.secret(key)
        orders = [
            {"do": "change", "tenant": "home", "key": key, "visibility": "global"},
            {"do": "create", "tenant": "away", "key": key, "visibility": "tenant"},
        ]
        assert sorted(field.race(orders if number % 2 else orders[::-1])) == ["conflict", "done"]
    for scopes in stored(world).values():
        assert scopes in (["global"], ["tenant", "tenant"])
    unbroken(world)


def test_no_update_is_lost(world: World, field: Threads | Processes) -> None:
    """Concurrent updates are a version each, without a gap, or are told that another was quicker."""
    world.secret("k")
    versions: list[int] = []
    for number in range(ROUNDS // 2):
        orders = [
            {"do": "update", "tenant": "home", "key": "k", "value": f"{number}.{racer}"} for racer in range(4)
        ]
        outcomes = field.race(orders)
        made = [int(outcome.removeprefix("version ")) for outcome in outcomes if outcome != "conflict"]
        assert made
        versions += made
    assert sorted(versions) == list(range(2, len(versions) + 2))
    rows = world.execute("SELECT version FROM secret_version ORDER BY version")
    assert [row[0] for row in rows] == list(range(1, len(versions) + 2))
    assert world.service.secrets.show(world.admin, "home", "k")[0].version == len(versions) + 1
    unbroken(world)


def test_attributes_changed_at_once_are_not_set_back(world: World, field: Threads | Processes) -> None:
    """One widens while another hides: neither undoes the other; who would have is told."""
    for number in range(ROUNDS):
        key = f"k{number}"
        world.service.secrets.create(world.admin, "home", key, "value", visibility=Visibility.PRIVATE)
        change: Order = {"do": "change", "tenant": "home", "key": key}
        orders: list[Order] = [change | {"visibility": "tenant"}, change | {"hidden": True}]
        outcomes = field.race(orders)
        secret, _ = world.service.secrets.show(world.admin, "home", key)
        happened = (secret.visibility is Visibility.TENANT, secret.hidden)
        assert outcomes == ["done" if did else "conflict" for did in happened]
        assert "done" in outcomes
    unbroken(world)


def test_one_of_two_deletes_it(world: World, field: Threads | Processes) -> None:
    """Of four who delete a secret one is done; the trail has one deletion for each secret."""
    for number in range(ROUNDS // 2):
        key = f"k{number}"
        world.secret(key)
        outcomes = field.race([{"do": "delete", "tenant": "home", "key": key}] * 4)
        assert outcomes.count("done") == 1
        assert set(outcomes) <= {"done", "conflict", "not found"}
    assert stored(world) == {}
    assert world.execute("SELECT * FROM key_scope") == []
    deletions = [
        record
        for record in world.service.trail.records(world.admin, "home")
        if record.action == "secret:delete" and b'"allowed"' in record.body
    ]
    assert len(deletions) == ROUNDS // 2
    unbroken(world)


def test_one_of_many_changes_a_version(world: World, field: Threads | Processes) -> None:
    """Compare-and-set: of four who change the version they saw, one is done; a rollback is a change."""
    world.secret("k")
    for number in range(1, ROUNDS // 2 + 1):
        change: Order = {"tenant": "home", "key": "k", "if_version": number}
        update: Order = change | {"do": "update", "value": "x"}
        back: Order = change | {"do": "roll back", "version": number - 1} if number > 1 else update
        outcomes = field.race([update, back, update, back] if number % 2 else [back, update, back, update])
        assert sorted(outcomes) == ["conflict", "conflict", "conflict", f"version {number + 1}"]
    history = world.service.secrets.history(world.admin, "home", "k")
    assert [version.number for version in history] == list(range(1, ROUNDS // 2 + 2))
    unbroken(world)


def test_an_import_and_a_create_never_leave_two(world: World, field: Threads | Processes) -> None:
    """Imports race with creates and with one another for a key, globally and in a tenant: one gets it."""
    for number in range(ROUNDS // 2):
        key = f"k{number}"
        orders: list[Order] = [
            {"do": "import", "tenant": "home", "key": key, "visibility": "global"},
            {"do": "create", "tenant": "away", "key": key, "visibility": "tenant"},
            {"do": "import", "tenant": "away", "key": key, "visibility": "tenant"},
        ]
        turn = number % 3
        assert sorted(field.race(orders[turn:] + orders[:turn])) == ["conflict", "conflict", "done"]
    assert all(scopes in (["global"], ["tenant"]) for scopes in stored(world).values())
    unbroken(world)
