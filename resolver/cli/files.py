"""What the options that name a file read: `-` is stdin."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.cli.streams import read_stdin
from resolver.config.files import called, unreadable, written_beside
from resolver.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import UnionType

_MAX_PASSWORD_FILE = 64 * 1024
_MAX_MAP = 1024 * 1024


def read_file(name: str, most: int, what: str = "file", *, holds_credential: bool = False) -> bytes:
    """The beginning of a file.

    Args:
        name: its path, or `-`.
        most: how many bytes are read at most.
        what: what it is called in messages.
        holds_credential: whether its name may be a credential that was given in its place, see `called`.

    Raises:
        UsageError: it can't be read.
    """
    try:
        if name == "-":
            return read_stdin(most)
        with Path(name).open("rb") as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        named, helps = called(what, name, holds_credential=holds_credential)
        raise unreadable(named, name, error, hint=helps) from None


def read_text(name: str, most: int, what: str = "file", *, holds_credential: bool = False) -> str:
    """The beginning of a file that holds text; takes and raises what `read_file` does."""
    try:
        return read_file(name, most, what, holds_credential=holds_credential).decode()
    except UnicodeDecodeError as error:
        named, helps = called(what, name, holds_credential=holds_credential)
        raise unreadable(named, name, error, hint=helps) from None


def read_map(name: str | None, what: str, holding: str, value: type | UnionType) -> Mapping[str, Any]:
    """A JSON object of names from a file.

    Args:
        name: its path, or `-`; None for an empty object.
        what: what the file is called in messages.
        holding: what the object has, for a message.
        value: what each of its values is.

    Raises:
        UsageError: it can't be read, or is something else.
    """
    if name is None:
        return {}
    try:
        data = json.loads(read_file(name, _MAX_MAP))
    except (ValueError, RecursionError):
        raise UsageError(f"the {what} {name!r} is not JSON") from None
    if not isinstance(data, dict) or not all(isinstance(each, value) for each in data.values()):
        raise UsageError(f"the {what} {name!r} must be a JSON object with {holding}")
    return data


def read_password(name: str, what: str = "password") -> str:
    """A password or passphrase from a file; one line break at its end does not count.

    Raises:
        UsageError: it can't be read, or is too long to be one.
    """
    text = read_text(name, _MAX_PASSWORD_FILE + 1, f"{what} file", holds_credential=True)
    if len(text) > _MAX_PASSWORD_FILE:
        raise UsageError(f"the {what} file {name!r} is too long for a {what}")
    return text.removesuffix("\n").removesuffix("\r")


def demand_replaceable(name: str) -> int:
    """Refuse what `replace_file` can't replace, as far as that shows beforehand.

    Args:
        name: the path of a file.

    Returns:
        How many names the file has: others than this one keep what is in it.

    Raises:
        UsageError: it is gone, no regular file, or in a folder that can't be written.
    """
    problem = ""
    try:
        path = Path(name).resolve(strict=True)
        status = path.stat()
    except (OSError, ValueError):
        problem = "it is not there"
    else:
        if not stat.S_ISREG(status.st_mode):
            problem = "it is no regular file"
        elif not os.access(path.parent, os.W_OK | os.X_OK):
            problem = "its folder can't be written"
    if problem:
        raise UsageError(f"the file {name!r} can't be changed: {problem}")
    return status.st_nlink


def replace_file(name: str, digest: str, data: bytes) -> None:
    """Replace what is in a file, as a whole or not at all; its mode and, where possible, its owner stay.

    Args:
        name: its path; of a link, the file that it leads to is replaced.
        digest: SHA-256 of what has to be in it, in hexadecimal.
        data: what is to be in it.

    Raises:
        ConflictError: something else is in it by now.
        UsageError: it can't be replaced.
    """
    try:
        path = Path(name).resolve(strict=True)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"the file {name!r} can't be changed: it is no regular file")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ConflictError(f"the file {name!r} was changed meanwhile", hint="run it again")
        with written_beside(path, data, status) as partial:
            partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "the name is malformed"
        raise UsageError(f"the file {name!r} can't be changed: {cause}") from None
