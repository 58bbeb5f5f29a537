"""Several processes that serve one socket: started, replaced when one ends by itself, and stopped together.

They are forked, so each is as hardened as the process that it comes from: dumpability is given back by
execve(2) only.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

LOG = logging.getLogger("resolver.server")

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which the workers of one server keep their numbers."""

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

_RESTART_SECONDS = 1.0
"""How long to wait before a worker that ended by itself is replaced."""


class _Workers:
    def __init__(
        self,
        works: Sequence[Callable[[], None]],
        stopping: Callable[[], None],
        reloading: Callable[[], None],
        stop_seconds: float,
    ) -> None:
        self._missing = list(works)
        self._on_stop, self._on_reload = stopping, reloading
        self._had_terminal = has_terminal()
        self._stop_seconds = stop_seconds
        self._works: dict[int, Callable[[], None]] = {}
        self._stopping = False

    def run(self) -> None:
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._reload)
        try:
            while not self._stopping:
                while self._missing and not self._stopping:
                    self._start(self._missing.pop(0))
                self._wait_for_one()
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._on_stop()
        self._tell(number)

    def _reload(self, number: int, _frame: FrameType | None) -> None:
        """Read again what may be: here for workers that come later, and in each."""
        if self._had_terminal and not has_terminal():
            self._stop(signal.SIGTERM, None)  # it was hung up
            return
        self._on_reload()
        self._tell(number)

    def _tell(self, number: int) -> None:
        for pid in self._works:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _start(self, work: Callable[[], None]) -> None:
        # Blocked, so that a stop does not come between the fork and the note of its process id.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        manager = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _end_with(manager)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can read anything again
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
                work()
                code = 0
            except BaseException as error:
                LOG.exception("a worker failed: %s", type(error).__name__)
            finally:
                sys.stderr.flush()
                os._exit(code)
        self._works[pid] = work
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _wait_for_one(self) -> None:
        """Wait until a worker ends, or a signal comes."""
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            time.sleep(0.2)
            return
        if pid not in self._works:
            return  # an orphan: this is the first process of its container
        self._missing.append(self._works.pop(pid))
        if not self._stopping:
            LOG.error("worker %d ended by itself with %d", pid, os.waitstatus_to_exitcode(status))
            time.sleep(_RESTART_SECONDS)

    def _end_all(self) -> None:
        self._stop(signal.SIGTERM, None)
        deadline = time.monotonic() + self._stop_seconds + 5
        while self._works:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            self._works.pop(pid, None)
            if pid == 0:
                if time.monotonic() > deadline:
                    for left in self._works:
                        os.kill(left, signal.SIGKILL)
                time.sleep(0.05)


def _end_with(manager: int) -> None:
    """Have the kernel kill this worker when its manager is killed: nobody else would end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
        if os.getppid() != manager:
            os._exit(1)


def has_terminal() -> bool:
    """Whether there is a terminal that this process can be stopped by."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def run_workers(
    works: Sequence[Callable[[], None]],
    stopping: Callable[[], None],
    reloading: Callable[[], None],
    stop_seconds: float,
) -> None:
    """Keep processes at work until SIGTERM or SIGINT comes; SIGHUP has all of them read files again.

    Args:
        works: what each does; it ends by SIGTERM.
        stopping: is called, perhaps more than once, when they are told to end.
        reloading: is called at SIGHUP, before they get it.
        stop_seconds: how long they may take to end.
    """
    with _metrics_folder() as folder:
        if folder is None:
            os.environ.pop(METRICS_DIRECTORY, None)
        else:
            os.environ[METRICS_DIRECTORY] = folder
        _Workers(works, stopping, reloading, stop_seconds).run()


@contextlib.contextmanager
def _metrics_folder() -> Iterator[str | None]:
    """A folder of numbers by route and nothing else; None where nothing can be written to."""
    with contextlib.ExitStack() as stack:
        folder = None
        for place in ("/dev/shm", None):  # noqa: S108 - in memory where that goes; the folder has a name of its own
            try:
                made = tempfile.TemporaryDirectory(prefix="resolver-metrics-", dir=place)
            except OSError:
                continue
            folder = stack.enter_context(made)
            break
        else:
            LOG.warning(
                "no folder for temporary files can be written to, so each worker's /metrics tells of itself "
                "alone; /dev/shm, or one that TMPDIR names, would do"
            )
        yield folder
