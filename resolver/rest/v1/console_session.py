"""Signing in to the console and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from starlette.responses import Response

from resolver.core.redacted import Redacted
from resolver.errors import AuthenticationError, InvalidRequestError
from resolver.rest.auth import address_of
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import OWN, ApiCall, Group
from resolver.rest.sessions import demand_proof, drop_session, read_session, refuse_other_sites, set_session
from resolver.service.console_sessions import LONGEST, SURE, csrf_token

if TYPE_CHECKING:
    from datetime import timedelta

GROUP = Group("console", OWN, guarded=False)


class SessionRequest(Redacted, frozen=True, forbid_unknown_fields=True):
    """A user name with its password, or a token that is not narrowed."""

    username: str = ""
    password: str = ""
    token: str = ""


class Confirmation(Redacted, frozen=True, forbid_unknown_fields=True):
    """The password of whoever is signed in."""

    password: str


class SessionInfo(Struct, frozen=True):
    """Who is signed in, the proof that the console's pages send along, and what these have to know.

    Args:
        username: who is signed in.
        csrf_token: the proof.
        idle_seconds: how long the session lasts without a request.
        seconds_left: how long it lasts at most from now on.
        password_length: how many characters a new password has at least.
    """

    username: str
    csrf_token: str
    idle_seconds: int
    seconds_left: int
    password_length: int


def make_info(call: ApiCall, username: str, secret: str, left: timedelta) -> SessionInfo:
    """What the console's pages have to know of a session, by its secret."""
    length, proof = call.service.sessions.password_length, csrf_token(secret)
    return SessionInfo(username, proof, int(SURE.total_seconds()), int(left.total_seconds()), length)


@GROUP.route("POST", "/session", SessionInfo)
async def open_session(call: ApiCall, body: SessionRequest) -> Response:
    """Sign in: the answer sets the session's cookie."""
    request, server = call.request, call.server
    refuse_other_sites(request.headers)
    if bool(body.token) == bool(body.username):
        raise InvalidRequestError("give either a user name and a password, or a token")
    try:
        opened = await server.authenticator.hash_password(
            call.account,
            lambda: server.service.sessions.open(
                username=body.username,
                password=body.password,
                token=body.token,
                address=address_of(request),
            ),
        )
    except AuthenticationError:
        server.metrics.refused_logins.inc()
        raise
    request.state.caller = opened.caller
    answer = Answer(make_info(call, opened.caller.username, opened.secret, LONGEST))
    if old := read_session(request):
        await call.account.run(lambda: server.service.sessions.close(old))
    set_session(request, answer, opened.secret)
    return answer


@GROUP.route("GET", "/session", SessionInfo)
def get_session(call: ApiCall) -> Response:
    """Say who is signed in, to a page of one's own that was loaded again."""
    request = call.request
    refuse_other_sites(request.headers)
    secret = read_session(request)
    if not secret:
        raise AuthenticationError("nobody is signed in")
    caller = call.service.sessions.authenticate(secret)
    request.state.caller = caller
    return Answer(make_info(call, caller.username, secret, call.service.sessions.left(secret)))


@GROUP.route("POST", "/session/confirm", status=204)
async def confirm_session(call: ApiCall, body: Confirmation) -> Response:
    """Give the password again: for five minutes the session may do what needs it."""
    request, server = call.request, call.server
    secret = read_session(request)
    if not secret:
        raise AuthenticationError("nobody is signed in")
    demand_proof(request, secret)
    try:
        request.state.caller = await server.authenticator.hash_password(
            call.account, lambda: server.service.sessions.confirm(secret, body.password)
        )
    except AuthenticationError:
        server.metrics.refused_logins.inc()
        raise
    return nothing()


@GROUP.route("DELETE", "/session", status=204)
def close_session(call: ApiCall) -> Response:
    """Sign out: the session ends on the server, and the browser forgets it."""
    answer = nothing()
    if secret := read_session(call.request):
        demand_proof(call.request, secret)
        call.service.sessions.close(secret)
        drop_session(call.request, answer)
    return answer
