"""Requests to one server: what is sent with each, which are tried again, and what a bad answer means."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlencode

from resolver.client.caller import credentials_of
from resolver.core.answers import Refusal
from resolver.core.model import check_key
from resolver.errors import InvalidRequestError, NotFoundError, ResolverError, UnavailableError, UsageError
from resolver.protocol import OWN_ROUTES, TENANT_HEADER
from resolver.protocol.codec import MalformedError, decode
from resolver.protocol.errors import MAX_TEXT, Told, rebuild
from resolver.wire import Origin, Request, UntrustedError, WireError, exchange, parse_origin, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.model import Caller
    from resolver.wire import Answer

T = TypeVar("T")
Query: TypeAlias = "Mapping[str, str | Sequence[str]]"

UNIX = "unix:"
LOCALHOST = "localhost"
LOOPBACK = ("127.0.0.1", "::1")

PAUSES = (0.2, 0.8)
"""Seconds to wait before each further attempt."""

LAST_ATTEMPT = 10.0
"""Seconds after which nothing is tried again."""

LONGEST_WAIT = 3
"""Seconds to wait at most when the server says that it was asked too often."""

TOO_MANY = 429


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
    if (
        origin.scheme == "http"
        and origin.host not in (LOCALHOST, *LOOPBACK)
        and not _is_loopback(origin.host)
    ):
        raise UsageError(
            f"{what} is plain HTTP to another machine", hint="use https: tokens and values would be readable"
        )
    return origin


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class _Ready:
    """Whether a server can do its work."""

    status: str


class RefusedKeysError(UnavailableError):
    """Keys of a batch may not be had. From anything but a batch, that makes no sense.

    Args:
        sense: the error for an answer that makes none.
        refusals: why each key may not be had.
    """

    def __init__(self, sense: UnavailableError, refusals: Mapping[str, Refusal]) -> None:
        super().__init__(sense.message, hint=sense.hint)
        self.refusals = refusals


class Server:
    """A server, as this process talks to it.

    Args:
        origin: where it is.
        ca_file: a file with the authorities that its certificate is verified against; else the system's.
        sleep: waits.
    """

    def __init__(
        self, origin: Origin, ca_file: str | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.origin = origin
        self._ca_file = ca_file
        self._sleep = sleep
        # A name is what a hosts file says, so the one that means this machine is not looked up.
        self._addresses = LOOPBACK if origin.scheme == "http" and origin.host == LOCALHOST else None

    def __repr__(self) -> str:
        return f"Server({self.origin.place!r})"

    @cached_property
    def _tls(self) -> Any:  # noqa: ANN401 - ssl is slow to load, and plain HTTP does without
        try:
            return tls_context(authority_file=self._ca_file)
        except InvalidRequestError as error:
            raise UsageError(f"RESOLVER_CA_FILE: {error.message}", hint=error.hint) from None

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
    ) -> T:
        """Ask, and read the answer as a record.

        Raises:
            ResolverError: whatever the server raised; UnavailableError when it gives no proper answer.
        """
        return self.read(kind, self._parsed(self._asked(caller, method, path, body, tenant, query).body))

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
        """Ask for something that is answered with nothing but that it is done."""
        self._asked(caller, method, path, body, tenant, query)

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
        answer = self._exchange(Request("GET", "/ready"))
        if self.read(_Ready, self._parsed(answer.body)).status != "ready":
            raise UnavailableError(
                f"server {self.origin.place} is there, and its store or root key is not available",
                hint="its log tells more",
            )

    def _parsed(self, data: bytes) -> Any:  # noqa: ANN401 - JSON data
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(data)
        raise self.nonsense()

    def _asked(
        self,
        caller: Caller,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        tenant: str,
        query: Query | None,
    ) -> Answer:
        headers = credentials_of(caller, self.origin)
        if tenant:
            headers[TENANT_HEADER] = _header(tenant)
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, allow_nan=False).encode("ascii")
        suffix = f"?{urlencode(query, doseq=True)}" if query else ""
        answer = self._exchange(Request(method, f"{OWN_ROUTES}{path}{suffix}", headers, data))
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the statuses of success
            raise self._rebuilt(answer)
        return answer

    def _exchange(self, request: Request) -> Answer:
        """One request, and what it takes to get it through."""
        began = time.monotonic()
        pauses = iter(PAUSES)
        while True:
            pause = next(pauses, None) if time.monotonic() - began < LAST_ATTEMPT else None
            try:
                answer = exchange(
                    self.origin,
                    request,
                    addresses=self._addresses,
                    tls=self._tls if self.origin.scheme == "https" else None,
                )
            except UntrustedError as error:
                raise UnavailableError(
                    f"server {error.message}",
                    hint="RESOLVER_CA_FILE names the authority that signed its certificate",
                ) from None
            except WireError as error:
                # What was sent may have been done; only a question can be asked twice.
                if pause is None or (error.sent and request.method != "GET"):
                    raise UnavailableError(f"server {error.message}", hint=error.hint or _HINT) from None
                self._sleep(pause)
                continue
            if answer.status != TOO_MANY or pause is None:
                return answer
            self._sleep(_wait(answer, pause))  # refused before anything was done

    def _rebuilt(self, answer: Answer) -> ResolverError:
        told = self.read(Told, self._parsed(answer.body))
        if told.refusals:
            refusals = {one.key: Refusal(one.reason, one.cause[:MAX_TEXT]) for one in told.refusals}
            return RefusedKeysError(self.nonsense(), refusals)
        return rebuild(told) or self.nonsense()

    def nonsense(self) -> UnavailableError:
        """The error for an answer that makes no sense. Nothing of the answer is in it."""
        return UnavailableError(
            f"server {self.origin.place} does not answer as a resolver's server of this version does",
            hint="RESOLVER_URL or the profile names the server; `resolver login URL` makes a profile",
        )


_HINT = "RESOLVER_URL or the profile names the server; see that it runs and can be reached from here"


def _wait(answer: Answer, pause: float) -> float:
    told = answer.headers.get("retry-after", "")
    return min(int(told), LONGEST_WAIT) if told.isascii() and told.isdecimal() and len(told) < 5 else pause  # noqa: PLR2004


def _header(text: str) -> str:
    """A text that can stand in a header."""
    if not text.isascii() or not text.isprintable():
        raise InvalidRequestError(
            "the tenant name has characters that are not allowed",
            hint="use letters, digits, '-', '.' and '_'",
        )
    return text


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
