"""Running a command with a resolved blueprint that exists in memory only."""

from __future__ import annotations

import enum
import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from resolver.delivery import relay
from resolver.delivery.memfd import require_memfd, seal
from resolver.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACEHOLDER = "{}"
PATH_VARIABLE = "RESOLVED_BLUEPRINT"
WITHHELD = frozenset(
    {
        "RESOLVER_TOKEN",
        "RESOLVER_KEY",
        "RESOLVER_KEY_FILE",
        "RESOLVER_KEY_COMMAND",
        "RESOLVER_DATABASE_URL",
    },
)
"""Environment variables that open the store. A command gets one blueprint, not the store."""

_OWN_FAILURE = 125
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_SIGNAL_BASE = 128
_STDERR = 2
_PREPARING = "preparing"
_EXECUTING = "executing"


class Mode(enum.Enum):
    """How a command gets the blueprint."""

    PATH = "path"
    """As a path below /proc, in place of `{}` and in `RESOLVED_BLUEPRINT`; its stdin is ours."""

    STDIN = "stdin"
    """As its stdin. Arguments are left alone, `RESOLVED_BLUEPRINT` is not set."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended.

    Args:
        code: what a shell would report: the exit code, 128 + the signal's number, 127 or 126.
        signal: the number of the signal that ended it, or None.
        problem: why there was no command to run (126, 127), one sentence; empty when it ran.
    """

    code: int
    signal: int | None = None
    problem: str = ""


def run(command: Sequence[str], text: bytes, *, mode: Mode, environ: Mapping[str, str]) -> Ending:
    """Run a command with a text in a sealed memory file, wait for it, pass signals on to it.

    The command inherits stdin, stdout, stderr and, in mode PATH, the text's descriptor, and nothing else.
    The path leads through its own process id, so it can be opened as often as wanted, each time from the
    start, by the command and by processes it starts, as long as the command runs and keeps the descriptor.

    Must be called in the main thread of a process without other threads; the caller flushes its streams and
    drops its own references to the text first. If this process is killed (SIGKILL), the command goes on: a
    deployment that is cut off half-way is worse than one without a supervisor, so no parent-death signal is
    set. In no case is anything left behind: the kernel frees the text with its last descriptor.

    Args:
        command: program and arguments. The program is looked up in the `PATH` of `environ`; no shell.
        text: the resolved blueprint.
        mode: how the command gets it.
        environ: the command's environment, before `WITHHELD` is taken out of it.

    Returns:
        How the command ended, also when it could not be found (127) or executed (126).

    Raises:
        UsageError: there is no command.
        UnavailableError: the platform lacks what is needed, or no process could be started.
    """
    if not command:
        raise UsageError(
            "no command was given", hint="put it after `--`: resolver exec BLUEPRINT -- COMMAND {}"
        )
    require_memfd()
    with relay.hold_signals():
        document = seal(text)
        # While the command runs, the only copy shall be the one it can read.
        del text
        try:
            pid, report = _start(command, document, mode, environ)
        finally:
            os.close(document)
        with os.fdopen(report) as reader:
            failure = reader.read()
        status = relay.wait(pid)
    if failure:
        return _explain(command[0], failure, environ)
    return Ending(status) if status >= 0 else Ending(_SIGNAL_BASE - status, signal=-status)


def _start(command: Sequence[str], document: int, mode: Mode, environ: Mapping[str, str]) -> tuple[int, int]:
    """Fork; return the child's process id and a pipe that tells why it could not become the command.

    os.fork, because the path holds the child's process id, which is known only once there is a child.
    """
    try:
        report, tell = os.pipe()
        try:
            pid = os.fork()
            if pid == 0:
                _become(command, document, tell, mode, environ)
        except OSError:
            os.close(report)
            raise
        finally:
            os.close(tell)
    except OSError as error:
        raise UnavailableError(f"no process could be started: {error.strerror}") from None
    return pid, report


def _become(
    command: Sequence[str],
    document: int,
    tell: int,
    mode: Mode,
    environ: Mapping[str, str],
) -> NoReturn:
    """In the child: turn into the command, or tell why not. Never returns, so that no code runs twice."""
    stage = _PREPARING
    number = 0
    try:
        _close_all_but(document, tell)
        arguments = list(command)
        variables = {
            name: value for name, value in environ.items() if name not in WITHHELD and name != PATH_VARIABLE
        }
        if mode is Mode.STDIN:
            os.dup2(document, 0)
        else:
            os.set_inheritable(document, True)  # noqa: FBT003 - the only way to call it
            # Our id as this /proc knows it, which may be that of another process namespace.
            path = f"/proc/{Path('/proc/self').readlink()}/fd/{document}"
            arguments[1:] = [argument.replace(PLACEHOLDER, path) for argument in arguments[1:]]
            variables[PATH_VARIABLE] = path
        relay.reset_signals()
        stage = _EXECUTING
        os.execvpe(arguments[0], arguments, variables)  # noqa: S606 - the user's own command, without a shell
    except OSError as error:
        number = error.errno or 0
    finally:
        try:
            os.write(tell, f"{stage} {number}".encode())
        finally:
            os._exit(_OWN_FAILURE)


def _close_all_but(*kept: int) -> None:
    """Close what a library or whoever started us left open without close-on-exec: sockets, key files."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(entry.name)
        if descriptor > _STDERR and descriptor not in kept:
            # One of them was the listing's own.
            with suppress(OSError):
                os.close(descriptor)


def _explain(program: str, failure: str, environ: Mapping[str, str]) -> Ending:
    """What a child's report means, by its stage and error number (0: Python itself refused the words)."""
    stage, digits = failure.split()
    number = int(digits)
    reason = os.strerror(number).lower() if number else "a word of it can't be passed on"
    if stage == _PREPARING:
        raise UnavailableError(f"the command {program!r} could not be started: {reason}")
    missing = number in (errno.ENOENT, errno.ENOTDIR)
    if number == errno.EACCES and os.sep not in program:
        # An unreadable folder in PATH gives the same number as a file without permission to execute.
        import shutil  # noqa: PLC0415 - 10 ms that a command that starts does not pay

        missing = shutil.which(program, os.F_OK, environ.get("PATH", os.defpath)) is None
    if missing:
        return Ending(_NOT_FOUND, problem=f"the command {program!r} was not found")
    return Ending(_NOT_EXECUTABLE, problem=f"the command {program!r} can't be executed: {reason}")
