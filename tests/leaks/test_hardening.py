"""The real console scripts: core files and dumpability are off from the start, unless a test asks."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, TENANT, clean_environment, start_script
from tests.leaks.trace import needs_strace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

PROBE = """
import atexit, ctypes, json, sys

def tell():
    with open("/proc/self/limits") as file:
        core = next(line for line in file if line.startswith("Max core file size")).split()[4:6]
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
    sys.stderr.write("PROBE " + json.dumps({"core": core, "dumpable": dumpable}) + chr(10))

atexit.register(tell)
"""
"""What a process is made to say of itself at its end, through the module that Python imports at its start."""


def _look(
    home: Path, tmp_path: Path, *command: str | Path, env: Mapping[str, str] | None = None
) -> tuple[object, str]:
    probe = tmp_path / "probe"
    probe.mkdir(exist_ok=True)
    (probe / "sitecustomize.py").write_text(PROBE)
    done = subprocess.run(
        [SCRIPTS / command[0], *command[1:]],
        env=clean_environment() | {"RESOLVER_HOME": str(home), "PYTHONPATH": str(probe)} | dict(env or {}),
        capture_output=True,
        text=True,
        preexec_fn=_allow_core_files,
        check=False,
    )
    lines = done.stderr.splitlines()
    told = next(line for line in lines if line.startswith("PROBE "))
    return json.loads(told.removeprefix("PROBE ")), "\n".join(line for line in lines if line != told)


def _allow_core_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


@pytest.mark.parametrize("command", [("resolver", "whoami"), ("resolve", "absent.yaml", "-t", TENANT)])
def test_hardened_by_default(home: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Without being asked, both scripts turn off core files and dumpability, and say nothing of it."""
    told, said = _look(home, tmp_path, *command)
    assert told == {"core": ["0", "0"], "dumpable": 0}
    assert "warning" not in said


@pytest.mark.parametrize("name", ["RESOLVER_TEST_LEAVE_DUMPABLE", "RESOLVER_LEAVE_DUMPABLE"])
def test_no_variable_leaves_it_dumpable(home: Path, tmp_path: Path, name: str) -> None:
    """There is no switch in what is shipped: tests that trace bring an entry of their own."""
    told, said = _look(home, tmp_path, "resolver", "whoami", env={name: "1"})
    assert (told, "warning" in said) == ({"core": ["0", "0"], "dumpable": 0}, False)


def test_hardening_can_be_required(home: Path) -> None:
    """Where everything could be turned off, --require-hardening changes nothing."""
    done = start_script(home, "resolver", "whoami", "--require-hardening")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_lack_is_an_error_when_required(home: Path, tmp_path: Path) -> None:
    """Where something could not be turned off it is a warning; with --require-hardening, exit code 6."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['resource'] = None\n")
    env = {"PYTHONPATH": str(tmp_path)}
    lack = "core files can't be turned off on linux"
    done = start_script(home, "resolver", "whoami", env=env)
    assert (done.returncode, done.stderr) == (0, f"warning: {lack}\n")
    done = start_script(home, "resolver", "whoami", "--require-hardening", env=env)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == f"warning: {lack}\nerror: this process is not hardened: {lack}\n"


def _traced(*command: str, env: Mapping[str, str], log: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["strace", "-f", "-e", "trace=none", "-o", log, SCRIPTS / command[0], *command[1:]],
        env=clean_environment() | dict(env),
        capture_output=True,
        text=True,
        check=False,
    )


@needs_strace
def test_a_traced_process_is_refused_when_hardening_is_required(home: Path, tmp_path: Path) -> None:
    """Who traces us from the start on is a warning, and an error where hardening is required."""
    env = {"RESOLVER_HOME": str(home)}
    done = _traced("resolver", "whoami", env=env, log=tmp_path / "log")
    lack = r"process \d+ traces this one and can read its memory"
    assert done.returncode == 0
    assert re.fullmatch(f"warning: {lack}\n", done.stderr)
    done = _traced("resolver", "whoami", "--require-hardening", env=env, log=tmp_path / "log")
    assert (done.returncode, done.stdout) == (6, "")
    assert re.fullmatch(f"warning: {lack}\nerror: this process is not hardened: {lack}\n", done.stderr)
