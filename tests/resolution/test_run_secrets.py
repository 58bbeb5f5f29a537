"""Secrets by key, for an orchestrator that evaluates blueprints itself."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from resolver import NotFoundError, NotPermittedError, Resolver, UsageError
from resolver.core.model import Scope, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret
from resolver.errors import ProviderError
from resolver.resolution.run_secrets import written_keys
from tests.databases import World, made_world
from tests.told import told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resolver.core.model import Caller
    from resolver.core.results import UseAnswer
    from resolver.resolution.run_secrets import RunSecrets

PLAN: dict[str, Any] = {
    "nodes": [{"a": {"get_secret": "one"}, "b": [{"concat": ["x", {"get_secret": ["two", "step"]}]}]}],
    "c": {"get_secret": {"get_secret": "which"}},
    "d": {"get_secret": ["absent", 0]},
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service with some of the secrets of the plan."""
    world = made_world("sqlite", tmp_path)
    for key, value in (
        ("one", "value of one"),
        ("two", '{"step": 2}'),
        ("which", "deep"),
        ("deep", "bottom"),
    ):
        world.secret(key, value)
    yield world
    world.service.close()


def run(world: World, caller: Caller | None = None) -> RunSecrets:
    """A run that expects the plan."""
    secrets = Resolver(world.service).run_secrets("plan", tenant="home", caller=caller or world.admin)
    secrets.expect(PLAN)
    return secrets


def uses(world: World) -> list[bytes]:
    """What the records of uses tell of each key."""
    records = world.service.trail.records(world.admin, "home")
    used = told(record for record in records if record.action == "secret:use")
    return [json.dumps(fields).encode() for fields in used]


def test_the_keys_of_a_plan() -> None:
    """Keys that are written, with their places, also within arguments; no computed ones."""
    assert sorted((key, path) for key, path, _ in written_keys(PLAN)) == [
        ("absent", ("d",)),
        ("one", ("nodes", 0, "a")),
        ("two", ("nodes", 0, "b", 0, "concat", 1)),
        ("which", ("c", "get_secret")),
    ]


def test_all_expected_keys_are_obtained_at_once(world: World) -> None:
    """One look at the secrets for the check, one for the values; a missing one that nobody asks for waits."""
    secrets = run(world)
    with world.statements() as statements:
        assert secrets.value("one").reveal() == "value of one"
    assert len([text for text in statements if "FROM secret " in text]) == 2
    with world.statements() as statements:
        assert [secrets.value(key).reveal() for key in ("two", "which", "one")] == [
            '{"step": 2}',
            "deep",
            "value of one",
        ]
    assert statements == []
    assert len(uses(world)) == 3
    assert not any(b"absent" in body for body in uses(world))


def test_a_missing_key_is_on_record_when_it_is_asked_for(world: World) -> None:
    """It is not found, in the usual words, and the refusal is recorded."""
    secrets = run(world)
    for ask in (secrets.demand, secrets.value):
        with pytest.raises(NotFoundError, match=r"^secret 'absent' was not found in tenant 'home'$"):
            ask("absent")
    assert [b"absent" in body for body in uses(world)] == [True]


def test_a_computed_key_is_shown_nowhere(world: World) -> None:
    """It may be what a secret holds: neither an error nor a record repeats it, found or not."""
    secrets = run(world)
    assert secrets.value(secrets.value("which").reveal()).reveal() == "bottom"
    with pytest.raises(NotFoundError) as caught:
        secrets.value("s3cret")
    assert caught.value.message == "secret <from secret one, two, which> was not found in tenant 'home'"
    assert not any(b"deep" in body or b"s3cret" in body for body in uses(world))


def test_access_rules(world: World) -> None:
    """Roles, scope and visibility decide: viewers and strangers get nothing, others theirs."""
    world.secret("hers", visibility=Visibility.PRIVATE)
    world.user("ann", home=TenantRole.OPERATIONS)
    narrowed = run(world, world.caller("ann", Scope(keys=("one",))))
    assert narrowed.value("one").reveal() == "value of one"
    with pytest.raises(NotPermittedError, match=r"^secret 'two' may not be used in tenant 'home' by this"):
        narrowed.value("two")
    with pytest.raises(NotFoundError):
        run(world, world.caller("ann")).value("hers")
    for caller in (world.user("vic", home=TenantRole.VIEWER), world.user("eve", away=TenantRole.MANAGER)):
        for ask in (run(world, caller).demand, run(world, caller).value):
            with pytest.raises(NotPermittedError):
                ask("one")


def test_rights_that_end_during_a_run(world: World) -> None:
    """What was checked is decided again when it is obtained; what was obtained stays for the run."""
    world.user("ann", home=TenantRole.OPERATIONS)
    secrets, early = run(world, world.caller("ann")), run(world, world.caller("ann"))
    secrets.demand("one")
    assert early.value("one").reveal() == "value of one"
    world.service.secrets.delete(world.admin, "home", "two")
    assert secrets.value("one").reveal() == "value of one"
    with pytest.raises(NotFoundError):
        secrets.value("two")
    world.service.tenants.remove_member(world.admin, "home", "ann")
    assert early.value("one").reveal() == "value of one"
    with pytest.raises(NotPermittedError):
        early.value("deep")


def test_threads(world: World) -> None:
    """Many threads that ask at once make one request."""
    secrets = run(world)
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda key: secrets.value(key).reveal(), ["one", "which"] * 32))
    assert set(values) == {"value of one", "deep"}
    assert len(uses(world)) == 3


def test_closing(world: World) -> None:
    """After its block a run has no values, and gives none."""
    with run(world) as secrets:
        assert repr(secrets) == "RunSecrets('plan', tenant='home')"
        secrets.value("one")
        assert len(secrets.values) == 3
    assert list(secrets.values) == []
    for ask in (secrets.value, secrets.demand):
        with pytest.raises(UsageError, match=r"^the run 'plan' is over, and holds no secrets any more$"):
            ask("deep")


def test_closing_waits_for_no_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be made on an event loop; what a request brings later is dropped."""
    begun, go = threading.Event(), threading.Event()
    use = world.service.use.use

    def slow(*given: Any) -> UseAnswer:  # noqa: ANN401 - passed on
        begun.set()
        assert go.wait(60)
        return use(*given)

    monkeypatch.setattr(world.service.use, "use", slow)
    secrets = run(world)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(secrets.value, "one")
        assert begun.wait(60)
        closing = pool.submit(secrets.close)
        try:
            closing.result(60)
        finally:
            go.set()
        with pytest.raises(UsageError, match="over"):
            asked.result(60)
    assert list(secrets.values) == []


def test_a_provider_that_fails_is_no_lack_of_rights(world: World) -> None:
    """Whoever runs it is told to look at the provider, not at roles."""
    world.service.providers.create(
        world.admin,
        "home",
        "v",
        NewProvider("vault", {"url": "http://127.0.0.1:1", "path": "p", "token": "t"}),
    )
    world.service.secrets.create(world.admin, "home", "away", NewSecret(provider="v"))
    with Resolver(world.service).run_secrets("plan", tenant="home", caller=world.admin) as secrets:
        secrets.expect({"a": {"get_secret": "away"}})
        secrets.demand("away")
        with pytest.raises(ProviderError, match=r"^secret 'away' is kept elsewhere: its provider failed$"):
            secrets.value("away")
