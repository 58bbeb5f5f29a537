"""Shares: nobody has more than theirs, everything comes back, and one look serves all who ask."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest

from resolver.errors import StoreError
from resolver.rest.errors import RequestError
from resolver.rest.readiness import ReadinessProbe
from resolver.rest.shares import Account, NameLimiter, Shares, Sharing
from tests.rest.test_rate_limit import Seconds

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
QUARTER = Sharing(0.25, {})


def run(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine in a thread: a browser that other tests started has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_a_name_has_its_share() -> None:
    """Of all, and of what is left; what is refused takes nothing."""
    shares = Shares(8, QUARTER)
    assert [shares.take(["a"]) for _ in range(3)] == [True, True, False]
    assert shares.take(["b", "c"], 2)
    assert not shares.take(["d", "b"])  # one of two names has too much
    assert (shares.used, shares.has("d"), shares.greediest()) == (4, 0, "a")
    assert shares.take(["d"], 2)
    assert shares.take(["e"], 2)
    assert not shares.take(["f"])  # all is taken
    for name in "a", "d", "e":
        shares.give([name], 2)
    shares.give(["b", "c"], 2)
    assert (shares.used, shares.greediest()) == (0, "")


def test_a_small_share_is_one() -> None:
    """A quarter of two is one, not none."""
    assert Shares(2, QUARTER).take(["a"])


def test_an_account_gives_everything_back() -> None:
    """Also what it took before it was known whose it is; a user has one share however many addresses."""
    places, memory = Shares(8, QUARTER), Shares(4000, QUARTER)
    accounts = [Account(places, memory, name) for name in ("a", "b", "c")]
    for account in accounts[:2]:
        account.enter()
        account.hold(400)
        account.belongs_to("one")
    assert (places.has("user one"), memory.has("user one"), memory.has("a")) == (2, 800, 400)
    accounts[2].enter()
    with pytest.raises(RequestError, match="busy") as refused:
        accounts[2].belongs_to("one")
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    with pytest.raises(RequestError) as refused:
        accounts[0].hold(300)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "2"})
    with pytest.raises(RequestError) as refused:
        accounts[0].hold(700)  # with what it has it is more than anyone may have
    assert refused.value.status == 413
    for account in accounts:
        account.close()
        account.close()
    assert (places.used, memory.used) == (0, 0)


def test_turns_of_one_name_wait_for_one_another() -> None:
    """And for nobody else's; names without any are forgotten."""
    turns, order = NameLimiter(1), []

    async def work(name: str, *, waits: asyncio.Event | None = None) -> None:
        async with turns.of(name):
            order.append(f"{name} begins")
            if waits is not None:
                await waits.wait()
            order.append(f"{name} ends")

    async def all_of_them() -> None:
        go = asyncio.Event()
        first = asyncio.create_task(work("a", waits=go))
        await asyncio.sleep(0)
        second = asyncio.create_task(work("a"))
        await work("b")
        go.set()
        await asyncio.gather(first, second)

    run(all_of_them())
    assert order == ["a begins", "b begins", "b ends", "a ends", "a begins", "a ends"]
    assert not turns._semaphores  # noqa: SLF001 - the memory is what is tested
    assert not turns._users  # noqa: SLF001 - as above


def test_many_who_ask_whether_it_is_ready_cost_one_look() -> None:
    """However many ask at once, and within a second; then it is looked at again."""
    clock, looks = Seconds(), []

    def check() -> None:
        looks.append(clock.now)
        if len(looks) > 1:
            raise StoreError("gone")

    async def ask() -> tuple[list[bool], bool, bool]:
        readiness = ReadinessProbe(check, clock)
        many = await asyncio.gather(*[readiness.look() for _ in range(1000)])
        clock.now = 0.9
        soon = await readiness.look()
        clock.now = 1.1
        return many, soon, await readiness.look()

    many, soon, later = run(ask())
    assert (set(many), soon, later, len(looks)) == ({True}, True, False, 2)
