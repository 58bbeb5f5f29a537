"""What an access token looks like: `ctok-<id>-<secret>`."""

from __future__ import annotations

from resolver.errors import AuthenticationError

TOKEN_PREFIX = "ctok"  # noqa: S105 - the format's name
TOKEN_ID_LENGTH = 10
TOKEN_SECRET_LENGTH = 40


def token_id(token: str) -> str:
    """The public part of an access token.

    Raises:
        AuthenticationError: it is malformed.
    """
    parts = token.split("-")
    if (
        len(parts) != 3  # noqa: PLR2004 - prefix, id, secret
        or parts[0] != TOKEN_PREFIX
        or len(parts[1]) != TOKEN_ID_LENGTH
        or len(parts[2]) != TOKEN_SECRET_LENGTH
        or not (parts[1] + parts[2]).isascii()
        or not (parts[1] + parts[2]).isalnum()
    ):
        raise AuthenticationError(
            "the access token is malformed",
            hint="a token looks like ctok-<10 characters>-<40 characters>",
        )
    return parts[1]


def public_part(text: str) -> str:
    """The public part of a whole token, well formed or not; else the text as it is.

    The rest of it is a credential: it belongs into no path of a request, and into no message.
    """
    prefix, separator, rest = text.strip().partition("-")
    return rest.split("-")[0] if separator and prefix == TOKEN_PREFIX else text
