"""Where a server is: its URL, by which nothing goes over a network in the clear."""

from __future__ import annotations

import ipaddress

from resolver.errors import InvalidRequestError, UsageError
from resolver.http.url import Origin, parse_origin

UNIX = "unix:"
LOCALHOST = "localhost"
LOOPBACK = ("127.0.0.1", "::1")


def parse_server(text: str, what: str = "RESOLVER_URL") -> Origin:
    """Read a server's URL: `https://HOST`, `http://` to this machine, or `unix:/PATH` of a socket.

    Args:
        text: the URL.
        what: what it is called in messages.

    Raises:
        UsageError: it is malformed, or would send credentials over a network in the clear.
    """
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        if not path.startswith("/") or not path.isprintable():
            raise UsageError(f"{what} names no socket", hint="write it like unix:/run/resolver/socket")
        return Origin("http", LOCALHOST, 80, unix_socket=path)
    try:
        origin = parse_origin(text, what)
    except InvalidRequestError:
        raise UsageError(
            f"{what} is malformed", hint="write it like https://host.example:8200, or unix:/path/of/a/socket"
        ) from None
    if origin.scheme == "http" and origin.host != LOCALHOST and not _is_loopback(origin.host):
        raise UsageError(
            f"{what} is plain HTTP to another machine", hint="use https: tokens and values would be readable"
        )
    return origin


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
