"""Puts the application together."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from resolver.console import routes as pages
from resolver.rest import cloudify, system, v1
from resolver.rest.errors import add_handlers
from resolver.rest.middleware import Watching
from resolver.rest.openapi import make_document
from resolver.rest.options import ServerOptions
from resolver.rest.responses import whole
from resolver.rest.routing import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from resolver.rest.lanes import Lane
    from resolver.service import Service

GROUPS = (
    system.OPEN,
    system.METRICS,
    system.STATUS,
    system.VERSION,
    cloudify.secrets.GROUP,
    cloudify.transfer.GROUP,
    cloudify.providers.GROUP,
    cloudify.accounts.GROUP,
    cloudify.tokens.GROUP,
    v1.use.GROUP,
    v1.secrets.GROUP,
    v1.accounts.GROUP,
    v1.providers.GROUP,
    v1.trusts.GROUP,
    v1.trusts.EXCHANGE,
    v1.transfer.GROUP,
    v1.audit.GROUP,
    v1.usage.GROUP,
    v1.webhooks.GROUP,
    v1.approvals.GROUP,
    v1.sealed_transfer.GROUP,
    v1.blueprints.GROUP,
    v1.console_session.GROUP,
    v1.sign_in.GROUP,
)
"""All routes, in the order of the document."""


def create_app(service: Service, options: ServerOptions | None = None, lane: Lane | None = None) -> Starlette:
    """Make the application. It closes the service at its end.

    Args:
        service: the service that it makes available.
        options: its limits and rules.
        lane: which lane this process is; without one, the only one.
    """

    @contextlib.asynccontextmanager
    async def living(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    server = Server(service, options or ServerOptions(), lane)
    routes = [route for group in GROUPS for route in group.routes]
    app = Starlette(routes=[*routes, *pages(), Route("/openapi.json", _document)], lifespan=living)
    app.router.redirect_slashes = False
    app.state.server = server
    add_handlers(app)
    app.add_middleware(Watching, server=server)
    return app


async def _document(request: Request) -> Response:
    """The OpenAPI document, which anyone may read."""
    request.state.template = "/openapi.json"
    body, tag = _make_document()
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@functools.cache
def _make_document() -> tuple[bytes, str]:
    """It as it is sent, and its tag: the same for all."""
    body = whole(make_document(GROUPS))
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
