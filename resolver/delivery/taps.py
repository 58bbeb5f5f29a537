"""A command's stdout and stderr, masked on their way to ours.

What is one place for us is one for the command, so that the order of what it writes is kept: one terminal for
both when both are ours, one pipe when both go into the same log. Where we have a terminal it has one, too.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from resolver.delivery.masking import Masker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.delivery.masking import Needles

_CHUNK = 1 << 16
_GRACE = 1.0
"""Seconds in which the output of processes that the command left behind is still waited for."""

_SETTLING = 0.05


class Taps:
    """The streams of one command that are masked.

    Args:
        needles: what to look for.
        streams: which of stdout (1) and stderr (2).
    """

    def __init__(self, needles: Needles, streams: Sequence[int] = (1, 2)) -> None:
        self._taps: list[_Tap] = []
        by_place: dict[tuple[int, int], _Tap] = {}
        try:
            for stream in streams:
                try:
                    status = os.fstat(stream)
                except OSError:
                    continue  # closed: it stays so
                tap = by_place.get((status.st_dev, status.st_ino))
                if tap is None:
                    tap = by_place[status.st_dev, status.st_ino] = _Tap(needles, stream)
                    self._taps.append(tap)
                tap.streams.append(stream)
        except BaseException:
            for tap in self._taps:
                tap.abandon()
            raise

    @property
    def count(self) -> int:
        """How many masks were put in so far."""
        return sum(tap.masker.count for tap in self._taps)

    @property
    def descriptors(self) -> list[int]:
        """What must stay open in the forked process until `connect`."""
        return [tap.inner for tap in self._taps]

    def connect(self) -> None:
        """In the forked process: write to us instead."""
        for tap in self._taps:
            for stream in tap.streams:
                os.dup2(tap.inner, stream)

    def start(self) -> None:
        """In our process, once the command has been forked: pass on what it writes, from threads."""
        for tap in self._taps:
            tap.start()

    def abandon(self) -> None:
        """There is no command."""
        for tap in self._taps:
            tap.abandon()

    def resize(self) -> None:
        """Give the command's terminal the size that ours has now."""
        for tap in self._taps:
            tap.resize()

    def settle(self) -> None:
        """Wait until what the command has written so far is passed on; not for long."""
        deadline = time.monotonic() + _SETTLING
        while any(tap.is_busy() for tap in self._taps) and time.monotonic() < deadline:
            time.sleep(0.005)

    def finish(self, watched: set[int]) -> None:
        """Pass on the rest after the command's end.

        Without us a stalled reader of the output would hold the command; now it holds us, and a signal that
        would have ended the command ends the waiting.

        Args:
            watched: the signals that are held, SIGCHLD among them.
        """
        for tap in self._taps:
            tap.stop()
        ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        while any(tap.is_alive() for tap in self._taps):
            received = signal.sigtimedwait(watched, 0.01)
            if received is not None and received.si_signo in ending:
                return


class _Tap:
    """One place that the command writes to, and the thread that empties it."""

    def __init__(self, needles: Needles, stream: int) -> None:
        self.streams: list[int] = []
        self.masker = Masker(needles)
        self._stream = stream
        self._is_terminal = os.isatty(stream)
        self._outer, self.inner = _open_terminal(stream) if self._is_terminal else os.pipe()
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
        return self.is_alive() and bool(select.select([self._outer], [], [], 0)[0])

    def resize(self) -> None:
        if self._is_terminal:
            with suppress(OSError):
                _copy_size(self._stream, self._outer)

    def _run(self) -> None:
        deadline: float | None = None
        try:
            while True:
                wait = None if deadline is None else max(0.0, deadline - time.monotonic())
                places = [self._outer] if deadline is not None else [self._outer, self._until]
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
            rest = rest[os.write(self._stream, rest) :]


def _open_terminal(like: int) -> tuple[int, int]:
    """A terminal that looks like another one and passes on bytes as they are."""
    import termios  # noqa: PLC0415 - does not exist on Windows

    outer, inner = os.openpty()
    try:
        attributes = termios.tcgetattr(like)
        # The real one does what is to be done with line breaks, once.
        attributes[1] &= ~termios.OPOST
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(inner, termios.TCSANOW, attributes)
        _copy_size(like, outer)
    except (OSError, termios.error):
        pass
    return outer, inner


def _copy_size(source: int, target: int) -> None:
    import fcntl  # noqa: PLC0415 - does not exist on Windows
    import termios  # noqa: PLC0415 - as above

    size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(target, termios.TIOCSWINSZ, size)
