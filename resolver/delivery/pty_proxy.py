"""Our terminal, while a command has one of its own in front of which we stand.

All that the command shows passes through us. In return we hand it the keys: as long as we are in the
foreground our terminal gives us each one as it is pressed, ^C and ^Z too, and the command's terminal makes of
them what the command has asked for. In the background our terminal is left alone. The process between us and
the command is `resolver.delivery.session_leader`.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import suppress
from typing import Any

from resolver.delivery import session_leader, signals, termios_tools

_CHUNK = 4096
_CLOSED = -1
_LOOKING = 0.25
"""Seconds between two looks at who is in the foreground: `fg` tells nothing to a job that runs already."""


class OwnTerminal(signals.Attendant):
    """The terminal that we were started at, and the command's own.

    For a process whose stdin and stdout are that terminal. Where either is not, we may be part of a pipeline
    in which another program wants the keys.

    Attributes:
        outer: our end of the command's terminal, from which the caller reads; the caller closes it.
        inner: the command's end, which the caller closes.
    """

    def __init__(self) -> None:
        self.outer, self.inner = os.openpty()
        self._keyboard = os.dup(self.outer)
        os.set_blocking(self._keyboard, False)
        self._orders, self._order = os.pipe()
        self._wake, self._waken = os.pipe()
        self._lock = threading.Lock()
        self._original: list[Any] | None = None
        """What our terminal goes back to, as long as the keys are ours."""
        self._is_over = False
        self._is_alike = False
        """Whether the command's terminal has our settings, which are someone else's in the background."""
        self._started_in_front = termios_tools.is_in_front() and termios_tools.claim()
        if self._started_in_front:
            self._make_alike()
        self._give_order(in_front=self._started_in_front)

    @property
    def descriptors(self) -> list[int]:
        """What must stay open in the forked process until `connect`."""
        return [self.inner, self._orders]

    def connect(self) -> None:
        """In the forked process: begin a session at the command's terminal. Returns in the command only."""
        session_leader.begin(self.inner, self._orders)

    def start(self, pid: int) -> None:
        """In our process, after the fork: take the keys, and pass them on from a thread.

        Args:
            pid: the process that begins the session.
        """
        os.close(self._orders)
        self._take()
        if self._is_held != self._started_in_front:
            self._resume(pid)
        threading.Thread(target=self._pass_keys, daemon=True).start()

    def abandon(self) -> None:
        """There is no command."""
        for descriptor in (self._keyboard, self._orders, self._order, self._wake, self._waken):
            os.close(descriptor)

    def give_back(self) -> None:
        """Leave our terminal as it was."""
        import termios  # noqa: PLC0415 - does not exist on Windows

        with self._lock:
            if self._original is not None and termios_tools.is_in_front():
                with suppress(termios.error):
                    termios.tcsetattr(termios_tools.STDIN, termios.TCSANOW, self._original)
            self._original = None
            termios_tools.claim(release=True)

    @property
    def patience(self) -> float | None:
        """As long as we are in the background we look whether we still are."""
        return None if self._is_held else _LOOKING

    def idle(self, pid: int) -> None:
        """Take the keys once they can be had."""
        self._take()
        if self._is_held:
            self._go_on(pid)

    def has_dealt_with(self, pid: int, received: signal.struct_siginfo) -> bool:
        """What our terminal says is said to the foreground of the command's, as that one would say it."""
        number = received.si_signo
        if number == signal.SIGCONT:
            self._resume(pid)
        elif number == signal.SIGHUP and termios_tools.is_gone():
            pass  # the thread tells it, once, whoever told us
        elif not signals.is_from_kernel(received):
            return received.si_pid == pid
        elif number == signal.SIGWINCH:
            self._copy_size()
        elif number in (*session_leader.KEYS, signal.SIGHUP):
            self._tell_front(number)
        return True

    def stopped(self, pid: int) -> None:  # noqa: ARG002 - `idle` has it
        """Give the terminal back and stop, and with us the rest of our job, as the terminal does it.

        Where nobody could continue us we do not stop, and at a terminal the command would not have: `idle`
        finds us in the foreground and goes on.
        """
        if not self._is_held and termios_tools.is_in_front():
            return  # it asked for keys, and goes on once we have them: `idle`
        self.give_back()
        signals.stop(os.getpgrp())

    def ended(self, status: int) -> None:
        """Close what is ours. Keys that end a command end the rest of our job, too, a script for example."""
        self.give_back()
        self._is_over = True
        self._tell_thread()
        os.close(self._order)
        os.close(self._waken)
        if termios_tools.is_in_front() and -status in (signal.SIGINT, signal.SIGQUIT):
            os.killpg(os.getpgrp(), -status)

    @property
    def _is_held(self) -> bool:
        return self._original is not None

    def _take(self) -> None:
        """Have each key as it is pressed, if we are in the foreground."""
        import termios  # noqa: PLC0415 - does not exist on Windows

        with self._lock:
            if not termios_tools.is_in_front():
                self._original = None
                termios_tools.claim(release=True)
            elif termios_tools.claim():
                with suppress(termios.error):
                    if self._original is None:
                        self._make_alike()
                        self._original = termios.tcgetattr(termios_tools.STDIN)
                    termios.tcsetattr(termios_tools.STDIN, termios.TCSANOW, termios_tools.raw(self._original))
        self._copy_size()
        self._tell_thread()

    def _resume(self, pid: int) -> None:
        self._take()
        self._go_on(pid)

    def _go_on(self, pid: int) -> None:
        self._give_order(in_front=self._is_held)
        signals.pass_on(pid, signal.SIGCONT)

    def _give_order(self, *, in_front: bool) -> None:
        with suppress(BrokenPipeError):
            os.write(self._order, session_leader.FRONT if in_front else session_leader.BACK)

    def _make_alike(self) -> None:
        if not self._is_alike and self._keyboard != _CLOSED:
            termios_tools.copy_settings(termios_tools.STDIN, self._keyboard)
            self._is_alike = True

    def _copy_size(self) -> None:
        with self._lock:
            if self._keyboard != _CLOSED:
                termios_tools.copy_size(termios_tools.STDIN, self._keyboard)

    def _tell_front(self, number: int) -> None:
        with self._lock, suppress(OSError):
            group = os.tcgetpgrp(self._keyboard)
            if group > 0:  # 0: it is nobody's yet, or nobody's any more
                os.killpg(group, number)

    def _tell_thread(self) -> None:
        with suppress(BrokenPipeError):
            os.write(self._waken, b"\0")

    def _pass_keys(self) -> None:
        """Pass on keys until it is over, as there is room for them in the command's terminal."""
        keys = b""
        while True:
            poll = select.poll()
            poll.register(self._wake, select.POLLIN)
            poll.register(termios_tools.STDIN, select.POLLIN if self._is_held and not keys else 0)
            if keys:
                poll.register(self._keyboard, select.POLLOUT)
            ready = dict(poll.poll())
            if self._wake in ready:
                os.read(self._wake, _CHUNK)
            if self._is_over:
                break
            if ready.get(termios_tools.STDIN, 0) & termios_tools.GONE:
                self._tell_front(signal.SIGHUP)
                break
            if self._keyboard in ready:
                try:
                    keys = keys[os.write(self._keyboard, keys) :]
                except BlockingIOError:
                    continue
                except OSError:  # nobody has the command's terminal open any more
                    keys = b""
            elif termios_tools.STDIN in ready:
                keys = self._read_keys()
        os.close(self._wake)
        with self._lock:
            os.close(self._keyboard)
            self._keyboard = _CLOSED

    def _read_keys(self) -> bytes:
        with self._lock, suppress(OSError):
            # Without waiting, which would hold the lock.
            if self._is_held and termios_tools.found(termios_tools.STDIN, select.POLLIN):
                return os.read(termios_tools.STDIN, _CHUNK)
        return b""
