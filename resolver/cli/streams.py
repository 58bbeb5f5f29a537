"""The three standard streams: one that is closed or fails is reported, and no output goes elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from resolver.errors import UsageError

if TYPE_CHECKING:
    from typing import TextIO


class OutputError(Exception):
    """Stdout did not take what was written to it. The text says why."""


class ReaderGoneError(OutputError):
    """The reader of stdout went away, as `head` does once it has its lines."""


def fill_missing() -> None:
    """Put something that can be neither read nor written in the place of streams that are closed.

    Else the next file that is opened gets the number of one, like the database that of stdout, and `print`
    takes stdout for a stderr that is not there.
    """
    for descriptor, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number, and the wrong way round: it fails as a closed one does.
            os.open(os.devnull, flags)
    sys.stdin = sys.stdin or _stream(0)
    sys.stdout = sys.stdout or _stream(1)
    sys.stderr = sys.stderr or _stream(os.open(os.devnull, os.O_WRONLY))  # nobody is to be told


def _stream(descriptor: int) -> TextIO:
    return open(descriptor, "w" if descriptor else "r", encoding="utf-8", closefd=False)


def write_stdout(text: str) -> None:
    """Write text to stdout.

    Raises:
        OutputError: it can't be written.
    """
    try:
        sys.stdout.write(text)
    except OSError as error:
        raise lost(error) from None


def write_bytes(data: bytes) -> None:
    """Write bytes to stdout, all of them.

    Raises:
        OutputError: they can't be written.
    """
    flush_stdout()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise lost(error) from None


def write_stderr(line: str) -> None:
    """Write a line to stderr; where that fails, there is nobody to tell."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        pass


def flush_stdout() -> None:
    """Make sure that stdout has all that was written.

    Raises:
        OutputError: it has not.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        raise lost(error) from None


def forget_stdout() -> None:
    """Keep the interpreter from trying once more, at its end, to write what stdout did not take."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def read_stdin(limit: int = -1) -> bytes:
    """What stdin holds, up to a number of bytes.

    Raises:
        UsageError: it can't be read.
    """
    try:
        return sys.stdin.buffer.read(limit)
    except OSError as error:
        raise UsageError(f"stdin can't be read: {error.strerror}") from None


def lost(error: OSError) -> OutputError:
    """What to say when stdout did not take something."""
    if isinstance(error, BrokenPipeError):
        return ReaderGoneError("the reader of stdout went away before everything was written")
    return OutputError(f"stdout can't be written: {error.strerror}")
