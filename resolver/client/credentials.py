"""The caller as a client knows it: credentials that are sent with every request."""

from __future__ import annotations

import base64

from resolver.core.model import Caller
from resolver.core.permissions import SystemRole
from resolver.core.redacted import Redacted
from resolver.core.tokens import token_id
from resolver.errors import AuthenticationError, UsageError
from resolver.http.url import Url
from resolver.protocol import TOKEN_HEADER

MAX_PAIR = 2000
"""Longest user name and password together, in characters: far more than any has, and fit for a header."""


class RemoteCaller(Redacted, Caller, frozen=True):
    """A caller whose rights only the server knows, and reads at every request.

    Args:
        origin: the server that the credentials are for.
        header: the header that says who asks.
        credentials: its value.
    """

    origin: Url | None = None
    header: str = ""
    credentials: str = ""


def credentials_of(caller: Caller, origin: Url) -> dict[str, str]:
    """The header that says who asks; for no other server than the one that the caller is of.

    Raises:
        UsageError: the caller was identified by another store.
    """
    if not isinstance(caller, RemoteCaller) or caller.origin != origin:
        raise UsageError("the caller was identified by another store", hint="authenticate with this one")
    return {caller.header: caller.credentials}


def by_token(origin: Url, token: str) -> RemoteCaller:
    """A caller with an access token.

    Raises:
        AuthenticationError: it is malformed.
    """
    return RemoteCaller(
        "",
        "",
        SystemRole.DEFAULT,
        token_id=token_id(token),
        origin=origin,
        header=TOKEN_HEADER,
        credentials=token,
    )


def by_password(origin: Url, username: str, password: str) -> RemoteCaller:
    """A caller with user name and password.

    Raises:
        AuthenticationError: no user has such a name.
    """
    # HTTP has no way to say a colon, nor what is longer than servers read.
    if not username or ":" in username or len(username) + len(password) > MAX_PAIR:
        raise AuthenticationError("the user name or the password is wrong")
    pair = base64.b64encode(f"{username}:{password}".encode("utf-8", "replace")).decode()
    return RemoteCaller(
        "",
        username,
        SystemRole.DEFAULT,
        origin=origin,
        header="Authorization",
        credentials=f"Basic {pair}",
    )
