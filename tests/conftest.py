"""What all tests share: an initialised store, and the commands run as a user runs them."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from resolver.delivery.log_sources import CI_VARIABLES
from tests import environments, openbao
from tests.cli.prefork import Prefork

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPTS = Path(sys.executable).parent
TENANT = "default_tenant"

SLOW = ("console", "corpus", "fuzz", "orchestrators", "store")
"""Folders that the fast half of the suite leaves out, beside modules so marked and what needs PostgreSQL."""

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that are free in a file system in memory which temporary files are put into."""


def pytest_configure() -> None:
    """Have what all tests and commands begin with as they need it."""
    environments.name_all()
    _heed_signals()
    _write_to_memory()


def _heed_signals() -> None:
    """Heed signals that a run behind `nohup` or `&` ignores: every command would ignore them, too."""
    defaults = {
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    for number, default in defaults.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def _write_to_memory() -> None:
    """Let temporary files be where writing to the disk takes no time, unless TMPDIR says where.

    A third of the time of tests of a store is SQLite waiting for the disk at each commit.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    at = os.statvfs(MEMORY)
    if at.f_bavail * at.f_frsize > ROOM and not at.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is not part of the fast half."""
    slow = tuple(Path(__file__).parent / name for name in SLOW)
    for item in items:
        if "postgresql" in item.name or any(map(item.path.is_relative_to, slow)):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 - an optional plugin's
    """Give each worker a half of the modules in a row, of which the other one takes what is left at the end.

    By default they take turns, and make what belongs to a module twice.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling  # noqa: PLC0415 - only with `-n`

    return WorkStealingScheduling(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the environments that the tests to be run need, or skip them with a reason."""
    for variable in environments.REQUIREMENTS:
        needing = [item for item in session.items if variable in _told(item)]
        if needing and not session.config.option.collectonly and (reason := environments.demand(variable)):
            for item in needing:
                item.add_marker(pytest.mark.skip(reason=reason))


def _told(item: pytest.Item) -> str:
    """What a test says of the environment that it needs."""
    reasons = [str(marker.kwargs.get("reason", "")) for marker in item.iter_markers("skipif")]
    return " ".join([*reasons, str(getattr(getattr(item, "module", None), "VARIABLE", ""))])


def pytest_unconfigure() -> None:
    """End what was started for all tests of this process."""
    openbao.stop()
    if _prefork.cache_info().currsize:
        _prefork().close()


class Run(Protocol):
    """Runs `resolve` or `resolver`."""

    def __call__(
        self,
        *arguments: str | Path,
        stdin: bytes | str = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
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


def start_script(
    home: Path,
    *arguments: str | Path,
    stdin: bytes | str = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 250,
) -> subprocess.CompletedProcess[str]:
    """Start a console script on a store as a user does; stdout and stderr are pipes of their own."""
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


@functools.cache
def _prefork() -> Prefork:
    return Prefork()


def run_script(
    home: Path,
    *arguments: str | Path,
    stdin: bytes | str = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """The same in a process that is forked from one which has all imported, in a tenth of the time.

    For what depends on how Python starts, as its own variables and what is imported, it is the wrong one.
    """
    environ = clean_environment() | {"RESOLVER_HOME": str(home)} | dict(env or {})
    given = stdin.encode() if isinstance(stdin, str) else stdin
    return _prefork().run(list(map(str, arguments)), given, environ, cwd)


@pytest.fixture(scope="session")
def prefork() -> Prefork:
    """The process that commands are forked from."""
    return _prefork()


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
    """Runs commands on the store in `home`, forked ones."""
    return functools.partial(run_script, home)
