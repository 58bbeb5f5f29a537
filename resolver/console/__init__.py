"""The web console's pages: static files, served as they lie here, that use the REST API like anybody else.

No page is made on the server, so nothing that somebody typed can become markup there. The policy lets scripts
and styles come from files of this folder only.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

PREFIX = "/console"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",  # files hold no data: kept, and asked for again whether they changed
}
"""On every file of the console."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_INDEX = "index.html"


def routes() -> list[Route]:
    """The console's routes: one for each file, so that no path can lead anywhere else."""
    files = {entry.name: entry.read_bytes() for entry in (resources.files(__name__) / "static").iterdir()}
    return [
        Route(PREFIX, _to_index),
        Route(f"{PREFIX}/", _sending(_INDEX, files[_INDEX])),
        *(
            Route(f"{PREFIX}/{name}", _sending(name, data))
            for name, data in sorted(files.items())
            if _kind(name) in _TYPES
        ),
    ]


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


async def _to_index(request: Request) -> Response:
    request.state.template = PREFIX
    return RedirectResponse(f"{PREFIX}/", 308)


def _sending(name: str, data: bytes) -> Callable[[Request], Awaitable[Response]]:
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {**HEADERS, "ETag": tag}

    async def send(request: Request) -> Response:
        request.state.template = f"{PREFIX}/{name}"
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=_TYPES[_kind(name)], headers=headers)

    return send
