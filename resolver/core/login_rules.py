"""How people get in, as the settings say it: loaded by every run, unlike what speaks with providers."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class LoginRules(Struct, frozen=True):
    """How people get in.

    Args:
        providers: the OpenID providers, each a `SignInProvider`.
        password_sign_in: whether local passwords are taken.
        break_glass_user: whose password is taken all the same; empty for nobody's.
        public_url: this server's URL as browsers have it.
    """

    providers: tuple[Any, ...] = ()
    password_sign_in: bool = True
    break_glass_user: str = ""
    public_url: str = ""

    def is_break_glass(self, name: str) -> bool:
        """Whether a name, whatever its case, is that of the break-glass account."""
        return bool(self.break_glass_user) and name.casefold() == self.break_glass_user.casefold()

    @property
    def issuers(self) -> frozenset[str | None]:
        """The issuers of all providers."""
        return frozenset(provider.issuer for provider in self.providers)
