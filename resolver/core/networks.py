"""Networks that access tokens are bound to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

_THIS_MACHINE = ("127.0.0.1", "::1")
"""Where a caller counts as being who comes by a unix socket, or opens the store itself."""


def parse_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Networks as they are stored: each once, an address as the network of it alone.

    Raises:
        InvalidRequestError: one is no network.
    """
    found: dict[str, None] = {}
    for text in texts:
        try:
            found[str(ipaddress.ip_network(text.strip()))] = None
        except ValueError:
            raise InvalidRequestError(
                f"{text!r} is no network", hint="write one like 10.0.0.0/8 or 2001:db8::/32, or an address"
            ) from None
    return tuple(found)


def has(networks: Iterable[str], address: str) -> bool:
    """Whether an address is in one of some networks; an IPv4 one that is written as IPv6 as what it is.

    Args:
        networks: as they are stored.
        address: an address; empty for this machine itself.
    """
    parsed = [ipaddress.ip_network(text) for text in networks]
    for text in [address] if address else _THIS_MACHINE:
        try:
            asked = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            continue
        asked = getattr(asked, "ipv4_mapped", None) or asked
        if any(asked.version == network.version and asked in network for network in parsed):
            return True
    return False
