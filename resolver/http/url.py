"""URLs of other servers, without user, password, query or fragment."""

from __future__ import annotations

import enum
import ipaddress
import re
from urllib.parse import urlsplit

import msgspec

from resolver.errors import InvalidRequestError, UsageError


class Scheme(enum.StrEnum):
    """The schemes that are spoken."""

    HTTP = "http"
    HTTPS = "https"


DEFAULT_PORTS = {Scheme.HTTP: 80, Scheme.HTTPS: 443}

UNIX = "unix:"
LOCALHOST = "localhost"
LOOPBACK = ("127.0.0.1", "::1")

_NETLOC = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?\Z")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")

_MAX_HOST, _MAX_LABEL = 253, 63
"""How long a host's name and each part of it may be (RFC 1035)."""


class Url(msgspec.Struct, frozen=True):
    """A server, and the prefix of its paths below which requests are sent.

    Args:
        scheme: `http` or `https`.
        host: a name or an address, in lower case, without brackets.
        port: the port.
        prefix: what every path begins with: empty, or with a slash in front and none at the end.
        unix_socket: the path of the unix socket that it listens on, in place of host and port.
    """

    scheme: Scheme
    host: str
    port: int
    prefix: str = ""
    unix_socket: str = ""

    def __str__(self) -> str:
        if self.unix_socket:
            return f"{UNIX}{self.unix_socket}"
        return f"{self.scheme}://{self.address}{self.prefix}"

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme == Scheme.HTTPS

    @property
    def address(self) -> str:
        """Host and port, or the socket's path, for messages."""
        return self.unix_socket or f"{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        is_default = self.port == DEFAULT_PORTS[self.scheme]
        return self._bracketed if is_default else f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_url(text: str, what: str = "URL") -> Url:
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
        port, scheme = parts.port, Scheme(parts.scheme)  # in lower case by now
    except ValueError:
        raise malformed from None
    host = parts.hostname or ""
    prefix = parts.path.rstrip("/")
    if (
        not _NETLOC.match(parts.netloc)
        or not _is_host(host)
        or port == 0
        or parts.query
        or parts.fragment
        or not _PREFIX.match(prefix)
        or not {".", ".."}.isdisjoint(prefix.split("/"))
    ):
        raise malformed
    return Url(scheme, host, port or DEFAULT_PORTS[scheme], prefix)


def _is_host(text: str) -> bool:
    """Whether a name is short enough to be looked up, and so is each of its parts."""
    labels = text.removesuffix(".").split(".")
    return len(text) <= _MAX_HOST and all(0 < len(label) <= _MAX_LABEL for label in labels)


def parse_server_url(text: str, what: str = "RESOLVER_URL") -> Url:
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
        return Url(Scheme.HTTP, LOCALHOST, 80, unix_socket=path)
    try:
        url = parse_url(text, what)
    except InvalidRequestError:
        raise UsageError(
            f"{what} is malformed", hint="write it like https://host.example:8200, or unix:/path/of/a/socket"
        ) from None
    if not url.is_encrypted and url.host != LOCALHOST and not is_loopback(url.host):
        raise UsageError(
            f"{what} is plain HTTP to another machine", hint="use https: tokens and values would be readable"
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is an address of this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
