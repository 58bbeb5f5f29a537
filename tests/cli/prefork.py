"""A process that has everything imported and forks once for each command.

Most of a command's time goes into starting Python and importing SQLAlchemy. Run as a script, with a socket as
its only argument; talked to by `Prefork`.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_REQUEST = 1 << 16


class Prefork:
    """Runs `resolve` and `resolver` as processes that were forked rather than started."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        self._socket = ours

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait(timeout=10)

    def run(
        self, arguments: Sequence[str], stdin: bytes, environ: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; stdout and stderr are pipes of their own, which must be able to hold all of it."""
        pipes = [os.pipe() for _ in range(3)]
        (stdin_read, stdin_write), (stdout_read, stdout_write), (stderr_read, stderr_write) = pipes
        request = json.dumps({"arguments": list(arguments), "environ": dict(environ)}).encode()
        socket.send_fds(self._socket, [request], [stdin_read, stdout_write, stderr_write])
        for descriptor in (stdin_read, stdout_write, stderr_write):
            os.close(descriptor)
        with os.fdopen(stdin_write, "wb") as file:
            file.write(stdin)
        code = int(self._socket.recv(16))
        with os.fdopen(stdout_read) as stdout, os.fdopen(stderr_read) as stderr:
            return subprocess.CompletedProcess(arguments, code, stdout.read(), stderr.read())


ROOMS = ("resolver.cli", "resolver.client", "resolver.resolution", "resolver.service")
"""All their modules are loaded before the first fork."""

MODULES = ("resolver.bootstrap.embedded", "resolver.bootstrap.connect", "sqlalchemy.dialects.sqlite")


def load() -> None:
    """Import what commands need."""
    for room in map(importlib.import_module, ROOMS):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    for name in MODULES:
        importlib.import_module(name)


def serve(requests: socket.socket) -> None:
    """Answer requests until there are no more."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            requests.close()
            become(descriptors, **json.loads(request))
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(descriptors: Sequence[int], arguments: list[str], environ: dict[str, str]) -> NoReturn:
    """Be a console script."""
    from resolver.cli import main  # noqa: PLC0415 - as above

    code = 1
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = arguments
        getattr(main, arguments[0])()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    load()
    serve(socket.socket(fileno=int(sys.argv[1])))
