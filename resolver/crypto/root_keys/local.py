"""Root keys from files, the environment, and commands."""

from __future__ import annotations

import contextlib
import enum
import os
import shlex
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

from resolver.crypto.keyring import RootKey
from resolver.errors import RootKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_KEY_FILE_BYTES = 4096
COMMAND_TIMEOUT_SECONDS = 30


class GuardedFile(enum.StrEnum):
    """The files on which everything depends, by what they are called in messages."""

    ROOT_KEY = "root key file"
    TOKEN = "token file"  # noqa: S105 - a name, not a token


_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


def from_file(path: Path, *, strict: bool = False, warn: Callable[[str], None] = lambda _: None) -> RootKey:
    """Read a root key from a file.

    Args:
        path: the file.
        strict: refuse what would be warned of.
        warn: called with a sentence when others can read the file.

    Raises:
        RootKeyError: the file can't be read, others may write it or its directory, or it holds no key.
    """
    text = read_guarded(path, GuardedFile.ROOT_KEY, strict=strict, warn=warn)
    return RootKey(text, f"file {str(path)!r}")


def read_guarded(path: Path, what: GuardedFile, *, strict: bool, warn: Callable[[str], None]) -> str:
    """Read a file on which everything depends, unless others may write it.

    Whoever can write the file, or a directory that it or a link to it is in, could replace it. On a file
    system that is mounted read-only nobody can, whatever the modes: that is how containers get secrets.

    Raises:
        RootKeyError: it can't be read, or others may write it.
    """
    named = f"the {what} {str(path)!r}"
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(MAX_KEY_FILE_BYTES + 1)
        real = path.resolve()
        directories = {path.parent, real.parent}
    except OSError as error:
        raise RootKeyError(
            f"{named} can't be read: {error.strerror}",
            hint="`resolver init` makes one for a new store" if what is GuardedFile.ROOT_KEY else "",
        ) from None
    if _may_be_written(real, status):
        raise RootKeyError(f"{named} can be written by others", hint=f"chmod 600 {shlex.quote(str(path))}")
    for directory in sorted(directories):
        if _may_be_written(directory, directory.stat()):
            raise RootKeyError(
                f"the directory {str(directory)!r} of {named} can be written by others",
                hint=f"chmod go-w {shlex.quote(str(directory))}, or keep it in a directory of your own",
            )
    if status.st_mode & _OTHERS_READ:
        if strict:
            raise RootKeyError(
                f"{named} can be read by others, which strict_key_file forbids",
                hint=f"chmod 600 {shlex.quote(str(path))}",
            )
        warn(f"{named} can be read by others")
    return content.decode("ascii", errors="replace")


def _may_be_written(path: Path, status: os.stat_result) -> bool:
    """Whether someone else than root and this user may write a file, or change what a directory holds."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return False
    if status.st_uid not in (0, os.geteuid()):
        return True
    # In a sticky directory, like /tmp, only its owner can remove or replace a file.
    sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
    return bool(status.st_mode & _OTHERS_WRITE) and not sticky


def from_text(text: str, source: str) -> list[RootKey]:
    """Read root keys from a text, with white space between them.

    Raises:
        RootKeyError: there is none, or one is malformed.
    """
    return [RootKey(word, source) for word in text.split() or [""]]


def from_command(command: str | Sequence[str]) -> list[RootKey]:
    """Run a command and read root keys from its output. No shell is involved.

    Args:
        command: the command and its arguments: a list, or a text that is split as a shell would.

    Raises:
        RootKeyError: the command can't be run, fails, takes over 30 seconds, or prints no key.
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
        with subprocess.Popen(  # noqa: S603 - running the command that the operator set is the purpose
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            try:
                output, _ = process.communicate(timeout=COMMAND_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                # With all that it started: one of them may hold the pipe open.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:  # IndexError: no words
        raise RootKeyError(f"the root key command can't be run: {type(error).__name__}") from None
    if process.returncode != 0:
        raise RootKeyError(f"the root key command failed with exit code {process.returncode}")
    return from_text(output.decode("ascii", errors="replace"), "the root key command")
