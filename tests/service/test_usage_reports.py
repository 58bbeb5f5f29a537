"""Where secrets are used, read out of the audit trail."""

from __future__ import annotations

import itertools
import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.results import StaleUse
from resolver.core.secret_changes import SecretChange
from resolver.errors import InvalidRequestError, NotPermittedError
from resolver.resolution import BlueprintText, resolve
from resolver.service import usage_reports
from tests.trusting import exchanged, jwt, trusting

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from tests.databases import World


def use(
    world: World, key: str, name: str = "a.yaml", caller: Caller | None = None, tenant: str = "home"
) -> None:
    """Resolve a blueprint that asks for one secret twice."""
    data = f"a: {{ get_secret: {key} }}\nb: {{ get_secret: {key} }}\n".encode()
    resolve(world.service, caller or world.admin, tenant, [BlueprintText(name, data, None)])


def test_uses_are_grouped(world: World) -> None:
    """One line for each blueprint, text, version, user and outcome, the latest first."""
    world.secret("smtp")
    una = world.user("una", TenantRole.USER)
    use(world, "smtp")
    world.clock.now = "2030-01-02T00:00:00.000Z"
    use(world, "smtp")
    world.service.secrets.update(world.admin, "home", "smtp", SecretChange(value=SecretValue("two")))
    use(world, "smtp", "b.yaml", una)
    found = world.service.where_used.secret(world.admin, "home", "smtp")
    assert found.since == "2029-10-04T00:00:00.000Z"
    told = {
        (use.blueprint, use.version, use.caller, use.count, use.first[:10], use.last[:10])
        for use in found.uses
    }
    assert told == {
        ("a.yaml", 1, "admin", 2, "2030-01-01", "2030-01-02"),
        ("b.yaml", 2, "una", 1, "2030-01-02", "2030-01-02"),
    }
    assert len({use.digest for use in found.uses}) == 1
    assert not found.more


def test_uses_of_a_run(world: World) -> None:
    """A workload's run by its id, and nothing for one that there is not; claims are for the trail."""
    world.secret("key")
    trusting(world)
    for number in ("1", "2"):
        use(world, "key", caller=exchanged(world, jwt(world, jti=f"run-{number}")))
    use(world, "key")
    for run, counts in (("", [1, 2]), ("run-2", [1]), ("run-3", []), ("jti=run-2", []), ("\0", [])):
        found = world.service.where_used.secret(world.admin, "home", "key", run)
        assert sorted(use.count for use in found.uses) == counts


def test_old_uses_are_left_out(world: World) -> None:
    """One looks 90 days back, from the beginning of the day."""
    world.secret("smtp")
    use(world, "smtp")
    world.clock.now = "2030-04-01T23:59:59.000Z"
    assert len(world.service.where_used.secret(world.admin, "home", "smtp").uses) == 1
    world.clock.now = "2030-04-02T00:00:00.000Z"
    assert world.service.where_used.secret(world.admin, "home", "smtp").uses == []
    assert world.service.where_used.tenant(world.admin, "home").days == {}


def test_a_secret_made_again_is_another_one(world: World) -> None:
    """Uses of the one that was deleted are not its uses; once both are gone the key alone tells."""
    world.secret("smtp")
    use(world, "smtp", "old.yaml")
    world.service.secrets.delete(world.admin, "home", "smtp")
    world.secret("smtp")
    use(world, "smtp", "new.yaml")
    names = [use.blueprint for use in world.service.where_used.secret(world.admin, "home", "smtp").uses]
    assert names == ["new.yaml"]
    world.service.secrets.delete(world.admin, "home", "smtp")
    gone = world.service.where_used.secret(world.admin, "home", "smtp").uses
    assert {use.blueprint for use in gone} == {"old.yaml", "new.yaml"}


def test_uses_of_a_global_secret_elsewhere(world: World) -> None:
    """Who may read its own tenant's trail sees them all, who may read another's only those of that one."""
    world.secret("everywhere", visibility=Visibility.GLOBAL)
    manager = world.user("manny", TenantRole.MANAGER)
    use(world, "everywhere")
    use(world, "everywhere", tenant="away")
    where = world.service.where_used
    assert {use.tenant for use in where.secret(world.admin, "home", "everywhere").uses} == {"home", "away"}
    assert {use.tenant for use in where.secret(manager, "home", "everywhere").uses} == {"home", "away"}
    other = world.user("other", away=TenantRole.MANAGER)
    assert {use.tenant for use in where.secret(other, "away", "everywhere").uses} == {"away"}
    assert where.tenant(other, "away").pairs == {("everywhere", "a.yaml"): 1}


@pytest.mark.parametrize("role", [TenantRole.USER, TenantRole.OPERATIONS, TenantRole.VIEWER, None])
def test_who_may_not_read_the_trail(world: World, role: TenantRole | None) -> None:
    """Is refused, for a key that is there as for one that is not."""
    world.secret("smtp")
    caller = world.user("eve", role)
    where = world.service.where_used
    for ask in (
        lambda: where.tenant(caller, "home"),
        lambda: where.secret(caller, "home", "smtp"),
        lambda: where.secret(caller, "home", "nothing"),
    ):
        with pytest.raises(NotPermittedError, match="user 'eve' is not permitted to read the audit trail"):
            ask()


def test_a_key_that_is_none(world: World) -> None:
    """A pattern would tell of other secrets."""
    with pytest.raises(InvalidRequestError):
        world.service.where_used.secret(world.admin, "home", "*")


def test_the_picture_of_a_tenant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days and pairs are counted; beyond a number only those that are used most."""
    for key in ("one", "two", "three"):
        world.secret(key)
    viewer = world.user("vic", TenantRole.VIEWER)
    for key, name, times in (
        ("one", "a.yaml", 3),
        ("two", "a.yaml", 2),
        ("two", "b.yaml", 1),
        ("three", "c.yaml", 1),
    ):
        for _ in range(times):
            use(world, key, name)
    with pytest.raises(NotPermittedError):
        use(world, "one", caller=viewer)
    found = world.service.where_used.tenant(world.admin, "home")
    assert found.days == {"2030-01-01": (7, 1)}
    assert found.pairs == {
        ("one", "a.yaml"): 3,
        ("two", "a.yaml"): 2,
        ("two", "b.yaml"): 1,
        ("three", "c.yaml"): 1,
    }
    assert (found.keys, found.blueprints) == (3, 3)
    monkeypatch.setattr(usage_reports, "MAX_KEYS", 2)
    monkeypatch.setattr(usage_reports, "MAX_BLUEPRINTS", 1)
    few = world.service.where_used.tenant(world.admin, "home")
    assert few.pairs == {("one", "a.yaml"): 3, ("two", "a.yaml"): 2}
    assert (few.keys, few.blueprints) == (3, 3)


def test_secrets_that_too_many_may_know_of(world: World) -> None:
    """A global one that its own tenant uses alone, and one that its owner uses alone; not one in no use."""
    for key in ("idle", "here", "there"):
        world.secret(key, visibility=Visibility.GLOBAL)
    for key in ("mine", "ours"):
        world.secret(key)
    una = world.user("una", TenantRole.USER)
    for key in ("here", "there", "mine", "ours"):
        use(world, key)
    text = b"a: { get_secret: here }\nb: { get_secret: ours }\n"
    resolve(world.service, una, "home", [BlueprintText("b.yaml", text, None)])
    use(world, "there", tenant="away")
    for caller in (world.admin, world.user("manny", TenantRole.MANAGER)):
        wide = world.service.usage.unused(caller, "home").wide_secrets
        assert [(one.key, one.visibility, one.enough) for one in wide] == [
            ("here", Visibility.GLOBAL, Visibility.TENANT),
            ("mine", Visibility.TENANT, Visibility.PRIVATE),
        ]


def rotate(world: World, key: str, value: str) -> None:
    """Give a secret another value."""
    world.service.secrets.update(world.admin, "home", key, SecretChange(value=SecretValue(value)))


def test_what_was_given_an_old_version_is_stale(world: World) -> None:
    """Until it is resolved again; the others are not, nor is one whose text needs the secret no more."""
    for key in ("smtp", "ftp"):
        world.secret(key)
        use(world, key, f"{key}.yaml")
    use(world, "smtp", "moved.yaml")
    assert world.service.usage.stale(world.admin, "home").blueprints == []
    world.clock.now = "2030-01-02T00:00:00.000Z"
    rotate(world, "smtp", "two")
    use(world, "ftp", "moved.yaml")
    (found,) = world.service.usage.stale(world.admin, "home").blueprints
    assert (found.blueprint, found.caller, found.last) == ("smtp.yaml", "", "2030-01-01T00:00:00.000Z")
    since = "2030-01-02T00:00:00.000Z"
    assert found.secrets == [StaleUse("smtp", 1, "2030-01-01T00:00:00.000Z", 2, since, "admin")]
    assert world.service.usage.stale(world.admin, "home", "ftp").blueprints == []
    use(world, "smtp", "smtp.yaml")
    assert world.service.usage.stale(world.admin, "home").blueprints == []


def test_a_secret_that_is_gone_or_another_is_stale(world: World) -> None:
    """One that was made again under its key starts with version 1, too, and is not the one that was used."""
    world.secret("smtp")
    use(world, "smtp")
    world.service.secrets.delete(world.admin, "home", "smtp")
    (gone,) = world.service.usage.stale(world.admin, "home").blueprints
    assert [(one.current, one.replaced) for one in gone.secrets] == [(None, False)]
    world.secret("smtp")
    (again,) = world.service.usage.stale(world.admin, "home").blueprints
    assert [(one.version, one.current, one.replaced) for one in again.secrets] == [(1, 1, True)]


def test_stale_uses_of_other_tenants_are_theirs(world: World) -> None:
    """A global secret that changed makes a blueprint stale in the tenant where it was resolved."""
    world.secret("everywhere", visibility=Visibility.GLOBAL)
    use(world, "everywhere", "there.yaml", tenant="away")
    rotate(world, "everywhere", "two")
    assert world.service.usage.stale(world.admin, "home").blueprints == []
    (found,) = world.service.usage.stale(world.admin, "away").blueprints
    assert found.blueprint == "there.yaml"
    narrow = world.caller("admin", Scope(keys=("every*",)))  # a trail tells of all keys
    for caller in (narrow, world.user("una", TenantRole.USER), world.user("mo", None, TenantRole.MANAGER)):
        with pytest.raises(NotPermittedError, match="is not permitted to read the audit trail"):
            world.service.usage.stale(caller, "home")


def test_what_is_stale_has_a_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many uses the latest are looked at, and the answer says since when."""
    monkeypatch.setattr("resolver.service.usage_reports.MAX_LAST_USES", 2)
    world.secret("smtp")
    for day in (1, 2):
        world.clock.now = f"2030-01-0{day}T00:00:00.000Z"
        use(world, "smtp", f"{day}.yaml")
        rotate(world, "smtp", str(day))
    whole = world.service.usage.stale(world.admin, "home")
    assert ([one.blueprint for one in whole.blueprints], whole.since) == (
        ["1.yaml", "2.yaml"],
        "2030-01-01T00:00:00.000Z",
    )
    world.clock.now = "2030-01-03T00:00:00.000Z"
    use(world, "smtp", "3.yaml")
    late = world.service.usage.stale(world.admin, "home")
    assert ([one.blueprint for one in late.blueprints], late.since) == (
        ["2.yaml"],
        "2030-01-02T00:00:00.000Z",
    )


HISTORY = int(os.environ.get("RESOLVER_TEST_HISTORY", "200"))
"""How many steps a made-up history has; CONTRIBUTING.md has the longer one."""


def test_what_is_stale_agrees_with_what_was_done(world: World) -> None:
    """Of a made-up history of uses, changes and deletions, written down beside the store."""
    random, identity = Random(7), itertools.count()
    current: dict[str, tuple[int, int]] = {}
    last: dict[str, dict[str, tuple[int, int]]] = {}
    for step in range(HISTORY):
        world.clock.now = f"2030-01-01T{step // 3600:02}:{step // 60 % 60:02}:{step % 60:02}.000Z"
        key = f"k{random.randrange(6)}"
        if key not in current:
            world.secret(key)
            current[key] = (next(identity), 1)
        elif random.random() < 0.2:
            rotate(world, key, f"value {step}")
            current[key] = (current[key][0], current[key][1] + 1)
        elif random.random() < 0.05:
            world.service.secrets.delete(world.admin, "home", key)
            del current[key]
        else:
            name, keys = f"{random.randrange(8)}.yaml", random.sample(sorted(current), min(2, len(current)))
            text = "".join(f"{one}: {{ get_secret: {one} }}\n" for one in keys)
            resolve(world.service, world.admin, "home", [BlueprintText(name, text.encode(), None)])
            last[name] = {one: current[one] for one in keys}
    expected = {
        (name, key, used[1])
        for name, uses in last.items()
        for key, used in uses.items()
        if current.get(key) != used
    }
    found = world.service.usage.stale(world.admin, "home").blueprints
    assert {(one.blueprint, use.key, use.version) for one in found for use in one.secrets} == expected
    assert expected
