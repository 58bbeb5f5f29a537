"""Runs `resolver.delivery.child.run` in a process of its own, whose signals it takes over."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import resolver.delivery
from tests.conftest import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TIMEOUT = 120.0

_SUPERVISOR = """
import json, os, sys
from pathlib import Path
from resolver.delivery.child import run
from resolver.delivery.fifo import PrivateFolder, candidate_folders
from resolver.delivery.hardening import harden
from resolver.delivery.masking import needles_for
from resolver.delivery.child_input import Fifos, MemoryFiles, StdinFile, StdinPipe, numbers_in
from resolver.delivery.child_output import ChildOutput
from resolver.errors import ResolverError
folder, mode, hardened, masked, *command = sys.argv[1:]
if hardened:
    harden()
text = (Path(folder) / "text").read_bytes()
output = ChildOutput(needles_for([("key", word, ()) for word in masked.split(",")])[0]) if masked else None
try:
    if mode == "fifo":
        private = PrivateFolder(["blueprint"], candidate_folders(os.environ))
        child_input = Fifos(private, {0: text}, {0: "blueprint"})
    elif mode == "path":
        child_input = MemoryFiles({0: text})
    else:
        child_input = {"stdin": StdinFile, "pipe": StdinPipe}[mode](text)
    ended = run(command, child_input, environ=os.environ, supervisor=output)
    if mode == "fifo":
        private.close()
    report = {"code": ended.code, "signal": ended.signal, "problem": ended.problem}
except ResolverError as error:
    report = {"error": type(error).__name__, "message": error.message}
(Path(folder) / "report").write_text(json.dumps(report))
"""


@dataclass
class Supervised:
    """A running supervisor process and its command."""

    process: subprocess.Popen[bytes]
    folder: Path

    def finish(self, standard_input: bytes | None = None) -> Finished:
        """Wait for it to end."""
        out, err = self.process.communicate(standard_input, timeout=TIMEOUT)
        report = self.folder / "report"
        ending = json.loads(report.read_text()) if report.exists() else {}
        return Finished(out or b"", err or b"", ending, self.process.returncode)


@dataclass
class Finished:
    """What came of it."""

    out: bytes
    err: bytes
    ending: dict[str, Any]
    returncode: int


@pytest.fixture
def package_environ() -> dict[str, str]:
    """An environment in which a new Python finds the package under test."""
    return clean_environment() | {"PYTHONPATH": str(Path(resolver.delivery.__file__).parents[2])}


@pytest.fixture
def start(tmp_path: Path, package_environ: dict[str, str]) -> Iterator[Callable[..., Supervised]]:
    """Start a command under a supervisor; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(
        command: Sequence[str],
        *,
        text: bytes = b"password: open sesame\n",
        mode: str = "path",
        hardened: bool = False,
        masked: str = "",
        environ: dict[str, str] | None = None,
        before: Sequence[str] = (),
        **popen: Any,  # noqa: ANN401 - passed on
    ) -> Supervised:
        (tmp_path / "text").write_bytes(text)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        flag = "hardened" if hardened else ""
        process = subprocess.Popen(
            [*before, sys.executable, "-c", _SUPERVISOR, str(tmp_path), mode, flag, masked, *command],
            env={**package_environ, **(environ or {})},
            **popen,
        )
        started.append(process)
        return Supervised(process, tmp_path)

    yield start_one
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(TIMEOUT)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def supervise(start: Callable[..., Supervised]) -> Callable[..., Finished]:
    """Run a command under a supervisor to its end."""

    def supervise_one(
        command: Sequence[str],
        *,
        standard_input: bytes | None = None,
        **options: Any,  # noqa: ANN401 - passed on
    ) -> Finished:
        if standard_input is not None:
            options["stdin"] = subprocess.PIPE
        else:
            options.setdefault("stdin", subprocess.DEVNULL)
        return start(command, **options).finish(standard_input)

    return supervise_one


# A shell's part: leads a session with a terminal, runs one job in the foreground, reports what becomes of it.
SHELL = """
import fcntl, os, signal, subprocess, sys, termios
def take_terminal():
    os.tcsetpgrp(2, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = subprocess.Popen(sys.argv[1:], process_group=0, preexec_fn=take_terminal)
while True:
    _, status = os.waitpid(job.pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        print("job ended", flush=True)
        break
    print("job stopped by", os.WSTOPSIG(status), flush=True)
    sys.stdin.readline()
    os.tcsetpgrp(0, job.pid)
    os.killpg(job.pid, signal.SIGCONT)
    print("job continued", flush=True)
"""


class Terminal:
    """What a person at a terminal sees and types."""

    def __init__(self) -> None:
        self.leader, self.follower = pty.openpty()
        self.seen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.leader, text.encode())

    def expect(self, text: str) -> str:
        """Read until a text appears, at most 2 minutes; give what was before it."""
        deadline = time.monotonic() + 120
        while text not in self.seen:
            ready, _, _ = select.select([self.leader], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.leader, 1000).decode()
        before, _, self.seen = self.seen.partition(text)
        return before


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A pseudo-terminal."""
    made = Terminal()
    yield made
    os.close(made.leader)
    os.close(made.follower)
