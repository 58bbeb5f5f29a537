"""Terminals: which one is ours, their settings, their size, and whether they are hung up."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Any

if sys.platform != "win32":
    import fcntl
    import termios

STDIN, STDOUT = 0, 1
HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL
_ANY_TERMINAL = 5 << 8
"""The device number of `/dev/tty`, 5:0."""


def is_controlling_terminal(stream: int) -> bool:
    """Whether a stream is the terminal that we were started at."""
    try:
        os.tcgetpgrp(stream)
    except OSError:
        return False
    return True


def open_plain_pty(stream: int) -> tuple[int, int]:
    """Open a terminal like another one, but that passes bytes on as they are: the other one processes them.

    Returns:
        Our end of it, and the command's.
    """
    outer, inner = os.openpty()
    copy_settings(stream, inner, plain=True)
    copy_size(stream, outer)
    return outer, inner


def copy_settings(source: int, target: int, *, plain: bool = False) -> None:
    """Give a terminal the settings of another one; plain as `open_plain_pty` makes it."""
    with suppress(termios.error):
        attributes = termios.tcgetattr(source)
        if plain:
            attributes[1] &= ~termios.OPOST
            attributes[3] &= ~termios.ECHO
        termios.tcsetattr(target, termios.TCSANOW, attributes)


def copy_size(source: int, target: int) -> None:
    """Give a terminal the window size of another one; its foreground is signalled when that is new."""
    with suppress(OSError):
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8)))


def is_in_foreground() -> bool:
    """Whether the terminal that is our stdin has us in its foreground."""
    try:
        return os.tcgetpgrp(STDIN) == os.getpgrp()
    except OSError:
        return False


def lock_keyboard(*, release: bool = False) -> bool:
    """Keep others like us, in the same job, from taking the keys, too; False when one of them takes them.

    A lock of the kernel's (fcntl(2), F_SETLK), which ends with us, however we end.
    """
    if os.fstat(STDOUT).st_rdev == _ANY_TERMINAL:
        return True  # this name stands for as many terminals as there are
    try:
        fcntl.lockf(STDOUT, fcntl.LOCK_UN if release else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # no locks here
        pass
    return True


def is_hung_up() -> bool:
    """Whether the terminal that is our stdin was hung up."""
    return bool(poll_now(STDIN, 0) & HUNG_UP)


def poll_now(descriptor: int, events: int) -> int:
    """Which of some events, or of `HUNG_UP`, poll(2) has for a descriptor, without waiting."""
    poll = select.poll()
    poll.register(descriptor, events)
    return sum(found for _, found in poll.poll(0))


def raw_settings(attributes: list[Any]) -> list[Any]:
    """Settings with which bytes pass as they are (cfmakeraw in termios(3))."""
    incoming, outgoing, control, local, in_speed, out_speed, characters = attributes
    incoming &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP)
    incoming &= ~(termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON)
    outgoing &= ~termios.OPOST
    local &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    return [incoming, outgoing, control, local, in_speed, out_speed, characters]
