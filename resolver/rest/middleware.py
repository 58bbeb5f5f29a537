"""Middleware around every request: request id, access log, metrics, rate limits, unexpected errors."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect

from resolver.core.model import Caller
from resolver.rest.access_log import ACCESS, FIELDS, describe
from resolver.rest.errors import error_body, refusal
from resolver.rest.metrics import NO_ROUTE
from resolver.rest.rate_limit import network_of
from resolver.rest.responses import Answer

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


class Watching:
    """The outermost layer of the application.

    Args:
        app: what it watches.
        server: what the routes share.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server
        self._in_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, log it and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        started = time.perf_counter()
        state = scope.setdefault("state", {})
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        metrics = self._server.metrics
        self._in_work += 1
        metrics.in_work.inc()
        failure: dict[str, object] = {}
        try:
            await self._pass_on(scope, receive, watched)
        except ClientDisconnect:
            status = _GONE
        except Exception as error:  # noqa: BLE001 - the outermost layer: nothing of it may reach a library's log
            failure = describe(error)
            if not status:
                body = error_body(
                    "internal error", "internal_server_error", f"the log has request {request_id}"
                )
                await Answer(body, 500)(scope, receive, watched)
        finally:
            self._in_work -= 1
            metrics.in_work.dec()
            elapsed = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            route = str(state.get("template", NO_ROUTE))
            metrics.requests.labels(method, route, str(status)).inc()
            metrics.seconds.labels(route).observe(elapsed)
            caller = state.get("caller")
            fields = {
                "request": request_id,
                "client": scope["client"][0] if scope.get("client") else "",
                "method": method,
                "route": route,
                "status": status,
                "ms": round(elapsed * 1000, 1),
            }
            if isinstance(caller, Caller):
                fields |= {"user": caller.username, "token": caller.token_id}
            level = logging.ERROR if failure else logging.INFO
            ACCESS.log(level, "", extra={FIELDS: fields | failure})

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = self._server
        if self._in_work > server.options.max_requests:
            busy = refusal(503, "the server is busy", {"Retry-After": "1"})
            await busy(scope, receive, send)
            return
        named = {name for name, _ in scope["headers"]}
        if {b"content-length", b"transfer-encoding"} <= named:
            # Two ends of one body: a proxy that takes the other one lets requests be smuggled past it.
            unclear = refusal(400, "the length of the body is given in two ways", {"Connection": "close"})
            await unclear(scope, receive, send)
            return
        client = scope.get("client")
        wait = server.addresses.take(network_of(client[0] if client else ""))
        if wait:
            server.metrics.limited.labels("address").inc()
            limited = refusal(429, "too many requests", {"Retry-After": str(int(wait) + 1)})
            await limited(scope, receive, send)
            return
        await self._app(scope, receive, send)
