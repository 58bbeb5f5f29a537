"""One HTTP request: what is refused, and that a hostile server gains nothing."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from resolver.errors import InvalidRequestError
from resolver.wire import Origin, Request, WireError, exchange, parse_origin, tls_context
from tests.peer import answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "the-token-of-the-test"
REQUEST = Request("GET", "/v1/thing", {"X-Token": SECRET})


def test_an_answer_comes_back_whatever_its_status() -> None:
    """Status, headers and body are handed over; the request went where it should."""
    with serving(lambda _: answer(418, b"body", X_Thing="yes")) as peer:
        got = exchange(peer.origin, REQUEST)
    assert (got.status, got.body, got.headers["x-thing"]) == (418, b"body", "yes")
    assert peer.seen[0].startswith("GET /v1/thing HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{peer.port}\r\n" in peer.seen[0]


def test_no_redirect_is_followed() -> None:
    """A redirect is an answer like any other, so what went to one server goes to no second one."""
    with serving(lambda _: answer(200)) as second:
        with serving(lambda _: answer(307, Location=second.url)) as first:
            assert exchange(first.origin, REQUEST).status == 307
        assert second.seen == []


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that name a proxy are passed over."""
    with serving(lambda _: answer(502)) as proxy, serving(lambda _: answer(200)) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert exchange(peer.origin, REQUEST).status == 200
        assert proxy.seen == []


def test_only_the_given_addresses_are_connected_to() -> None:
    """The name is not looked up again: it may mean something else by then."""
    with serving(lambda _: answer(200)) as peer:
        origin = Origin("http", "vault.invalid", peer.port)
        assert exchange(origin, REQUEST, addresses=["127.0.0.1"]).status == 200
        assert f"Host: vault.invalid:{peer.port}" in peer.seen[0]
        with pytest.raises(WireError, match="can't be reached: it has no address"):
            exchange(origin, REQUEST, addresses=[])


def _drip(head: str) -> Iterator[bytes]:
    del head
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    for _ in range(200):
        time.sleep(0.05)
        yield b"x"


@pytest.mark.parametrize("where", ["body", "head"])
def test_a_peer_that_drips_is_cut_off(where: str) -> None:
    """The time is that of the whole answer, not of one read."""

    def drip_head(_: str) -> Iterator[bytes]:
        for _ in range(200):
            time.sleep(0.05)
            yield b"H"

    with serving(_drip if where == "body" else drip_head) as peer:
        began = time.monotonic()
        with pytest.raises(WireError, match=r"gave no proper answer: no answer in time"):
            exchange(peer.origin, REQUEST, timeout=0.4)
        assert time.monotonic() - began < 5


def test_a_peer_that_says_nothing_is_left() -> None:
    """No answer ends with the time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = Origin("http", "127.0.0.1", silent.getsockname()[1])
        with pytest.raises(WireError, match="no answer in time"):
            exchange(origin, REQUEST, timeout=0.3)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000,
    ],
    ids=["nothing", "no HTTP", "cut off", "many headers", "bad chunk", "too large"],
)
def test_an_answer_that_is_none_is_an_error_without_a_secret(sent: bytes) -> None:
    """Whatever comes, the error is ours and repeats neither request nor answer."""
    with serving(lambda _: sent) as peer, pytest.raises(WireError) as raised:
        exchange(peer.origin, REQUEST, max_bytes=1000)
    assert "gave no proper answer" in raised.value.message
    assert SECRET not in repr(raised.value) + repr(raised.value.__context__) + repr(REQUEST)


def test_plain_http_does_not_pass_for_https() -> None:
    """A server that speaks no TLS gets no request."""
    with serving(lambda _: answer(200)) as peer:
        with pytest.raises(WireError):
            exchange(Origin("https", "127.0.0.1", peer.port), REQUEST, timeout=2)
        assert SECRET not in "".join(peer.seen)


def test_a_closed_port_can_not_be_reached() -> None:
    """The message says where and why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(WireError, match=f"^127.0.0.1:{port} can't be reached: Connection refused$"):
        exchange(Origin("http", "127.0.0.1", port), REQUEST)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://Vault.Example", "https://vault.example:443"),
        ("http://[::1]:8200/", "http://[::1]:8200"),
        ("https://h:1/a/b/", "https://h:1/a/b"),
    ],
)
def test_a_url_is_read(text: str, shown: str) -> None:
    """Scheme, host, port and prefix, in one way of writing."""
    assert str(parse_origin(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault.example",
        "ftp://h",
        "file:///etc/passwd",
        "https://",
        "https://user:hunter2@h",
        "https://h@evil",
        "https://h/a/../b",
        "https://h/%2e%2e/b",
        "https://h/a?x=1",
        "https://h/#x",
        "https://h:0",
        "https://h:99999",
        "https://h\r\nX: y",
        "https://h/a//b",
        "https://hö",
    ],
)
def test_a_malformed_url_is_refused(text: str) -> None:
    """The text is not repeated: it may hold a password."""
    with pytest.raises(InvalidRequestError, match=r"^the URL is malformed$"):
        parse_origin(text)


def test_authorities_must_be_certificates() -> None:
    """Text that holds none is refused, and not taken for the system's authorities."""
    with pytest.raises(InvalidRequestError, match="authorities can't be read"):
        tls_context("no certificate")
