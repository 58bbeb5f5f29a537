"""Going on in a forked child, whose memory no process can have opened before it was hardened.

A process of the same user may open `/proc/PID/mem` as soon as the interpreter starts, and what it has open
stays so when dumpability is turned off (proc(5)). But a descriptor is bound to the memory that it was opened
for, and a forked child has memory of its own, not dumpable from its first moment. Starting anew would not do:
execve(2) gives dumpability back.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import NoReturn

from resolver.delivery import hardening, signals

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_OWN_FAILURE = 125


def go_on_in_child(*, ends_with_parent: bool) -> str:
    """Fork, and return in the child; its parent stands in for it: signals, stops and the end are passed on.

    To be called in a process without threads, after `harden`, before any secret is read.

    Args:
        ends_with_parent: whether the child is killed with its parent, as if there were one process.

    Returns:
        What is lacking in the child, or because there is none; empty when nothing is.
    """
    started = os.getpid()
    with signals.hold_signals():
        try:
            pid = os.fork()
        except OSError as error:
            return (
                f"no process could be started to keep what had this one's memory open out: {error.strerror}"
            )
        if pid:
            _stand_in_for(pid)
        hardening.stand_in = started
        if ends_with_parent:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
            if os.getppid() != started:
                os.kill(os.getpid(), signal.SIGKILL)
    return hardening.find_tracer()  # one that follows forks


def _stand_in_for(pid: int) -> NoReturn:
    """In the process that was started: wait for the child, and end as it does. No code runs twice."""
    try:
        hardening.close_all_but()
        status = signals.wait(pid, signals.Supervisor())
        if status < 0:
            signals.die_by(-status)
        os._exit(status)
    finally:
        os._exit(_OWN_FAILURE)
