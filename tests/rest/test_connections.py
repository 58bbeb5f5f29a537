"""Connections that say nothing, or say it too slowly."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import uvicorn

from resolver.rest.app import create_app
from resolver.rest.server import TimedConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import World

REQUEST = b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"


class Hasty(TimedConnection):
    """Waits for hardly any time."""

    head_seconds = 0.2


@pytest.fixture
def peer(world: World) -> Iterator[socket.socket]:
    """A connection to a server that does not wait for long."""
    config = uvicorn.Config(create_app(world.service), log_config=None, http=Hasty, ws="none")
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield stack.enter_context(socket.create_connection(listening.getsockname(), timeout=30))
        finally:
            server.should_exit = True
            thread.join(20)


def test_one_that_says_nothing_is_closed(peer: socket.socket) -> None:
    """From the start."""
    assert peer.recv(1) == b""


def test_one_that_drips_is_closed(peer: socket.socket) -> None:
    """Each byte in time, and never the whole; the same after a first request."""
    peer.sendall(REQUEST)
    assert peer.recv(65536).startswith(b"HTTP/1.1 200")
    with contextlib.suppress(OSError):
        for byte in b"GET /ok HTTP/1.1\r\nX: " + b"a" * 2000:
            peer.sendall(bytes([byte]))
            time.sleep(0.01)
        pytest.fail("it was waited for")


def test_requests_one_after_another_are_answered(peer: socket.socket) -> None:
    """Also those that come together, or in pieces."""
    for _ in range(5):
        peer.sendall(REQUEST[:9])
        peer.sendall(REQUEST[9:] + REQUEST)
        seen = b""
        while seen.count(b'"OK"') < 2:
            seen += peer.recv(65536)
