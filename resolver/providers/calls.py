"""Requests to providers: only to allowed destinations, several at a time, each failure by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from resolver.core.providers import Missed
from resolver.errors import NotPermittedError
from resolver.providers.destination import AllowList, look_up
from resolver.wire import Origin, WireError, exchange, tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from resolver.wire import Answer, Request

TIMEOUT = 10.0
"""Seconds for one request."""

_AT_ONCE = 8
_MAX_ANSWER_BYTES = 8 * 1024 * 1024


class Calls:
    """Sends requests.

    Args:
        allowed: where to.
        resolve: looks up a host's addresses.
        timeout: seconds for one request.
    """

    def __init__(
        self,
        allowed: AllowList,
        resolve: Callable[[str, int], Sequence[str]] = look_up,
        timeout: float = TIMEOUT,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._timeout = timeout

    def demand_allowed(self, origin: Origin) -> None:
        """Refuse a destination that the allow-list does not name, without looking up its addresses."""
        self._allowed.demand(origin)

    def one(self, origin: Origin, request: Request, authorities: str | None = None) -> Answer:
        """Send one request.

        Raises:
            NotPermittedError: the destination is not allowed.
            WireError: there is no proper answer.
        """
        return self._send(
            origin, self._allowed.addresses(origin, self._resolve), request, _tls(origin, authorities)
        )

    def all(
        self, origin: Origin, requests: Mapping[str, Request], authorities: str | None = None
    ) -> Mapping[str, Answer | Missed]:
        """Send several requests to one server, whose addresses are looked up once."""
        try:
            addresses = self._allowed.addresses(origin, self._resolve)
            tls = _tls(origin, authorities)
        except NotPermittedError:
            return dict.fromkeys(requests, Missed("its destination is not allowed"))

        def send(request: Request) -> Answer | Missed:
            try:
                return self._send(origin, addresses, request, tls)
            except WireError as error:  # its message would tell where the provider is
                return Missed(f"it {error.cause}")

        with ThreadPoolExecutor(min(_AT_ONCE, len(requests))) as pool:
            return dict(zip(requests, pool.map(send, requests.values()), strict=True))

    def _send(
        self, origin: Origin, addresses: Sequence[str], request: Request, tls: ssl.SSLContext | None
    ) -> Answer:
        return exchange(
            origin, request, addresses=addresses, tls=tls, timeout=self._timeout, max_bytes=_MAX_ANSWER_BYTES
        )


def _tls(origin: Origin, authorities: str | None) -> ssl.SSLContext | None:
    return tls_context(authorities) if origin.scheme == "https" else None
