"""Requests to providers: only to allowed destinations, several at a time, each failure by itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from resolver.core.providers import Missed
from resolver.errors import NotPermittedError
from resolver.http.transport import TransportError, send_request, tls_context
from resolver.providers.allow_list import AllowList, Lookups, look_up

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from resolver.http.transport import HttpRequest, HttpResponse
    from resolver.http.url import Url

TIMEOUT = 10.0
"""Seconds for one request, the look-up of the name included."""

TOTAL_TIMEOUT = 25.0
"""Seconds for all requests that one provider is asked at once: before those who ask for them give up."""

_AT_ONCE = 8
_MAX_ANSWER_BYTES = 8 * 1024 * 1024


class Calls:
    """Sends requests.

    Args:
        allowed: where to.
        resolve: looks up a host's addresses.
        timeout: seconds for one request.
        total_timeout: seconds for all that are sent at once.
    """

    def __init__(
        self,
        allowed: AllowList,
        resolve: Callable[[str, int], Sequence[str]] = look_up,
        timeout: float = TIMEOUT,
        total_timeout: float = TOTAL_TIMEOUT,
    ) -> None:
        self._allowed = allowed
        self._lookups = Lookups(resolve)
        self._timeout = timeout
        self._total_timeout = total_timeout

    def demand_allowed(self, url: Url) -> None:
        """Refuse a destination that the allow-list does not name, without looking up its addresses."""
        self._allowed.demand(url)

    def one(self, url: Url, request: HttpRequest, authorities: str | None = None) -> HttpResponse:
        """Send one request.

        Raises:
            NotPermittedError: the destination is not allowed.
            TransportError: there is no proper answer.
        """
        ends = time.monotonic() + self._timeout
        return self._send(url, self._addresses(url, ends), request, _tls(url, authorities), ends)

    def all(
        self, url: Url, requests: Mapping[str, HttpRequest], authorities: str | None = None
    ) -> Mapping[str, HttpResponse | Missed]:
        """Send several requests to one server, whose addresses are looked up once.

        Once it can't be reached, it is not tried again for those that are left.
        """
        began = time.monotonic()
        last = began + self._total_timeout
        try:
            addresses = self._addresses(url, began + self._timeout)
            tls = _tls(url, authorities)
        except NotPermittedError:
            return dict.fromkeys(requests, Missed("its destination is not allowed"))
        except TransportError as error:
            return dict.fromkeys(requests, _missed(error))
        unreachable: list[Missed] = []

        def send(request: HttpRequest) -> HttpResponse | Missed:
            now = time.monotonic()
            if unreachable:
                return unreachable[0]
            if now >= last:
                return Missed("it did not answer everything in time")
            try:
                return self._send(url, addresses, request, tls, min(now + self._timeout, last))
            except TransportError as error:
                missed = _missed(error)
                if not error.sent:
                    unreachable.append(missed)
                return missed

        with ThreadPoolExecutor(min(_AT_ONCE, len(requests))) as pool:
            return dict(zip(requests, pool.map(send, requests.values()), strict=True))

    def _addresses(self, url: Url, ends: float) -> Sequence[str]:
        """The addresses to connect to; TransportError when they are not known in time."""

        def resolve(host: str, port: int) -> Sequence[str]:
            try:
                return self._lookups.addresses(host, port, ends - time.monotonic())
            except TimeoutError:
                raise TransportError(
                    url, "can't be reached: its name was not looked up in time", sent=False
                ) from None

        return self._allowed.addresses(url, resolve)

    def _send(
        self,
        url: Url,
        addresses: Sequence[str],
        request: HttpRequest,
        tls: ssl.SSLContext | None,
        ends: float,
    ) -> HttpResponse:
        left = max(ends - time.monotonic(), 0.0)
        return send_request(
            url, request, addresses=addresses, tls=tls, timeout=left, max_bytes=_MAX_ANSWER_BYTES
        )


def _missed(error: TransportError) -> Missed:
    return Missed(f"it {error.cause}")  # its message would tell where the provider is


def _tls(url: Url, authorities: str | None) -> ssl.SSLContext | None:
    return tls_context(authorities) if url.scheme == "https" else None
