"""Requests to providers: only to allowed destinations, several at a time, each failing by itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from resolver.core.providers import FetchFailure
from resolver.core.strict_json import read_json
from resolver.errors import NotPermittedError, ResolverError
from resolver.http.transport import TransportError, send_patiently, tls_context
from resolver.providers.allow_list import AllowList, Lookups, look_up

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from resolver.http.transport import HttpRequest, HttpResponse
    from resolver.http.url import Url

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds for one request, the look-up of the name included."""

TOTAL_TIMEOUT = 25.0
"""Seconds for all requests that one provider is asked at once: before those who ask for them give up."""

_CONCURRENCY = 8
_MAX_RESPONSE_BYTES = 8 * 1024 * 1024
_MAX_TOTAL_BYTES = 128 * 1024 * 1024
"""Most bytes of answers for one run, kept until all are there: twice what the values in them may come to."""

_OK = 200

NOT_ALLOWED = "its destination is not among the `provider_destinations` of config.yaml"
"""Without saying where it is, which few may know."""


class RequestSender:
    """Sends requests to providers.

    Args:
        allowed: the allowed destinations.
        resolve: looks up a host's addresses.
        timeout: seconds for one request.
        total_timeout: seconds for all that are sent at once.
        max_bytes: the largest answer that is read.
    """

    def __init__(
        self,
        allowed: AllowList,
        resolve: Callable[[str, int], Sequence[str]] = look_up,
        timeout: float = TIMEOUT,
        total_timeout: float = TOTAL_TIMEOUT,
        max_bytes: int = _MAX_RESPONSE_BYTES,
    ) -> None:
        self._allowed = allowed
        self._lookups = Lookups(resolve)
        self._timeout = timeout
        self._total_timeout = total_timeout
        self._max_bytes = max_bytes

    def check_allowed(self, url: Url) -> None:
        """Refuse a destination that the allow-list does not name, without looking up its addresses."""
        self._allowed.check(url)

    def send(self, url: Url, request: HttpRequest, authorities: str | None = None) -> HttpResponse:
        """Send one request.

        Raises:
            NotPermittedError: the destination is not allowed.
            TransportError: there is no proper response.
        """
        deadline = time.monotonic() + self._timeout
        return self._send(url, self._addresses(url, deadline), request, _tls(url, authorities), deadline)

    def succeeds(self, url: Url, request: HttpRequest, authorities: str | None = None) -> bool:
        """Whether a request is allowed and answered with status 200."""
        try:
            return self.send(url, request, authorities).status == _OK
        except NotPermittedError:
            if self._allowed.everything:  # it is no secret to the store's only user where a name leads
                raise
            return False
        except ResolverError:
            return False

    def send_all(
        self, url: Url, requests: Mapping[str, HttpRequest], authorities: str | None = None
    ) -> Mapping[str, HttpResponse | FetchFailure]:
        """Send several requests to one server, whose addresses are looked up once.

        Once it can't be reached, or has answered too much, it is not tried again for those that are left.
        """
        began = time.monotonic()
        deadline = began + self._total_timeout
        try:
            addresses = self._addresses(url, began + self._timeout)
            tls = _tls(url, authorities)
        except NotPermittedError:
            return dict.fromkeys(requests, FetchFailure(NOT_ALLOWED))
        except TransportError as error:
            return dict.fromkeys(requests, _failure(error))
        hopeless: list[FetchFailure] = []
        received: list[int] = []

        def send(request: HttpRequest) -> HttpResponse | FetchFailure:
            now = time.monotonic()
            if hopeless:
                return hopeless[0]
            if now >= deadline:
                return FetchFailure("it did not answer everything in time")
            try:
                response = self._send(url, addresses, request, tls, min(now + self._timeout, deadline))
            except TransportError as error:
                missed = _failure(error)
                if not error.sent:
                    hopeless.append(missed)
                return missed
            received.append(len(response.body))
            if sum(received) <= _MAX_TOTAL_BYTES:
                return response
            hopeless.append(FetchFailure("its answers are too large together"))
            return hopeless[0]

        with ThreadPoolExecutor(min(_CONCURRENCY, len(requests))) as pool:
            return dict(zip(requests, pool.map(send, requests.values()), strict=True))

    def _addresses(self, url: Url, deadline: float) -> Sequence[str]:
        """The addresses to connect to; TransportError when they are not known in time."""

        def resolve(host: str, port: int) -> Sequence[str]:
            try:
                return self._lookups.addresses(host, port, deadline - time.monotonic())
            except TimeoutError:
                cause = "can't be reached: its name was not looked up in time"
                raise TransportError(url, cause, sent=False) from None

        return self._allowed.addresses(url, resolve)

    def _send(
        self,
        url: Url,
        addresses: Sequence[str],
        request: HttpRequest,
        tls: ssl.SSLContext | None,
        deadline: float,
    ) -> HttpResponse:
        timeout = max(deadline - time.monotonic(), 0.0)
        return send_patiently(
            url, request, addresses=addresses, tls=tls, timeout=timeout, max_bytes=self._max_bytes
        )


def _failure(error: TransportError) -> FetchFailure:
    return FetchFailure(f"it {error.cause}")  # its message would show where the provider is


def _tls(url: Url, authorities: str | None) -> ssl.SSLContext | None:
    return tls_context(authorities) if url.is_encrypted else None


def read_response(
    response: HttpResponse | FetchFailure,
    read: Callable[[Any], T],
    *,
    not_found: str,
    refused: str,
    malformed: str,
) -> T | FetchFailure:
    """What a provider's response holds, or why there is nothing.

    Args:
        response: the response, or why there is none.
        read: takes what is wanted out of the JSON data, and may fail in whatever way such data makes it.
        not_found: the cause for status 404.
        refused: the cause for status 401 and 403.
        malformed: the cause for a body that is not what it should be.
    """
    if isinstance(response, FetchFailure):
        return response
    match response.status:
        case 200:
            pass
        case 404:
            return FetchFailure(not_found, is_missing=True)
        case 401 | 403:
            return FetchFailure(refused)
        case status:
            return FetchFailure(f"it answered with status {status}")
    try:
        return read(read_json(bytes(response.body)))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return FetchFailure(malformed)
