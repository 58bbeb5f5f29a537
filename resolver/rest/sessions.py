"""Sessions of the console on the wire: a cookie that scripts can't read, and a proof that pages bring.

A browser sends the cookie by itself, also with requests that other sites cause. So the cookie alone does
nothing but tell one's own pages the proof; all else needs the proof in a header, which no other site can set.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from resolver.rest.errors import RequestError
from resolver.service.console_sessions import LONGEST, csrf_token

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import HTTPConnection
    from starlette.responses import Response

PROOF_HEADER = "X-CSRF-Token"

_SECURE_NAME = "__Host-resolver-session"
"""Browsers take a cookie with this prefix over TLS only, and from no other host."""

_PLAIN_NAME = "resolver-session"


def _is_secure(connection: HTTPConnection) -> bool:
    """Whether the browser came over TLS; one's own page says so where a proxy does not pass it on."""
    headers = connection.headers
    own = "https://" + headers.get("Host", "")
    return connection.url.scheme == "https" or headers.get("Origin") == own


def read_session(connection: HTTPConnection) -> str:
    """The secret in the session's cookie; empty without one. Over TLS one without the prefix is none."""
    plain = "" if _is_secure(connection) else connection.cookies.get(_PLAIN_NAME, "")
    return connection.cookies.get(_SECURE_NAME, plain)


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
    secure = _is_secure(connection)
    response.set_cookie(
        _SECURE_NAME if secure else _PLAIN_NAME,
        secret,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


_SIGN_IN = "sign-in"
"""What the cookie that binds a sign-in is called, behind the prefix."""


def read_sign_in(connection: HTTPConnection) -> str:
    """The secret of the sign-in that this browser has begun; empty without one."""
    return connection.cookies.get(_sign_in_name(connection), "")


def set_sign_in(connection: HTTPConnection, response: Response, secret: str, seconds: int) -> None:
    """Bind a sign-in to this browser."""
    response.set_cookie(
        _sign_in_name(connection),
        secret,
        max_age=seconds,
        path="/",
        secure=_is_secure(connection),
        httponly=True,
        samesite="strict",
    )


def drop_sign_in(connection: HTTPConnection, response: Response) -> None:
    """Have the browser forget its sign-in, which has ended."""
    response.delete_cookie(
        _sign_in_name(connection),
        path="/",
        secure=_is_secure(connection),
        httponly=True,
        samesite="strict",
    )


def _sign_in_name(connection: HTTPConnection) -> str:
    return f"__Host-resolver-{_SIGN_IN}" if _is_secure(connection) else f"resolver-{_SIGN_IN}"


def drop_session(connection: HTTPConnection, response: Response) -> None:
    """Have the browser forget its session."""
    secure = _is_secure(connection)
    response.delete_cookie(
        _SECURE_NAME if secure else _PLAIN_NAME,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def refuse_other_sites(headers: Headers) -> None:
    """Refuse a request that a browser sends for another site, with what it keeps for this one.

    Raises:
        RequestError: `Sec-Fetch-Site` or `Origin` tells that another site caused it.
    """
    origin = headers.get("Origin")
    host = headers.get("Host", "")
    foreign = origin is not None and origin.partition("://")[2] != host
    if foreign or headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise RequestError(403, "Basic credentials and sessions are not taken from a page of another site")
