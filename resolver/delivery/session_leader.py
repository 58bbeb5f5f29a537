"""The process between us and a command that has a terminal of its own.

A command can be stopped by ^Z only if its parent is in its session and outside its group (POSIX 2.2.2
"Orphaned Process Group"), and the first process of a session can't be the command itself then. So one process
begins the session, starts the command, and stops, ends or dies as the command does, for us, its parent, to
see.
"""

from __future__ import annotations

import enum
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from resolver.delivery import signals
from resolver.delivery.hardening import close_all_but

if sys.platform != "win32":
    import fcntl
    import termios


class LeaderOrder(bytes, enum.Enum):
    """What the session's leader is ordered to do with the command."""

    FOREGROUND = b"f"
    """Let it have its terminal's foreground."""

    BACKGROUND = b"b"
    """Keep it in the background, where it stops when it asks for keys."""


KEYS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP) if os.name == "posix" else ()
"""What a terminal makes of ^C, ^\\ and ^Z."""

_OWN_FAILURE = 125
_PLENTY = 4096


def start_session(terminal: int, orders: int) -> None:
    """In the forked process: become a session's leader, and fork; returns in the command's process only.

    To be called with all signals held.

    Args:
        terminal: the session's terminal.
        orders: where each `LeaderOrder` is read from: the first at once, others whenever SIGCONT comes.
    """
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    starts_in_foreground = os.read(orders, 1) == LeaderOrder.FOREGROUND
    pid = os.fork()
    if pid:
        _supervise(pid, terminal, orders)
    os.setpgid(0, 0)
    if starts_in_foreground:
        os.tcsetpgrp(terminal, os.getpid())


def _supervise(pid: int, terminal: int, orders: int) -> NoReturn:
    try:
        with suppress(OSError):  # the command has done it, and is a program by now
            os.setpgid(pid, pid)
        close_all_but(terminal, orders)
        for stream in range(3):
            os.dup2(terminal, stream)
        os.set_blocking(orders, False)
        status = signals.wait(pid, _SessionLeader(terminal, orders))
        if status < 0:
            signals.die_by(-status)
        os._exit(status)
    finally:
        os._exit(_OWN_FAILURE)


class _SessionLeader(signals.Supervisor):
    """Stops, ends or dies as the command does."""

    def __init__(self, terminal: int, orders: int) -> None:
        self._terminal = terminal
        self._orders = orders

    def handles(self, pid: int, received: signal.struct_siginfo) -> bool:
        """Keys are meant for the command, also while it is not in the foreground yet, and all of its group.

        When our parent was killed the kernel says SIGHUP. The command goes on, as it does elsewhere.
        """
        number = received.si_signo
        if signals.is_from_kernel(received):
            if number in KEYS:
                signals.forward(-pid, number)
        elif number == signal.SIGCONT:
            self._follow_order(pid)
            signals.forward(-pid, number)
        else:
            return received.si_pid == pid
        return True

    def _follow_order(self, pid: int) -> None:
        with suppress(OSError):  # no new order, or no terminal any more
            order = os.read(self._orders, _PLENTY)[-1:]
            if order == LeaderOrder.BACKGROUND:
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
