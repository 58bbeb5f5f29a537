"""Making files and folders that only their owner may read, and saying why one can't be read."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from resolver.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises:
        StoreError: it can't be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {str(path)!r} can't be made: {error.strerror}") from None


def make_private(path: Path) -> None:
    """Make an empty file, unless it is there.

    Raises:
        StoreError: it can't be made.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"the file {str(path)!r} can't be made: {error.strerror}") from None


def is_there(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        StoreError: its folder does not let one see.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreError(f"{str(path)!r} can't be looked at: {error.strerror}") from None
    return True


def why_unreadable(error: OSError | ValueError) -> str:
    """Why a file can't be read, in words; never with what is in it."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "the name is malformed"


def write_private(path: Path, text: str, *, replace: bool = False) -> None:
    """Write a file that only its owner may read, whole or not at all.

    Args:
        path: the file.
        text: its content.
        replace: whether it may replace another one.

    Raises:
        StoreError: it can't be written, or is there and may not be replaced.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            partial.replace(path)
        else:
            os.link(partial, path)
    except OSError as error:
        raise StoreError(f"the file {str(path)!r} can't be made: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
