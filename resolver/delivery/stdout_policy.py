"""What stdout is, and whether resolved text may be written to it."""

from __future__ import annotations

import enum
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.delivery.log_sources import (
    is_ci,
    is_output_of,
    is_output_of_main_process,
    is_read_within_job,
    parent_id,
)
from resolver.delivery.memfd import is_memfd
from resolver.errors import SinkRefusedError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXEC = "`resolver exec BLUEPRINT ... -- COMMAND {}` hands the blueprint to a command in memory"
_FILE_HINT = "--allow-plaintext-file writes the values to disk all the same"
_LOG_HINT = "--allow-log writes the values there all the same"
_OTHER_HINT = "or pipe into the command"


class StdoutKind(enum.Enum):
    """What reads the output."""

    STREAM = "stream"
    """Another program reads it: resolved text."""

    TERMINAL = "terminal"
    """A person reads it: placed values are masked."""


def check_stdout(
    fd: int,
    stderr_fd: int,
    environ: Mapping[str, str],
    *,
    allow_plaintext_file: bool,
    allow_log: bool,
    instead: str = _EXEC,
) -> StdoutKind:
    """Decide whether resolved text may be written to a descriptor.

    Args:
        fd: where the text would go, normally stdout.
        stderr_fd: where messages go; may be closed.
        environ: where `JOURNAL_STREAM` and the variables of CI systems are looked up.
        allow_plaintext_file: accept a regular file.
        allow_log: accept what is known to be collected as a log.
        instead: what to do rather, for the hint.

    Returns:
        What reads the text.

    Raises:
        SinkRefusedError: the text would be stored there, or nobody would get it.
    """
    try:
        status = os.fstat(fd)
    except OSError:
        raise SinkRefusedError("stdout is closed", hint=f"{instead}; {_OTHER_HINT}") from None
    mode = status.st_mode
    if stat.S_ISCHR(mode):
        return _check_device(fd, status, instead)
    if stat.S_ISREG(mode):
        if not is_memfd(fd) and not allow_plaintext_file:
            raise SinkRefusedError("stdout is a regular file", hint=f"{instead}; {_FILE_HINT}")
        return StdoutKind.STREAM
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        log = "" if allow_log else _log_name(status, stderr_fd, environ)
        if log:
            raise SinkRefusedError(f"stdout is {log}", hint=f"{instead}; {_LOG_HINT}")
        return StdoutKind.STREAM
    kind = "a directory" if stat.S_ISDIR(mode) else "neither a pipe, a socket nor a terminal"
    raise SinkRefusedError(f"stdout is {kind}", hint=f"{instead}; {_OTHER_HINT}")


def is_terminal_or_log(fd: int, stderr_fd: int, environ: Mapping[str, str]) -> bool:
    """Whether what a command writes to a descriptor is read by a person or collected as a log.

    Args:
        fd: where it writes to.
        stderr_fd: where its messages go; may be closed.
        environ: where `JOURNAL_STREAM` and the variables of CI systems are looked up.
    """
    try:
        status = os.fstat(fd)
        if os.isatty(fd):
            return True
    except OSError:
        return False
    # A file, too: `> deploy.log 2>&1`, and CI systems that collect a job's output in one.
    kinds = (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISSOCK)
    return any(kind(status.st_mode) for kind in kinds) and bool(_log_name(status, stderr_fd, environ))


def _check_device(fd: int, status: os.stat_result, instead: str) -> StdoutKind:
    if os.isatty(fd):
        return StdoutKind.TERMINAL
    try:
        null = Path(os.devnull).stat()
    except OSError:
        null = None
    if null is not None and stat.S_ISCHR(null.st_mode) and status.st_rdev == null.st_rdev:
        if not _is_writable(fd):
            raise SinkRefusedError("stdout is closed", hint=f"{instead}; {_OTHER_HINT}")
        return StdoutKind.STREAM
    raise SinkRefusedError(f"stdout is a device other than {os.devnull}", hint=f"{instead}; {_OTHER_HINT}")


def _is_writable(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _log_name(status: os.stat_result, stderr_fd: int, environ: Mapping[str, str]) -> str:
    """Which log a pipe, a socket or a file is known to be; empty when it is not known to be one."""
    # systemd.exec(5): device and inode of what a service's output is connected to, in decimal.
    if environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}":
        return "the system journal"
    try:
        # What a container's or a service's log driver reads is often one pipe for both.
        if _are_same(status, os.fstat(stderr_fd)):
            return "the same pipe or socket as stderr, which is how logs are collected"
    except OSError:
        pass
    if is_output_of_main_process(status):
        return "the output of the container's main process, which container runtimes keep as a log"
    if is_ci(environ) and is_output_of(parent_id(), status) and not is_read_within_job(status):
        return "the output of the CI job's own shell, which CI systems keep as a log"
    return ""


def _are_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
