"""Values that are made here: their kinds, their rules, and what comes of them."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from resolver.core.model import SecretValue
from resolver.errors import InvalidRequestError

SYMBOLS = "-._~!@%^*+=:,"
"""The symbols of a password: none that shells, YAML and `.env` files act on within quotes."""

LENGTHS = {"password": (12, 1024), "hex": (16, 4096), "base64": (16, 4096)}
"""Fewest and most characters of a password, and bytes of the others."""

_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\Z")
_LONGEST_HOST = 253
_MOST_DAYS = 3650


class GeneratedKind(enum.StrEnum):
    """What is made."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    HEX = "hex"
    BASE64 = "base64"
    UUID = "uuid"
    SSH_ED25519 = "ssh-ed25519"
    SSH_RSA = "ssh-rsa"
    TLS = "tls"

    @property
    def public_suffix(self) -> str:
        """What the key of the public half ends with; empty where there is none."""
        return {"ssh-ed25519": ".pub", "ssh-rsa": ".pub", "tls": ".crt"}.get(self.value, "")


class GenerationRules(Struct, frozen=True):
    """How a value is made.

    Args:
        length: characters of a password, bytes of random data.
        symbols: the symbols of a password, of which it has one at least; empty for none.
        hosts: the names that a certificate is for.
        days: how long a certificate is valid.
    """

    length: int = 32
    symbols: str = SYMBOLS
    hosts: Sequence[str] = ()
    days: int = 365

    def check(self, kind: GeneratedKind) -> None:
        """Check that the rules fit a kind.

        Raises:
            InvalidRequestError: they don't.
        """
        if bounds := LENGTHS.get(kind.value):
            least, most = bounds
            if not least <= self.length <= most:
                raise InvalidRequestError(f"the length of a {kind} value is from {least} to {most}")
        bad = any(
            not one.isascii() or not one.isprintable() or one.isalnum() or one == " " for one in self.symbols
        )
        if bad or len(set(self.symbols)) != len(self.symbols):
            raise InvalidRequestError(
                "symbols are ASCII, neither letters, digits nor blanks, and each stands once"
            )
        if kind is GeneratedKind.TLS:
            if not self.hosts:
                raise InvalidRequestError("a certificate needs a name", hint="give --host NAME")
            for host in self.hosts:
                if len(host) > _LONGEST_HOST or not _HOST.match(host):
                    raise InvalidRequestError(f"{host[:_LONGEST_HOST]!r} is no name of a host")
            if not 1 <= self.days <= _MOST_DAYS:
                raise InvalidRequestError(f"a certificate is valid for 1 to {_MOST_DAYS} days")


class GeneratedValue(Struct, frozen=True):
    """A value that was made.

    Args:
        value: the value, the private half of a pair.
        public: the public half; None where there is none.
        expires_at: the end of a certificate; None for others.
    """

    value: SecretValue
    public: SecretValue | None = None
    expires_at: datetime | None = None
