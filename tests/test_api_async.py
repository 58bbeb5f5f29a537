"""The Python interface on asyncio: the same answers, bounded threads, and calls that are cancelled."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from resolver import AsyncResolver, BlueprintError, NotFoundError, UsageError, open_async_resolver
from resolver.api import Resolver, _Threads
from resolver.core.account_changes import NewToken
from resolver.store.sql import SqlStore
from tests.databases import World, database
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from resolver import ResolvedBlueprint

TEXT = "password: { get_secret: db_password }\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service with one secret."""
    url = database("sqlite", tmp_path)
    world = World(url, SqlStore(url))
    world.secret("db_password", "value of home")
    yield world
    world.service.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, and leave no thread behind."""
    before = threading.active_count()
    asyncio.run(work)
    assert threading.active_count() == before


def opened(world: World, threads: int = 2) -> AsyncResolver:
    """A resolver on a service of the tests."""
    return AsyncResolver(Resolver(world.service), _Threads(threads))


def token_of(world: World) -> str:
    """A token of the admin."""
    return world.service.tokens.create(world.admin, NewToken()).token


def test_it_answers_as_a_resolver_does(world: World) -> None:
    """Values, secrets by key, options, refusals."""

    async def work() -> None:
        resolver = opened(world)
        assert repr(resolver) == "AsyncResolver(open)"
        caller = await resolver.authenticate(token=token_of(world))
        with await resolver.resolve(TEXT, tenant="home", caller=caller) as resolved:
            assert resolved.data == {"password": "value of home"}
        with await resolver.resolve(
            f"{TEXT}b: {{get_input: i}}\n", tenant="home", caller=caller, evaluate=True, inputs={"i": 3}
        ) as resolved:
            assert resolved.data["b"] == 3
        async with resolver.run_secrets("plan", tenant="home", caller=caller) as secrets:
            secrets.expect({"get_secret": "db_password"})
            await secrets.demand("db_password")
            assert (await secrets.value("db_password")).reveal() == "value of home"
            with pytest.raises(NotFoundError):
                await secrets.value("none")
        with pytest.raises(UsageError):
            await secrets.value("db_password")
        with pytest.raises(BlueprintError):
            await resolver.resolve("a: { get_secret: none }\n", tenant="home", caller=caller)
        with pytest.raises(UsageError):
            await resolver.authenticate()
        await resolver.close()
        await resolver.close()
        with pytest.raises(UsageError, match="closed"):
            await resolver.resolve(TEXT, tenant="home", caller=caller)

    run(work())


def test_it_is_opened_and_closed_by_a_block(tmp_path: Path) -> None:
    """What can't be opened is told as by `open_resolver`, and leaves no thread."""

    async def work() -> None:
        with pytest.raises(UsageError):
            async with open_async_resolver(tmp_path, url="ftp://x"):
                raise AssertionError
        async with open_async_resolver(tmp_path, url="http://127.0.0.1:9", token="ctok-a-b") as resolver:
            assert repr(resolver) == "AsyncResolver(open)"

    run(work())


def test_no_more_calls_are_at_work_than_there_are_threads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait, and all are answered."""
    resolve, lock = Resolver.resolve, threading.Lock()
    at_work, most = 0, 0

    def counted(self: Resolver, *given: Any, **options: Any) -> ResolvedBlueprint:  # noqa: ANN401 - passed on
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        try:
            return resolve(self, *given, **options)
        finally:
            with lock:
                at_work -= 1

    monkeypatch.setattr(Resolver, "resolve", counted)

    async def work() -> None:
        resolver = opened(world, threads=2)
        caller = await resolver.authenticate(token=token_of(world))
        calls = [resolver.resolve(TEXT, tenant="home", caller=caller) for _ in range(12)]
        for resolved in await asyncio.gather(*calls):
            with resolved:
                assert resolved.data == {"password": "value of home"}
        await resolver.close()

    run(work())
    assert 1 <= most <= 2


def test_what_a_cancelled_call_obtains_is_dropped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values that came too late are closed, in the thread that obtained them."""
    begun, go = threading.Event(), threading.Event()
    made: list[ResolvedBlueprint] = []
    resolve = Resolver.resolve

    def slow(self: Resolver, *given: Any, **options: Any) -> ResolvedBlueprint:  # noqa: ANN401 - passed on
        begun.set()
        assert go.wait(60)
        options.pop("cancelled")
        made.append(resolve(self, *given, **options))
        return made[0]

    async def work() -> None:
        resolver = opened(world)
        caller = await resolver.authenticate(token=token_of(world))
        monkeypatch.setattr(Resolver, "resolve", slow)
        task = asyncio.create_task(resolver.resolve(TEXT, tenant="home", caller=caller))
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await asyncio.to_thread(until, lambda: bool(made))
        await resolver.close()

    run(work())
    with pytest.raises(UsageError):
        _ = made[0].data


def test_a_cancelled_call_stops_to_compute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take long: it looks whether somebody waits, and ends when nobody does."""
    looked, errors = threading.Event(), []
    resolve = Resolver.resolve

    def watched(self: Resolver, *given: Any, **options: Any) -> ResolvedBlueprint:  # noqa: ANN401 - passed on
        asked = options.pop("cancelled")

        def look() -> bool:
            looked.set()
            return bool(asked())

        try:
            return resolve(self, *given, cancelled=look, **options)
        except BlueprintError as error:
            errors.append(error)
            raise

    async def work() -> None:
        resolver = opened(world)
        caller = await resolver.authenticate(token=token_of(world))
        monkeypatch.setattr(Resolver, "resolve", watched)
        text = "".join(f"k{number}: {{ get_input: i }}\n" for number in range(60_000)) + TEXT
        task = asyncio.create_task(
            resolver.resolve(text, tenant="home", caller=caller, evaluate=True, inputs={"i": 1})
        )
        assert await asyncio.to_thread(looked.wait, 120)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await resolver.close()

    run(work())
    assert len(errors) == 1


def test_a_call_that_is_thrown_away_is_dropped_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where its loop is stopped and forgotten, without a cancellation."""
    begun, go = threading.Event(), threading.Event()
    made: list[ResolvedBlueprint] = []
    resolve = Resolver.resolve

    def slow(self: Resolver, *given: Any, **options: Any) -> ResolvedBlueprint:  # noqa: ANN401 - passed on
        begun.set()
        assert go.wait(60)
        options.pop("cancelled")
        made.append(resolve(self, *given, **options))
        return made[0]

    async def work() -> None:
        resolver = opened(world)
        caller = await resolver.authenticate(token=token_of(world))
        monkeypatch.setattr(Resolver, "resolve", slow)
        call = resolver.resolve(TEXT, tenant="home", caller=caller)
        call.send(None)
        await asyncio.to_thread(begun.wait, 60)
        call.close()
        go.set()
        await asyncio.to_thread(until, lambda: bool(made))
        await resolver.close()

    run(work())
    with pytest.raises(UsageError):
        _ = made[0].data
