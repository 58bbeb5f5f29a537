"""The real console scripts: core files and dumpability are off from the start, unless a test asks."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, TENANT, clean_environment, run_script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

WARNING = (
    "warning: RESOLVER_TEST_LEAVE_DUMPABLE is set, "
    "so other processes of this user can read values from memory"
)
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


def test_left_dumpable_for_tests_only(home: Path, tmp_path: Path) -> None:
    """The switch for tests leaves the process dumpable, announces itself, and still turns off core files."""
    told, said = _look(home, tmp_path, "resolver", "whoami", env={"RESOLVER_TEST_LEAVE_DUMPABLE": "1"})
    assert told == {"core": ["0", "0"], "dumpable": 1}
    assert said.splitlines()[0] == WARNING


def test_hardening_can_be_required(home: Path) -> None:
    """Where everything could be turned off, --require-hardening changes nothing."""
    done = run_script(home, "resolver", "whoami", "--require-hardening")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_lack_is_an_error_when_required(home: Path, tmp_path: Path) -> None:
    """Where something could not be turned off it is a warning; with --require-hardening, exit code 6."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['resource'] = None\n")
    env = {"PYTHONPATH": str(tmp_path)}
    lack = "core files can't be turned off on linux"
    done = run_script(home, "resolver", "whoami", env=env)
    assert (done.returncode, done.stderr) == (0, f"warning: {lack}\n")
    done = run_script(home, "resolver", "whoami", "--require-hardening", env=env)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == f"warning: {lack}\nerror: this process is not hardened: {lack}\n"
