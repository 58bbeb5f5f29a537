"""Running a command that gets resolved blueprints in memory."""

from __future__ import annotations

import enum
import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from resolver.delivery import signals
from resolver.delivery.child_input import PATH_VARIABLE
from resolver.delivery.hardening import close_all_but
from resolver.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.delivery.child_input import ChildInput

WITHHELD = frozenset(
    {
        "RESOLVER_TOKEN",
        "RESOLVER_IDENTITY",
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
_GO = b"g"


class _Stage(enum.StrEnum):
    """How far a forked child has come, as it reports when it fails."""

    PREPARING = "preparing"
    EXECUTING = "executing"


class ChildExit(msgspec.Struct, frozen=True):
    """How a command ended.

    Args:
        code: what a shell would report: the exit code, 128 + the signal's number, 127 or 126.
        signal: the number of the signal that ended it, or None.
        problem: why there was no command to run (126, 127), one sentence; empty when it ran.
    """

    code: int
    signal: int | None = None
    problem: str = ""


def run(
    command: Sequence[str],
    child_input: ChildInput,
    *,
    environ: Mapping[str, str],
    more: Mapping[str, str] | None = None,
    supervisor: signals.Supervisor | None = None,
    withheld: frozenset[str] = WITHHELD,
) -> ChildExit:
    """Run a command that gets resolved blueprints, wait for it, forward signals to it.

    The command inherits stdin, stdout, stderr and what its input consists of, and nothing else.

    Must be called in the main thread of a process without other threads; the caller flushes its streams and
    drops its own references to the texts first. If this process is killed (SIGKILL), the command goes on: a
    deployment that is cut off half-way is worse than one without a supervisor, so no parent-death signal is
    set. In no case is anything left behind: the kernel frees memory files and pipes with the last descriptor.

    Args:
        command: program and arguments. The program is looked up in the `PATH` of `environ`; no shell.
        child_input: the blueprints, and how the command gets them; used up by this call.
        environ: the command's environment, before what is withheld is taken out of it.
        more: variables that are added to it.
        supervisor: what is done around the command, such as masking its output; used up by this call.
        withheld: the variables that it does not inherit, `WITHHELD` or more.

    Returns:
        How the command ended, also when it could not be found (127) or executed (126).

    Raises:
        UsageError: there is no command.
        UnavailableError: no process could be started.
    """
    if not command:
        raise UsageError(
            "no command was given", hint="put it after `--`: resolver exec BLUEPRINT -- COMMAND {}"
        )
    supervisor = supervisor or signals.Supervisor()
    left_out = withheld | {PATH_VARIABLE}
    variables = {name: value for name, value in environ.items() if name not in left_out} | dict(more or {})
    with signals.hold_signals():
        try:
            pid, report, go = _fork(command, child_input, variables, supervisor)
        except BaseException:
            supervisor.abandon()
            raise
        finally:
            # While the command runs, the only copy shall be the one it can read.
            for descriptor in child_input.descriptors:
                os.close(descriptor)
            variables.clear()
        try:
            with os.fdopen(report) as reader:
                _let_go(pid, go, child_input, supervisor)
                del child_input
                failure = reader.read()
            status = signals.wait(pid, supervisor)
        finally:
            supervisor.restore()
    if failure:
        return _explain(command[0], failure, environ)
    return ChildExit(status) if status >= 0 else ChildExit(_SIGNAL_BASE - status, signal=-status)


def _fork(
    command: Sequence[str],
    child_input: ChildInput,
    variables: dict[str, str],
    supervisor: signals.Supervisor,
) -> tuple[int, int, int]:
    """Fork: os.fork, because a path may hold the child's process id, which is known only once there is one.

    Returns:
        The child's process id, a pipe from which its failure to become the command is read, and one to which
        `_GO` is written once it may.
    """
    pipes: list[int] = []
    try:
        pipes += os.pipe()
        pipes += os.pipe()
        report, report_writer, go_reader, go = pipes
        pid = os.fork()
        if pid == 0:
            _become(command, child_input, (report_writer, go_reader), variables, supervisor)
    except OSError as error:
        for descriptor in pipes:
            os.close(descriptor)
        raise UnavailableError(f"no process could be started: {error.strerror}") from None
    os.close(report_writer)
    os.close(go_reader)
    return pid, report, go


def _let_go(pid: int, go: int, child_input: ChildInput, supervisor: signals.Supervisor) -> None:
    """Let the forked child become the command, once all that serves it has begun."""
    try:
        with os.fdopen(go, "wb"):
            supervisor.start(pid)
            child_input.serve()
            with suppress(BrokenPipeError):  # it has failed already
                os.write(go, _GO)
    except RuntimeError as error:  # threads are counted like processes where their number is limited
        os.waitpid(pid, 0)
        raise UnavailableError(f"the command was not started: {error}") from None


def _become(
    command: Sequence[str],
    child_input: ChildInput,
    pipes: tuple[int, int],
    variables: dict[str, str],
    supervisor: signals.Supervisor,
) -> NoReturn:
    """In the child: turn into the command, or report why not. Never returns, so that no code runs twice."""
    report, go = pipes
    stage = _Stage.PREPARING
    number = 0
    try:
        close_all_but(*pipes, *child_input.descriptors, *supervisor.descriptors)
        # First of all, because the command may be another process then.
        supervisor.connect()
        arguments, path = child_input.attach(command[1:])
        if path:
            variables[PATH_VARIABLE] = path
        if os.read(go, 1) != _GO:
            os._exit(_OWN_FAILURE)
        signals.reset_signals()
        stage = _Stage.EXECUTING
        os.execvpe(command[0], [command[0], *arguments], variables)  # noqa: S606 - the user's command, no shell
    except OSError as error:
        number = error.errno or 0
    finally:
        try:
            os.write(report, f"{stage} {number}".encode())
        finally:
            os._exit(_OWN_FAILURE)


def _explain(program: str, failure: str, environ: Mapping[str, str]) -> ChildExit:
    """Explain a child's report: its stage and error number (0: Python itself refused the arguments)."""
    stage, digits = failure.split()
    number = int(digits)
    reason = os.strerror(number).lower() if number else "a word of it can't be passed on"
    if stage == _Stage.PREPARING:
        raise UnavailableError(f"the command {program!r} could not be started: {reason}")
    missing = number in (errno.ENOENT, errno.ENOTDIR)
    if number == errno.EACCES and os.sep not in program:
        # An unreadable folder in PATH gives the same number as a file without permission to execute.
        import shutil  # noqa: PLC0415 - 10 ms that a command that starts does not pay

        missing = shutil.which(program, os.F_OK, environ.get("PATH", os.defpath)) is None
    if missing:
        is_here = os.sep not in program and Path(program).is_file()
        here = f"; there is one in this folder, which is './{program}'" if is_here else ""
        return ChildExit(_NOT_FOUND, problem=f"the command {program!r} was not found{here}")
    return ChildExit(_NOT_EXECUTABLE, problem=f"the command {program!r} can't be executed: {reason}")
