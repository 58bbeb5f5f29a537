"""A process that has everything imported and forks once for each command.

Most of a command's time goes into starting Python and importing SQLAlchemy. Run as a script, with a socket as
its only argument; talked to by `Prefork`, or by what `preforked_scripts` puts on a shell's path.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST_REQUEST = 1 << 20
ROOT = Path(__file__).parents[2]

SCRIPT = """#!{python} -IS
import array, json, os, sys, _socket
name = os.path.basename(sys.argv[0])
real = os.path.join({scripts!r}, name)
if sys.argv[1:2] in (["exec"], ["serve"]):  # what has a terminal and children, or lives for long
    os.execv(real, sys.argv)
request = {{"arguments": [real, *sys.argv[1:]], "environ": dict(os.environ), "folder": os.getcwd()}}
with_descriptors = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
connection.connect({address!r})
connection.sendmsg([json.dumps(request).encode()], with_descriptors)
sys.exit(int(connection.recv(16) or 1))
"""


@contextmanager
def preforked_scripts(folder: Path) -> Iterator[Path]:
    """A folder with `resolve` and `resolver` for the path of a shell, which cost 0.03 s rather than 0.5 s.

    Args:
        folder: an empty one.
    """
    address = str(folder / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen()
        command = [sys.executable, __file__, str(listening.fileno()), "listening"]
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
    scripts = folder / "bin"
    scripts.mkdir()
    for name in ("resolve", "resolver"):
        path = scripts / name
        path.write_text(
            SCRIPT.format(python=sys.executable, scripts=str(Path(sys.executable).parent), address=address)
        )
        path.chmod(0o755)
    try:
        yield scripts
    finally:
        process.terminate()
        process.wait(timeout=60)


class Prefork:
    """Runs `resolve` and `resolver` as processes that were forked rather than started."""

    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(2)
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        self._socket = ours
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_REQUEST)

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._readers.shutdown()
        self._process.wait(timeout=60)

    def run(
        self, arguments: Sequence[str], stdin: bytes, environ: Mapping[str, str], folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; stdout and stderr are pipes of their own."""
        pipes = [os.pipe() for _ in range(3)]
        (stdin_read, stdin_write), (stdout_read, stdout_write), (stderr_read, stderr_write) = pipes
        asked = {"arguments": list(arguments), "environ": dict(environ), "folder": str(folder or Path.cwd())}
        request = json.dumps(asked).encode()
        socket.send_fds(self._socket, [request], [stdin_read, stdout_write, stderr_write])
        for descriptor in (stdin_read, stdout_write, stderr_write):
            os.close(descriptor)
        told = [self._readers.submit(_read, descriptor) for descriptor in (stdout_read, stderr_read)]
        try:
            with suppress(BrokenPipeError), os.fdopen(stdin_write, "wb") as file:
                file.write(stdin)  # it need not be read
            code = int(self._socket.recv(16))
        except BaseException:  # the test's time is over; a late answer would be taken for the next command's
            os.killpg(self._process.pid, signal.SIGABRT)
            sys.stderr.write(told[1].result())  # with the stack
            self._socket.close()
            self._process.wait(timeout=60)
            self._start()
            raise
        return subprocess.CompletedProcess(arguments, code, *(one.result() for one in told))


def _read(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode()


ROOMS = (
    "resolver.blueprint",
    "resolver.bootstrap",
    "resolver.cli",
    "resolver.client",
    "resolver.config",
    "resolver.crypto",
    "resolver.delivery",
    "resolver.dsl",
    "resolver.resolution",
    "resolver.service",
    "resolver.store",
    "resolver.transfer",
)
"""All their modules are loaded before the first fork."""

MODULES = (
    "alembic.command",
    "ctypes",
    "difflib",
    "encodings.idna",
    "jsonschema",
    "resource",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
)
"""Beside them, what they load when it is needed. What each command loaded anew would be most of its time."""


_FOR_GOOD = ExitStack()


def load() -> None:
    """Import what commands need, and have their hashes cost little."""
    for room in map(importlib.import_module, ROOMS):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if ".migrations." not in module.name:  # Alembic runs them
                importlib.import_module(module.name)
    for name in MODULES:
        importlib.import_module(name)
    sys.path.append(str(ROOT))
    cheap = importlib.import_module("tests.cheap")
    sys.path.remove(str(ROOT))
    _FOR_GOOD.enter_context(cheap.cheap_hashes())
    faulthandler.enable()
    gc.freeze()  # what is collected in a child would be copied


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


def accept(listening: socket.socket) -> NoReturn:
    """Answer whoever connects, in a process of its own for each."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        requests, _ = listening.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listening.close()
            serve(requests)
            os._exit(0)
        requests.close()


def become(
    descriptors: Sequence[int], arguments: list[str], environ: dict[str, str], folder: str
) -> NoReturn:
    """Be a console script, in another place."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    be(arguments, environ)


def be(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Be a console script."""
    from resolver.cli import main  # noqa: PLC0415 - as above

    code = 1
    try:
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = list(arguments)
        getattr(main, Path(arguments[0]).name)()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    load()
    found = socket.socket(fileno=int(sys.argv[1]))
    (accept if "listening" in sys.argv else serve)(found)
