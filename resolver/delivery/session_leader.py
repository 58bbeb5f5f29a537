"""The process between us and a command that has a terminal of its own.

A command can be stopped by ^Z only if its parent is in its session and outside its group (POSIX 2.2.2
"Orphaned Process Group"), and the first process of a session can't be the command itself then. So one process
begins the session, starts the command, and does to itself whatever becomes of the command: we, its parent,
see it stop, end or die as if it were the command.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NoReturn

from resolver.delivery import signals
from resolver.delivery.hardening import close_all_but

FRONT = b"f"
"""The order to let the command have its terminal's foreground."""

BACK = b"b"
"""The order to keep it in the background, where it stops when it asks for keys."""

KEYS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP) if os.name == "posix" else ()
"""What a terminal makes of ^C, ^\\ and ^Z."""

_OWN_FAILURE = 125
_PLENTY = 4096


def begin(terminal: int, orders: int) -> None:
    """In the forked process: become the first of a session, and fork; returns in the command's process only.

    To be called with all signals held.

    Args:
        terminal: the session's terminal.
        orders: where `FRONT` and `BACK` are read from: the first at once, others whenever SIGCONT comes.
    """
    import fcntl  # noqa: PLC0415 - does not exist on Windows
    import termios  # noqa: PLC0415 - as above

    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    is_in_front = os.read(orders, 1) == FRONT
    pid = os.fork()
    if pid:
        _attend(pid, terminal, orders)
    os.setpgid(0, 0)
    if is_in_front:
        os.tcsetpgrp(terminal, os.getpid())


def _attend(pid: int, terminal: int, orders: int) -> NoReturn:
    try:
        with suppress(OSError):  # the command has done it, and is a program by now
            os.setpgid(pid, pid)
        close_all_but(terminal, orders)
        for stream in range(3):
            os.dup2(terminal, stream)
        os.set_blocking(orders, False)
        status = signals.wait(pid, _Leader(terminal, orders))
        if status < 0:
            signals.die_by(-status)
        os._exit(status)
    finally:
        os._exit(_OWN_FAILURE)


class _Leader(signals.Attendant):
    """Does to itself what becomes of the command."""

    def __init__(self, terminal: int, orders: int) -> None:
        self._terminal = terminal
        self._orders = orders

    def has_dealt_with(self, pid: int, received: signal.struct_siginfo) -> bool:
        """Keys are meant for the command, also while it is not in the foreground yet, and all of its group.

        When our parent was killed the kernel says SIGHUP. The command goes on, as it does elsewhere.
        """
        number = received.si_signo
        if signals.is_from_kernel(received):
            if number in KEYS:
                signals.pass_on(-pid, number)
        elif number == signal.SIGCONT:
            self._obey(pid)
            signals.pass_on(-pid, number)
        else:
            return received.si_pid == pid
        return True

    def _obey(self, pid: int) -> None:
        with suppress(OSError):  # no new order, or no terminal any more
            order = os.read(self._orders, _PLENTY)[-1:]
            if order == BACK:
                os.tcsetpgrp(self._terminal, os.getpgrp())
            elif os.tcgetpgrp(self._terminal) == os.getpgrp():  # a shell may have put a job of its own there
                os.tcsetpgrp(self._terminal, pid)

    def stopped(self, pid: int) -> None:  # noqa: ARG002 - all there is to know
        """Stop with it. SIGTSTP would be dropped, for nobody in this session could continue us."""
        os.kill(os.getpid(), signal.SIGSTOP)

    def ended(self, status: int) -> None:  # noqa: ARG002 - as above
        """Spare what it has left behind the hangup that the kernel sends when a session ends."""
        with suppress(OSError):
            os.tcsetpgrp(self._terminal, os.getpgrp())
