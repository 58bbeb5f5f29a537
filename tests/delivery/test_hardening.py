"""What `harden` does to a process, seen from within a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from resolver.delivery import hardening

LOOK = """
import ctypes, json, resource, subprocess, sys
from resolver.delivery.hardening import harden
look = "import ctypes, resource; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(4))"
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
lacks = harden()
child = subprocess.check_output([sys.executable, "-c", look], text=True).split()
print(json.dumps({
    "lacks": lacks,
    "before": before,
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "child": child,
    "again": harden(),
}))
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="dumpability is Linux's")


def look(package_environ: dict[str, str]) -> dict[str, object]:
    """What a new process says of itself before and after `harden`."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env=package_environ,
        capture_output=True,
        check=True,
    )
    seen: dict[str, object] = json.loads(done.stdout)
    return seen


@linux_only
def test_core_files_and_dumpability_are_off(package_environ: dict[str, str]) -> None:
    """By default both are off; a program that is then started is dumpable, but leaves no core file."""
    assert look(package_environ) == {
        "lacks": [],
        "before": 1,
        "dumpable": 0,
        "core": [0, 0],
        "child": ["1", "0", "0"],
        "again": [],
    }


@linux_only
def test_ignored_prctl_is_a_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process is dumpable after all, that is reported."""
    monkeypatch.setattr(hardening, "_PR_SET_DUMPABLE", 3)  # asks instead of sets
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    (lack,) = hardening.harden()
    assert lack == (
        "other processes of the same user could not be kept from reading this one's memory: prctl was refused"
    )


def test_refused_core_limit_is_a_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the core limit can't be set, that is reported, with the system's reason."""

    def refuse(_limit: int, _values: tuple[int, int]) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr(hardening, "_turn_off_dumpability", str)
    lacks = hardening.harden()
    assert lacks == ["core files could not be turned off: [Errno 1] Operation not permitted"]


def test_other_platforms_lack_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform without the means is named in each sentence."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert hardening.harden() == [
        "core files can't be turned off on win32",
        "other processes of the same user can't be kept from reading this one's memory on win32",
    ]
