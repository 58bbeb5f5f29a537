"""Token buckets: how many at once, how many a second, in how much memory."""

from __future__ import annotations

import pytest

from resolver.rest.limits import Buckets, network_of


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
