"""Connections: whose they are, how many there are, how long each may go on, and what none may send.

One owner for all of it. A connection has one deadline at a time: for its TLS handshake and its first head,
for the rest of a body, for an answer that is not taken, and for its end. A round that runs twice a second
closes those that are over. Idle ones make room for new ones; what there is no room for is asked for health
alone.
"""

from __future__ import annotations

import json
import logging
import math
import re
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from resolver.rest.errors import HTTP_CODES, error_body
from resolver.rest.lanes import REQUEST_SECONDS
from resolver.rest.shares import Shares

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.types import Scope
    from uvicorn import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from resolver.rest.lanes import Load
    from resolver.rest.options import ServerOptions
    from resolver.rest.shares import Sharing

HEALTH = frozenset({"/ok", "/api/v3.1/ok", "/ready"})
"""What is always answered."""

ROUND_SECONDS = 0.5
"""How often deadlines are looked at."""

MOST_HEAD_BYTES = 32 * 1024
"""Largest head of a request; nginx's, too."""

MOST_HEADERS = 100

MOST_SPARE = 32
"""How many connections there may be that are asked for health alone, of all that there was no room for."""

MOST_PIPELINED = 8
"""How many requests may wait behind another one of their connection."""

_SPARE_SECONDS = 2
"""How long the head of a connection may take that there was no room for."""

END_SECONDS = 2
"""How long the other end may take to notice that a connection is over."""

_PIECES_A_DEADLINE = 16
"""How many pieces of an answer, of 64 KiB, have to be taken in the time that one may take."""

_LATER_SECONDS = 5
"""How much longer a connection waits for a body than the application, which answers when it is too late."""

_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%:\[\]]*")

_QUIET = logging.getLogger("resolver.connection")
_QUIET.setLevel(logging.ERROR)
"""What strangers send is counted rather than logged: a line for each would fill the disk."""


def has_body(scope: Scope) -> bool:
    """Whether a request comes with a body, by its head."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 "))
        for name, value in scope["headers"]
    )


class Peer:
    """One connection that was accepted, from its first moment on.

    Args:
        name: what it counts under.
        address: the peer's address as it is logged.
        trusted: whether it is a proxy that is believed.
        health: whether it came to the listener that answers health alone.

    Attributes:
        spare: whether it is answered about health alone.
        deadline: when it is over, by the event loop's clock.
        ending: whether it was told so.
        body_comes: whether the body of its last request is not whole yet.
        end, abort: end it in good order, or at once.
    """

    def __init__(self, name: str, address: str, *, trusted: bool = False, health: bool = False) -> None:
        self.name, self.address = name, address
        self.trusted, self.spare = trusted, health
        self.deadline = math.inf
        self.ending = self.body_comes = False
        self.end: Callable[[], object] = lambda: None
        self.abort: Callable[[], object] = lambda: None


class Connections:
    """All connections of one server process.

    Args:
        options: how many there may be, and how long they may go on.
        sharing: how many of them one address may have.
        refused: is called for each that is refused or closed to make room.
        load: counts what each name costs.
    """

    def __init__(
        self, options: ServerOptions, sharing: Sharing, refused: Callable[[], None], load: Load
    ) -> None:
        self.options = options
        self.load = load
        self.open: set[Peer] = set()
        self._shares = Shares(options.max_connections, sharing)
        self._spare: dict[Peer, None] = {}  # oldest first
        self._idle: dict[str, dict[Peer, None]] = {}  # by name, each with the oldest first
        self._refused = refused

    def admit(self, peer: Peer) -> None:
        """Let a connection in: with its share, in the place of an idle one, or for health alone."""
        self.open.add(peer)
        if not peer.spare and not self._take(peer):
            self._refused()
            peer.spare = True
        if peer.spare:
            while len(self._spare) >= MOST_SPARE:
                self._drop(next(iter(self._spare)))
            self._spare[peer] = None
        self.idle(peer)

    def release(self, peer: Peer) -> None:
        """Forget a connection that has ended, or is about to."""
        if peer not in self.open:
            return
        self.open.discard(peer)
        self.busy(peer)
        if peer.spare:
            self._spare.pop(peer, None)
        else:
            self._shares.give([peer.name])

    def idle(self, peer: Peer) -> None:
        """It waits for a request, and may make room for others."""
        if peer in self.open and not peer.spare:
            self._idle.setdefault(peer.name, {})[peer] = None

    def busy(self, peer: Peer) -> None:
        """It has one."""
        waiting = self._idle.get(peer.name)
        if waiting is not None:
            waiting.pop(peer, None)
            if not waiting:
                del self._idle[peer.name]

    def look(self, now: float) -> None:
        """Close those whose deadline is over: first in good order, and then at once."""
        for peer in [one for one in self.open if one.deadline <= now]:
            if peer.ending:
                self._drop(peer)
            else:
                peer.ending = True
                peer.deadline = now + END_SECONDS
                peer.end()

    def _take(self, peer: Peer) -> bool:
        shares, name = self._shares, peer.name
        if shares.take([name], shared=not peer.trusted):
            return True
        greedy = name if shares.used < shares.limit else shares.greediest()
        waiting = self._idle.get(greedy)
        if not waiting or (greedy != name and shares.has(greedy) <= shares.has(name) + 1):
            return False
        self._refused()
        self._drop(next(iter(waiting)))
        return shares.take([name], shared=not peer.trusted)

    def _drop(self, peer: Peer) -> None:
        self.release(peer)
        peer.abort()


class _Outlet:
    """What an answer is written to: it ends a connection only once what still comes has been looked away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transport = connection.transport
        self.is_closing = self._transport.is_closing

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():  # else each piece of an answer would be a warning
            self._transport.write(data)

    def close(self) -> None:
        self._connection.finish()


class Connection(HttpToolsProtocol):
    """HTTP on one connection: uvicorn's, with llhttp as its parser, within bounds.

    Args:
        peer: whose it is.
        connections: all of them.
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: the application's.
    """

    def __init__(
        self,
        peer: Peer,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.logger = _QUIET
        self._peer = peer
        self._all = connections
        self._head_bytes = 0
        self._in_head = True
        self._pauses, self._paused_at, self._paused_for = 0, 0.0, 0.0
        self._deaf = False  # nothing more is read
        self._running: RequestResponseCycle | None = None
        self._refusal = (400, "")

    # What asyncio calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's type
        """Begin to wait for the first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1, low=0)  # so that all that is not taken is noticed
        self.client = (self._peer.address, 0)
        self._peer.abort = transport.abort
        self._peer.end = self._end
        self._wait(_SPARE_SECONDS if self._peer.spare else self._all.options.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._all.release(self._peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless nothing more is wanted."""
        self._unset_keepalive_if_required()
        if self._deaf:
            return
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # no other protocol is spoken here; what follows belongs to one
        except httptools.HttpParserError as error:
            self._refuse(*self._reason_of(error))
        else:
            if self._head_bytes > MOST_HEAD_BYTES:
                what = "head" if self._in_head else "trailer"
                self._refuse(431, f"the {what} of the request is too large")

    def pause_writing(self) -> None:
        """Wait for the peer to take what was written, for so long in all as its slowest rate allows."""
        super().pause_writing()
        most = self._all.options.write_seconds
        self._paused_at = self.loop.time()
        self._wait(min(most, most * (1 + self._pauses / _PIECES_A_DEADLINE) - self._paused_for))
        self._pauses += 1

    def resume_writing(self) -> None:
        """Wait for what was waited for before."""
        super().resume_writing()
        self._paused_for += self.loop.time() - self._paused_at
        if not self._peer.ending:
            self._wait(self._body_seconds() if self._peer.body_comes else self._idle_seconds())

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._refusal = (400, "")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes behind a body is dropped, as RFC 9110 (6.5.1) allows."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; all but those counts as head: trailers, extensions of chunks."""
        self._head_bytes = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Judge a head, and let the application begin."""
        self._judge_head()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return
        self.scope["state"]["peer"] = self._peer
        self.cycle.transport = _Outlet(self)  # type: ignore[assignment]  # what it has of a transport is all that is used
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False
        self._in_head, self._head_bytes, self._peer.body_comes = False, 0, True
        self._pauses, self._paused_for = 0, 0.0
        self._wait(self._body_seconds())
        self._all.busy(self._peer)

    def on_message_complete(self) -> None:
        """Its body is there; what comes next is another head."""
        super().on_message_complete()
        self._in_head, self._head_bytes, self._peer.body_comes = True, 0, False
        self._wait(self._idle_seconds())

    # What uvicorn calls.

    def on_response_complete(self) -> None:
        """Wait for the next request; there is none after one whose body did not come."""
        answered, self._running = self._running, None
        if self._deaf or (self._peer.body_comes and answered is self.cycle):
            self.pipeline.clear()
            self.finish()
        super().on_response_complete()
        if not self._peer.ending and self._idle_seconds() < math.inf:
            self._wait(self._idle_seconds())
            self._all.idle(self._peer)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's type
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def finish(self) -> None:
        """End it in good order: what the peer still sends is dropped, so that it gets to read the answer."""
        if not self._peer.body_comes or self._peer.ending:
            self.transport.close()
            return
        self._deaf = self._peer.ending = True
        self._wait(END_SECONDS)
        self._all.idle(self._peer)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # The rest.

    def _wait(self, seconds: float) -> None:
        self._peer.deadline = self.loop.time() + seconds

    def _body_seconds(self) -> float:
        return self._all.options.body_seconds + _LATER_SECONDS

    def _idle_seconds(self) -> float:
        return math.inf if self._running is not None else self._all.options.head_seconds

    def _end(self) -> None:
        """Its time is over."""
        if self.flow.write_paused:
            self.transport.abort()  # what was not taken would be waited for without an end
        else:
            self.transport.close()

    def _judge_head(self) -> None:
        """Refuse what RFC 9112 has a server refuse and the parser passes; a ValueError ends parsing."""
        hosts = [value for name, value in self.headers if name == b"host"]
        version = self.parser.get_http_version()
        coding = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        reason = ""
        if version not in ("1.0", "1.1"):
            reason = "the request is not of HTTP 1.0 or 1.1"
        elif len(hosts) > 1 or (version == "1.1" and not hosts):
            reason = "the request has to have one header Host"
        elif hosts and not _HOST.fullmatch(hosts[0].strip()):
            reason = "the header Host is malformed"
        elif coding and (coding != [b"chunked"] or version == "1.0"):
            reason = "this Transfer-Encoding is not supported"
        if reason:
            self._refusal = (400, reason)
        elif len(self.headers) > MOST_HEADERS or self._head_size() > MOST_HEAD_BYTES:
            self._refusal = (431, "the head of the request is too large")
        elif len(self.pipeline) >= MOST_PIPELINED:
            self._refusal = (400, "too many requests wait on this connection")
        elif self._peer.spare and self.url.partition(b"?")[0].decode("latin-1") not in HEALTH:
            self._refusal = (503, "the server is busy")
        if self._refusal[1]:
            raise ValueError  # the parser makes its own error of it

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _reason_of(self, error: httptools.HttpParserError) -> tuple[int, str]:
        status, reason = self._refusal
        if reason:
            return status, reason
        told = str(error)
        if "Transfer-Encoding" in told and "Content-Length" in told:
            # Two ends of one body: a proxy that takes the other one lets requests be smuggled past it.
            return 400, "the length of the body is given in two ways"
        return 400, "the request is malformed"

    def _refuse(self, status: int, message: str) -> None:
        """Answer what never becomes a request, and read nothing more."""
        self._deaf = True
        self._all.load.add(self._peer.name, REQUEST_SECONDS, refused=True)
        running = self._running
        if running is not None:
            if running is not self.cycle or not self._peer.body_comes or running.response_started:
                running.keep_alive = False  # its answer comes first; who sent this gets none
                return
            running.disconnected = True  # it waits for the rest of a body that is none
            running.message_event.set()
        body = json.dumps(error_body(message, HTTP_CODES[status])).encode()
        head = [STATUS_LINE[status], b"content-type: application/json\r\ncache-control: no-store\r\n"]
        head += [b"retry-after: 1\r\n"] if status == 503 else []  # noqa: PLR2004 - the status by its number
        head += [b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body), body]
        self.transport.write(b"".join(head))
        self._peer.body_comes = True  # or the rest of what came
        self.finish()
