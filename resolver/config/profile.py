"""The profile: who commands run as by default, and where. `init` and `login` write it."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resolver.config.files import why_unreadable
from resolver.errors import AuthenticationError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the following commands run as, kept in a file that only its owner may read.

    Args:
        token: the access token.
        tenant: the tenant to work in; may be empty.
        url: the server that the token is for; empty for the store on this machine.
        ca_file: the file with the authorities that the server's certificate is verified against.
    """

    token: str = field(repr=False)
    tenant: str
    url: str = ""
    ca_file: str = ""

    def encode(self) -> str:
        """The file's content."""
        fields = {"token": self.token, "tenant": self.tenant, "url": self.url, "ca_file": self.ca_file}
        return json.dumps({name: text for name, text in fields.items() if text}, indent=2) + "\n"


def read_profile(path: Path) -> Profile | None:
    """The profile in a file, or None when there is none.

    Raises:
        AuthenticationError: it can be read by others, or is malformed.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise AuthenticationError(
            f"the profile {str(path)!r} can't be read: {why_unreadable(error)}",
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise AuthenticationError(
            f"the profile {str(path)!r} holds a token and is open to others",
            hint=f"chmod 600 {path}",
        )
    try:
        fields = json.loads(text)
        more = [str(fields.get(name, "")) for name in ("tenant", "url", "ca_file")]
        return Profile(str(fields["token"]), *more)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AuthenticationError(
            f"the profile {str(path)!r} is malformed",
            hint="remove it, and give the token with RESOLVER_TOKEN",
        ) from None
