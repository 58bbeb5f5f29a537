"""Requests that a browser sends because a page of another site told it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.rest.errors import RequestError

if TYPE_CHECKING:
    from starlette.datastructures import Headers


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
