"""A proxy between our terminal and a terminal of the command's own.

All that the command shows passes through us, and so do the keys: as long as we are in the foreground our
terminal gives us each one as it is pressed, ^C and ^Z too, and the command's terminal makes of them what the
command has asked for. In the background our terminal is left alone. The process between us and the command is
`resolver.delivery.session_leader`.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from resolver.delivery import session_leader, signals, termios_tools
from resolver.delivery.session_leader import LeaderOrder

if sys.platform != "win32":
    import termios

_CHUNK = 4096
_CLOSED = -1
_CHECK_INTERVAL = 0.25
"""Seconds between two checks of who is in the foreground: `fg` sends no signal to a job that runs already."""


class PtyProxy(signals.Supervisor):
    """A proxy between the terminal that we were started at and the command's own.

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
        self._order_reader, self._order_writer = os.pipe()
        self._wake_reader, self._wake_writer = os.pipe()
        self._lock = threading.Lock()
        self._original: list[Any] | None = None
        """The settings that our terminal goes back to, as long as we take its keys."""
        self._is_over = False
        self._has_settings = False
        """Whether the command's terminal has our settings, which are someone else's in the background."""
        self._started_in_foreground = termios_tools.is_in_foreground() and termios_tools.lock_keyboard()
        if self._started_in_foreground:
            self._copy_settings()
        self._send_order(in_foreground=self._started_in_foreground)

    @property
    def descriptors(self) -> list[int]:
        """What must stay open in the forked process until `connect`."""
        return [self.inner, self._order_reader]

    def connect(self) -> None:
        """In the forked process: start a session at the command's terminal. Returns in the command only."""
        session_leader.start_session(self.inner, self._order_reader)

    def start(self, pid: int) -> None:
        """Take the keys, and pass them on from a thread.

        Args:
            pid: the process that starts the session.
        """
        os.close(self._order_reader)
        self._take()
        if self._has_keys != self._started_in_foreground:
            self._resume(pid)
        threading.Thread(target=self._pass_keys, daemon=True).start()

    def abandon(self) -> None:
        """Release everything: no command was started."""
        os.close(self._keyboard)
        for descriptor in (self._order_reader, self._order_writer, self._wake_reader, self._wake_writer):
            os.close(descriptor)

    def restore(self) -> None:
        """Leave our terminal as it was."""
        with self._lock:
            if self._original is not None and termios_tools.is_in_foreground():
                with suppress(termios.error):
                    termios.tcsetattr(termios_tools.STDIN, termios.TCSANOW, self._original)
            self._original = None
            termios_tools.lock_keyboard(release=True)

    @property
    def poll_interval(self) -> float | None:
        """In the background we check whether we still are."""
        return None if self._has_keys else _CHECK_INTERVAL

    def idle(self, pid: int) -> None:
        """Take the keys once they can be had."""
        self._take()
        if self._has_keys:
            self._continue(pid)

    def handles(self, pid: int, received: signal.struct_siginfo) -> bool:
        """What our terminal signals is sent to the foreground of the command's, as that one would send it."""
        number = received.si_signo
        if number == signal.SIGCONT:
            self._resume(pid)
        elif number == signal.SIGHUP and termios_tools.is_hung_up():
            pass  # the thread sends it, once, whoever sent it to us
        elif not signals.is_from_kernel(received):
            return received.si_pid == pid
        elif number == signal.SIGWINCH:
            self._copy_size()
        elif number in (*session_leader.KEYS, signal.SIGHUP):
            self._signal_foreground(number)
        return True

    def stopped(self, pid: int) -> None:  # noqa: ARG002 - `idle` has it
        """Give the terminal back and stop, and with us the rest of our job, as the terminal does it.

        Where nobody could continue us we do not stop, and at a terminal the command would not have: `idle`
        finds us in the foreground and goes on.
        """
        if not self._has_keys and termios_tools.is_in_foreground():
            return  # it asked for keys, and goes on once we have them: `idle`
        self.restore()
        signals.stop(os.getpgrp())

    def ended(self, status: int) -> None:
        """Close what is ours. Keys that end a command end the rest of our job, too, a script for example."""
        self.restore()
        self._is_over = True
        self._wake_thread()
        os.close(self._order_writer)
        os.close(self._wake_writer)
        if termios_tools.is_in_foreground() and -status in (signal.SIGINT, signal.SIGQUIT):
            os.killpg(os.getpgrp(), -status)

    @property
    def _has_keys(self) -> bool:
        return self._original is not None

    def _take(self) -> None:
        """Have each key as it is pressed, if we are in the foreground."""
        with self._lock:
            if not termios_tools.is_in_foreground():
                self._original = None
                termios_tools.lock_keyboard(release=True)
            elif termios_tools.lock_keyboard():
                with suppress(termios.error):
                    if self._original is None:
                        self._copy_settings()
                        self._original = termios.tcgetattr(termios_tools.STDIN)
                    raw = termios_tools.raw_settings(self._original)
                    termios.tcsetattr(termios_tools.STDIN, termios.TCSANOW, raw)
        self._copy_size()
        self._wake_thread()

    def _resume(self, pid: int) -> None:
        self._take()
        self._continue(pid)

    def _continue(self, pid: int) -> None:
        self._send_order(in_foreground=self._has_keys)
        signals.forward(pid, signal.SIGCONT)

    def _send_order(self, *, in_foreground: bool) -> None:
        with suppress(BrokenPipeError):
            os.write(self._order_writer, LeaderOrder.FOREGROUND if in_foreground else LeaderOrder.BACKGROUND)

    def _copy_settings(self) -> None:
        if not self._has_settings and self._keyboard != _CLOSED:
            termios_tools.copy_settings(termios_tools.STDIN, self._keyboard)
            self._has_settings = True

    def _copy_size(self) -> None:
        with self._lock:
            if self._keyboard != _CLOSED:
                termios_tools.copy_size(termios_tools.STDIN, self._keyboard)

    def _signal_foreground(self, number: int) -> None:
        with self._lock, suppress(OSError):
            group = os.tcgetpgrp(self._keyboard)
            if group > 0:  # 0: it is nobody's yet, or nobody's any more
                os.killpg(group, number)

    def _wake_thread(self) -> None:
        with suppress(BrokenPipeError):
            os.write(self._wake_writer, b"\0")

    def _pass_keys(self) -> None:
        """Pass on keys until it is over, as there is room for them in the command's terminal."""
        keys = b""
        while True:
            poll = select.poll()
            poll.register(self._wake_reader, select.POLLIN)
            poll.register(termios_tools.STDIN, select.POLLIN if self._has_keys and not keys else 0)
            if keys:
                poll.register(self._keyboard, select.POLLOUT)
            ready = dict(poll.poll())
            if self._wake_reader in ready:
                os.read(self._wake_reader, _CHUNK)
            if self._is_over:
                break
            if ready.get(termios_tools.STDIN, 0) & termios_tools.HUNG_UP:
                self._signal_foreground(signal.SIGHUP)
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
        os.close(self._wake_reader)
        with self._lock:
            os.close(self._keyboard)
            self._keyboard = _CLOSED

    def _read_keys(self) -> bytes:
        with self._lock, suppress(OSError):
            # Without waiting, which would hold the lock.
            if self._has_keys and termios_tools.poll_now(termios_tools.STDIN, select.POLLIN):
                return os.read(termios_tools.STDIN, _CHUNK)
        return b""
