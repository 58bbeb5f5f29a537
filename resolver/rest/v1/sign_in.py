"""Signing in by OpenID providers: to the console, and for `resolver login`.

A browser's sign-in is bound to it by a cookie that scripts can't read. The provider sends the browser to the
console's page, which brings the answer here: so both cookies go with requests of one's own pages only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Struct
from starlette.responses import Response

from resolver.core.redacted import Redacted
from resolver.core.sign_in import DeviceCode, DevicePending, SignInAnswer, SignInOptions, StartedSignIn
from resolver.errors import AuthenticationError
from resolver.protocol.identity import CommandAnswer, CommandStart, DevicePoll, DeviceState, Grant
from resolver.rest.errors import RequestError
from resolver.rest.rate_limit import network_of
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group
from resolver.rest.sessions import (
    drop_sign_in,
    read_session,
    read_sign_in,
    refuse_other_sites,
    set_session,
    set_sign_in,
)
from resolver.rest.v1.console_session import SessionInfo, make_info
from resolver.service.console_sessions import LONGEST
from resolver.service.sign_in import LIFE_SECONDS, SignInPurpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.service.sign_in import SignedIn

GROUP = Group("signing in", OWN, guarded=False)

_MOST_ANSWER = 16 * 1024
"""Largest body with a code, in bytes."""


class SignInStart(Struct, frozen=True, forbid_unknown_fields=True):
    """Which provider a browser goes to, and what for."""

    provider: str
    purpose: Annotated[str, msgspec.Meta(pattern=r"^(?:open|again|confirm)\Z")] = "open"


class SignInPlace(Redacted, frozen=True):
    """Where the browser goes."""

    url: str


class FinishedSignIn(Redacted, frozen=True):
    """Somebody who signed in.

    Args:
        purpose: what for.
        session: the session, as the console's pages know it.
    """

    purpose: str
    session: SessionInfo


@GROUP.route("GET", "/sign-in", SignInOptions)
def get_options(call: ApiCall) -> Response:
    """Say how people sign in here."""
    return Answer(call.service.sign_in.options())


@GROUP.route("POST", "/sign-in/command", StartedSignIn)
async def begin_command(call: ApiCall, body: CommandStart) -> Response:
    """Begin a sign-in of a command, to which the browser comes back on its own machine."""
    refuse_other_sites(call.request.headers)
    demand_rate(call)
    sign_in = call.service.sign_in
    return Answer(
        await call.server.authenticator.sign_in(
            call.account, lambda: sign_in.begin(body.provider, SignInPurpose.LOOPBACK, body.port)
        )
    )


@GROUP.route("POST", "/sign-in/command/finish", Grant, largest=_MOST_ANSWER)
async def finish_command(call: ApiCall, body: CommandAnswer) -> Response:
    """End a sign-in of a command: the answer has a token, which lives for 12 hours."""
    refuse_other_sites(call.request.headers)
    demand_rate(call)  # whoever makes up a secret has the server ask the provider all the same
    sign_in = call.service.sign_in
    answer = SignInAnswer(body.state, body.code, body.iss, body.error)
    return await _granted(call, lambda: sign_in.grant(sign_in.finish(body.secret, answer), body.description))


@GROUP.route("POST", "/sign-in/device", DeviceCode)
async def begin_device(call: ApiCall, body: CommandStart) -> Response:
    """Begin a sign-in whose code is typed in any browser."""
    refuse_other_sites(call.request.headers)
    demand_rate(call)
    sign_in = call.service.sign_in
    return Answer(
        await call.server.authenticator.sign_in(call.account, lambda: sign_in.begin_device(body.provider))
    )


@GROUP.route("POST", "/sign-in/device/poll", DeviceState, largest=_MOST_ANSWER)
async def poll_device(call: ApiCall, body: DevicePoll) -> Response:
    """Say whether the person has agreed: then the answer has a token."""
    refuse_other_sites(call.request.headers)
    demand_rate(call)
    sign_in = call.service.sign_in

    def poll() -> DeviceState:
        found = sign_in.poll_device(body.provider, body.device_code)
        if isinstance(found, DevicePending):
            return DeviceState(slow_down=found.slow_down)
        return DeviceState(sign_in.grant(found, body.description))

    return await _granted(call, poll)


async def _granted(call: ApiCall, work: Callable[[], object]) -> Response:
    try:
        return Answer(await call.server.authenticator.sign_in(call.account, work))
    except AuthenticationError:
        call.server.metrics.refused_logins.inc()
        raise


def demand_rate(call: ApiCall) -> None:
    """Refuse more sign-ins of one address than people begin and end; RequestError with the time to wait."""
    wait = call.server.sign_ins.take(network_of(call.account.address))
    if wait:
        call.server.metrics.limited.labels("sign-ins").inc()
        raise RequestError(429, "too many sign-ins were begun", {"Retry-After": str(int(wait) + 1)})


@GROUP.route("POST", "/sign-in", SignInPlace)
async def begin_sign_in(call: ApiCall, body: SignInStart) -> Response:
    """Begin a sign-in in this browser: the answer sets the cookie that binds it."""
    refuse_other_sites(call.request.headers)
    demand_rate(call)
    sign_in = call.service.sign_in
    begun = await call.server.authenticator.sign_in(
        call.account, lambda: sign_in.begin(body.provider, SignInPurpose(body.purpose))
    )
    answer = Answer(SignInPlace(begun.url))
    set_sign_in(call.request, answer, begun.secret, LIFE_SECONDS)
    return answer


@GROUP.route("POST", "/sign-in/finish", FinishedSignIn, largest=_MOST_ANSWER)
async def finish_sign_in(call: ApiCall, body: SignInAnswer) -> Response:
    """End a sign-in by what the provider answered: it opens a session, or confirms one."""
    request, server = call.request, call.server
    refuse_other_sites(request.headers)
    demand_rate(call)
    secret = read_sign_in(request)
    if not secret:
        raise AuthenticationError("this browser has begun no sign-in", hint="sign in again")
    old = read_session(request)
    sessions = call.service.sessions

    def finish() -> tuple[SignedIn, str, str]:
        done = call.service.sign_in.finish(secret, body)
        if done.purpose is SignInPurpose.LOOPBACK:
            raise AuthenticationError("this sign-in was begun by a command")
        if done.purpose is SignInPurpose.CONFIRM:
            sessions.confirm_by(old, done.caller)
            return done, old, ""
        opened = sessions.open_for(done.caller)
        if old:
            sessions.close(old)
        return done, opened.secret, opened.secret

    try:
        done, current, new = await server.authenticator.sign_in(call.account, finish)
    except AuthenticationError:
        server.metrics.refused_logins.inc()
        raise
    request.state.caller = done.caller
    left = LONGEST if new else await call.account.run(lambda: sessions.left(current))
    answer = Answer(FinishedSignIn(done.purpose, make_info(call, done.caller.username, current, left)))
    drop_sign_in(request, answer)
    if new:
        set_session(request, answer, new)
    return answer
