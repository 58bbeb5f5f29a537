"""What workloads, and commands of people, send to identify themselves, and what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from resolver.core.redacted import Redacted

if TYPE_CHECKING:
    from resolver.core.sign_in import DeviceCode, SignInAnswer, SignInOptions, StartedSignIn


class JwtExchange(Redacted, frozen=True, forbid_unknown_fields=True):
    """A JWT to be exchanged.

    Args:
        jwt: the JWT.
        trust: the name of the trust, where several would fit; empty otherwise.
    """

    jwt: str
    trust: str = ""


class CommandStart(Struct, frozen=True, forbid_unknown_fields=True):
    """Which provider a command signs in by.

    Args:
        provider: the provider.
        port: where on its own machine the command waits for the browser; 0 for a device sign-in.
    """

    provider: str
    port: int = 0


class CommandAnswer(Redacted, frozen=True, forbid_unknown_fields=True):
    """What the browser brought a command back.

    Args:
        secret: what the sign-in was begun with.
        state: what was sent to the provider.
        code: the authorization code.
        iss: the issuer that answers.
        error: why there is no code.
        description: what the token is for.
    """

    secret: str
    state: str
    code: str = ""
    iss: str = ""
    error: str = ""
    description: str = ""


class DevicePoll(Redacted, frozen=True, forbid_unknown_fields=True):
    """A question whether somebody has agreed to a device sign-in.

    Args:
        provider: the provider.
        device_code: what it began with.
        description: what the token is for.
    """

    provider: str
    device_code: str
    description: str = ""


class Grant(Redacted, frozen=True):
    """What a workload gets for its JWT, or a person's command for a sign-in.

    Args:
        token: an access token.
        expires_at: UTC time at which it ends.
        username: the user that it acts as.
        trust: the trust that the JWT fits; empty for a person.
    """

    token: str
    expires_at: str
    username: str
    trust: str


class DeviceState(Redacted, frozen=True):
    """How far a device sign-in is.

    Args:
        grant: the token; None while nobody has agreed.
        slow_down: whether it was asked too often.
    """

    grant: Grant | None = None
    slow_down: bool = False


class SignsCommandsIn(Protocol):
    """Lets people sign in from commands, by OpenID providers."""

    def options(self) -> SignInOptions:
        """How people sign in there."""

    def begin(self, provider: str, port: int) -> StartedSignIn:
        """Begin a sign-in in a browser, which comes back to a port of this machine."""

    def finish(self, secret: str, answer: SignInAnswer, description: str) -> Grant:
        """End it by what the browser brought back; AuthenticationError when it does not fit."""

    def begin_device(self, provider: str) -> DeviceCode:
        """Begin a sign-in whose code is typed in any browser."""

    def poll_device(self, provider: str, device_code: str, description: str) -> DeviceState:
        """Ask whether the person has agreed; AuthenticationError when it has ended otherwise."""
