"""What systemd and its like agree on with a service: sockets that it is given, and words on how it is.

See sd_listen_fds(3) and sd_notify(3). Without such a manager all of it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from resolver.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST = 3
_MOST = 2
_MICRO = 1_000_000


def given_sockets() -> Sequence[socket.socket]:
    """The sockets that listen already, as the service manager made them: the server's, then that for health.

    They go on listening while a server is replaced by the next, so that nobody is refused meanwhile.

    Raises:
        UsageError: there are more, or they are no stream sockets that listen.
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    # A hardened process is the child of the one that was started.
    if pid not in (str(os.getpid()), str(os.getppid())) or not count.isdecimal() or not count.strip("0"):
        return []
    if len(count) > 1 or int(count) > _MOST:
        raise UsageError(
            f"the service manager gave {count} sockets", hint="give one, and a second for health alone"
        )
    sockets = []
    for number in range(_FIRST, _FIRST + int(count)):
        try:
            sock = socket.socket(fileno=number)
        except OSError as error:
            raise UsageError(
                f"descriptor {number}, which LISTEN_FDS names, is no socket: {error.strerror}",
                hint="the service manager gives the sockets; do not set LISTEN_FDS yourself",
            ) from None
        listens = sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if not listens:
            raise UsageError("a socket of the service manager does not listen for streams")
        sockets.append(sock)
    return sockets


def notify(words: str) -> None:
    """Tell the service manager how the service is.

    Args:
        words: such as `READY=1`; see sd_notify(3).
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)  # noqa: FBT003 - the library's signature
        sock.sendto(words.encode(), f"\0{address[1:]}" if address[0] == "@" else address)


def watchdog_seconds() -> float:
    """How often the service manager wants a sign of life, halved as it advises; 0 for never."""
    text = os.environ.get("WATCHDOG_USEC", "")
    return float(text) / _MICRO / 2 if text.isdecimal() else 0
