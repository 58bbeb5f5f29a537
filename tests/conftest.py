"""What all tests share: an initialised store, and the commands run as a user runs them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from resolver.delivery.log_sources import CI_VARIABLES
from tests import openbao

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPTS = Path(sys.executable).parent
TENANT = "default_tenant"

SLOW = ("console", "corpus", "fuzz", "orchestrators", "store")
"""Folders that the fast half of the suite leaves out, beside modules so marked and what needs PostgreSQL."""


def pytest_configure() -> None:
    """Heed signals that a run behind `nohup` or `&` ignores: every command would ignore them, too."""
    defaults = {
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    for number, default in defaults.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is not part of the fast half."""
    slow = tuple(Path(__file__).parent / name for name in SLOW)
    for item in items:
        given = getattr(item, "callspec", None)
        if (given and "postgresql" in given.params.values()) or any(map(item.path.is_relative_to, slow)):
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure() -> None:
    """End what was started for all tests of this process."""
    openbao.stop()


class Run(Protocol):
    """Runs `resolve` or `resolver`."""

    def __call__(
        self,
        *arguments: str | Path,
        stdin: bytes | str = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 250,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; the first argument is the script's name."""


def clean_environment() -> dict[str, str]:
    """The environment without settings of the resolver, and without what marks a log."""
    dropped = {*CI_VARIABLES, "JOURNAL_STREAM"}
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RESOLVER_", "RESOLVED_")) and name not in dropped
    }


def run_script(
    home: Path,
    *arguments: str | Path,
    stdin: bytes | str = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 250,
) -> subprocess.CompletedProcess[str]:
    """Run a console script on a store; stdout and stderr are pipes of their own."""
    script, *rest = arguments
    done = subprocess.run(
        [SCRIPTS / str(script), *rest],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=clean_environment() | {"RESOLVER_HOME": str(home)} | dict(env or {}),
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def _made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made") / "home"
    done = run_script(home, "resolver", "init")
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(_made_home: Path, tmp_path: Path) -> Path:
    """A state directory as `resolver init` makes it; the profile is user admin's."""
    copy = tmp_path / "home"
    shutil.copytree(_made_home, copy)
    return copy


@pytest.fixture
def run(home: Path) -> Run:
    """Runs commands on the store in `home`."""

    def runner(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        return run_script(home, *arguments, **options)  # type: ignore[arg-type]

    return runner  # type: ignore[return-value]
