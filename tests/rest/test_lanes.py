"""Lanes: who costs much is served by another process, with those who do, and comes back."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from resolver.rest.app import create_app
from resolver.rest.lanes import (
    DECAY_SECONDS,
    MUCH,
    REFUSED,
    REQUEST_SECONDS,
    Handed,
    Lane,
    Load,
    Passage,
)
from resolver.rest.options import ServerOptions
from tests.rest.conftest import Live, running
from tests.rest.test_connections import VERSION, answer_of, connected
from tests.rest.test_rate_limit import Seconds
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import World

ENOUGH = MUCH * DECAY_SECONDS
OPEN = ServerOptions(address_rate=0, user_rate=0)
PROXIED = ServerOptions(address_rate=0, user_rate=0, trusted_proxies=("127.0.0.1",))


def test_who_takes_much_is_heavy_until_it_was_little_for_long() -> None:
    """Work counts less and less; nobody else is heavy for it."""
    clock = Seconds()
    load = Load(clock)
    for _ in range(9):
        load.add("a", ENOUGH / 10)
    assert not load.is_heavy("a")
    load.add("a", ENOUGH / 5)
    assert load.is_heavy("a")
    assert not load.is_heavy("b")
    clock.now = DECAY_SECONDS
    assert load.is_heavy("a")  # it did less than that since, and not yet little
    clock.now = 2 * DECAY_SECONDS
    assert not load.is_heavy("a")
    for _ in range(100):
        clock.now += DECAY_SECONDS / 10
        load.add("a", ENOUGH / 11)  # the same over a longer time is not much
    assert not load.is_heavy("a")


def test_what_was_for_nothing_counts_more() -> None:
    """So a few requests a second that are refused are as much as many that are not."""
    load = Load(Seconds())
    load.add("a", ENOUGH / REFUSED * 1.1)
    load.add("b", ENOUGH / REFUSED * 1.1, refused=True)
    assert (load.is_heavy("a"), load.is_heavy("b")) == (False, True)


def test_processes_that_were_forked_count_together() -> None:
    """What the second lane did for a name keeps it there."""
    load = Load()
    if (child := os.fork()) == 0:
        load.add("a", ENOUGH * 2)
        os._exit(0)
    os.waitpid(child, 0)
    assert load.is_heavy("a")


def test_a_connection_is_handed_over_whole() -> None:
    """With all that was not read yet; this end has nothing of it any more."""
    with contextlib.closing(Passage()) as passage:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(b"before")
            assert passage.put(ours, Handed(1, "192.0.2.7"))
            assert ours.fileno() == -1
            taken = passage.take()
            assert taken is not None
            with taken[0] as sock:
                assert (sock.recv(100), taken[1]) == (b"before", Handed(1, "192.0.2.7"))
                sock.sendall(b"answer")
            assert theirs.recv(100) == b"answer"
        assert passage.take() is None


def test_what_waits_to_be_taken_is_bounded() -> None:
    """Who comes when it is full is cut off: a second lane that is gone collects no connections."""
    with contextlib.closing(Passage()) as passage, contextlib.ExitStack() as stack:
        for _ in range(10_000):
            ours, theirs = socket.socketpair()
            stack.enter_context(theirs)
            if not passage.put(ours, Handed(0, "192.0.2.7")):
                break
        else:
            pytest.fail("all were kept")
        assert theirs.recv(1) == b""


@contextlib.contextmanager
def both(
    world: World, options: ServerOptions = OPEN, *, proxy_protocol: bool = False
) -> Iterator[tuple[Live, Live, Load, Seconds]]:
    """Both lanes of a server, each in a thread, what they count, and their clock. All come to the first."""
    clock = Seconds()
    load = Load(clock)
    with contextlib.closing(Passage()) as passage:
        apps = [create_app(world.service, options, Lane(load, passage, second)) for second in (False, True)]
        with running(apps[1]), running(apps[0], proxy_protocol=proxy_protocol) as url:
            first, second = (Live(world, url, app) for app in apps)
            with first.http, second.http:
                yield first, second, load, clock


def answered(live: Live) -> int:
    """How many requests a lane answered."""
    return sum(
        int(sample.value)
        for metric in live.app.state.server.metrics.requests.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


def test_who_is_refused_again_and_again_goes_to_the_second_lane(world: World) -> None:
    """After a number of requests that is known; the next connection is not read in the first lane at all."""
    most = int(ENOUGH / (REQUEST_SECONDS * REFUSED)) + 1
    with both(world) as (first, second, load, _):
        for asked in range(1, most + 1):
            with connected(first, "127.0.0.2") as peer:
                peer.sendall(VERSION.replace(b"Host", b"Connection: close\r\nHost"))
                assert answer_of(peer).startswith(b"HTTP/1.1 401")
            until(lambda asked=asked: answered(first) == asked)
            if load.is_heavy("127.0.0.2"):
                break
        assert load.is_heavy("127.0.0.2")
        with connected(first, "127.0.0.2") as peer:
            peer.sendall(VERSION)
            assert peer.recv(65536).startswith(b"HTTP/1.1 401")
            until(lambda: answered(second) == 1)
        # Others stay where they are.
        assert first.http.get("/api/v3.1/version").status_code == 401
        until(lambda: answered(first) == asked + 1)
        assert answered(second) == 1


def test_a_connection_that_is_open_ends_with_its_next_answer(world: World) -> None:
    """The one after it goes to the other lane; and so it is on the way back."""
    with both(world) as (first, second, load, clock):
        with connected(first, "127.0.0.2") as peer:
            peer.sendall(VERSION)
            assert b"connection: close" not in peer.recv(65536).lower()
            load.add("127.0.0.2", ENOUGH * 1.1)
            peer.sendall(VERSION)
            assert b"connection: close" in answer_of(peer).lower()
        with connected(first, "127.0.0.2") as peer:
            peer.sendall(VERSION)
            assert b"connection: close" not in peer.recv(65536).lower()
            until(lambda: answered(second) == 1)
            clock.now = 5 * DECAY_SECONDS
            peer.sendall(VERSION)
            assert b"connection: close" in answer_of(peer).lower()


def test_a_client_of_a_proxy_that_names_it_goes_alone(world: World) -> None:
    """By the PROXY protocol; the proxy itself, and so its other clients, stay in the first lane."""
    with both(world, PROXIED, proxy_protocol=True) as (first, second, load, _):
        for name in ("192.0.2.7", "127.0.0.1"):
            load.add(name, ENOUGH * 2)
        for number, lane in ((7, second), (8, first)):
            before = answered(lane)
            with connected(first) as peer:
                peer.sendall(b"PROXY TCP4 192.0.2.%d 192.0.2.1 1 2\r\n" % number + VERSION)
                assert peer.recv(65536).startswith(b"HTTP/1.1 401")
                until(lambda lane=lane, before=before: answered(lane) == before + 1)
