"""Standard streams that are closed or fail: told in words, and nothing goes where it does not belong."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, TENANT, clean_environment, run_script

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Linux's devices")]


def shell(home: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell where `resolver` and `resolve` are found."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env=clean_environment() | {"RESOLVER_HOME": str(home), "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("resolver tenants list >&-", "stdout can't be written: Bad file descriptor"),
        ("resolver --help >&-", "stdout can't be written: Bad file descriptor"),
        ("resolver --help >/dev/full", "stdout can't be written: No space left on device"),
        ("resolver whoami >/dev/full", "stdout can't be written: No space left on device"),
    ],
)
def test_output_that_is_lost_is_told(home: Path, line: str, message: str) -> None:
    """A command whose words can't be written says so and ends with 1, without a traceback."""
    done = shell(home, line)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {message}\n")


@pytest.mark.parametrize("line", ["whoami", "--help", "audit list --system", "secrets list --format json"])
def test_a_reader_that_goes_away_is_no_failure(home: Path, line: str) -> None:
    """`resolver ... | head` says nothing, and ends as a command does that SIGPIPE ended."""
    done = shell(home, f"resolver {line} | true")
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


def test_resolved_text_that_is_lost_is_told(home: Path, tmp_path: Path) -> None:
    """The reader of a pipe that ends early makes `resolve` fail, so `pipefail` sees it."""
    (tmp_path / "b.yaml").write_text("".join(f"k{number}: {'x' * 80}\n" for number in range(5000)))
    done = shell(home, f"resolve {shlex.quote(str(tmp_path / 'b.yaml'))} -t {TENANT} | true")
    assert (done.returncode, done.stdout) == (141, "")
    assert done.stderr == "error: the reader of stdout went away before everything was written\n"


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
def test_messages_without_stderr_never_go_to_stdout(home: Path, tmp_path: Path, closed: str) -> None:
    """With stderr closed or failing, stdout holds the resolved text alone, and the exit codes stay."""
    run_script(home, "resolver", "secrets", "create", "k", "-s", "v")
    (tmp_path / "b.yaml").write_text("imports: [elsewhere/types.yaml]\na: { get_secret: k }\n")
    blueprint = shlex.quote(str(tmp_path / "b.yaml"))
    done = shell(home, f"resolve {blueprint} -t {TENANT} {closed} | cat")
    assert (done.returncode, done.stdout) == (0, 'imports: [elsewhere/types.yaml]\na: "v"\n')
    done = shell(home, f"resolver secrets get x {closed} | cat")
    assert (done.returncode, done.stdout) == (5, "")


@pytest.mark.parametrize("command", [f"resolve - -t {TENANT}", "resolver secrets create k"])
def test_a_closed_stdin_is_a_usage_error(home: Path, command: str) -> None:
    """What is to be read from a closed stdin is missing, rather than empty."""
    done = shell(home, f"{command} <&- | cat")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: stdin can't be read: Bad file descriptor\n"


def test_no_file_gets_the_number_of_a_closed_stream(home: Path, tmp_path: Path) -> None:
    """A command that `exec` starts without stdin and stdout has neither, and no file of ours for them."""
    run_script(home, "resolver", "secrets", "create", "k", "-s", "v")
    (tmp_path / "b.yaml").write_text("a: { get_secret: k }\n")
    look = "import os, sys; print(*(os.path.exists(f'/proc/self/fd/{n}') for n in range(9)), file=sys.stderr)"
    command = shlex.join([sys.executable, "-c", look])
    blueprint = shlex.quote(str(tmp_path / "b.yaml"))
    done = shell(home, f"resolver exec {blueprint} -t {TENANT} -- {command} <&- >&-")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.split() == ["False", "False", "True", *["False"] * 6]
