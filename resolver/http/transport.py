"""Sending one HTTP request and reading its response.

No redirect is followed, no proxy is used, TLS is always verified, and a response is bounded in size, and in
time from the first byte sent to the last one read. Nothing that either carries is in any message.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.errors import InvalidRequestError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.http.url import Url

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection to one address."""

RESPONSE_TIMEOUT = 30.0
"""Seconds for a whole request, connecting included."""

MAX_RESPONSE_BYTES = 64 * 1024 * 1024

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2, whatever the library's defaults are: forward secrecy and AEAD only (RFC 9325, section 4.2).
TLS 1.3 has no others, and earlier versions are off.
"""

_CHUNK = 64 * 1024
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+\Z")

_NAME_CODES = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH, whose messages repeat the name."""

_OTHER_NAME = "the certificate is for another name"

_UNKNOWN_AUTHORITIES = frozenset({2, 18, 19, 20, 21})
"""The numbers that OpenSSL gives to certificates that no known authority has signed (`x509_vfy.h`)."""


class TransportError(UnavailableError):
    """A server can't be reached, can't be authenticated, or gives no proper response.

    Args:
        url: the server.
        cause: what went wrong, without saying where.
        hint: what to do about it.
        sent: whether anything of the request may have been sent.
    """

    def __init__(self, url: Url, cause: str, hint: str = "", *, sent: bool = True) -> None:
        super().__init__(f"{url.address} {cause}", hint=hint)
        self.cause = cause
        self.sent = sent


class ResponseTooLargeError(TransportError):
    """A response is larger than is read; to ask again would not help."""


class CertificateError(TransportError):
    """A server's certificate does not prove that it is the one that was named."""


class HttpRequest(msgspec.Struct, frozen=True):
    """A request, whose headers and body may hold secrets and are not in its repr.

    Args:
        method: the HTTP method.
        path: path and query, below the URL's prefix.
        headers: headers beside those that every request has.
        body: the content.
    """

    method: str
    path: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.method!r}, {self.path!r})"


class HttpResponse(msgspec.Struct, frozen=True):
    """A response, whose headers and body may hold secrets and are not in its repr.

    Args:
        status: its status code.
        headers: its headers, by their names in lower case.
        body: its content; nobody else has it, so that who reads it may empty it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray

    def __repr__(self) -> str:
        return f"HttpResponse({self.status})"


def is_header_text(text: str) -> bool:
    """Whether a text can stand in a header: printable ASCII without spaces, and not empty."""
    return bool(_HEADER_TEXT.match(text))


def json_request(method: str, path: str, headers: Mapping[str, str], data: Mapping[str, Any]) -> HttpRequest:
    """A request with JSON data as its body."""
    body = json.dumps(data, allow_nan=False).encode("ascii")
    return HttpRequest(method, path, {**headers, "Content-Type": "application/json"}, body)


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
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
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


def send_request(
    url: Url,
    request: HttpRequest,
    *,
    addresses: Sequence[str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = RESPONSE_TIMEOUT,
    max_bytes: int = MAX_RESPONSE_BYTES,
) -> HttpResponse:
    """Send one request and read its response, whatever its status.

    Args:
        url: the server.
        request: the request.
        addresses: the only addresses to connect to, tried in order; by default the host's own.
        tls: verifies the server; by default against the system's authorities.
        timeout: seconds for all of it.
        max_bytes: the largest body that is read.

    Raises:
        TransportError: the server can't be reached, can't be authenticated, or gives no proper response.
    """
    deadline = time.monotonic() + timeout
    connection = _Connection(_connect(url, addresses, deadline), deadline)
    sent = False
    try:
        if url.is_encrypted:
            connection.start_tls(tls or tls_context(), url.host)
        sent = True
        return _exchange(url, request, connection.sock, max_bytes)
    except ssl.SSLCertVerificationError as error:
        cause = _OTHER_NAME if error.verify_code in _NAME_CODES else error.verify_message
        helps = error.verify_code in _UNKNOWN_AUTHORITIES
        hint = "give the authority that signed its certificate" if helps else ""
        raise CertificateError(url, f"is not trusted: {cause}", hint, sent=False) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = _LATE if time.monotonic() >= deadline else _why_no_response(error)
        raise TransportError(url, f"gave no proper answer: {cause}", sent=sent) from None
    finally:
        connection.close()


_ATTEMPTS = 3
_LATER = (429, 503)
"""The statuses of who can't answer now, as a server that restarts behind a proxy."""


def wait_told(answer: HttpResponse) -> int | None:
    """Seconds after which to ask again, as an answer tells them (Retry-After, RFC 9110, section 10.2.3)."""
    told = answer.headers.get("retry-after", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 5 else None  # noqa: PLR2004 - digits


def send_patiently(
    url: Url,
    request: HttpRequest,
    *,
    addresses: Sequence[str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = RESPONSE_TIMEOUT,
    max_bytes: int = MAX_RESPONSE_BYTES,
    sleep: Callable[[float], None] = time.sleep,
) -> HttpResponse:
    """As `send_request`, for what may be asked twice: who says when is asked again, in the same time."""
    deadline = time.monotonic() + timeout
    for attempt in range(1, _ATTEMPTS + 1):
        left = deadline - time.monotonic()
        answer = send_request(
            url, request, addresses=addresses, tls=tls, timeout=max(left, 0.0), max_bytes=max_bytes
        )
        wait = wait_told(answer) if answer.status in _LATER else None
        if wait is None or attempt == _ATTEMPTS or time.monotonic() + wait >= deadline:
            break
        sleep(wait)
    return answer


_LATE = "no answer in time"


def _why_no_response(error: Exception) -> str:
    """Why there is no proper response, without anything of what came."""
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


class _Connection:
    """A connection that is shut at its deadline.

    A peer that sends a byte now and then is never late for a single read, so the whole has a deadline of its
    own.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self._timer = threading.Timer(max(deadline - time.monotonic(), 0.0), self._shut)
        self._timer.daemon = True
        self._timer.start()

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on, with a server that has to prove that it is the host."""
        secured = context.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
        self.sock = secured
        secured.do_handshake()

    def _shut(self) -> None:
        # Not with the method of a secured socket: that one first takes the encryption away, and what is being
        # sent in another thread meanwhile would go on in the clear.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection and its timer: no thread may be left when the process forks."""
        self._timer.cancel()
        self._timer.join()
        self.sock.close()


def _connect(url: Url, addresses: Sequence[str] | None, deadline: float) -> socket.socket:
    """Connect to the first address that accepts."""
    cause = "it has no address"
    for address in _own_addresses(url) if addresses is None else addresses:
        left = min(CONNECT_TIMEOUT, deadline - time.monotonic())
        if left <= 0:
            cause = _LATE
            break
        try:
            connected = _connect_to(url, address, left)
        except OSError as error:
            # Without a number it is Python's own, like that a socket's path is too long.
            cause = _LATE if isinstance(error, TimeoutError) else error.strerror or str(error)
            continue
        connected.settimeout(max(deadline - time.monotonic(), 0.001))
        return connected
    raise TransportError(url, f"can't be reached: {cause}", sent=False)


def look_up(host: str, port: int) -> list[str]:
    """All addresses of a host, each once, as the system gives them.

    Raises:
        OSError: it has none, or nobody could be asked.
        UnicodeError: nothing can have such a name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _own_addresses(url: Url) -> Sequence[str]:
    """The addresses of the server. Connecting to its name would take the time once for each of them."""
    if url.unix_socket:
        return [url.unix_socket]
    try:
        return look_up(url.host, url.port)
    except OSError as error:
        raise TransportError(url, f"can't be reached: {error.strerror}", sent=False) from None


def _connect_to(url: Url, address: str, timeout: float) -> socket.socket:
    if not url.unix_socket:
        return socket.create_connection((address, url.port), timeout=timeout)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(url.unix_socket)
    except OSError:
        sock.close()
        raise
    return sock


def _exchange(url: Url, request: HttpRequest, sock: socket.socket, max_bytes: int) -> HttpResponse:
    connection = http.client.HTTPConnection(url.host, url.port)
    connection.sock = sock
    connection.putrequest(
        request.method, url.prefix + request.path, skip_host=True, skip_accept_encoding=True
    )
    headers = {"Host": url.authority, "Connection": "close", "Accept": "application/json"}
    headers |= request.headers
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
                raise ResponseTooLargeError(
                    url, "gave no proper answer: it is too large", "ask for less at once"
                )
        if response.length:  # the peer went away before the end it had announced
            raise http.client.IncompleteRead(b"")
        received = {name.lower(): text for name, text in response.getheaders()}
        return HttpResponse(response.status, received, body)
