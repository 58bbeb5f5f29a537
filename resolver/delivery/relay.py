"""Waiting for a command while passing signals on to it, as if whoever started us had started it."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.delivery.taps import Taps

_SI_KERNEL = 0x80  # <asm-generic/siginfo.h>


def _relayed() -> set[int]:
    """All signals except those that can't be caught or that tell about our own execution or children.

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
    """Keep signals pending, so that `wait` can take and relay them.

    Entered before the command is started: a signal that comes before there is a command to pass it to waits.
    Whatever is still pending at the end was meant for the command and is dropped. Only the main thread of a
    process without other threads can use this.
    """
    # Were SIGCHLD ignored, as some supervisors leave it, the kernel would reap the command behind our back.
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _relayed() | {signal.SIGCHLD})
    try:
        yield
    finally:
        while signal.sigtimedwait(_relayed() - mask, 0) is not None:
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


def wait(pid: int, taps: Taps | None = None) -> int:
    """Wait for a child process within `hold_signals`, relaying signals and stops.

    Args:
        pid: the child, in our process group unless it leaves it.
        taps: what passes on its output, if anything does; emptied before we stop and when it has ended.

    Returns:
        The exit code, 0 to 255, or the negative number of the signal that ended it.
    """
    watched = _relayed() | {signal.SIGCHLD}
    while True:
        received = signal.sigwaitinfo(watched)
        if received.si_signo != signal.SIGCHLD:
            resized = taps is not None and received.si_signo == signal.SIGWINCH
            if taps is not None and resized:
                taps.resize()
            # A new size is told again: when the terminal told it, the command's own still had the old one.
            if resized or not _has_had(pid, received):
                # Without permission (a setuid command) there is nobody else to tell.
                with suppress(PermissionError):
                    os.kill(pid, received.si_signo)
            continue
        while (change := os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOHANG)) is not None:
            if change.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED):
                if taps is not None:
                    taps.finish(watched)
                return change.si_status if change.si_code == os.CLD_EXITED else -change.si_status
            if taps is not None:
                taps.settle()
            _stop()


def _has_had(pid: int, received: signal.struct_siginfo) -> bool:
    """Whether a signal that reached us has reached the child by itself; a second one may mean something else.

    A terminal's signals (^C, ^Z, a new window size) come from the kernel and go to a whole process group.
    What a process sends to the group can't be told from what it sends to us alone, and arrives twice.
    """
    if received.si_code == _SI_KERNEL:
        return os.getpgid(pid) == os.getpgrp()
    return received.si_pid == pid


def _stop() -> None:
    """Stop because the child has stopped, so that the shell takes the terminal back; return when continued.

    SIGTSTP rather than SIGSTOP: the kernel drops it where no shell could continue us (an orphaned process
    group, POSIX 2.2.2 "Orphaned Process Group"), and we would hang for ever.
    """
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
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
