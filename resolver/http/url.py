"""Where another server is: what a URL says of it, and nothing that it could hide."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from resolver.errors import InvalidRequestError, UsageError

_PORTS = {"http": 80, "https": 443}
_NETLOC = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?\Z")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")

_MAX_HOST, _MAX_LABEL = 253, 63
"""How long a host's name and each part of it may be (RFC 1035)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A server and the part of its paths that belongs to us.

    Args:
        scheme: `http` or `https`.
        host: a name or an address, in lower case, without brackets.
        port: the port.
        prefix: what every path begins with: empty, or with a slash in front and none at the end.
        unix_socket: the path of the unix socket that it listens on, in place of host and port.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""
    unix_socket: str = ""

    def __str__(self) -> str:
        return (
            f"unix:{self.unix_socket}" if self.unix_socket else f"{self.scheme}://{self.place}{self.prefix}"
        )

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return self.unix_socket or f"{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        return self._bracketed if self.port == _PORTS[self.scheme] else f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_origin(text: str, what: str = "URL") -> Origin:
    """Read a server's URL.

    Args:
        text: the URL.
        what: what it is called in the message.

    Raises:
        InvalidRequestError: it is malformed, not http or https, or holds a user, password, query or fragment.
            The text is not repeated, since it may hold a password.
    """
    malformed = InvalidRequestError(
        f"the {what} is malformed", hint="write it like https://host.example:8200, without user, query or '#'"
    )
    if not text.isascii() or not text.isprintable():
        raise malformed
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise malformed from None
    host, scheme = (parts.hostname or "").lower(), parts.scheme.lower()
    prefix = parts.path.rstrip("/")
    if (
        scheme not in _PORTS
        or not _NETLOC.match(parts.netloc)
        or not _is_host(host)
        or port == 0
        or parts.query
        or parts.fragment
        or not _PREFIX.match(prefix)
        or any(step in (".", "..") for step in prefix.split("/"))
    ):
        raise malformed
    return Origin(scheme, host, port or _PORTS[scheme], prefix)


def _is_host(text: str) -> bool:
    """Whether a name is short enough to be looked up, and so is each of its parts."""
    labels = text.removesuffix(".").split(".")
    return len(text) <= _MAX_HOST and all(0 < len(label) <= _MAX_LABEL for label in labels)


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
