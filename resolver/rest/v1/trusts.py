"""Trusts, and the exchange of JWTs by them."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from resolver.core.query import Part
from resolver.core.redacted import Redacted
from resolver.core.trusts import NewTrust, Trust, TrustChange, TrustCheck
from resolver.errors import AuthenticationError
from resolver.protocol.identity import Grant, JwtExchange
from resolver.rest.errors import RequestError
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import OWN, ApiCall, Group

GROUP = Group("trusts", OWN)
EXCHANGE = Group("trusts", OWN, guarded=False)

_MOST_JWT = 20 * 1024
"""Largest body with a JWT, in bytes."""

_KEYS_SECONDS, _LOOK_EVERY = 12.0, 0.05
"""How long a request waits for an issuer's keys, and how often it looks, in seconds: it holds no thread."""


class TrialRequest(Redacted, frozen=True, forbid_unknown_fields=True):
    """A JWT to be tried; without one the issuer's keys alone are looked at."""

    jwt: str = ""


@EXCHANGE.route("POST", "/trusts/exchange", Grant, largest=_MOST_JWT)
async def exchange_jwt(call: ApiCall, body: JwtExchange) -> Response:
    """Give a token of minutes for a JWT that fits a trust. Whoever is refused is not told why."""
    server = call.server
    trusts = server.service.trusts
    deadline = asyncio.get_running_loop().time() + _KEYS_SECONDS
    while True:
        try:
            async with server.turns.of(call.account.address):
                granted = await call.account.run(lambda: trusts.exchange(body.jwt, body.trust))
        except AuthenticationError:
            server.metrics.refused_logins.inc()
            raise
        server.metrics.count_key_ages(trusts.key_ages())
        if isinstance(granted, Grant):
            return Answer(granted)
        while not granted.is_done():
            if asyncio.get_running_loop().time() >= deadline:
                raise RequestError(503, "keys are being fetched", {"Retry-After": "2"})
            await asyncio.sleep(_LOOK_EVERY)


@GROUP.route("GET", "/trusts", Part[Trust])
def list_trusts(call: ApiCall) -> Response:
    """All trusts for a sys_admin; those for oneself, for others."""
    found = call.service.trusts.list(call.caller)
    return Answer(Part(found, len(found)))


@GROUP.route("GET", "/trusts/{name}", Trust)
def get_trust(call: ApiCall, name: str) -> Response:
    """One trust."""
    return Answer(call.service.trusts.get(call.caller, name))


@GROUP.route("PUT", "/trusts/{name}", Trust)
def create_trust(call: ApiCall, name: str, body: NewTrust) -> Response:
    """Make a trust: whoever shows a JWT that fits acts as a user, within what the trust names."""
    return Answer(call.service.trusts.create(call.caller, name, body))


@GROUP.route("PATCH", "/trusts/{name}", Trust)
def update_trust(call: ApiCall, name: str, body: TrustChange) -> Response:
    """Change a trust, or turn it off."""
    return Answer(call.service.trusts.update(call.caller, name, body))


@GROUP.route("DELETE", "/trusts/{name}", status=204)
def delete_trust(call: ApiCall, name: str) -> Response:
    """Delete a trust; the tokens that came of it end at once."""
    call.service.trusts.delete(call.caller, name)
    return nothing()


@GROUP.route("POST", "/trusts/{name}/test", TrustCheck)
def try_trust(call: ApiCall, name: str, body: TrialRequest) -> Response:
    """Fetch the issuer's keys, and say which claims of a JWT do not fit. Nothing is exchanged."""
    return Answer(call.service.trusts.test(call.caller, name, body.jwt))
