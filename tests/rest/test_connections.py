"""Connections: each peer its share, each wait its end, and nothing that is smuggled past a proxy."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from resolver.rest.connections import MOST_PIPELINED, MOST_SPARE, Connections, Peer
from resolver.rest.lanes import Load
from resolver.rest.options import ServerOptions
from resolver.rest.shares import Sharing
from tests.rest.conftest import serving
from tests.waiting import receive_until, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.databases import World
    from tests.rest.conftest import Live

REQUEST = b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"
VERSION = b"GET /api/v3.1/version HTTP/1.1\r\nHost: x\r\n\r\n"
"""Asks for something that is no health, and is refused with 401."""

OPEN = ServerOptions(address_rate=0, user_rate=0)
HASTY = ServerOptions(address_rate=0, user_rate=0, head_seconds=0.3, body_seconds=0.3, write_seconds=0.3)
"""Waits for hardly any time."""


@contextlib.contextmanager
def connected(live: Live, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A connection from an address of loopback."""
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30, source_address=(source, 0)) as peer:
        yield peer


def answer_of(peer: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := peer.recv(65536):
            found += piece
    return found


def is_open(peer: socket.socket) -> bool:
    """Whether the server has not closed a connection on which it has nothing to say."""
    peer.settimeout(0)
    try:
        return peer.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        peer.settimeout(30)


def test_one_that_says_nothing_is_closed(world: World) -> None:
    """From the start."""
    with serving(world, HASTY) as live, connected(live) as peer:
        assert peer.recv(1) == b""


def test_one_that_drips_is_closed(world: World) -> None:
    """Each byte in time, and never the whole; the same after a first request."""
    with serving(world, HASTY) as live, connected(live) as peer:
        peer.sendall(REQUEST)
        assert peer.recv(65536).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(OSError):
            for byte in b"GET /ok HTTP/1.1\r\nX: " + b"a" * 20_000:
                peer.sendall(bytes([byte]))
                until(lambda: True)
                peer.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    if peer.recv(1) == b"":
                        return
            pytest.fail("it was waited for")


def test_a_body_that_drips_after_its_answer_is_closed(world: World) -> None:
    """One who was refused before the body came may not go on with it for ever."""
    with serving(world, HASTY) as live, connected(live) as peer:
        peer.sendall(b"PUT /api/v3.1/secrets/one HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        answer = answer_of(peer)
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"\r\nconnection: close\r\n" in answer
        until(lambda: not live.app.state.server.connections.open)


def test_one_that_never_reads_its_answer_is_closed(world: World) -> None:
    """The answer is larger than what the system keeps for it, and nobody takes it."""
    with serving(world, HASTY) as live, contextlib.ExitStack() as stack:
        token = live.client().token
        for number in range(12):
            world.secret(f"s{number}", "v" * 1_000_000)
        body = b'{"tenant": "home", "keys": [%s]}' % b",".join(b'{"key": "s%d"}' % one for one in range(12))
        head = (
            f"POST /api/v1/resolver/use HTTP/1.1\r\nHost: x\r\nAuthentication-Token: {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        server = live.app.state.server
        peer = stack.enter_context(connected(live))
        peer.sendall(head.encode() + body)
        # It takes no place any more, for others have work to do in the meantime.
        until(lambda: server.memory.used > 10_000_000 and server.places.used == 0)
        until(lambda: server.memory.used == 0)
        assert len(answer_of(peer)) < 12_000_000


def test_requests_one_after_another_are_answered(world: World) -> None:
    """Also those that come together, or in pieces."""
    with serving(world, OPEN) as live, connected(live) as peer:
        for _ in range(5):
            peer.sendall(REQUEST[:9])
            peer.sendall(REQUEST[9:] + REQUEST)
            receive_until(peer, lambda seen: seen.count(b'"OK"') == 2)
        [open_peer] = live.app.state.server.connections.open
        until(lambda: open_peer.deadline < float("inf"))  # idle again


def test_so_many_wait_on_one_connection(world: World) -> None:
    """A read of 256 KiB holds thousands of requests: those before the limit are answered, then it ends."""
    with serving(world, OPEN) as live, connected(live) as peer:
        peer.sendall(VERSION * 1000)
        assert 1 <= answer_of(peer).count(b"HTTP/1.1 ") <= MOST_PIPELINED + 1


def test_an_address_has_its_share_of_connections(world: World) -> None:
    """A quarter of 40: more of one address make its idle ones go, others still get in."""
    options = ServerOptions(address_rate=0, user_rate=0, max_connections=40)
    with serving(world, options) as live, contextlib.ExitStack() as stack:
        connections = live.app.state.server.connections
        live.http.close()
        many = [stack.enter_context(connected(live, "127.0.0.2")) for _ in range(30)]
        until(lambda: sum(map(is_open, many)) == 10)
        assert list(map(is_open, many)) == [False] * 20 + [True] * 10  # the oldest went
        until(lambda: len(connections.open) == 10)
        for source in ("127.0.0.3", "127.0.0.1"):
            with connected(live, source) as other:
                other.sendall(VERSION)
                assert other.recv(65536).startswith(b"HTTP/1.1 401")


def test_health_is_answered_when_there_is_no_room(world: World) -> None:
    """Every connection is taken by a body that does not come: health is answered, all else is not."""
    options = ServerOptions(address_rate=0, user_rate=0, max_connections=8)
    slow = b"POST /api/v1/resolver/session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    with serving(world, options) as live, contextlib.ExitStack() as stack:
        live.http.close()
        for number in range(2, 6):
            for _ in range(40):
                stack.enter_context(connected(live, f"127.0.0.{number}")).sendall(slow)
        connections = live.app.state.server.connections
        until(lambda: sum(peer.body_comes for peer in connections.open) == 8)
        assert len(connections.open) <= 8 + MOST_SPARE
        for path in (b"/ok", b"/ready", b"/api/v3.1/ok"):
            with connected(live, "127.0.0.2") as peer:
                peer.sendall(REQUEST.replace(b"/ok", path))
                assert peer.recv(65536).startswith(b"HTTP/1.1 200"), path
        with connected(live) as peer:
            peer.sendall(VERSION)
            answer = answer_of(peer)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b'"the server is busy"' in answer


def test_who_asks_after_health_without_an_end_comes_anew_each_time(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the rate each question is answered, takes a connection of its own, and is in no log."""
    with serving(world, ServerOptions(address_rate=1)) as live, caplog.at_level("INFO", "resolver.access"):
        live.http.close()
        for _ in range(2):  # the second one's connection could be the last of the rate
            with connected(live) as peer:
                peer.sendall(REQUEST * 8)
                answer = answer_of(peer)
                assert answer.startswith(b"HTTP/1.1 200")
                assert answer.count(b"HTTP/1.1") < 8
                assert b"\r\nconnection: close\r\n" in answer
    assert len([record for record in caplog.records if record.name == "resolver.access"]) == 2


def make(limit: int, networks: Mapping[str, float] | None = None) -> tuple[Connections, list[str]]:
    """Connections without a network, and the names of those that are closed to make room."""
    options = ServerOptions(max_connections=limit)
    return Connections(options, Sharing(options.share, networks or {}), lambda: None, Load()), []


def come(connections: Connections, closed: list[str], name: str, count: int, *, idle: bool = True) -> int:
    """Let connections of a name in; how many of them are let in as others are."""
    let_in = 0
    for number in range(count):
        peer = Peer(name, name)
        peer.abort = lambda label=f"{name} {number}": closed.append(label)
        connections.admit(peer)
        if not idle:
            connections.busy(peer)
        let_in += not peer.spare
    return let_in


def test_who_has_most_makes_room_when_all_is_full() -> None:
    """An idle connection of the greediest goes for one who has few; nobody's request in work does."""
    connections, closed = make(16)
    assert [come(connections, closed, name, 4) for name in "abcd"] == [4, 4, 4, 4]
    assert come(connections, closed, "e", 2) == 2
    assert len(closed) == 2
    connections, closed = make(16)
    assert [come(connections, closed, name, 4, idle=False) for name in "abcd"] == [4, 4, 4, 4]
    assert come(connections, closed, "e", 2) == 0
    assert closed == []


def test_a_network_may_have_a_larger_share() -> None:
    """Those behind one NAT, named by a setting, have it together."""
    connections, closed = make(16, {"192.0.2.0/24": 0.5})
    sharing = Sharing(0.25, {"192.0.2.0/24": 0.5, "2001:db8::/32": 1})
    names = [sharing.name_of(address) for address in ("192.0.2.1", "192.0.2.9", "198.51.100.1", "uid 0")]
    assert names == ["192.0.2.0/24", "192.0.2.0/24", "198.51.100.1", "uid 0"]
    assert sharing.name_of("2001:db8:1:2::/64") == "2001:db8::/32"
    assert come(connections, closed, "192.0.2.0/24", 12, idle=False) == 8
    assert come(connections, closed, "198.51.100.1", 12, idle=False) == 4


def test_deadlines_end_what_is_over() -> None:
    """In good order first, at once where that does not help; one whose time is not over stays."""
    connections, _ = make(16)
    peer, other = Peer("a", "a"), Peer("a", "a")
    said: list[str] = []
    peer.end, peer.abort = lambda: said.append("end"), lambda: said.append("abort")
    connections.admit(peer)
    connections.admit(other)
    peer.deadline = 10
    connections.look(9)
    assert said == []
    connections.look(10)
    connections.look(11)
    assert said == ["end"]
    connections.look(13)
    assert said == ["end", "abort"]
    assert connections.open == {other}


CHUNKED = b"POST /ok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD = b"POST /ok HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /ok HTTP/1.1\nHost: x\n\n",
        b"GET /ok HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\n\n",
        b"GET /ok HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\nA\t: b\r\n\r\n",
        b"GET /ok HTTP/1.1\r\n A: b\r\nHost: x\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
        b"GET /ok HTTP/1.1\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x y\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: x/y\r\n\r\n",
        b"GET /ok HTTP/1.2\r\nHost: x\r\n\r\n",
        b"GET /ok HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /ok\r\n\r\n",
        b"get /ok HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT y:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        HEAD + b"Content-Length: 2, 2\r\n\r\nab",
        HEAD + b"Content-Length: +2\r\n\r\nab",
        HEAD + b"Content-Length: \r\n\r\n",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nab",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    ],
)
def test_a_request_that_proxies_read_otherwise_is_refused(shared: Live, sent: bytes) -> None:
    """One answer, in our JSON, and the connection ends: nothing that follows is taken for a request."""
    with connected(shared) as peer:
        peer.sendall(sent + REQUEST)
        answer = answer_of(peer)
    assert answer.startswith(b"HTTP/1.1 400 "), sent
    assert answer.count(b"HTTP/1.1") == 1
    assert b'"error_code": "bad_parameters_error"' in answer


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nab\r\n",
        b"2\nab\r\n",
        b"2\r\nabXX",
        b"0x2\r\nab\r\n",
        b"2 \r\nab\r\n",
        b"-2\r\nab\r\n",
        b"2;a\nb\r\nab\r\n",
    ],
)
def test_a_chunk_that_is_none_ends_its_connection(shared: Live, chunks: bytes) -> None:
    """The answer to it may be underway already; there is no second one."""
    with connected(shared) as peer:
        peer.sendall(CHUNKED + chunks + b"0\r\n\r\n" + REQUEST)
        answer = answer_of(peer)
    assert answer.count(b"HTTP/1.1") == 1
    assert b'"OK"' not in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /?" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 400_000, b"431"),
    ],
)
def test_a_head_is_bounded(shared: Live, sent: bytes, status: bytes) -> None:
    """In bytes, and in headers."""
    with connected(shared) as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(sent)
        assert answer_of(peer).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("trailer", [b"a:b\r\n" * 100, b"x: " + b"v" * 1000])
def test_trailers_are_neither_kept_nor_endless(shared: Live, trailer: bytes) -> None:
    """What comes behind the last chunk, before anyone has said who they are, ends soon."""
    with connected(shared) as peer:
        peer.sendall(CHUNKED.replace(b"/ok", b"/api/v1/resolver/session") + b"0\r\n")
        with contextlib.suppress(ConnectionError):
            peer.sendall(trailer * 1000)
        assert answer_of(peer).startswith(b"HTTP/1.1 431 ")


def test_another_protocol_is_not_spoken(shared: Live) -> None:
    """Who wants to change to one gets an answer in this one, and nothing that follows is read."""
    wish = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
    with connected(shared) as peer:
        peer.sendall(wish + VERSION)
        answer = answer_of(peer)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


V2 = b"\r\n\r\n\x00\r\nQUIT\n"
TCP4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 1, 2)
TCP6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + struct.pack("!HH", 1, 2)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n", "2001:db8::/64"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (V2 + b"\x21\x11" + struct.pack("!H", len(TCP4)) + TCP4, "192.0.2.7"),
        (V2 + b"\x21\x21" + struct.pack("!H", len(TCP6) + 3) + TCP6 + b"abc", "2001:db8::/64"),
        (V2 + b"\x20\x00\x00\x00", "127.0.0.1"),
    ],
)
def test_a_proxy_names_its_client(world: World, header: bytes, name: str) -> None:
    """By the PROXY protocol, in text or binary; its client then counts for itself, not as the proxy."""
    options = ServerOptions(address_rate=0, user_rate=0, trusted_proxies=("127.0.0.1",))
    with serving(world, options, proxy_protocol=True) as live, connected(live) as peer:
        peer.sendall(header + REQUEST)
        assert peer.recv(65536).startswith(b"HTTP/1.1 200")
        assert [one.name for one in live.app.state.server.connections.open] == [name]


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"PROXY TCP4 nonsense 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY " + b"a" * 200 + b"\r\n",
        V2 + b"\x11\x11\x00\x0c" + TCP4,
        V2 + b"\x21\x11\x00\x04\x00\x00\x00\x00",
        V2 + b"\x21\x11\xff\xff",
    ],
)
def test_a_proxy_that_does_not_is_refused(world: World, header: bytes) -> None:
    """Where the setting says that it does: else its client's word would count as its own."""
    options = ServerOptions(address_rate=0, user_rate=0, trusted_proxies=("127.0.0.1",))
    with serving(world, options, proxy_protocol=True) as live:
        with connected(live) as peer:
            peer.sendall(header + REQUEST)
            assert answer_of(peer) == b""
        with connected(live, "127.0.0.2") as stranger:  # who is no proxy has nothing to say of others
            stranger.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n" + REQUEST)
            assert answer_of(stranger).startswith(b"HTTP/1.1 400")
