"""Middleware around every request: request id, access log, metrics, rate limits, unexpected errors."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect

from resolver.core.model import Caller
from resolver.rest.access_log import ACCESS, FIELDS, describe
from resolver.rest.connections import HEALTH, Peer
from resolver.rest.errors import RequestError, error_body, refusal
from resolver.rest.metrics import NO_ROUTE
from resolver.rest.rate_limit import network_of
from resolver.rest.responses import HOLD, Answer
from resolver.rest.shares import Account

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from resolver.rest.routing import Server

_GONE = 499
"""Stands in the log for the status of an answer that nobody waited for (nginx's number)."""

_METHODS = frozenset({"GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"})

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""On every answer that does not bring its own. Any answer may hold values, so none is stored anywhere."""


_HSTS = "max-age=31536000"
"""A year; no word on other hosts of the domain, which are not ours to speak for (RFC 6797)."""


class Watching:
    """The outermost layer of the application.

    Args:
        app: what it watches.
        server: what the routes share.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, log it and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        started = time.perf_counter()
        state = scope.setdefault("state", {})
        status = 0
        peer = state.get("peer")
        self._name_client(scope, peer)
        server = self._server
        name = server.sharing.name_of(network_of(scope["client"][0]))
        account = Account(server.places, server.memory, name)
        state["account"] = account

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                account.leave()  # from here on it is the other end that takes its time
                server.charge(account)
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), request_id, scope)
            await send(message)

        metrics = server.metrics
        metrics.in_work.inc()
        failure: dict[str, object] = {}
        try:
            await self._pass_on(account, scope, receive, watched)
        except ClientDisconnect:
            status = _GONE
        except asyncio.CancelledError:
            # The time that requests have when the server stops is over, and what this one did is not known.
            if not status:
                await refusal(503, "the server stopped before the request had an end; look what it did")(
                    scope, receive, watched
                )
            raise
        except Exception as error:  # noqa: BLE001 - the outermost layer: nothing of it may reach a library's log
            failure = describe(error)
            if not status:
                body = error_body(
                    "internal error", "internal_server_error", f"the log has request {request_id}"
                )
                await Answer(body, 500)(scope, receive, watched)
        finally:
            account.close()
            metrics.in_work.dec()
            if scope["path"] not in HEALTH or state.get("hasty"):
                server.count(account, status or _GONE)
            self._report(scope, request_id, status, time.perf_counter() - started, failure)

    def _add_headers(self, headers: MutableHeaders, request_id: str, scope: Scope) -> None:
        """Give an answer what every answer has."""
        headers["X-Request-Id"] = request_id
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if scope["scheme"] == "https":
            headers.setdefault("Strict-Transport-Security", _HSTS)
        state = scope["state"]
        peer: Peer | None = state.get("peer")
        ends = peer is not None and (peer.body_comes or self._is_in_wrong_lane(peer))
        if ends or state.get("hasty") or self._server.is_closing:
            headers["Connection"] = "close"

    def _is_in_wrong_lane(self, peer: Peer) -> bool:
        """Whether what it asks next had better come by another connection, which goes to the other lane."""
        return not peer.trusted and not peer.spare and self._server.lane.is_wrong_for(peer.name)

    def _report(
        self, scope: Scope, request_id: str, status: int, elapsed: float, failure: dict[str, object]
    ) -> None:
        """Count a request that has ended, and log it."""
        state, metrics = scope["state"], self._server.metrics
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = str(state.get("template", NO_ROUTE))
        metrics.requests.labels(method, route, str(status)).inc()
        metrics.seconds.labels(route).observe(elapsed)
        if state.get("hasty") and not failure:
            return  # a line for each would fill the disk
        caller = state.get("caller")
        fields = {
            "request": request_id,
            "client": scope["client"][0],
            "method": method,
            "route": route,
            "status": status,
            "ms": round(elapsed * 1000, 1),
        }
        if isinstance(caller, Caller):
            fields |= {"user": caller.username, "token": caller.token_id}
        level = logging.ERROR if failure else logging.INFO
        ACCESS.log(level, "", extra={FIELDS: fields | failure})

    def _name_client(self, scope: Scope, peer: Peer | None) -> None:
        """Put who asks where the rest looks for it: the client of a proxy that is believed, else the peer."""
        given = scope.get("client")
        address = given[0] if given else ""
        trusted = self._server.trusted
        if peer.trusted if peer is not None else trusted.has(address):
            forwarded = [
                value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
            ]
            address = trusted.client_of(forwarded) or address
            protocols = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
            if protocols and (last := protocols[-1].rpartition(b",")[2].strip()) in (b"http", b"https"):
                scope["scheme"] = last.decode()
        scope["client"] = (address, 0)

    async def _pass_on(self, account: Account, scope: Scope, receive: Receive, send: Send) -> None:
        server = self._server
        if scope["path"] in HEALTH:
            # Always answered; but of new connections each address has only so many.
            scope["state"]["hasty"] = server.probes.take(account.address) > 0
        else:
            if wait := server.addresses.take(account.address):
                server.metrics.limited.labels("address").inc()
                scope["state"]["hasty"] = True
                # With the connection: new ones are limited, too, before anything of them is looked at.
                limited = refusal(429, "too many requests", {"Retry-After": str(int(wait) + 1)})
                await limited(scope, receive, send)
                return
            try:
                account.enter()
            except RequestError as error:
                server.metrics.limited.labels("places").inc()
                await refusal(error.status, error.message, error.headers)(scope, receive, send)
                return
        HOLD.set(account.hold)  # of this request's task, and of its threads
        await self._app(scope, receive, send)
