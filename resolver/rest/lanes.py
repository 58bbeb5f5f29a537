"""Two lanes: who costs the server much waits with others who do, in a process of their own.

The interpreter runs one thread of a process at a time, so that in one process everyone waits for those who
make it work. The connections of an address that took much lately are therefore handed over, before a byte of
them is read, to another process with a lower priority. It does the same in the same way, and on a machine
with nothing else to do at the same speed.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from msgspec import Struct, json

if TYPE_CHECKING:
    from collections.abc import Callable

DECAY_SECONDS = 5.0
"""After this time a third of what one did still counts."""

MUCH = 0.4
"""The part of one processor that one may take over that time and stay in the first lane."""

LITTLE = 0.1
"""The part below which one comes back to it."""

REFUSED = 16
"""How often work counts that was for nothing: who means well is hardly ever refused."""

CONNECTION_SECONDS = 0.003
REQUEST_SECONDS = 0.002
"""About what each costs the event loop, with TLS; the work of threads is measured."""

TURNED_AWAY_SECONDS = 0.0002
"""The same of a connection that is closed, or handed over, as soon as it is there."""

NICENESS = 10
"""How much the second lane stands back where processors are scarce; see nice(2)."""

_SLOTS = 65_536
_FIELDS = 3  # work, when it was as much, whether it is in the second lane

_MOST_WAITING = 256 * 1024
"""Bytes of the socket's buffer: some hundred connections that wait for the second lane."""

_MOST_BYTES = 1024

_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
"""Either keeps messages apart; macOS lacks the first, and the second has room for few on Linux."""


class Load:
    """How much of the server's time each name took lately; processes that are forked from this one share it.

    Names whose digests begin alike are one to it. The digests have a key, so nobody can aim at that.

    Args:
        clock: gives seconds that only grow, the same ones in all processes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = os.urandom(16)
        self._cells = memoryview(mmap.mmap(-1, 8 * _FIELDS * _SLOTS)).cast("d")

    def add(self, name: str, seconds: float, *, refused: bool = False) -> None:
        """Count work that was done for a name.

        Args:
            name: whose work it was.
            seconds: how long it took.
            refused: whether it was for nothing.
        """
        at, now = self._at(name), self._clock()
        work = self._left(at, now) + seconds * (REFUSED if refused else 1)
        self._cells[at], self._cells[at + 1] = work, now
        if work > MUCH * DECAY_SECONDS:
            self._cells[at + 2] = 1

    def is_heavy(self, name: str) -> bool:
        """Whether a name's place is the second lane: it took much, and has not come to little since."""
        at = self._at(name)
        if self._cells[at + 2] and self._left(at, self._clock()) < LITTLE * DECAY_SECONDS:
            self._cells[at + 2] = 0
        return bool(self._cells[at + 2])

    def _left(self, at: int, now: float) -> float:
        return self._cells[at] * math.exp((self._cells[at + 1] - now) / DECAY_SECONDS)

    def _at(self, name: str) -> int:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8)
        return int.from_bytes(digest.digest(), "big") % _SLOTS * _FIELDS


class Handed(Struct, frozen=True, array_like=True):
    """What is said of a connection that is handed over.

    Args:
        door: the number of the socket that it came by.
        address: the peer's, or that of a trusted proxy's client.
    """

    door: int
    address: str


class Passage:
    """Where connections go from the first lane to the second one, each with the descriptor of its socket.

    What waits in it outlives a second lane that is replaced. When it is full, who comes is cut off.
    """

    def __init__(self) -> None:
        self._enters, self.leaves = socket.socketpair(socket.AF_UNIX, _KIND)
        self._enters.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_WAITING)
        self._enters.setblocking(False)  # noqa: FBT003 - the library's signature
        self.leaves.setblocking(False)  # noqa: FBT003 - as above

    def put(self, sock: socket.socket, told: Handed) -> bool:
        """Hand a connection over, which is closed here in any case; whether there was room."""
        with sock:
            try:
                socket.send_fds(self._enters, [json.encode(told)], [sock.fileno()])
            except OSError:
                return False
        return True

    def take(self) -> tuple[socket.socket, Handed] | None:
        """The next connection; None when no more is there."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.leaves, _MOST_BYTES, 1)
        except (BlockingIOError, InterruptedError):
            return None
        if not descriptors:
            return None  # this process has no room for its descriptor: it is closed
        return socket.socket(fileno=descriptors[0]), json.decode(data, type=Handed)

    def close(self) -> None:
        """Close both ends."""
        self._enters.close()
        self.leaves.close()


class Lane(Struct, frozen=True):
    """Which lane this process is.

    Args:
        load: what each name took.
        passage: where connections go from the first lane to the second one; None where there is no second.
        second: whether it is the second.
    """

    load: Load
    passage: Passage | None = None
    second: bool = False

    def is_wrong_for(self, name: str) -> bool:
        """Whether connections of a name belong to the other lane."""
        return self.passage is not None and self.load.is_heavy(name) != self.second
