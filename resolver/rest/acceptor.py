"""Accepts connections: each peer its share of them, before a byte of TLS or HTTP costs anything."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import signal
import socket
import ssl
import struct
import sys
from typing import TYPE_CHECKING

import uvicorn
from msgspec import Struct
from uvicorn.config import STARTUP_FAILURE

from resolver.rest.connections import END_SECONDS, ROUND_SECONDS, Connection, Peer
from resolver.rest.lanes import CONNECTION_SECONDS, TURNED_AWAY_SECONDS, Handed
from resolver.rest.proxies import BadHeaderError, read_header
from resolver.rest.rate_limit import network_of
from resolver.rest.systemd import notify, watchdog_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from resolver.rest.lanes import Passage
    from resolver.rest.routing import Server

LOG = logging.getLogger("resolver.server")

_AT_ONCE = 16
"""How many connections are accepted before others are looked at again."""

_PAUSE_SECONDS = 0.1
"""How long to wait when the system has no descriptor left."""

_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_MOST_DESCRIPTORS = 65_536
_OWN_DESCRIPTORS = 256
"""For the store, files, children, and connections that are about to be closed."""

_LAST_SECONDS = 2
"""How long connections that wait for a request may still bring one; its answer is their last."""

_WAIT_SECONDS = 0.05

_PEERCRED = struct.Struct("3i")


def raise_descriptors() -> int:
    """Raise the limit on open descriptors as far as it goes; how many connections there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return max(16, soft // 2, soft - _OWN_DESCRIPTORS)


class Door(Struct):
    """A socket that listens, and who is let in by it.

    Args:
        sock: the socket.
        tls: what new connections are encrypted with; None for plain.
        proxy_protocol: whether trusted proxies begin with the PROXY protocol's header.
        health: whether it answers health alone.
    """

    sock: socket.socket
    tls: ssl.SSLContext | None = None
    proxy_protocol: bool = False
    health: bool = False


class HttpServer(uvicorn.Server):
    """uvicorn's server, whose connections are accepted here.

    Args:
        config: uvicorn's; its `app` is ours.
        server: what the routes share.
        doors: where it listens.

    Attributes:
        is_hasty: whether it stops without waiting for who may come.
    """

    def __init__(self, config: uvicorn.Config, server: Server, doors: Sequence[Door]) -> None:
        super().__init__(config)
        self._server = server
        self._doors = doors
        self._round: asyncio.TimerHandle | None = None
        self.is_hasty = False
        self._sign_seconds, self._next_sign = watchdog_seconds(), 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop: at once by Ctrl-C, else so that nobody is refused. A second signal cuts nobody off."""
        self._captured_signals.append(sig)
        self.is_hasty |= sig == signal.SIGINT
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Start the application, and begin to accept."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        lane = self._server.lane
        acceptors = (
            [_Taker(lane.passage, self._doors, self, self._server)]
            if lane.second and lane.passage is not None
            else [_Acceptor(door, number, self, self._server) for number, door in enumerate(self._doors)]
        )
        self.servers = acceptors  # type: ignore[assignment]  # what they have of servers is all that is used
        self._look()
        self.started = True
        if not lane.second:
            notify("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: first not ready, then with an end to each connection, then as uvicorn does.

        Deadlines are looked at until the end.
        """
        server = self._server
        server.is_stopping = True
        try:
            await self._wait(server.options.drain_seconds)
            server.is_closing = True
            for acceptor in self.servers:
                acceptor.close()
            await self._wait(_LAST_SECONDS)
            await super().shutdown(sockets)
        finally:
            if self._round is not None:
                self._round.cancel()

    async def _wait(self, seconds: float) -> None:
        """Wait, though not for those who are gone once nobody else can come."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end and not self.is_hasty:
            if self._server.is_closing and not self._server.connections.open:
                return
            await asyncio.sleep(_WAIT_SECONDS)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._server.connections.look(now)
        if self._sign_seconds and now >= self._next_sign and not self._server.lane.second:
            self._next_sign = now + self._sign_seconds
            notify("WATCHDOG=1")
        self._round = loop.call_later(ROUND_SECONDS, self._look)


class _Acceptor:
    """Accepts the connections of one socket."""

    def __init__(self, door: Door, number: int, http: HttpServer, server: Server) -> None:
        self._door, self._number, self._http, self._server = door, number, http, server
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        door.sock.setblocking(False)  # noqa: FBT003 - the library's signature
        self._listen()

    def close(self) -> None:
        """Accept nothing more."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._door.sock)
        self._door.sock.close()

    async def wait_closed(self) -> None:
        """Wait for connections that are being opened."""
        if self._opening:
            await asyncio.wait(self._opening, timeout=1)
            for task in self._opening:
                task.cancel()

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._door.sock, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, address = self._door.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
                LOG.error("no connection can be accepted: %s", error.strerror)  # noqa: TRY400 - the words tell it
                self._loop.remove_reader(self._door.sock)
                self._loop.call_later(_PAUSE_SECONDS, self._listen)
                return
            sock.setblocking(False)  # noqa: FBT003 - as above
            self._let_in(sock, address)

    def _let_in(self, sock: socket.socket, address: object) -> None:
        text = str(address[0]) if isinstance(address, tuple) else ""
        own = text or _uid_of(sock)
        peer = self._peer(own, trusted=self._server.trusted.has(text))
        server = self._server
        if not self._door.health and not peer.trusted and server.newcomers.take(peer.name):
            server.metrics.limited.labels("connections").inc()
            server.lane.load.add(peer.name, TURNED_AWAY_SECONDS, refused=True)
            sock.close()
            return
        if not self._hand_over(sock, peer):
            self._begin(sock, peer, self._door)

    def _hand_over(self, sock: socket.socket, peer: Peer) -> bool:
        """Hand a connection over to the second lane, if that is where it belongs."""
        lane = self._server.lane
        if lane.passage is None or peer.trusted or self._door.health:
            return False
        if not lane.is_wrong_for(peer.name):
            lane.load.add(peer.name, CONNECTION_SECONDS)
            return False
        lane.load.add(peer.name, TURNED_AWAY_SECONDS)
        if not lane.passage.put(sock, Handed(self._number, peer.address)):
            self._server.metrics.limited.labels("connections").inc()
        return True

    def _begin(self, sock: socket.socket, peer: Peer, door: Door) -> None:
        connections = self._server.connections
        connections.admit(peer)
        peer.deadline = self._loop.time() + connections.options.head_seconds
        task = self._loop.create_task(self._open(sock, peer, door))
        peer.abort = peer.end = task.cancel
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        task.add_done_callback(lambda done: sock.close() if done.cancelled() else None)

    def _peer(self, address: str, *, trusted: bool) -> Peer:
        name = self._server.sharing.name_of(network_of(address))
        return Peer(name, address, trusted=trusted, health=self._door.health)

    async def _open(self, sock: socket.socket, peer: Peer, door: Door) -> None:
        """Read what a proxy says of its client, and hand the connection over to HTTP."""
        connections = self._server.connections
        seconds = connections.options.head_seconds
        try:
            if door.proxy_protocol and peer.trusted:
                async with asyncio.timeout(seconds):
                    client = await read_header(sock)
                if client:
                    connections.release(peer)
                    abort, peer = peer.abort, self._peer(client, trusted=False)
                    peer.abort = peer.end = abort
                    if self._hand_over(sock, peer):
                        return
                    peer.deadline = self._loop.time() + seconds
                    connections.admit(peer)
            await self._loop.connect_accepted_socket(
                lambda: Connection(
                    peer, connections, self._http.config, self._http.server_state, self._http.lifespan.state
                ),
                sock,
                ssl=door.tls,
                ssl_handshake_timeout=seconds if door.tls else None,
                ssl_shutdown_timeout=END_SECONDS if door.tls else None,
            )
        except (OSError, TimeoutError, BadHeaderError):
            self._server.metrics.limited.labels("malformed").inc()
            connections.release(peer)
            sock.close()
        except BaseException:
            connections.release(peer)
            sock.close()
            raise


class _Taker(_Acceptor):
    """Takes the connections that the first lane hands over, in the same way as if it had accepted them."""

    def __init__(self, passage: Passage, doors: Sequence[Door], http: HttpServer, server: Server) -> None:
        self._passage, self._doors = passage, doors
        for door in doors:
            door.sock.close()
        super().__init__(Door(passage.leaves), 0, http, server)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            taken = self._passage.take()
            if taken is None:
                return
            sock, told = taken
            sock.setblocking(False)  # noqa: FBT003 - as above
            self._begin(sock, self._peer(told.address, trusted=False), self._doors[told.door])


def _uid_of(sock: socket.socket) -> str:
    """Who is at the other end of a unix socket, by the kernel's word."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "unix"
    _pid, uid, _gid = _PEERCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))
    return f"uid {uid}"
