"""What all requests share: places, connections and bytes, of which nobody has more than a share."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread

from resolver.rest.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from anyio import CapacityLimiter

T = TypeVar("T")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Sharing:
    """How large the share of each name is: of an address, a user of a unix socket, or a user of ours.

    Args:
        share: the part of everything that one name may have, 1 for all of it.
        networks: the larger share that all who come from a network have together, by the network.
    """

    def __init__(self, share: float, networks: Mapping[str, float]) -> None:
        self._share = share
        self._networks = {ipaddress.ip_network(text): part for text, part in networks.items()}

    def name_of(self, address: str) -> str:
        """The name that an address counts under: a network with a share of its own, or itself."""
        network = self._network_of(address) if self._networks else None
        return address if network is None else str(network)

    def share_of(self, name: str) -> float:
        """The part of everything that a name may have."""
        network = self._network_of(name) if self._networks else None
        return self._share if network is None else self._networks[network]

    def _network_of(self, text: str) -> _Network | None:
        try:
            given = ipaddress.ip_network(text)
        except ValueError:
            return None
        fitting = [
            one
            for one in self._networks
            if one.version == given.version and given.subnet_of(one)  # type: ignore[arg-type]  # of one version
        ]
        return max(fitting, key=lambda one: one.prefixlen, default=None)


class Shares:
    """Something that is bounded in all and for each name. Any thread may use it.

    Args:
        limit: how much there is.
        sharing: how much of it one name may have.

    Attributes:
        used: how much is taken now.
    """

    def __init__(self, limit: int, sharing: Sharing) -> None:
        self.limit = limit
        self.used = 0
        self._sharing = sharing
        self._by_name: Counter[str] = Counter()
        self._lock = threading.Lock()

    def most(self, name: str) -> int:
        """The most that a name may have."""
        return max(1, int(self.limit * self._sharing.share_of(name)))

    def has(self, name: str) -> int:
        """How much a name has now."""
        return self._by_name[name]

    def greediest(self) -> str:
        """The name that has most; empty when nobody has anything."""
        return max(self._by_name, key=self._by_name.__getitem__, default="")

    def take(self, names: Sequence[str], amount: int = 1, *, shared: bool = True) -> bool:
        """Take some in all of these names, or nothing when one of them or all would have too much.

        Args:
            names: in whose names; each has to give it back.
            amount: how much.
            shared: whether the names have no more than their shares.
        """
        with self._lock:
            if self.used + amount > self.limit:
                return False
            if shared and any(self._by_name[name] + amount > self.most(name) for name in names):
                self._tidy(names)
                return False
            self.used += amount
            for name in names:
                self._by_name[name] += amount
            return True

    def give(self, names: Sequence[str], amount: int = 1) -> None:
        """Give back what was taken."""
        with self._lock:
            self.used -= amount
            for name in names:
                self._by_name[name] -= amount
            self._tidy(names)

    def _tidy(self, names: Sequence[str]) -> None:
        for name in names:
            if self._by_name[name] <= 0:
                del self._by_name[name]


class NameLimiter:
    """Bounds how many threads work for one name at once; others of that name wait, in their order.

    Args:
        at_once: how many.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._semaphores: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Wait for a turn of a name, and have it for the block."""
        semaphore = self._semaphores.setdefault(name, asyncio.Semaphore(self._at_once))
        self._users[name] += 1
        try:
            async with semaphore:
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._semaphores[name]


class Account:
    """What one request has of what is shared; its end gives back all of it.

    Args:
        places: for requests in work.
        memory: bytes of bodies and answers.
        name: who asks, by address.

    Attributes:
        user_id: the user who asks; empty until that is known.
        moved: how many bytes of bodies and answers it has held in all.
        worked: seconds of processor time that threads took for it.
    """

    def __init__(self, places: Shares, memory: Shares, name: str) -> None:
        self.user_id = ""
        self.moved = 0
        self.worked = 0.0
        self._places = places
        self._memory = memory
        self._names = [name]
        self._has_place = False
        self._held = 0

    @property
    def address(self) -> str:
        """The name of who asks, by address."""
        return self._names[0]

    @property
    def name(self) -> str:
        """The user, once that is known; before, the address."""
        return self._names[-1]

    async def run(self, work: Callable[[], T], limiter: CapacityLimiter | None = None) -> T:
        """Do a piece of its work in a thread, and note how long that computed.

        Args:
            work: what to do.
            limiter: bounds how many threads do such work; by default all threads are there for it.
        """

        def measured() -> T:
            began = time.thread_time()
            try:
                return work()
            finally:
                self.worked += time.thread_time() - began

        return await anyio.to_thread.run_sync(measured, limiter=limiter)

    def enter(self) -> None:
        """Take a place; RequestError when there is none."""
        if not self._places.take(self._names):
            raise RequestError(503, "the server is busy", {"Retry-After": "1"})
        self._has_place = True

    def leave(self) -> None:
        """Give the place back, while a body comes or an answer goes."""
        if self._has_place:
            self._has_place = False
            self._places.give(self._names)

    def belongs_to(self, user_id: str) -> None:
        """From now on it counts as a user's, too; RequestError when that one has too much already."""
        self.leave()
        self._memory.give(self._names, self._held)
        self.user_id = user_id
        self._names = [self.address, f"user {user_id}"]
        held, self._held = self._held, 0
        self.hold(held)
        self.moved -= held
        self.enter()

    def hold(self, amount: int) -> None:
        """Hold bytes until the end.

        Raises:
            RequestError: all bytes, or those of who asks, are taken; or it is more than one may ever have.
        """
        if self._memory.take(self._names, amount):
            self._held += amount
            self.moved += amount
            return
        if any(amount + self._held > self._memory.most(name) for name in self._names):
            raise RequestError(413, f"{amount} bytes are more than one may have at once: ask for less")
        raise RequestError(503, "the server's memory is taken by other requests", {"Retry-After": "2"})

    def close(self) -> None:
        """Give everything back."""
        self.leave()
        held, self._held = self._held, 0
        self._memory.give(self._names, held)
