"""Root keys from texts (of files, of the environment) and commands."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING

from resolver.crypto.keyring import RootKey
from resolver.errors import RootKeyError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND_TIMEOUT_SECONDS = 30


def from_text(text: str, source: str) -> list[RootKey]:
    """Read root keys from a text, with white space between them.

    Raises:
        RootKeyError: there is none, or one is malformed.
    """
    return [RootKey(word, source) for word in text.split() or [""]]


def command_words(command: str | Sequence[str]) -> list[str]:
    """The words of a command: a list, or a text that is split as a shell would.

    Raises:
        RootKeyError: its quotes do not match.
    """
    try:
        return shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise RootKeyError(f"the root key command can't be run: {type(error).__name__}") from None


def from_command(command: str | Sequence[str]) -> list[RootKey]:
    """Run a command and read root keys from its output. No shell is involved.

    Args:
        command: the command and its arguments, as `command_words` takes them.

    Raises:
        RootKeyError: the command can't be run, fails, takes over 30 seconds, or prints no key.
    """
    import signal  # noqa: PLC0415 - few stores have a command
    import subprocess  # noqa: PLC0415 - the same

    words = command_words(command)
    try:
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
