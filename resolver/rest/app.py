"""Puts the application together."""

from __future__ import annotations

import contextlib
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from resolver.console import routes as pages
from resolver.rest import cloudify, system, v1
from resolver.rest.errors import add_handlers
from resolver.rest.middleware import Watching
from resolver.rest.options import ServerOptions
from resolver.rest.responses import Answer
from resolver.rest.routing import SECURITY_SCHEMES, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

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
    v1.transfer.GROUP,
    v1.audit.GROUP,
    v1.usage.GROUP,
    v1.sealed_transfer.GROUP,
    v1.blueprints.GROUP,
    v1.console_session.GROUP,
)
"""All routes, in the order of the document."""


def create_app(service: Service, options: ServerOptions | None = None) -> FastAPI:
    """Make the application. It closes the service at its end.

    Args:
        service: the service that it makes available.
        options: its limits and rules.
    """

    @contextlib.asynccontextmanager
    async def living(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    server = Server(service, options or ServerOptions())
    app = FastAPI(
        title="Blueprint resolver",
        version=version("blueprint-resolver"),
        summary="Secrets for blueprints, by a REST API that Cloudify's client can talk to.",
        openapi_url=None,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=living,
    )
    app.state.server = server
    add_handlers(app)
    app.add_middleware(Watching, server=server)
    for group in GROUPS:
        for router in group.routers:
            app.include_router(router)
    app.router.routes.extend(pages())
    app.add_route("/openapi.json", _document, include_in_schema=False)
    return app


async def _document(request: Request) -> Response:
    """The OpenAPI document, which anyone may read."""
    request.state.template = "/openapi.json"
    app = request.app
    document = app.openapi()  # made once
    document.setdefault("components", {})["securitySchemes"] = SECURITY_SCHEMES
    return Answer(document)
