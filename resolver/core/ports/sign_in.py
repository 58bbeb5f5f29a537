"""What speaks with OpenID providers when people sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from resolver.core.sign_in import (
        AuthorizationRequest,
        DeviceCode,
        DevicePending,
        Person,
        SignInProvider,
    )


class SignInClient(Protocol):
    """Speaks with OpenID providers."""

    def authorization_url(self, provider: SignInProvider, request: AuthorizationRequest) -> str:
        """Where the browser goes; RefusedSignInError when the provider can't be used."""

    def demands_issuer(self, provider: SignInProvider) -> bool:
        """Whether each answer of a provider names its issuer (RFC 9207)."""

    def redeem(
        self, provider: SignInProvider, code: str, request: AuthorizationRequest, now: float
    ) -> Person:
        """Give a code for an ID token, and verify it; RefusedSignInError when there is none."""

    def start_device(self, provider: SignInProvider) -> DeviceCode:
        """Begin a device sign-in; RefusedSignInError when the provider has none."""

    def poll_device(self, provider: SignInProvider, device_code: str, now: float) -> Person | DevicePending:
        """Ask whether the person has agreed; RefusedSignInError when there is nothing to wait for."""
