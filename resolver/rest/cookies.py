"""Sessions of the console on the wire: a cookie that scripts can't read, and a proof that pages bring.

A browser sends the cookie by itself, also with requests that other sites cause. So the cookie alone does
nothing but tell one's own pages the proof; all else needs the proof in a header, which no other site can set.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from resolver.rest.errors import RequestError
from resolver.rest.sites import refuse_other_sites
from resolver.service.sessions import LONGEST, csrf_token

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

PROOF_HEADER = "X-CSRF-Token"

_SECURE_NAME = "__Host-resolver-session"
"""Browsers take a cookie with this prefix over TLS only, and from no other host."""

_PLAIN_NAME = "resolver-session"


def _name(connection: HTTPConnection) -> str:
    return _SECURE_NAME if connection.url.scheme == "https" else _PLAIN_NAME


def read_session(connection: HTTPConnection) -> str:
    """The secret in the session's cookie; empty without one."""
    return connection.cookies.get(_name(connection), "")


def demand_proof(connection: HTTPConnection, secret: str) -> None:
    """Refuse a request with a session that does not come from one's own pages.

    Raises:
        RequestError: the proof is missing or belongs to another session, or another site caused the request.
    """
    refuse_other_sites(connection.headers)
    given = connection.headers.get(PROOF_HEADER, "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), csrf_token(secret).encode()):
        raise RequestError(403, f"a session needs its proof in the header {PROOF_HEADER}")


def set_session(connection: HTTPConnection, response: Response, secret: str) -> None:
    """Give the browser a session."""
    response.set_cookie(
        _name(connection),
        secret,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=connection.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def drop_session(connection: HTTPConnection, response: Response) -> None:
    """Have the browser forget its session."""
    response.delete_cookie(
        _name(connection),
        path="/",
        secure=connection.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
