"""A command's stdout and stderr, masked on their way to ours.

What is one place for us is one for the command, so that the order of what it writes is kept: one terminal for
both when both are ours, one pipe when both go into the same log. Where we have a terminal it has one, too;
where ours is the one that we were started at, it has a session of its own at it.
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
from resolver.delivery.pty_proxy import OwnTerminal
from resolver.delivery.termios_tools import copy_size, is_ours, open_plain
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


class Taps(signals.Attendant):
    """The streams of one command that are masked, and what waiting for it means for them.

    Args:
        needles: what to look for.
        streams: which of stdout (1) and stderr (2).

    Raises:
        UnavailableError: there are no pipes or terminals left.
    """

    def __init__(self, needles: Needles, streams: Sequence[int] = (1, 2)) -> None:
        self._taps: list[_Tap] = []
        self._terminal: OwnTerminal | None = None
        by_place: dict[tuple[int, int], _Tap] = {}
        try:
            if is_ours(0) and is_ours(1):
                self._terminal = OwnTerminal()
                self._taps.append(_Tap(needles, 1, (self._terminal.outer, self._terminal.inner)))
                self._taps[0].streams = [stream for stream in range(3) if is_ours(stream)]
                streams = [stream for stream in streams if not is_ours(stream)]
            for stream in streams:
                try:
                    status = os.fstat(stream)
                except OSError:
                    continue  # closed: it stays so
                tap = by_place.get((status.st_dev, status.st_ino))
                if tap is None:
                    ends = open_plain(stream) if os.isatty(stream) else os.pipe()
                    tap = by_place[status.st_dev, status.st_ino] = _Tap(needles, stream, ends)
                    self._taps.append(tap)
                else:
                    tap.streams.append(stream)
        except OSError as error:
            self.abandon()
            raise UnavailableError(
                f"what the command prints can't be masked: {error.strerror}",
                hint="with --no-mask it writes there itself",
            ) from None

    @property
    def count(self) -> int:
        """How many masks were put in so far."""
        return sum(tap.masker.count for tap in self._taps)

    @property
    def descriptors(self) -> list[int]:
        """What must stay open in the forked process until `connect`."""
        own = [] if self._terminal is None else self._terminal.descriptors
        return [*own, *(tap.inner for tap in self._taps)]

    def connect(self) -> None:
        """In the forked process: write to us instead. Returns in the command's process only."""
        if self._terminal is not None:
            self._terminal.connect()
        for tap in self._taps:
            for stream in tap.streams:
                os.dup2(tap.inner, stream)

    def start(self, pid: int) -> None:
        """In our process, once the command has been forked: pass on what it writes, from threads.

        Args:
            pid: the forked process.
        """
        if self._terminal is not None:
            self._terminal.start(pid)
        for tap in self._taps:
            tap.start()

    def abandon(self) -> None:
        """There is no command."""
        for tap in self._taps:
            tap.abandon()
        if self._terminal is not None:
            self._terminal.abandon()

    def give_back(self) -> None:
        """Leave our terminal as it was, whatever has happened."""
        if self._terminal is not None:
            self._terminal.give_back()

    @property
    def patience(self) -> float | None:
        """As our terminal has it."""
        return None if self._terminal is None else self._terminal.patience

    def idle(self, pid: int) -> None:
        """As our terminal has it."""
        if self._terminal is not None:
            self._terminal.idle(pid)

    def has_dealt_with(self, pid: int, received: signal.struct_siginfo) -> bool:
        """As our terminal has it; without one, a new window size is passed on to others."""
        if self._terminal is not None:
            return self._terminal.has_dealt_with(pid, received)
        if received.si_signo == signal.SIGWINCH:
            for tap in self._taps:
                tap.resize()
            return False  # told again: when the kernel told it, the command's terminal had still the old one
        return super().has_dealt_with(pid, received)

    def stopped(self, pid: int) -> None:
        """Stop once what the command has written is passed on."""
        self._settle()
        if self._terminal is not None:
            self._terminal.stopped(pid)
        else:
            super().stopped(pid)

    def ended(self, status: int) -> None:
        """Pass on the rest of what was written."""
        self._settle()
        self.give_back()
        self._finish()
        if self._terminal is not None:
            self._terminal.ended(status)

    def _settle(self) -> None:
        """Wait until what the command has written so far is passed on; not for long."""
        deadline = time.monotonic() + _SETTLING
        while any(tap.is_busy() for tap in self._taps) and time.monotonic() < deadline:
            time.sleep(0.005)

    def _finish(self) -> None:
        """Wait for the rest.

        Without us a stalled reader of the output would hold the command; now it holds us, and a signal that
        would have ended the command ends the waiting.
        """
        for tap in self._taps:
            tap.stop()
        ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        while any(tap.is_alive() for tap in self._taps):
            received = signal.sigtimedwait(signals.watched_signals(), 0.01)
            if received is not None and received.si_signo in ending:
                return


class _Tap:
    """One place that the command writes to, and the thread that empties it.

    Args:
        needles: what to look for.
        stream: the stream of ours that leads there.
        ends: our end and the command's of what it gets instead.
    """

    def __init__(self, needles: Needles, stream: int, ends: tuple[int, int]) -> None:
        self.streams = [stream]
        self.masker = Masker(needles)
        self._stream = stream
        self._is_terminal = os.isatty(stream)
        self._outer, self.inner = ends
        self._until, self._stop = os.pipe()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        os.close(self.inner)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        for descriptor in (self.inner, self._outer, self._until, self._stop):
            os.close(descriptor)

    def stop(self) -> None:
        os.close(self._stop)

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def is_busy(self) -> bool:
        try:
            return self.is_alive() and bool(select.select([self._outer], [], [], 0)[0])
        except OSError:  # the thread has closed it just now
            return False

    def resize(self) -> None:
        if self._is_terminal:
            copy_size(self._stream, self._outer)

    def _run(self) -> None:
        deadline: float | None = None
        try:
            while True:
                wait = None if deadline is None else max(0.0, deadline - time.monotonic())
                places = [self._outer] if deadline is not None else [self._outer, self._until]
                little = self._is_terminal and self.masker.is_holding_little
                if little and not select.select(places, [], [], _SILENCE)[0]:
                    self._write(self.masker.release())
                ready = select.select(places, [], [], wait)[0]
                if deadline is None and self._until in ready:
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
            os.close(self._until)

    def _read(self) -> bytes:
        try:
            return os.read(self._outer, _CHUNK)
        except OSError:  # how Linux tells that nobody has a terminal open any more
            return b""

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._stream, rest) :]
            except BlockingIOError:  # whoever shares it with us has made it so
                select.select([], [self._stream], [])
