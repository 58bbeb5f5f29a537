"""A command's stdout and stderr, in which secrets are masked (redacted) before they are written to ours.

Streams that are one file for us are one for the command, so that the order of what it writes is kept: one
terminal for both when both are ours, one pipe when both go into the same log. Where we have a terminal it has
one, too; where ours is the one that we were started at, it has a session of its own at it.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING

from resolver.delivery import signals
from resolver.delivery.masking import Masker
from resolver.delivery.pty_proxy import PtyProxy
from resolver.delivery.termios_tools import copy_size, is_controlling_terminal, open_plain_pty
from resolver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.delivery.masking import Needles

_CHUNK = 1 << 16
_GRACE = 1.0
"""Seconds in which the output of processes that the command left behind is still waited for."""

_SETTLING = 0.05
_SILENCE = 0.1
"""Seconds after which a terminal shows a few bytes that may begin a value, or be a key's echo."""


class ChildOutput(signals.Supervisor):
    """The streams of one command that are masked, and what waiting for it means for them.

    Args:
        needles: what to look for.
        streams: which of stdout (1) and stderr (2).

    Raises:
        UnavailableError: there are no pipes or terminals left.
    """

    def __init__(self, needles: Needles, streams: Sequence[int] = (1, 2)) -> None:
        self._streams: list[_MaskedStream] = []
        self._terminal = signals.Supervisor()
        """Supervises the command's terminal, where it has a session of its own at one."""
        by_file: dict[tuple[int, int], _MaskedStream] = {}
        try:
            if is_controlling_terminal(0) and is_controlling_terminal(1):
                self._terminal = proxy = PtyProxy()
                own = [stream for stream in range(3) if is_controlling_terminal(stream)]
                self._streams.append(_MaskedStream(needles, 1, (proxy.outer, proxy.inner), own))
                streams = [stream for stream in streams if stream not in own]
            for stream in streams:
                try:
                    status = os.fstat(stream)
                except OSError:
                    continue  # closed: it stays so
                masked = by_file.get((status.st_dev, status.st_ino))
                if masked is None:
                    ends = open_plain_pty(stream) if os.isatty(stream) else os.pipe()
                    masked = _MaskedStream(needles, stream, ends, [stream])
                    self._streams.append(masked)
                    by_file[status.st_dev, status.st_ino] = masked
                else:
                    masked.replaces.append(stream)
        except OSError as error:
            self.abandon()
            raise UnavailableError(
                f"what the command prints can't be masked: {error.strerror}",
                hint="with --no-mask it writes there itself",
            ) from None

    @property
    def count(self) -> int:
        """How many masks were put in so far."""
        return sum(stream.masker.count for stream in self._streams)

    @property
    def descriptors(self) -> Sequence[int]:
        """Those of the terminal, and the command's end of each stream."""
        return [*self._terminal.descriptors, *(stream.inner for stream in self._streams)]

    def connect(self) -> None:
        """In the forked process: write to us instead. Returns in the command's process only."""
        self._terminal.connect()
        for stream in self._streams:
            for number in stream.replaces:
                os.dup2(stream.inner, number)

    def start(self, pid: int) -> None:
        """Pass on what the command writes, from threads."""
        self._terminal.start(pid)
        for stream in self._streams:
            stream.start()

    def abandon(self) -> None:
        """Release everything: no command was started."""
        for stream in self._streams:
            stream.abandon()
        self._terminal.abandon()

    def restore(self) -> None:
        """Leave our terminal as it was, whatever has happened."""
        self._terminal.restore()

    @property
    def poll_interval(self) -> float | None:
        """As our terminal has it."""
        return self._terminal.poll_interval

    def idle(self, pid: int) -> None:
        """As our terminal has it."""
        self._terminal.idle(pid)

    def handles(self, pid: int, received: signal.struct_siginfo) -> bool:
        """As our terminal has it; without one, a new window size is forwarded to other terminals."""
        if received.si_signo == signal.SIGWINCH and not isinstance(self._terminal, PtyProxy):
            for stream in self._streams:
                stream.resize()
            return False  # sent again: when the kernel sent it, the command's terminal had still the old one
        return self._terminal.handles(pid, received)

    def stopped(self, pid: int) -> None:
        """Stop once what the command has written is passed on."""
        self._settle()
        self._terminal.stopped(pid)

    def ended(self, status: int) -> None:
        """Pass on the rest of what was written."""
        self._settle()
        self.restore()
        self._finish()
        self._terminal.ended(status)

    def _settle(self) -> None:
        """Wait, not for long, until what the command has written so far is passed on."""
        deadline = time.monotonic() + _SETTLING
        while any(stream.is_busy() for stream in self._streams) and time.monotonic() < deadline:
            time.sleep(0.005)

    def _finish(self) -> None:
        """Wait for the rest.

        Without us a stalled reader of the output would hold the command; now it holds us, and a signal that
        would have ended the command ends the waiting.
        """
        for stream in self._streams:
            stream.stop()
        ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        while any(stream.is_alive() for stream in self._streams):
            received = signal.sigtimedwait(signals.held_signals(), 0.01)
            if received is not None and received.si_signo in ending:
                return


class _MaskedStream:
    """One file that the command writes to, and the thread that masks what it writes.

    Args:
        needles: what to look for.
        target: the stream of ours that leads there.
        ends: our end and the command's of what it gets instead.
        replaces: the numbers of the command's streams that lead there.
    """

    def __init__(self, needles: Needles, target: int, ends: tuple[int, int], replaces: list[int]) -> None:
        self.replaces = replaces
        self.masker = Masker(needles)
        self._target = target
        self._is_terminal = os.isatty(target)
        self._outer, self.inner = ends
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        os.close(self.inner)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        for descriptor in (self.inner, self._outer, self._stop_reader, self._stop_writer):
            os.close(descriptor)

    def stop(self) -> None:
        os.close(self._stop_writer)

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def is_busy(self) -> bool:
        try:
            return self.is_alive() and bool(select.select([self._outer], [], [], 0)[0])
        except OSError:  # the thread has closed it just now
            return False

    def resize(self) -> None:
        if self._is_terminal:
            copy_size(self._target, self._outer)

    def _run(self) -> None:
        deadline: float | None = None
        try:
            while True:
                wait = None if deadline is None else max(0.0, deadline - time.monotonic())
                sources = [self._outer] if deadline is not None else [self._outer, self._stop_reader]
                holds_little = self._is_terminal and self.masker.is_holding_little
                if holds_little and not select.select(sources, [], [], _SILENCE)[0]:
                    self._write(self.masker.release())
                ready = select.select(sources, [], [], wait)[0]
                if deadline is None and self._stop_reader in ready:
                    deadline = time.monotonic() + _GRACE
                if self._outer in ready:
                    chunk = self._read()
                    if not chunk:
                        break
                    self._write(self.masker.feed(chunk))
                elif not ready:
                    break
            self._write(self.masker.feed(b"", last=True))
        except OSError:
            pass  # nobody reads us any more; closing makes it known to the command
        finally:
            os.close(self._outer)
            os.close(self._stop_reader)

    def _read(self) -> bytes:
        try:
            return os.read(self._outer, _CHUNK)
        except OSError:  # how Linux says that nobody has a terminal open any more
            return b""

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._target, rest) :]
            except BlockingIOError:  # whoever shares it with us has made it so
                select.select([], [self._target], [])
