"""Where root keys come from: a file, the environment, a command."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from typing import TYPE_CHECKING

from resolver.crypto.keyring import RootKey
from resolver.errors import RootKeyError

if TYPE_CHECKING:
    from pathlib import Path

MAX_KEY_FILE_BYTES = 4096
COMMAND_TIMEOUT_SECONDS = 30


def from_file(path: Path) -> RootKey:
    """Read a root key from a file.

    Raises:
        RootKeyError: the file can't be read, others may write it, or it holds no key.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise RootKeyError(
            f"the root key file {str(path)!r} can't be read: {error.strerror}",
            hint="`resolver init` makes one for a new store",
        ) from None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RootKeyError(
            f"the root key file {str(path)!r} can be written by others",
            hint=f"chmod 600 {shlex.quote(str(path))}",
        )
    return RootKey(content.decode("ascii", errors="replace"), f"file {str(path)!r}")


def from_command(line: str) -> RootKey:
    """Run a command and take the root key from its output.

    Args:
        line: the command and its arguments, split as a shell would but run without one.

    Raises:
        RootKeyError: the command can't be run, fails, takes over 30 seconds, or prints no key.
    """
    try:
        command = shlex.split(line)
        done = subprocess.run(  # noqa: S603 - running the command that the operator set is the purpose
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:  # IndexError: no words
        raise RootKeyError(f"the root key command can't be run: {type(error).__name__}") from None
    if done.returncode != 0:
        raise RootKeyError(f"the root key command failed with exit code {done.returncode}")
    return RootKey(done.stdout.decode("ascii", errors="replace"), "the root key command")
