"""Connections that say nothing, or say it too slowly."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, ClassVar

import pytest
import uvicorn

from resolver.rest.app import create_app
from resolver.rest.server import TimedConnection
from tests.waiting import receive_until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from tests.databases import World

REQUEST = b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"


class Hasty(TimedConnection):
    """Waits for hardly any time."""

    head_seconds = 0.2


class Patient(TimedConnection):
    """Waits for longer than any test takes, and keeps what it waits with."""

    head_seconds = 600.0
    waited: ClassVar[list[asyncio.TimerHandle]] = []

    def _watch(self) -> None:
        super()._watch()
        if self._waiting is not None and self._waiting not in self.waited:
            self.waited.append(self._waiting)


@contextlib.contextmanager
def connected(world: World, protocol: type[TimedConnection]) -> Iterator[socket.socket]:
    """A connection to a server."""
    config = uvicorn.Config(create_app(world.service), log_config=None, http=protocol, ws="none")
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


@pytest.fixture
def hasty(world: World) -> Iterator[socket.socket]:
    """A connection to a server that does not wait for long."""
    with connected(world, Hasty) as peer:
        yield peer


@pytest.fixture
def patient(world: World) -> Iterator[socket.socket]:
    """A connection to a server that waits."""
    Patient.waited.clear()
    with connected(world, Patient) as peer:
        yield peer


def test_one_that_says_nothing_is_closed(hasty: socket.socket) -> None:
    """From the start."""
    assert hasty.recv(1) == b""


def test_one_that_drips_is_closed(hasty: socket.socket) -> None:
    """Each byte in time, and never the whole; the same after a first request."""
    hasty.sendall(REQUEST)
    assert hasty.recv(65536).startswith(b"HTTP/1.1 200")
    with contextlib.suppress(OSError):
        for byte in b"GET /ok HTTP/1.1\r\nX: " + b"a" * 2000:
            hasty.sendall(bytes([byte]))
            time.sleep(0.01)
        pytest.fail("it was waited for")


def test_requests_one_after_another_are_answered(patient: socket.socket) -> None:
    """Also those that come together, or in pieces; for each wait that a request ends, there is no other."""
    for _ in range(5):
        patient.sendall(REQUEST[:9])
        patient.sendall(REQUEST[9:] + REQUEST)
        receive_until(patient, lambda seen: seen.count(b'"OK"') == 2)
    assert len(Patient.waited) in (5, 6)  # the last begins when the answer is out
    assert all(waiting.cancelled() for waiting in Patient.waited[:5])
