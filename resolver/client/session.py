"""Requests to one server: what is sent with each, which are tried again, and what a bad answer means."""

from __future__ import annotations

import contextlib
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from msgspec import Struct

from resolver.client.credentials import credentials_of
from resolver.core.audit import cap
from resolver.core.model import check_key
from resolver.core.results import Refusal
from resolver.errors import (
    InvalidRequestError,
    NoSuchTenantError,
    NotFoundError,
    ResolverError,
    UnavailableError,
    UsageError,
)
from resolver.http.transport import (
    CertificateError,
    HttpRequest,
    ResponseTooLargeError,
    TransportError,
    json_request,
    send_request,
    tls_context,
    wait_told,
)
from resolver.http.url import LOCALHOST, LOOPBACK
from resolver.protocol import OWN_ROUTES, TENANT_HEADER
from resolver.protocol.codec import MalformedError, decode, parse
from resolver.protocol.errors import MAX_TEXT, ErrorBody, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from ssl import SSLContext

    from resolver.core.model import Caller
    from resolver.http.transport import HttpResponse
    from resolver.http.url import Url

T = TypeVar("T")
Query: TypeAlias = "Mapping[str, str | Sequence[str]]"

PAUSES = (0.2, 0.8)
"""Seconds to wait before each further attempt."""

LAST_ATTEMPT = 10.0
"""Seconds after which nothing is tried again."""

LONGEST_WAIT = 3
"""Seconds to wait at most when the server says that it was asked too often."""

NO_CONTENT = 204
TOO_MANY = 429
UNAVAILABLE = 503

_PROXY_ALONE = frozenset({502, 503, 504})
"""What proxies answer by themselves. A server's own 503 is read before one gets here."""

MAX_PARTS = 8_000_000
"""Most lists, objects, items and lines in one answer: each is much larger in memory than it is as text."""


class _Ready(Struct, frozen=True):
    """Whether a server can do its work."""

    status: str


class Remote:
    """A part of the service that is on a server.

    Args:
        server: the server.
    """

    def __init__(self, server: ServerSession) -> None:
        self._server = server


class RefusedKeysError(UnavailableError):
    """The server refused keys of a batch; as the answer to any other request it is an error.

    Args:
        sense: the error for an answer that makes none.
        refusals: why each key may not be had.
    """

    def __init__(self, sense: UnavailableError, refusals: Mapping[str, Refusal]) -> None:
        super().__init__(sense.message, hint=sense.hint)
        self.refusals = refusals


class ServerSession:
    """A server, as this process talks to it.

    Args:
        origin: where it is.
        ca_file: a file with the authorities that its certificate is verified against; else the system's.
        sleep: waits.
    """

    def __init__(
        self, origin: Url, ca_file: str | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.origin = origin
        self._ca_file = ca_file
        self._sleep = sleep
        # A name is what a hosts file says, so the one that means this machine is not looked up.
        self._addresses = LOOPBACK if origin.scheme == "http" and origin.host == LOCALHOST else None

    def __repr__(self) -> str:
        return f"ServerSession({self.origin.address!r})"

    @cached_property
    def _tls(self) -> SSLContext:
        try:
            return tls_context(authority_file=self._ca_file)
        except InvalidRequestError as error:
            hint = f"RESOLVER_CA_FILE or the profile names the file; {error.hint}"
            raise UsageError(error.message, hint=hint) from None

    def ask(
        self,
        caller: Caller,
        kind: type[T],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        tenant: str = "",
        query: Query | None = None,
        asks: bool = False,
    ) -> T:
        """Ask, and read the answer as a record.

        Args:
            caller: who asks.
            kind: what the answer is.
            method: the HTTP method.
            path: where to, below our routes.
            body: JSON data.
            tenant: the tenant to work in, for the header.
            query: what stands behind the path.
            asks: whether nothing is changed by it, although it is no GET.

        Raises:
            ResolverError: whatever the server raised; UnavailableError when it gives no proper answer.
        """
        answer = self._asked(caller, method, path, body, tenant, query, changes=not asks)
        return self.read(kind, self._parsed(answer.body))

    def ask_openly(self, kind: type[T], path: str, body: Mapping[str, Any] | None = None) -> T:
        """Ask for something without saying who asks, which the body does, if anything."""
        target = f"{OWN_ROUTES}{path}"
        request = HttpRequest("GET", target) if body is None else json_request("POST", target, {}, body)
        answer = self._answered(request)
        return self.read(kind, self._parsed(answer.body))

    def do(
        self,
        caller: Caller,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        tenant: str = "",
        query: Query | None = None,
    ) -> None:
        """Ask for a change that is answered with nothing but that it is made.

        Raises:
            ResolverError: as above. Another answer than that is none: a login page says 200 to everything.
        """
        answer = self._asked(caller, method, path, body, tenant, query)
        if answer.status != NO_CONTENT or answer.body:
            raise self.nonsense()

    def lines(self, caller: Caller, path: str, query: Query) -> Sequence[Any]:
        """Ask for lines of JSON."""
        answer = self._asked(caller, "GET", path, None, "", query)
        return [self._parsed(line) for line in answer.body.splitlines()]

    def read(self, kind: type[T], data: object) -> T:
        """JSON data as a record; UnavailableError when it is none."""
        with contextlib.suppress(MalformedError):
            return decode(kind, data)
        raise self.nonsense()  # out of the handler: the data is nobody's to see

    def demand_ready(self) -> None:
        """See that the server can do its work.

        Raises:
            UnavailableError: it can't be reached, or its store or root key is not at hand.
        """
        answer = self._exchange(HttpRequest("GET", "/ready"))
        if self.read(_Ready, self._parsed(answer.body)).status != "ready":
            raise UnavailableError(
                f"server {self.origin.address} is there, and its store or root key is not available",
                hint="the store may be full, read-only or out of its reach; its log tells more",
            )

    def _parsed(self, data: bytes | bytearray) -> Any:  # noqa: ANN401 - JSON data
        with contextlib.suppress(ValueError, RecursionError):
            return parse(data)
        raise self.nonsense()

    def _asked(
        self,
        caller: Caller,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        tenant: str,
        query: Query | None,
        *,
        changes: bool = True,
    ) -> HttpResponse:
        headers = credentials_of(caller, self.origin)
        if tenant:
            headers[TENANT_HEADER] = header(tenant)
        # Half a character is in no name; it is sent as bytes that are no UTF-8.
        suffix = f"?{urlencode(query, doseq=True, errors='surrogatepass')}" if query else ""
        target = f"{OWN_ROUTES}{path}{suffix}"
        request = (
            HttpRequest(method, target, headers)
            if body is None
            else json_request(method, target, headers, body)
        )
        return self._answered(request, changes=changes and method != "GET")

    def _answered(self, request: HttpRequest, *, changes: bool = False) -> HttpResponse:
        answer = self._exchange(request, changes=changes)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the statuses of success
            raise self._rebuilt(answer)
        return answer

    def _exchange(self, request: HttpRequest, *, changes: bool = False) -> HttpResponse:
        """One request, and what it takes to get it through.

        Args:
            request: the request.
            changes: whether what it asks for is a change.
        """
        began = time.monotonic()
        pauses = iter(PAUSES)
        while True:
            try:
                answer = send_request(
                    self.origin,
                    request,
                    addresses=self._addresses,
                    tls=self._tls if self.origin.is_encrypted else None,
                )
            except CertificateError as error:
                hint = _UNKNOWN_AUTHORITY if error.hint else _ANOTHER_CERTIFICATE
                raise UnavailableError(f"server {error.message}", hint=hint) from None
            except TransportError as error:
                pause = self._pause(pauses, began)
                # What was sent may have been done; only a question can be asked twice.
                again = request.method == "GET" and not isinstance(error, ResponseTooLargeError)
                if pause is None or (error.sent and not again):
                    hint = _MAYBE_MADE if error.sent and changes else error.hint or _UNREACHABLE
                    raise UnavailableError(f"server {error.message}", hint=hint) from None
                self._sleep(pause)
                continue
            pause = self._pause(pauses, began) if self._is_for_later(answer, changes=changes) else None
            if pause is None:
                break
            self._sleep(_wait(answer, pause))
        if sum(map(answer.body.count, (b"[", b"{", b",", b"\n"))) > MAX_PARTS:
            raise self.nonsense()
        return answer

    @staticmethod
    def _is_for_later(answer: HttpResponse, *, changes: bool) -> bool:
        """Whether a request was refused before anything was done, and may be asked again.

        A change is not asked for again because a proxy says so: it may have passed the first one on.
        """
        if answer.status == TOO_MANY:
            return True
        if answer.status != UNAVAILABLE or "retry-after" not in answer.headers:
            return False
        return not changes or _error_of(answer) is not None

    @staticmethod
    def _pause(pauses: Iterator[float], began: float) -> float | None:
        """How long to wait for the next attempt; None when there is none."""
        return next(pauses, None) if time.monotonic() - began < LAST_ATTEMPT else None

    def _rebuilt(self, answer: HttpResponse) -> ResolverError:
        body = _error_of(answer)
        if body is None:
            return self.nonsense(answer.status)
        if body.refusals:
            refusals = {
                one.key: Refusal(one.reason, one.cause[:MAX_TEXT], one.is_missing) for one in body.refusals
            }
            return RefusedKeysError(self.nonsense(), refusals)
        return rebuild(body) or self.nonsense(answer.status)

    def nonsense(self, status: int = 0) -> UnavailableError:
        """The error for an answer that makes no sense. Nothing of the answer is in it.

        Args:
            status: its status, where that says something.
        """
        told = f" (status {status})" if status else ""
        if status in _PROXY_ALONE:
            return UnavailableError(
                f"server {self.origin.address} does not answer the proxy before it{told}",
                hint="see that the server runs; the proxy's log tells more",
            )
        return UnavailableError(
            f"server {self.origin.address} does not answer as a resolver's server of this version does{told}",
            hint="RESOLVER_URL or the profile names the server; `resolver login URL` makes a profile",
        )


_UNREACHABLE = (
    "RESOLVER_URL or the profile names the server; "
    "see that it runs, can be reached from here, and speaks http or https as its URL says"
)
_MAYBE_MADE = "the change may have been made all the same: look before you ask for it again"
_UNKNOWN_AUTHORITY = "RESOLVER_CA_FILE names the authority that signed its certificate"
_ANOTHER_CERTIFICATE = (
    "the certificate has to be in date, and to name the server as RESOLVER_URL or the profile does"
)


def _error_of(answer: HttpResponse) -> ErrorBody | None:
    """The error that a server of ours tells of; None for another answer."""
    if answer.status >= 400:  # noqa: PLR2004 - the first status of an error
        with contextlib.suppress(ValueError, RecursionError):
            return decode(ErrorBody, parse(bytes(answer.body)))  # it may be read once more
    return None


def _wait(answer: HttpResponse, pause: float) -> float:
    told = wait_told(answer)
    return pause if told is None else min(told, LONGEST_WAIT)


def header(tenant: str) -> str:
    """A tenant's name as a header has it: without the spaces around it that HTTP would take away.

    Raises:
        NoSuchTenantError: it can't stand in a header.
    """
    if not tenant.isascii() or not tenant.isprintable() or tenant != tenant.strip():
        raise NoSuchTenantError(f"tenant {cap(tenant)!r} does not exist")
    return tenant


def step(name: str, missing: str, hint: str = "") -> str:
    """A name as one step of a path. What can't be a name names nothing; and `..` would lead elsewhere.

    Args:
        name: the name.
        missing: what is said of one that does not exist.
        hint: what to do about it.

    Raises:
        NotFoundError: nothing can have such a name.
    """
    with contextlib.suppress(InvalidRequestError):
        return check_key(name)
    raise NotFoundError(missing, hint=hint)
