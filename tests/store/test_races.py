"""Writers at the same time, in threads and in processes: one wins, the others are told, nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewToken, NewUser, UserChange
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import SystemRole
from resolver.core.secret_changes import NewSecret
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.service import Service
from resolver.store.sql import SqlStore
from tests.databases import ROOT_KEY
from tests.store.racer import Processes, Racer, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import World
    from tests.store.racer import Order

ROUNDS = 50
"""Of each race with each kind of racers, so 100 on each database."""

OTHER_ROOT_KEY = "b3RoZXIgcm9vdCBrZXkgb2YgdGhlIHRlc3RzIDAwMDE="


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
    token = world.service.tokens.create(world.admin, NewToken()).token
    root_keys = f"{ROOT_KEY} {OTHER_ROOT_KEY}"
    if request.param == "processes":
        processes.enter(world.url, root_keys, token)
        yield processes
        return
    with Threads([Racer(world.url, root_keys, token) for _ in range(4)]) as threads:
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
        world.service.secrets.create(
            world.admin, "home", key, NewSecret(value=SecretValue("value"), visibility=Visibility.PRIVATE)
        )
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
        update: Order = change | {"do": "update", "value": f"x{number}"}
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


@pytest.mark.parametrize("deed", ["demote", "deactivate", "delete user"])
def test_two_who_end_one_another_leave_one(world: World, field: Threads | Processes, deed: str) -> None:
    """Of two sys_admins who demote, deactivate or delete one another one is done, and one is left."""
    users = world.service.users
    for number in range(3):
        names = [f"a{number}", f"b{number}"]
        for name in names:
            users.create(world.admin, name, NewUser(system_role=SystemRole.SYS_ADMIN))
        tokens = [world.service.tokens.create(world.admin, NewToken(username=name)).token for name in names]
        users.update(world.admin, "admin", UserChange(active=False))
        orders: list[Order] = [
            {"do": deed, "user": other, "token": token}
            for other, token in zip(reversed(names), tokens, strict=True)
        ]
        outcomes = field.race(orders if number % 2 else orders[::-1])
        assert outcomes.count("done") == 1
        assert set(outcomes) <= {"done", "conflict", "not permitted"}
        left = "SELECT name FROM user_account WHERE active AND system_role = 'sys_admin'"
        (winner,) = [row[0] for row in world.execute(left)]
        assert winner in names
        world.execute("UPDATE user_account SET active = true WHERE name = 'admin'")
        world.vouch("user")
        users.delete(world.admin, winner)
    unbroken(world)


def test_of_many_who_end_the_last_two_admins_one_is_left(world: World, field: Threads | Processes) -> None:
    """Four at once, each in another way, against both sys_admins: one of these is left, active."""
    other = world.user("other", system_role=SystemRole.SYS_ADMIN)
    world.secret("k")
    token = world.service.tokens.create(other, NewToken()).token
    orders: list[Order] = [
        {"do": "demote", "user": "admin"},
        {"do": "deactivate", "user": "other"},
        {"do": "deactivate", "user": "admin", "token": token},
        {"do": "demote", "user": "other", "token": token},
    ]
    for number in range(4):
        turn = number % 4
        outcomes = field.race(orders[turn:] + orders[:turn])
        assert "done" in outcomes
        assert set(outcomes) <= {"done", "conflict", "not permitted"}
        left = world.execute(
            "SELECT name FROM user_account WHERE active AND system_role = 'sys_admin' ORDER BY name"
        )
        assert len(left) == 1
        assert world.execute("SELECT name FROM standing_admin JOIN user_account ON id = user_id") == left
        world.execute("UPDATE user_account SET active = true, system_role = 'sys_admin'")
        world.vouch("user")
    unbroken(world)


def test_a_membership_ends_once_and_never_outlives_its_user(world: World, field: Threads | Processes) -> None:
    """Of two who end a membership one is done; who joins while being deleted is a member or is gone."""
    for number in range(4):
        name = f"u{number}"
        world.service.users.create(world.admin, name, NewUser())
        end: Order = {"do": "remove member", "tenant": "home", "user": name}
        join: Order = {"do": "add member", "tenant": "home", "user": name, "role": "user"}
        assert field.race([join, join | {"role": "viewer"}]) == ["done", "done"]
        assert sorted(field.race([end, end])) == ["done", "not found"]
        outcomes = field.race([join, {"do": "delete user", "user": name}])
        assert outcomes[1] == "done" or outcomes == ["done", "conflict"]
        assert outcomes[0] in {"done", "conflict", "not found"}
        lost = "SELECT * FROM membership WHERE user_id NOT IN (SELECT id FROM user_account)"
        assert world.execute(lost) == []
    unbroken(world)


def opened(world: World) -> Service:
    """A service with both root keys that has opened nothing yet."""
    ring = KeyRing([RootKey(key, "the tests") for key in (ROOT_KEY, OTHER_ROOT_KEY)])
    return Service(SqlStore(world.url), ring, lambda: world.passwords)


def test_rotations_at_once_leave_everything_readable(world: World, field: Threads | Processes) -> None:
    """Several rotate data keys and root keys at once, and one writes: all is readable, one key active."""
    for number in range(6):
        world.secret(f"k{number}", f"value of {number}")
    ids = [RootKey(key, "").id for key in (ROOT_KEY, OTHER_ROOT_KEY)]
    data: Order = {"do": "rotate data", "tenant": ""}
    update: Order = {"do": "update", "tenant": "home", "key": "k0"}
    races: list[list[Order]] = [
        [data, data, data | {"tenant": "home"}],
        [{"do": "rotate root", "to": ids[1]}, {"do": "rotate root", "to": ids[0]}],
        [data, {"do": "rotate root", "to": ids[1]}, {"do": "rotate root", "to": ids[1]}],
        [data | {"tenant": "home"}, data | {"tenant": "home"}, {"do": "rotate root", "to": ids[0]}],
    ]
    newest = "value of 0"
    for number, orders in enumerate(races):
        value = f"new in race {number}"
        outcomes = field.race([*orders, update | {"value": value}])
        assert set(outcomes[:-1]) <= {"done", "conflict"}, outcomes
        assert "done" in outcomes[:-1]
        newest = value if outcomes[-1] != "conflict" else newest
        service = opened(world)
        wrapping = next(key.id for key in service.keys.status(world.admin).root_keys if key.wraps)
        quiet = lambda _doing, _more: None  # noqa: E731 - nobody looks at the progress
        proof = service.keys.rotate_root(world.admin, wrapping, quiet)
        assert (proof.unreadable, proof.proved) == ([], 6 + number + (outcomes[-1] != "conflict"))
        for key in range(6):
            shown = service.secrets.show(world.admin, "home", f"k{key}")[1]
            assert shown is not None
            assert shown.reveal() == (f"value of {key}" if key else newest)
        states = [(key.tenant, key.state) for key in service.keys.status(world.admin).data_keys]
        assert sorted(name or "" for name, state in states if state != "retired") == ["", "away", "home"]
        service.close()
    unbroken(world)


def test_imports_at_once_lose_nothing(world: World, field: Threads | Processes) -> None:
    """Four import the same keys in different orders: each key arrives once, overriding ones are versions.

    Who overrides what another one has just changed is told so, by position.
    """
    for number in range(2):
        keys = [f"k{number}.{entry:02}" for entry in range(8)]
        order: Order = {"do": "import", "tenant": "home", "override": False}
        orders = [
            order | {"keys": keys[racer:] + keys[:racer] if racer % 2 else keys[::-1], "value": f"of {racer}"}
            for racer in range(4)
        ]
        outcomes = field.race(orders)
        assert sum(int(outcome.removeprefix("stored ")) for outcome in outcomes) == len(keys), outcomes
        outcomes = field.race([one | {"override": True, "value": f"{one['value']} again"} for one in orders])
        written = [int(outcome.removeprefix("stored ")) for outcome in outcomes]
        found = world.service.secrets.list(world.admin, "home").items
        versions = sum(secret.version - 1 for secret in found if secret.key in keys)
        assert versions == sum(written) > 0
    assert world.execute("SELECT count(*) FROM secret")[0][0] == 2 * 8
    unbroken(world)
