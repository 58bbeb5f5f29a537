"""Limits: token buckets, how many at once, how many a second, in how much memory; and who waits."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

import pytest

from resolver.core.permissions import TenantRole
from resolver.rest.options import ServerOptions
from resolver.rest.rate_limit import Buckets, network_of
from tests.databases import made_world
from tests.rest.conftest import SECRETS, SlowPasswords, basic, serving

if TYPE_CHECKING:
    from pathlib import Path


class Seconds:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_a_bucket_fills_again() -> None:
    """Two seconds' worth at once, then one for each part of a second that went by."""
    clock = Seconds()
    buckets = Buckets(5, clock)
    assert [buckets.take("a") for _ in range(10)] == [0] * 10
    assert buckets.take("a") == pytest.approx(0.2)
    clock.now += 0.2
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0
    assert buckets.take("b") == 0


def test_a_large_request_counts_as_many() -> None:
    """What it moved is taken from the tokens to come, of a minute at most; others are not charged for it."""
    clock = Seconds()
    buckets = Buckets(5, clock)
    assert buckets.take("a") == 0
    buckets.charge("a", 20)
    assert buckets.take("a") == pytest.approx(12 / 5)
    assert buckets.take("b") == 0
    buckets.charge("a", 10**9)
    assert buckets.take("a") == pytest.approx(60.2)
    clock.now += 61
    assert buckets.take("a") == 0


def test_a_slow_rate_lets_one_through() -> None:
    """Less than one request a second still begins with one."""
    buckets = Buckets(0.1, Seconds())
    assert buckets.take("a") == 0
    assert buckets.take("a") == pytest.approx(10)


def test_no_limit_remembers_no_one() -> None:
    """A rate of 0 is no limit."""
    buckets = Buckets(0, Seconds())
    assert [buckets.take(str(number)) for number in range(1000)] == [0] * 1000
    assert not buckets._known  # noqa: SLF001 - the memory is what is tested


def test_memory_is_bounded() -> None:
    """However many ask, only so many are remembered; the one that asked last is among them."""
    buckets = Buckets(1, Seconds(), max_known=100)
    for number in range(1000):
        buckets.take(str(number))
    assert list(buckets._known) == [str(number) for number in range(900, 1000)]  # noqa: SLF001 - as above


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_a_network_counts_as_one(address: str, counted: str) -> None:
    """Who has one IPv6 address has 2**64 of them."""
    assert network_of(address) == counted


ALONE = ServerOptions(address_rate=0, user_rate=0, share=1)
"""Lets one address have all that there is."""


def test_guessing_at_passwords_leaves_room_for_others(tmp_path: Path) -> None:
    """So many wait for their turn; the others are told to come back, and tokens are let in all the while."""
    slow = SlowPasswords()
    world = made_world("sqlite", tmp_path, passwords=slow)
    with serving(world, ALONE) as live, ThreadPoolExecutor(50) as pool:
        admin = live.client()
        headers = {"Authorization": basic("nobody", "a guess"), "Tenant": "home"}
        asked = [pool.submit(live.http.get, SECRETS, headers=headers, timeout=60) for _ in range(50)]
        refused = [one.result().status_code for one in itertools.islice(as_completed(asked), 8)]
        assert refused == [503] * 8
        assert admin("GET", SECRETS).status_code == 200
        login = live.http.post("/api/v1/resolver/session", json={"username": "a", "password": "b"})
        assert (login.status_code, login.headers["Retry-After"]) == (503, "2")
        slow.go.set()
        assert sorted(one.result().status_code for one in asked) == [401] * 42 + [503] * 8


def test_new_passwords_leave_room_for_others(tmp_path: Path) -> None:
    """Whoever has none may set one: no more wait than with guesses, and all but the first are refused."""
    slow = SlowPasswords()
    world = made_world("sqlite", tmp_path, passwords=slow)
    with serving(world, ALONE) as live, ThreadPoolExecutor(50) as pool:
        eve = live.user("eve", TenantRole.USER)
        change = ("POST", "/api/v1/resolver/users/eve/password", {"password": "a new password"})
        other = ("POST", "/api/v3.1/users/eve", {"password": "a new password"})
        asked = [pool.submit(eve, *(other if number % 2 else change), timeout=60) for number in range(50)]
        refused = [one.result().status_code for one in itertools.islice(as_completed(asked), 8)]
        assert refused == [503] * 8
        assert eve("GET", SECRETS).status_code == 200
        slow.go.set()
        assert sorted(one.result().status_code for one in asked) == [200] + [403] * 41 + [503] * 8
