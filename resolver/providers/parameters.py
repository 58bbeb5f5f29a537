"""Checks of connection parameters and options of providers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resolver.errors import InvalidRequestError
from resolver.http.transport import is_header_text, tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

MAX_LENGTH = 64 * 1024

_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+\Z")


def check_names(
    what: str,
    given: Mapping[str, str],
    required: AbstractSet[str] = frozenset(),
    optional: AbstractSet[str] = frozenset(),
) -> None:
    """Check that all required parameters and no unknown ones are given.

    Raises:
        InvalidRequestError: one is missing, unknown, empty or too long.
    """
    known = sorted(required | optional)
    for name in sorted(given):
        if name not in known:
            raise InvalidRequestError(
                f"{what} {name!r} is not known",
                hint=f"known are {', '.join(known)}" if known else "there are none",
            )
        if not isinstance(given[name], str) or not given[name] or len(given[name]) > MAX_LENGTH:
            raise InvalidRequestError(
                f"{what} {name!r} must be text, not empty, of at most {MAX_LENGTH} characters"
            )
    for name in sorted(required):
        if name not in given:
            raise InvalidRequestError(
                f"{what} {name!r} is missing", hint=f"needed are {', '.join(sorted(required))}"
            )


def check_path(what: str, path: str) -> str:
    """Check a path of plain segments: none of them can lead up or out, however the other side decodes it.

    Returns:
        The path without slashes around it.

    Raises:
        InvalidRequestError: one is empty, `.`, `..`, or has other characters than letters, digits, `-._~`.
    """
    segments = path.strip("/").split("/")
    if any(segment in (".", "..") or not _SEGMENT.match(segment) for segment in segments):
        raise InvalidRequestError(
            f"{what} must be a path of plain steps",
            hint="letters, digits, '-', '.', '_' and '~' between slashes; no '.' or '..', and no '%'",
        )
    return "/".join(segments)


def check_header_text(what: str, text: str) -> None:
    """Check a text that goes into a header: printable ASCII without spaces.

    Raises:
        InvalidRequestError: it has other characters. The text is not repeated.
    """
    if not is_header_text(text):
        raise InvalidRequestError(f"{what} must be printable ASCII without spaces")


def check_certificates(what: str, text: str) -> None:
    """Check certificates given as PEM text.

    Raises:
        InvalidRequestError: there are none in it. The text is not repeated.
    """
    try:
        tls_context(text)
    except InvalidRequestError:
        raise InvalidRequestError(
            f"{what} must be certificates in PEM",
            hint="give their text, -----BEGIN CERTIFICATE----- and so on, not the path of a file",
        ) from None
