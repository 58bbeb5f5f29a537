"""Signing in by an OpenID provider, through the server, which speaks with it."""

from __future__ import annotations

from msgspec.structs import asdict

from resolver.client.session import Remote
from resolver.core.sign_in import DeviceCode, SignInAnswer, SignInOptions, StartedSignIn
from resolver.protocol.identity import DeviceState, Grant


class RemoteSignIn(Remote):
    """Sign-ins of commands."""

    def options(self) -> SignInOptions:
        """How people sign in there."""
        return self._server.ask_openly(SignInOptions, "/sign-in")

    def begin(self, provider: str, port: int) -> StartedSignIn:
        """Begin a sign-in in a browser, which comes back to a port of this machine."""
        body = {"provider": provider, "port": port}
        return self._server.ask_openly(StartedSignIn, "/sign-in/command", body)

    def finish(self, secret: str, answer: SignInAnswer, description: str) -> Grant:
        """End it by what the browser brought back.

        Raises:
            AuthenticationError: it does not fit, or the person has no user who is let in.
        """
        body = {**asdict(answer), "secret": secret, "description": description}
        return self._server.ask_openly(Grant, "/sign-in/command/finish", body)

    def begin_device(self, provider: str) -> DeviceCode:
        """Begin a sign-in whose code is typed in any browser."""
        return self._server.ask_openly(DeviceCode, "/sign-in/device", {"provider": provider})

    def poll_device(self, provider: str, device_code: str, description: str) -> DeviceState:
        """Ask whether the person has agreed.

        Raises:
            AuthenticationError: no, or too late.
        """
        body = {"provider": provider, "device_code": device_code, "description": description}
        return self._server.ask_openly(DeviceState, "/sign-in/device/poll", body)
