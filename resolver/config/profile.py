"""The profile: the default token, tenant and server of commands. Several commands write it."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import msgspec

from resolver.config.files import Trusted, demand_trusted, unreadable, write_private
from resolver.core.redacted import Redacted
from resolver.errors import AuthenticationError

if TYPE_CHECKING:
    from pathlib import Path


class Profile(Redacted, frozen=True):
    """The default token, tenant and server of commands.

    Args:
        token: the access token.
        tenant: the tenant to work in; may be empty.
        url: the server that the token is for; empty for the store on this machine.
        ca_file: a file with the authorities that the server's certificate is verified against.
    """

    token: str
    tenant: str
    url: str = ""
    ca_file: str = ""

    def encode(self) -> str:
        """The file's content."""
        fields = msgspec.structs.asdict(self)
        return json.dumps({name: text for name, text in fields.items() if text}, indent=2) + "\n"


def write_profile(path: Path, profile: Profile, *, replace: bool = False) -> None:
    """Write a profile, which only its owner may read, whole or not at all.

    Args:
        path: its file.
        profile: what it is to hold.
        replace: whether it may take the place of another one.

    Raises:
        StoreError: it can't be written, or is there and may not be replaced.
    """
    write_private(path, profile.encode(), replace=replace)


def read_profile(path: Path) -> Profile | None:
    """The profile in a file, or None when there is none.

    Raises:
        AuthenticationError: it can be read or written by others, or is malformed.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(f"the profile {str(path)!r}", path, error, AuthenticationError) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise AuthenticationError(
            f"the profile {str(path)!r} holds a token and is open to others",
            hint=f"chmod 600 {path}",
        )
    demand_trusted(path, Trusted.PROFILE, AuthenticationError)
    try:
        fields = json.loads(text)
        more = [str(fields.get(name, "")) for name in ("tenant", "url", "ca_file")]
        return Profile(str(fields["token"]), *more)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AuthenticationError(
            f"the profile {str(path)!r} is malformed",
            hint="remove it, and give the token with RESOLVER_TOKEN",
        ) from None
