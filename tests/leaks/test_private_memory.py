"""Who had our memory open before it was hardened: what the descriptor still shows, and what it doesn't."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, TENANT, clean_environment, run_script, start_script
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

VALUE = b"correct-horse-battery-staple"

PAUSE = """
import os
with open(os.environ["PAUSE"] + "/ready", "w") as ready:
    ready.write(str(os.getpid()))
open(os.environ["PAUSE"] + "/go").close()
"""
"""Imported by Python at its start, before any code of ours: waits until our memory was opened."""


@dataclass(frozen=True)
class Watched:
    """A process, and its memory, opened before it ran any code of ours."""

    process: subprocess.Popen[bytes]
    memory: int
    maps: int

    def holds(self, *texts: bytes) -> bool:
        """Whether any of some texts is in that memory now."""
        listed = b""
        while piece := os.read(self.maps, 1 << 16):
            listed += piece
        assert listed  # it is still there
        for line in listed.splitlines():
            start, end = (int(number, 16) for number in line.split()[0].split(b"-"))
            if b"w" in line.split()[1]:
                data = os.pread(self.memory, end - start, start)
                if any(text in data for text in texts):
                    return True
        return False


@contextmanager
def watched(home: Path, folder: Path, *command: str | Path) -> Iterator[Watched]:
    """Start a console script, and open its memory before it is hardened."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PAUSE)
    for name in ("ready", "go"):
        os.mkfifo(folder / name)
    env = clean_environment() | {
        "RESOLVER_HOME": str(home),
        "PYTHONPATH": str(folder),
        "PAUSE": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with subprocess.Popen(
        [SCRIPTS / str(command[0]), *command[1:]],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        pid = (folder / "ready").read_text()
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        maps = os.open(f"/proc/{pid}/maps", os.O_RDONLY)
        try:
            (folder / "go").write_bytes(b"")
            yield Watched(process, memory, maps)
        finally:
            os.close(memory)
            os.close(maps)
            if process.poll() is None:
                process.terminate()


@pytest.fixture
def blueprint(home: Path, tmp_path: Path) -> Path:
    """A blueprint that uses a secret."""
    done = run_script(home, "resolver", "secrets", "create", "key", "-t", TENANT, stdin=VALUE)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "blueprint.yaml"
    path.write_text("a: { get_secret: key }\n")
    return path


@pytest.mark.parametrize("required", [True, False])
def test_memory_opened_at_the_start(home: Path, tmp_path: Path, blueprint: Path, required: bool) -> None:  # noqa: FBT001
    """With --require-hardening, what was opened then shows no value; without, it does, as is documented."""
    options = ("-t", TENANT, "--mask", *(["--require-hardening"] if required else []))
    command = ("--", "sh", "-c", "echo started; read line; exit 7")
    with watched(home, tmp_path / "pause", "resolver", "exec", blueprint, *options, *command) as seen:
        assert seen.process.stdout is not None
        assert seen.process.stdout.readline() == b"started\n"
        assert seen.holds(VALUE) is not required
        seen.process.communicate(b"\n")
        assert seen.process.returncode == 7


def test_memory_of_a_server_opened_at_the_start(home: Path, tmp_path: Path) -> None:
    """A server's root key is not in the memory that could be opened, without any option."""
    text = (home / "keys" / "root.key").read_text().strip()
    key = base64.urlsafe_b64decode(text.split(":")[-1])
    with watched(home, tmp_path / "pause", "resolver", "serve", "--drain-delay", "0", "--port", "0") as seen:
        assert seen.process.stderr is not None
        assert b"listening on" in seen.process.stderr.readline()
        assert not seen.holds(text.encode(), key[:16], key[16:])
        seen.process.terminate()
        seen.process.communicate()
        assert seen.process.returncode in (0, -signal.SIGTERM)  # as far as it had come


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 - of /proc
        return [int(word) for word in file.read().split()]


def _has_ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - of /proc
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_server_ends_with_the_process_that_was_started(home: Path) -> None:
    """When that one is killed, whoever started it can start another one: the port is not kept."""
    with subprocess.Popen(
        [SCRIPTS / "resolver", "serve", "--drain-delay", "0", "--port", "0"],
        env=clean_environment() | {"RESOLVER_HOME": str(home)},
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert b"listening on" in process.stderr.readline()
        (child,) = _children(process.pid)
        process.kill()
        process.stderr.read()  # until nobody has it any more
    until(lambda: _has_ended(child))


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 3", 3), ("kill -TERM $$", -signal.SIGTERM), ("kill -KILL $$", -signal.SIGKILL)],
)
def test_the_end_is_passed_on(home: Path, blueprint: Path, script: str, code: int) -> None:
    """The exit code, or the signal, is that of the command, as without a process between."""
    options = ("-t", TENANT, "--require-hardening", "--no-mask")
    done = start_script(home, "resolver", "exec", blueprint, *options, "--", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (code, "")


def test_signals_are_passed_on(home: Path, blueprint: Path) -> None:
    """A signal to the process that was started reaches the command, once."""
    script = "trap 'echo got' USR1; trap 'echo end; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    options = ("-t", TENANT, "--require-hardening", "--no-mask")
    with subprocess.Popen(
        [SCRIPTS / "resolver", "exec", blueprint, *options, "--", "sh", "-c", script],
        env=clean_environment() | {"RESOLVER_HOME": str(home)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == b"got\n"
        process.terminate()
        assert process.stdout.read() == b"end\n"
    assert process.returncode == 5


def test_streams_are_inherited(home: Path, blueprint: Path) -> None:
    """`resolve` reads stdin and writes stdout as ever; a refusal has its exit code."""
    options = ("-t", TENANT, "--require-hardening")
    done = start_script(home, "resolve", "-", *options, stdin=blueprint.read_bytes())
    assert (done.returncode, done.stdout) == (0, f'a: "{VALUE.decode()}"\n')
    done = start_script(home, "resolve", "-", *options, stdin=b"a: { get_secret: none }\n")
    assert (done.returncode, done.stdout) == (5, "")
    assert re.search("secret 'none' was not found", done.stderr)


def test_the_job_s_log_is_known_from_the_child(home: Path, blueprint: Path) -> None:
    """What started us is asked for its output, not the process between."""
    done = subprocess.run(
        [
            "sh",
            "-c",
            '"$0" "$1" -t "$2" --require-hardening; exit $?',
            SCRIPTS / "resolve",
            blueprint,
            TENANT,
        ],
        env=clean_environment() | {"RESOLVER_HOME": str(home), "TF_BUILD": "True"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("error: stdout is the output of the CI job's own shell")
