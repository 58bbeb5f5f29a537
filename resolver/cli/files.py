"""What the options that name a file read: `-` is stdin."""

from __future__ import annotations

from pathlib import Path

from resolver.cli.streams import read_stdin
from resolver.config.files import unreadable
from resolver.errors import UsageError

_MAX_PASSWORD_FILE = 64 * 1024


def read_file(name: str, most: int, what: str = "file") -> bytes:
    """The beginning of a file.

    Args:
        name: its path, or `-`.
        most: how many bytes are read at most.
        what: what it is called in messages.

    Raises:
        UsageError: it can't be read.
    """
    try:
        if name == "-":
            return read_stdin(most)
        with Path(name).open("rb") as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        raise unreadable(f"the {what} {name!r}", name, error) from None


def read_text(name: str, most: int, what: str = "file") -> str:
    """The beginning of a file that holds text; takes and raises what `read_file` does."""
    try:
        return read_file(name, most, what).decode()
    except UnicodeDecodeError as error:
        raise unreadable(f"the {what} {name!r}", name, error) from None


def read_password(name: str, what: str = "password") -> str:
    """A password or passphrase from a file; one line break at its end does not count.

    Raises:
        UsageError: it can't be read, or is too long to be one.
    """
    text = read_text(name, _MAX_PASSWORD_FILE + 1, f"{what} file")
    if len(text) > _MAX_PASSWORD_FILE:
        raise UsageError(f"the {what} file {name!r} is too long for a {what}")
    return text.removesuffix("\n").removesuffix("\r")
