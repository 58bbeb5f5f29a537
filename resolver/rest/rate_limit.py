"""How often one address or one user may ask: token buckets in bounded memory."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KNOWN = 10_000
"""Most addresses or users that are remembered; the one that asked least recently is forgotten first."""

_BURST_SECONDS = 2
"""How many seconds' worth of requests may come at once."""

_DEBT_SECONDS = 60
"""How long at most one waits who moved much."""

_IPV6_NETWORK = 64
"""The bits of an IPv6 address that count as one: who has one address has its network."""


class Buckets:
    """A token bucket for each name. For one thread.

    Args:
        rate: tokens a second; 0 for no limit.
        clock: gives seconds that only grow.
        max_known: most names to remember.
    """

    def __init__(
        self, rate: float, clock: Callable[[], float] = time.monotonic, max_known: int = MAX_KNOWN
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * _BURST_SECONDS)
        self._clock = clock
        self._max_known = max_known
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one token; 0 when there was one, else the seconds until there is."""
        if not self._rate:
            return 0
        now = self._clock()
        left, since = self._known.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._known[name] = (left if wait else left - 1, now)
        if len(self._known) > self._max_known:
            self._known.popitem(last=False)
        return wait

    def charge(self, name: str, amount: float) -> None:
        """Take tokens that were used already, if need be from those to come, of a minute at most."""
        if self._rate:
            left, since = self._known.pop(name, (self._burst, self._clock()))
            self._known[name] = (max(left - amount, -_DEBT_SECONDS * self._rate), since)


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, the /64 network of an IPv6 one; else the text itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK), strict=False))
    return address
