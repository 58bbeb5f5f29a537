"""One HTTP request and its answer, for everything that talks to another server.

No redirect is followed, no proxy is used, TLS is always verified, and an answer is bounded in size, and in
time from the first byte sent to the last one read. Nothing that either carries is in any message.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resolver.errors import InvalidRequestError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.http.url import Origin

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection to one address."""

ANSWER_TIMEOUT = 30.0
"""Seconds for a whole request, connecting included."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024

_CHUNK = 64 * 1024

_NAME_CODES = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH, whose messages repeat the name."""

_OTHER_NAME = "the certificate is for another name"

_UNKNOWN_AUTHORITIES = frozenset({2, 18, 19, 20, 21})
"""The numbers that OpenSSL gives to certificates that no known authority has signed (`x509_vfy.h`)."""


class WireError(UnavailableError):
    """A server can't be reached, is not who it should be, or gives no proper answer.

    Args:
        origin: the server.
        cause: what went wrong, without saying where.
        hint: what to do about it.
        sent: whether anything of the request may have been sent.
    """

    def __init__(self, origin: Origin, cause: str, hint: str = "", *, sent: bool = True) -> None:
        super().__init__(f"{origin.place} {cause}", hint=hint)
        self.cause = cause
        self.sent = sent


class OversizeError(WireError):
    """An answer is over the bound, and would be again."""


class UntrustedError(WireError):
    """A server's certificate does not prove that it is the one that was named."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a path below the origin's prefix, with its query; headers and body may hold secrets."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def tls_context(authorities: str | None = None, authority_file: str | None = None) -> ssl.SSLContext:
    """A context that verifies servers: against the given authorities, or else the system's.

    Not the one of `ssl.create_default_context`, which writes the keys of each connection to the file that
    SSLKEYLOGFILE names.

    Args:
        authorities: certificates as PEM text.
        authority_file: a file with certificates.

    Raises:
        InvalidRequestError: there is no certificate in what was given.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate, and the host's name in it
    try:
        if authorities is None and authority_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(authority_file, cadata=authorities)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        where = "" if authority_file is None else f" in {authority_file!r}"
        why = "" if isinstance(error, (ssl.SSLError, ValueError)) else f": {error.strerror}"
        raise InvalidRequestError(
            f"the certificate authorities{where} can't be read{why}",
            hint="give PEM certificates: -----BEGIN CERTIFICATE-----",
        ) from None
    return context


def exchange(
    origin: Origin,
    request: Request,
    *,
    addresses: Sequence[str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = ANSWER_TIMEOUT,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Answer:
    """Send one request and read its answer, whatever its status.

    Args:
        origin: where to.
        request: what.
        addresses: the only addresses to connect to, tried in order; by default the host's own.
        tls: verifies the server; by default against the system's authorities.
        timeout: seconds for all of it.
        max_bytes: the largest body that is read.

    Raises:
        WireError: the server can't be reached, is not who it should be, or gives no proper answer.
    """
    ends = time.monotonic() + timeout
    end = _End(_connect(origin, addresses, ends), ends)
    sent = False
    try:
        if origin.scheme == "https":
            end.secure(tls or tls_context(), origin.host)
        sent = True
        return _converse(origin, request, end.sock, max_bytes)
    except ssl.SSLCertVerificationError as error:
        raise UntrustedError(
            origin,
            f"is not trusted: {_OTHER_NAME if error.verify_code in _NAME_CODES else error.verify_message}",
            "give the authority that signed its certificate"
            if error.verify_code in _UNKNOWN_AUTHORITIES
            else "",
            sent=False,
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = _LATE if time.monotonic() >= ends else _why_no_answer(error)
        raise WireError(origin, f"gave no proper answer: {cause}", sent=sent) from None
    finally:
        end.close()


_LATE = "no answer in time"


def _why_no_answer(error: Exception) -> str:
    """What is wrong with an answer, in words; with nothing of it."""
    match error:
        case TimeoutError():
            return _LATE
        case ConnectionError() | http.client.IncompleteRead() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "the connection ended too early"
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):  # what it took for a version is of another protocol
            return "it does not speak TLS"
        case ssl.SSLError(reason=str() as reason):
            return f"no TLS: {reason.replace('_', ' ').lower()}"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return "it is not HTTP"


class _End:
    """A connection that is shut at a moment, whatever is going on.

    A peer that sends a byte now and then is never late for a single read, so the whole has an end of its own.
    """

    def __init__(self, sock: socket.socket, at: float) -> None:
        self.sock = sock
        self._timer = threading.Timer(max(at - time.monotonic(), 0.0), self._shut)
        self._timer.daemon = True
        self._timer.start()

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on, with a server that proves to be the host."""
        secured = context.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
        self.sock = secured
        secured.do_handshake()

    def _shut(self) -> None:
        # Not with the method of a secured socket: that one first takes the encryption away, and what is being
        # sent in another thread meanwhile would go on in the clear.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection, and the thread that waits for that: none may be left when the process forks."""
        self._timer.cancel()
        self._timer.join()
        self.sock.close()


def _connect(origin: Origin, addresses: Sequence[str] | None, ends: float) -> socket.socket:
    """A connection to the first address that takes one."""
    cause = "it has no address"
    for address in _own_addresses(origin) if addresses is None else addresses:
        left = min(CONNECT_TIMEOUT, ends - time.monotonic())
        if left <= 0:
            cause = _LATE
            break
        try:
            connected = _connect_to(origin, address, left)
        except OSError as error:
            # Without a number it is Python's own, like that a socket's path is too long.
            cause = _LATE if isinstance(error, TimeoutError) else error.strerror or str(error)
            continue
        connected.settimeout(max(ends - time.monotonic(), 0.001))
        return connected
    raise WireError(origin, f"can't be reached: {cause}", sent=False)


def _own_addresses(origin: Origin) -> Sequence[str]:
    """The addresses that the host has. Connecting to the name would take the time once for each of them."""
    if origin.unix_socket:
        return [origin.unix_socket]
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise WireError(origin, f"can't be reached: {error.strerror}", sent=False) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _connect_to(origin: Origin, address: str, timeout: float) -> socket.socket:
    if not origin.unix_socket:
        return socket.create_connection((address, origin.port), timeout=timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(origin.unix_socket)
    except OSError:
        connection.close()
        raise
    return connection


def _converse(origin: Origin, request: Request, sock: socket.socket, max_bytes: int) -> Answer:
    connection = http.client.HTTPConnection(origin.host, origin.port)
    connection.sock = sock
    connection.putrequest(
        request.method, origin.prefix + request.path, skip_host=True, skip_accept_encoding=True
    )
    headers = {
        "Host": origin.authority,
        "Connection": "close",
        "Accept": "application/json",
        **request.headers,
    }
    if request.body is not None or request.method not in ("GET", "HEAD", "DELETE"):
        headers["Content-Length"] = str(len(request.body or b""))
    for name, value in headers.items():
        connection.putheader(name, value)
    refused: OSError | None = None
    try:
        connection.endheaders(request.body)
    except (ConnectionError, ssl.SSLError) as error:
        refused = error  # who refuses a body may say so, and hang up, before it has all of it
    with connection.getresponse() as response:
        if refused is not None and response.status < 400:  # noqa: PLR2004 - the first status of a refusal
            raise refused
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > max_bytes:
                cause = "gave no proper answer: it is too large"
                raise OversizeError(origin, cause, "ask for less at once")
        if response.length:  # the peer went away before the end it had announced
            raise http.client.IncompleteRead(b"")
        return Answer(
            response.status, {name.lower(): text for name, text in response.getheaders()}, bytes(body)
        )
