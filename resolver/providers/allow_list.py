"""The allow-list of destinations of providers, and bounded look-ups of their names.

A name is looked up once; every address it has must be permitted, and only these addresses are connected to,
so that a second look-up can't lead to another one.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

import msgspec

from resolver.errors import InvalidRequestError, NotPermittedError
from resolver.http import transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.http.url import Url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # most clouds
            "169.254.170.2",  # containers of AWS, and pods
            "169.254.170.23",
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS, and its pods
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
        ),
    )
)
"""Where clouds give any process of a machine that machine's credentials."""

_EMBEDDED_IPV4 = tuple(
    map(
        ipaddress.ip_network,
        (
            "64:ff9b::/96",  # NAT64, RFC 6052
            "64:ff9b:1::/48",  # NAT64 of a site, RFC 8215
            "::/96",  # IPv4-compatible, RFC 4291
            "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        ),
    )
)
"""IPv6 networks whose addresses end with the IPv4 address that they lead to."""

_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
"""Addresses that stand for one's own machine and network, RFC 1122."""


_LOCAL = "localhost"
_LOOPBACK = ipaddress.ip_address("127.0.0.1")


def look_up(host: str, port: int) -> list[str]:
    """All addresses of a host; empty when it has none."""
    try:
        return transport.look_up(host, port)
    except (OSError, UnicodeError):
        return []


class AllowList(msgspec.Struct, frozen=True):
    """The allowed destinations.

    Args:
        names: host names, each with its port, or None for any port.
        networks: networks, each with its port, or None for any port; an address in one is allowed even when
            it is special (loopback and the like).
        everything: allow all destinations that are not special; for a store used by nobody else.
        setting: the setting of `config.yaml` that has it, for messages.
    """

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()
    everything: bool = False
    setting: str = "provider_destinations"

    def check(self, url: Url) -> None:
        """Refuse a destination that is not on the list, before anything is looked up.

        Raises:
            NotPermittedError: it is not on the list.
        """
        named = not self.names.isdisjoint(((url.host, None), (url.host, url.port)))
        literal = _parse(url.host)
        if literal is None and (url.host == _LOCAL or url.host.endswith(f".{_LOCAL}")):
            literal = _LOOPBACK  # as each system must look it up, RFC 6761 section 6.3
        listed = literal is not None and self._has(literal, url.port)
        if not listed and (not (self.everything or named) or (literal is not None and is_special(literal))):
            raise NotPermittedError(
                f"the destination {url.host}:{url.port} is not allowed", hint=self._advice(url, literal)
            )

    def addresses(self, url: Url, resolve: Callable[[str, int], Sequence[str]] = look_up) -> Sequence[str]:
        """The addresses to connect to.

        Raises:
            NotPermittedError: the destination, or one of its addresses, is not allowed.
        """
        self.check(url)
        found = resolve(url.host, url.port)
        for text in found:
            address = _parse(text)
            if address is None or (is_special(address) and not self._has(address, url.port)):
                # One text whatever the address: it would show who asks what internal names mean.
                raise NotPermittedError(
                    f"the destination {url.host}:{url.port} leads to an address that is not allowed",
                    hint="loopback, link-local and the like have to be in config.yaml as addresses or "
                    f'networks: {self.setting}: ["127.0.0.1:8200"]',
                )
        return found

    def _has(self, address: Address, port: int) -> bool:
        return _innermost(address) not in _METADATA and any(
            network.version == address.version and address in network and only in (None, port)
            for network, only in self.networks
        )

    def _advice(self, url: Url, address: Address | None) -> str:
        """The line that allows a destination."""
        if address is not None and _innermost(address) in _METADATA:
            return "where clouds give machines their credentials never is"
        host = url.host if address is None else f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
        return f'add to config.yaml, beside all others: {self.setting}: ["{host}:{url.port}"]'


def parse_allow_list(entries: Sequence[str], setting: str = AllowList().setting) -> AllowList:
    """Read an allow-list.

    Args:
        entries: `host`, `host:port`, `[IPv6]:port`, an address, or a network such as `127.0.0.0/8`.
        setting: the setting of `config.yaml` that has it.

    Raises:
        InvalidRequestError: an entry is malformed.
    """
    names: set[tuple[str, int | None]] = set()
    networks: list[tuple[Network, int | None]] = []
    for entry in entries:
        text = entry.strip().lower()
        if "/" in text:
            try:
                networks.append((ipaddress.ip_network(text), None))
            except ValueError:
                raise _bad_entry(entry) from None
            continue
        host, port = _split(text, entry)
        address = _parse(host)
        if address is not None:
            networks.append((ipaddress.ip_network(address), port))
        else:
            names.add((host, port))
    return AllowList(frozenset(names), tuple(networks), setting=setting)


def _split(text: str, entry: str) -> tuple[str, int | None]:
    if _parse(text) is not None:
        return text, None
    host, colon, port = text.rpartition(":") if ":" in text and not text.endswith("]") else (text, "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or (colon and not (port.isdecimal() and 0 < int(port) < 65536)) or " " in host:  # noqa: PLR2004 - ports
        raise _bad_entry(entry)
    return host, int(port) if colon else None


def _bad_entry(entry: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{entry!r} is not a destination", hint="write host:port, an address, or a network like 10.1.0.0/16"
    )


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address.teredo is not None:
            return address.teredo[1]
        if any(address in network for network in _EMBEDDED_IPV4) and int(address) > 1:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_special(address: Address) -> bool:
    """Whether an address is never a provider's unless its network is allowed in so many words.

    Loopback, link-local, unspecified, multicast and reserved ones, and where clouds keep credentials. Private
    networks are not among them: that is where a Vault usually is.
    """
    inner = _innermost(address)
    return (
        inner in _METADATA
        or inner.is_loopback
        or inner.is_link_local
        or inner.is_unspecified
        or inner.is_multicast
        or inner.is_reserved
        or inner in _THIS_NETWORK
    )


MAX_LOOKUPS = 8
"""Most names that are looked up at a time."""


class Lookups:
    """Looks up names, each once at a time, however many callers wait for it.

    Args:
        look_up: returns the addresses of a host for a port, however long that takes.
        max_lookups: most names that are looked up at a time, those included that nobody waits for any more.
    """

    def __init__(self, look_up: Callable[[str, int], Sequence[str]], max_lookups: int = MAX_LOOKUPS) -> None:
        self._look_up = look_up
        self._max_lookups = max_lookups
        self._running: dict[tuple[str, int], Future[Sequence[str]]] = {}
        self._changed = threading.Condition()

    def addresses(self, host: str, port: int, timeout: float) -> Sequence[str]:
        """All addresses of a host.

        Raises:
            TimeoutError: they are not known after so many seconds, or too many other names take so long.
        """
        deadline = time.monotonic() + timeout
        name = (host, port)
        with self._changed:
            if not self._changed.wait_for(
                lambda: name in self._running or len(self._running) < self._max_lookups, timeout
            ):
                raise TimeoutError
            running = self._running.get(name) or self._start(name)
        return running.result(max(deadline - time.monotonic(), 0.0))

    def _start(self, name: tuple[str, int]) -> Future[Sequence[str]]:
        started: Future[Sequence[str]] = Future()
        # A daemon, so that the process does not wait for it when it ends.
        threading.Thread(target=self._run, args=(name, started), daemon=True).start()
        self._running[name] = started
        return started

    def _run(self, name: tuple[str, int], started: Future[Sequence[str]]) -> None:
        try:
            found = self._look_up(*name)
        except BaseException as error:  # noqa: BLE001 - raised again in whoever waits
            self._end(name)
            started.set_exception(error)
        else:
            self._end(name)
            started.set_result(found)

    def _end(self, name: tuple[str, int]) -> None:
        # Before anybody has the result, so that who asks later gets a newer one.
        with self._changed:
            del self._running[name]
            self._changed.notify_all()
