"""Environments with programs of others, which tests compare with or serve.

A test that needs one names its variable in the reason for which it is skipped without, or its module does in
`VARIABLE`. Where that variable is not set, the environment is made when such a test is first to run, and kept
in `.cache` of the checkout; without an index to install from these tests are skipped. An empty variable skips
them, too. `.ci/run` makes them itself: `python tests/environments.py NAME` prints what is installed in one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "environments"

_GENERATORS = (ROOT / "tests" / "rest" / "generators.txt").read_text(encoding="utf-8").splitlines()

REQUIREMENTS = {
    # cloudify-common imports pkg_resources, which later setuptools no longer bring.
    "RESOLVER_TEST_CLOUDIFY_PYTHON": (
        *("cloudify-common[dispatcher]==7.0.5", "networkx", "PyYAML!=6.0.4", "cryptography", "setuptools<81"),
    ),
    "RESOLVER_TEST_CFY_PYTHON": ("cloudify==7.0.5", "setuptools<81"),
    "RESOLVER_TEST_TOSCA_PYTHON": ("tosca-parser==2.15.0", "setuptools<81"),
    "RESOLVER_TEST_GENERATORS_PYTHON": tuple(line for line in _GENERATORS if not line.startswith("#")),
}
"""What is installed in each environment, by the variable that names its Python."""

WITH_PACKAGE = "RESOLVER_TEST_CLOUDIFY_PYTHON"
"""This one has our package, too: the adapter for Cloudify needs both."""

_AGAIN = 600
"""Seconds for which nobody tries again what could not be installed."""


def folder_of(variable: str) -> Path:
    """Where an environment is kept: another one for other requirements, and for another Python."""
    wanted = repr((REQUIREMENTS[variable], sys.version_info[:2], str(ROOT)))
    name = variable.removeprefix("RESOLVER_TEST_").removesuffix("_PYTHON").lower()
    return CACHE / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def python_of(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / "bin" / "python"


def name_all() -> None:
    """Have each variable name a Python, whether it is made or not."""
    for variable in REQUIREMENTS:
        os.environ.setdefault(variable, str(python_of(folder_of(variable))))


def make(folder: Path, requirements: Sequence[str]) -> None:
    """Make an environment.

    Raises:
        CalledProcessError: something could not be installed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    install = (
        python_of(folder),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--retries",
        "1",
        "--disable-pip-version-check",
    )
    subprocess.run([*install, *requirements], check=True, capture_output=True)


def demand(variable: str) -> str:
    """See that the Python of a variable is there; the reason why it is not, or empty."""
    folder = folder_of(variable)
    if os.environ[variable] != str(python_of(folder)):
        return ""  # somebody's own
    whole, failed = folder / "whole", folder.with_suffix(".failed")
    if whole.exists():
        return ""
    with _locked(folder.with_suffix(".lock")):
        if whole.exists():
            return ""
        if not failed.exists() or time.time() - failed.stat().st_mtime > _AGAIN:
            more = (f"{ROOT}[cloudify]",) if variable == WITH_PACKAGE else ()
            editable = ("--editable", *more) if more else ()
            try:
                make(folder, [*REQUIREMENTS[variable], *editable])
            except subprocess.CalledProcessError:
                failed.touch()
            else:
                whole.touch()
                return ""
    return f"{variable} names no Python, and none could be made: is there an index to install from?"


@contextlib.contextmanager
def _locked(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(*REQUIREMENTS[f"RESOLVER_TEST_{sys.argv[1].upper()}_PYTHON"], sep="\n")  # noqa: T201 - what it is for
