"""Authentication: a request's credentials, but none that a browser adds for another site.

A browser keeps a user's Basic credentials and sends them with requests that other sites cause. So no answer
asks for Basic credentials, none has CORS headers, and a request with Basic credentials that a browser marks
as another site's is refused, whatever its method.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter

from resolver.core.redacted import Redacted
from resolver.errors import AuthenticationError
from resolver.protocol import TOKEN_HEADER
from resolver.rest.errors import RequestError
from resolver.rest.sessions import demand_proof, read_session, refuse_other_sites
from resolver.rest.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import Headers
    from starlette.requests import Request

    from resolver.core.model import Caller
    from resolver.rest.shares import Account, NameLimiter, Sharing
    from resolver.service import Service

T = TypeVar("T")

_PASSWORDS_AT_ONCE = 2
"""Password hashes are made slow and large on purpose: so many are computed at once."""

_SIGN_INS_AT_ONCE = 6
"""So many wait for an OpenID provider at once, each in a thread."""

_PASSWORDS_WAITING = 40
"""How many wait for that: whoever guesses at passwords must not hold the places of all other requests."""


class Credentials(Redacted, frozen=True):
    """A request's credentials: a token, or a user name and a password."""

    token: str = ""
    username: str = ""
    password: str = ""


def has_credentials(headers: Headers) -> bool:
    """Whether a request has credentials in a header, good or bad."""
    return "Authorization" in headers or TOKEN_HEADER in headers


def read_credentials(headers: Headers) -> Credentials:
    """Take the credentials out of a request's headers.

    Raises:
        AuthenticationError: there are none, or they are malformed.
    """
    authorizations = headers.getlist("Authorization")
    tokens = headers.getlist(TOKEN_HEADER)
    if len(authorizations) + len(tokens) > 1:
        raise AuthenticationError("more than one kind of credentials was given", hint="give one of them")
    if tokens:
        return Credentials(token=tokens[0])
    if not authorizations:
        raise AuthenticationError(
            "no authentication info provided",
            hint=f"give a token in the header {TOKEN_HEADER}, or Basic credentials",
        )
    scheme, _, text = authorizations[0].partition(" ")
    match scheme.lower():
        case "basic":
            return _read_basic(text.strip())
        case "bearer":
            return Credentials(token=text.strip())
        case _:
            raise AuthenticationError(
                "this authentication scheme is not supported", hint="use Basic or Bearer"
            )


def _read_basic(text: str) -> Credentials:
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        # Not as the context of ours: it may hold the text.
        decoded = ""
    username, colon, password = decoded.partition(":")
    if not colon or not username:
        raise AuthenticationError("the Basic credentials are malformed")
    return Credentials(username=username, password=password)


def address_of(request: Request) -> str:
    """Where a request comes from, by a trusted proxy's word or the connection; empty for a unix socket."""
    return request.client.host if request.client is not None else ""


class Authenticator:
    """Identifies callers by a request's headers.

    Args:
        service: knows users, tokens and sessions.
        turns: how many threads work for one address.
        sharing: how many passwords of one address are checked or wait, of all.
    """

    def __init__(self, service: Service, turns: NameLimiter, sharing: Sharing) -> None:
        self._service = service
        self._turns = turns
        self._passwords = CapacityLimiter(_PASSWORDS_AT_ONCE)
        self._sign_ins = CapacityLimiter(_SIGN_INS_AT_ONCE)
        self._signing_in = Shares(_SIGN_INS_AT_ONCE + _PASSWORDS_WAITING, sharing)
        self._checking = Shares(_PASSWORDS_AT_ONCE + _PASSWORDS_WAITING, sharing)

    async def identify(self, request: Request) -> Caller:
        """The caller: by credentials in a header, or by a session with its proof.

        Raises:
            AuthenticationError: the credentials are missing, malformed or not valid.
            RequestError: they may not come from where they come from.
        """
        headers = request.headers
        account: Account = request.state.account
        if not has_credentials(headers) and (secret := read_session(request)):
            demand_proof(request, secret)
            async with self._turns.of(account.address):
                return await account.run(lambda: self._service.sessions.authenticate(secret))
        given = read_credentials(headers)
        gate = self._service.gate
        if given.token:
            async with self._turns.of(account.address):
                address = address_of(request)
                return await account.run(lambda: gate.authenticate_token(given.token, address))
        if not given.username:
            raise AuthenticationError("the access token is empty")
        refuse_other_sites(headers)
        return await self.hash_password(
            account, lambda: gate.authenticate_password(given.username, given.password)
        )

    async def sign_in(self, account: Account, work: Callable[[], T]) -> T:
        """Run what asks an OpenID provider in a thread, once there is a turn for it.

        Few at once: providers may be slow, and whoever has no credentials must not hold the places of others.

        Args:
            account: whose share of the turns it takes.
            work: what asks.

        Raises:
            RequestError: too many wait for theirs.
        """
        return await self._in_turn(account, work, self._sign_ins, self._signing_in, "sign-ins are under way")

    async def hash_password(self, account: Account, check: Callable[[], T]) -> T:
        """Run what computes a password's hash in a thread, once there is a turn for it.

        Args:
            account: whose share of the turns it takes: an address's, or a user's who is known.
            check: what computes it.

        Raises:
            RequestError: too many wait for theirs.
        """
        return await self._in_turn(
            account, check, self._passwords, self._checking, "passwords are being checked"
        )

    @staticmethod
    async def _in_turn(
        account: Account, work: Callable[[], T], turns: CapacityLimiter, waiting: Shares, doing: str
    ) -> T:
        # The limiter itself counts those who wait a moment late, when many come at once.
        name = account.name
        if not waiting.take([name]):
            raise RequestError(503, f"too many {doing}", {"Retry-After": "2"})
        try:
            return await account.run(work, turns)
        finally:
            waiting.give([name])
