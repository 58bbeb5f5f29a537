"""Signing in by an OpenID provider from a command: in a browser here, or by a code typed anywhere."""

from __future__ import annotations

import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from resolver.cli.output import say
from resolver.core.sign_in import SignInAnswer
from resolver.errors import AuthenticationError, InvalidRequestError, UsageError
from resolver.http.url import Scheme, is_loopback, parse_url

if TYPE_CHECKING:
    from resolver.core.sign_in import ProviderOption
    from resolver.protocol.identity import Grant, SignsCommandsIn

_WAYS = ("browser", "device")

LIFE_SECONDS = 600
"""How long a sign-in may take, as servers have it."""

_LONGEST_QUERY = 16 * 1024
wait = time.sleep
"""Waits between two questions."""

_SLOWER_SECONDS = 5
"""How much less often is asked of who is told to slow down (RFC 8628, section 3.5)."""


def sign_in(remote: SignsCommandsIn, sso: str, description: str) -> Grant:
    """Have a person sign in; the token that the server gives for it.

    Args:
        remote: the server.
        sso: in a `browser` here or by a code on any `device`; `:NAME` behind it names the provider.
        description: what the token is for.

    Raises:
        UsageError: the server has no such provider, or not for commands.
        AuthenticationError: nobody signed in.
    """
    way, _, name = sso.partition(":")
    if way not in _WAYS:
        raise UsageError(f"there is no way {way!r} to sign in", hint="give --sso browser or --sso device")
    provider = _choose(remote, name)
    if not (provider.loopback if way == "browser" else provider.device):
        raise UsageError(
            f"commands do not sign in by {provider.name!r} in this way",
            hint="`sign_in` in the server's `config.yaml` says what each provider is for; "
            "the console makes tokens for --token-file",
        )
    return (
        _by_loopback(remote, provider, description)
        if way == "browser"
        else _by_device(remote, provider, description)
    )


def _choose(remote: SignsCommandsIn, name: str) -> ProviderOption:
    providers = remote.options().providers
    for provider in providers:
        if provider.name == name or (not name and len(providers) == 1):
            return provider
    if not providers:
        raise UsageError("nobody signs in by a provider there", hint="leave out --sso to give a password")
    raise UsageError(
        f"there is no provider {name!r}" if name else "there are several providers",
        hint=f"name one behind a colon: {', '.join(one.name for one in providers)}",
    )


def _by_loopback(remote: SignsCommandsIn, provider: ProviderOption, description: str) -> Grant:
    """Wait on a port of this machine for the browser; what does not bring the state is passed over."""
    answers: list[SignInAnswer] = []
    state = ""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            query = urlsplit(self.path).query if len(self.path) <= _LONGEST_QUERY else ""
            given = {field: values[0] for field, values in parse_qs(query).items()}
            fits = given.get("state") == state
            if fits:
                told = {field: given.get(field, "") for field in ("code", "iss", "error")}
                answers.append(SignInAnswer(state=state, **told))
            text = (
                b"Go on in the terminal. You can close this window." if fits else b"This was not asked for."
            )
            self.send_response(200 if fits else 400)
            for header, value in (
                ("Content-Type", "text/plain"),
                ("Content-Length", str(len(text))),
                ("Cache-Control", "no-store"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"),
            ):
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass  # the address has the code

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        started = remote.begin(provider.name, server.server_port)
        url = _web_address(started.url)
        state = parse_qs(urlsplit(url).query).get("state", [""])[0]
        say(f"sign in with {provider.label} in the browser; if none opens, go to")
        say(url)
        webbrowser.open(url)
        deadline = time.monotonic() + LIFE_SECONDS
        while not answers:
            server.timeout = deadline - time.monotonic()
            if server.timeout <= 0 or not state:
                raise AuthenticationError("nobody signed in within ten minutes", hint="run it again")
            server.handle_request()
    return remote.finish(started.secret, answers[0], description)


def _web_address(url: str) -> str:
    """A URL that a person may be sent to: https, or of this machine.

    Whoever answers as the server chooses it. Programs that open URLs take files, other programs' schemes and
    options, too.

    Raises:
        AuthenticationError: it is something else.
    """
    is_web = url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url)
        place = parse_url(f"{parts.scheme}://{parts.netloc}")
        is_web = is_web and (place.scheme is Scheme.HTTPS or is_loopback(place.host))
    except (ValueError, InvalidRequestError):
        is_web = False
    if not is_web:
        raise AuthenticationError("the server sends people to what is no https URL", hint="is it yours?")
    return url


def _by_device(remote: SignsCommandsIn, provider: ProviderOption, description: str) -> Grant:
    """Show a code, and ask until the person has typed it somewhere."""
    begun = remote.begin_device(provider.name)
    say(f"go to {_web_address(begun.verification_uri)} in any browser, and type the code {begun.user_code}")
    say("agree only if you began this yourself, here and now")
    interval, deadline = begun.interval, time.monotonic() + begun.expires_in
    while time.monotonic() + interval < deadline:
        wait(interval)
        state = remote.poll_device(provider.name, begun.device_code, description)
        if state.grant is not None:
            return state.grant
        interval += _SLOWER_SECONDS if state.slow_down else 0
    raise AuthenticationError("nobody typed the code in time", hint="run it again")
