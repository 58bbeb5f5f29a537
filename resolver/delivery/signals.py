"""Waiting for a child process while signals are forwarded to it, as if it had been started in our place."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SI_KERNEL = 0x80  # <asm-generic/siginfo.h>


def _forwarded() -> set[int]:
    """All signals except those that can't be caught or that are about our own execution or children.

    A function, because some of the names do not exist on Windows, where this module is only imported.
    """
    ours = {
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGCHLD,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGPIPE,
        signal.SIGSEGV,
        signal.SIGSYS,
        signal.SIGTRAP,
    }
    return {number for number in signal.valid_signals() if number not in ours}


@contextmanager
def hold_signals() -> Iterator[None]:
    """Keep signals pending, so that `wait` can take and forward them.

    Entered before the command is started: a signal that comes before there is a command to forward it to
    waits. Whatever is still pending at the end was meant for the command and is dropped, but not in a process
    that was forked meanwhile. Only the main thread of a process without other threads can use this.
    """
    holder = os.getpid()
    # Were SIGCHLD ignored, as some supervisors leave it, the kernel would reap the command behind our back.
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _forwarded() | {signal.SIGCHLD})
    try:
        yield
    finally:
        while os.getpid() == holder and signal.sigtimedwait(_forwarded() - mask, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGCHLD, handler if handler is not None else signal.SIG_DFL)


def reset_signals() -> None:
    """Give a forked child the signal state that a program expects to start with.

    Nothing is blocked, and every signal has its default action, except those that were ignored when this
    process was started: `nohup` must reach the command. SIGPIPE and SIGXFSZ are ignored by Python itself.
    """
    for number in signal.valid_signals():
        ours = number in (signal.SIGPIPE, signal.SIGXFSZ)
        if ours or signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class Supervisor:
    """What is done around a child process. This one does what is right for a child in our own group."""

    @property
    def descriptors(self) -> Sequence[int]:
        """What must stay open in the forked process until `connect`."""
        return ()

    def connect(self) -> None:
        """In the forked process: connect its streams. Returns in the command's process only."""

    def start(self, pid: int) -> None:
        """In our process, once the command has been forked: begin to serve it."""

    def abandon(self) -> None:
        """Release everything: no command was started."""

    def restore(self) -> None:
        """Leave our terminal as it was, whatever has happened."""

    @property
    def poll_interval(self) -> float | None:
        """Seconds without a signal after which `idle` is called; None for never."""
        return None

    def idle(self, pid: int) -> None:
        """Called when there was no signal for `poll_interval`."""

    def handles(self, pid: int, received: signal.struct_siginfo) -> bool:
        """Whether a signal is not to be forwarded: the child has had it, or another one instead of it.

        A terminal's signals (^C, ^Z, a new window size) come from the kernel and go to a whole process group.
        What a process sends to the group looks like what it sends to us alone, and arrives twice.
        """
        if is_from_kernel(received):
            return os.getpgid(pid) == os.getpgrp()
        return received.si_pid == pid

    def stopped(self, pid: int) -> None:  # noqa: ARG002 - for subclasses
        """The child has stopped: stop, so that the shell takes the terminal back; return when continued."""
        stop()

    def ended(self, status: int) -> None:
        """The child has ended, with the status that `wait` returns."""


def is_from_kernel(received: signal.struct_siginfo) -> bool:
    """Whether a signal was sent by the kernel, for a terminal for example, and not by a process."""
    return received.si_code == _SI_KERNEL


def wait(pid: int, supervisor: Supervisor) -> int:
    """Wait for a child process within `hold_signals`, and forward signals and stops.

    Args:
        pid: the child.
        supervisor: what is done around it.

    Returns:
        The exit code, 0 to 255, or the negative number of the signal that ended it.
    """
    held = held_signals()
    while True:
        interval = supervisor.poll_interval
        received = signal.sigwaitinfo(held) if interval is None else signal.sigtimedwait(held, interval)
        if received is None:
            supervisor.idle(pid)
            continue
        if received.si_signo != signal.SIGCHLD:
            if not supervisor.handles(pid, received):
                forward(pid, received.si_signo)
            continue
        while (change := os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOHANG)) is not None:
            if change.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED):
                status = change.si_status if change.si_code == os.CLD_EXITED else -change.si_status
                supervisor.ended(status)
                return status
            supervisor.stopped(pid)
        if os.getpid() == 1:
            _reap_orphans(pid)


def _reap_orphans(pid: int) -> None:
    """As a container's first process: take leave of what others have left behind, and not of the child."""
    with suppress(ChildProcessError):
        while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if found.si_pid == pid:
                return  # `wait` is next told of it
            os.waitpid(found.si_pid, 0)


def held_signals() -> set[int]:
    """All signals that `hold_signals` keeps pending."""
    return _forwarded() | {signal.SIGCHLD}


def forward(pid: int, number: int) -> None:
    """Send a signal to a process, or to the group of which the negative number is given."""
    # Without permission (a setuid command) there is nobody else to send it to.
    with suppress(PermissionError):
        os.kill(pid, number)


def stop(group: int | None = None) -> None:
    """Stop, so that the shell takes the terminal back; return when continued.

    SIGTSTP rather than SIGSTOP: the kernel drops it where no shell could continue us (an orphaned process
    group, POSIX 2.2.2 "Orphaned Process Group"), and we would hang for ever.

    Args:
        group: our process group, when all of it is to stop; None for us alone.
    """
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    if group is None:
        os.kill(os.getpid(), signal.SIGTSTP)
    else:
        os.killpg(group, signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})
    signal.signal(signal.SIGTSTP, handler if handler is not None else signal.SIG_DFL)


def die_by(number: int) -> None:
    """End this process by a signal, as the command it waited for ended, so that our parent sees the same.

    Returns only if the signal does not end processes. `harden` keeps this from leaving a core file.

    Args:
        number: the signal.
    """
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
