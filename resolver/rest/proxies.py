"""Who stands behind a proxy: the PROXY protocol before a connection, `X-Forwarded-For` within a request."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

UNIX = "unix"
"""Stands for all who come by the unix socket, among trusted proxies."""

MOST_FORWARDS = 32
"""How many entries of `X-Forwarded-For` are looked at, from the right."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LONGEST_LINE = 107
_LONGEST_BLOCK = 4096
"""Longest part of a binary header that follows its first 16 bytes: addresses, and what is not read."""

_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class BadHeaderError(InvalidRequestError):
    """A connection does not begin with the PROXY protocol's header, as it has to."""


class TrustedProxies:
    """The proxies that are believed.

    Args:
        proxies: addresses and networks; `unix` for who comes by the unix socket.
    """

    def __init__(self, proxies: Iterable[str]) -> None:
        given = list(proxies)
        self._unix = UNIX in given
        self._networks = [ipaddress.ip_network(text) for text in given if text != UNIX]

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def has(self, address: str) -> bool:
        """Whether an address is that of a proxy; empty for the unix socket."""
        if not address:
            return self._unix
        parsed = parse_address(address)
        return parsed is not None and any(
            parsed.version == network.version and parsed in network for network in self._networks
        )

    def client_of(self, forwarded: Iterable[str]) -> str:
        """The last address that a trusted proxy names and that is no proxy itself; empty without one.

        What stands left of it anyone may have written. An entry that is no address ends the search.

        Args:
            forwarded: the request's `X-Forwarded-For` headers.
        """
        entries = ",".join(forwarded).rsplit(",", MOST_FORWARDS)[-MOST_FORWARDS:]
        found = ""
        for entry in reversed(entries):
            parsed = parse_address(_without_port(entry.strip()))
            if parsed is None:
                break
            found = str(parsed)
            if not self.has(found):
                break
        return found


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; an IPv4 one that is written as IPv6 as what it is. None for any other text."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return None
        return parsed.ipv4_mapped or parsed
    return parsed


def _without_port(text: str) -> str:
    """An entry of `X-Forwarded-For` without the port that some proxies add."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


async def read_header(sock: socket.socket) -> str:
    """Read the PROXY protocol's header, version 1 or 2, and nothing beyond it.

    Args:
        sock: a connection that was accepted from a trusted proxy.

    Returns:
        The client's address; empty when the proxy speaks for itself or does not know.

    Raises:
        BadHeaderError: there is none.
        OSError: the connection failed.

    Source: haproxy.org/download/2.9/doc/proxy-protocol.txt.
    """
    start = await _read(sock, len(_SIGNATURE))
    if start == _SIGNATURE:
        return await _read_binary(sock)
    line = start
    while not line.endswith(b"\r\n"):
        if len(line) >= _LONGEST_LINE:
            raise BadHeaderError("the PROXY header is too long")
        line += await _read(sock, 1)
    return _client_of_line(line)


async def _read_binary(sock: socket.socket) -> str:
    command, family, length = struct.unpack("!BBH", await _read(sock, 4))
    if command not in (_LOCAL, _PROXY) or length > _LONGEST_BLOCK:
        raise BadHeaderError("the PROXY header is malformed")
    block = await _read(sock, length)
    if command == _LOCAL or family not in (_TCP4, _TCP6):
        return ""
    size, kind = (4, socket.AF_INET) if family == _TCP4 else (16, socket.AF_INET6)
    if length < 2 * size + 4:
        raise BadHeaderError("the PROXY header is cut short")
    return _plain(socket.inet_ntop(kind, block[:size]))


def _client_of_line(line: bytes) -> str:
    match line.removesuffix(b"\r\n").split(b" "):
        case [b"PROXY", b"UNKNOWN", *_]:
            return ""
        case [b"PROXY", b"TCP4" | b"TCP6", source, _, _, _]:
            return _plain(source.decode("ascii", "replace"))
        case _:
            raise BadHeaderError("the PROXY header is malformed")


def _plain(text: str) -> str:
    parsed = parse_address(text)
    if parsed is None:
        raise BadHeaderError("the PROXY header has no address")
    return str(parsed)


async def _read(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        piece = await loop.sock_recv(sock, size - len(data))
        if not piece:
            raise BadHeaderError("the connection ended within its PROXY header")
        data += piece
    return data
