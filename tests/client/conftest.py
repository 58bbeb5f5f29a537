"""A server on a state directory, for commands that use it from elsewhere."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.rest.app import create_app
from resolver.rest.options import ServerOptions
from tests.cheap import cheap_hashes
from tests.conftest import clean_environment
from tests.rest.conftest import running
from tests.statements import share_statements

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from tests.cli.prefork import Prefork


share_statements()


@dataclass(frozen=True)
class Cli:
    """The console scripts, with settings of their own.

    Args:
        prefork: runs them.
        environ: the settings.
    """

    prefork: Prefork
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a script; the first argument is its name."""
        environ = clean_environment() | {**self.environ, **more}
        return self.prefork.run(arguments, stdin.encode(), environ)

    def having(self, **more: str) -> Cli:
        """The same with more settings."""
        return replace(self, environ={**self.environ, **more})


def token_of(home: Path) -> str:
    """The token in a profile."""
    return str(json.loads((home / "profile").read_text())["token"])


@contextlib.contextmanager
def serving(home: Path, *, hidden_for_uploads_only: bool = False) -> Iterator[str]:
    """A server on the store in a state directory; its URL."""
    options = ServerOptions(address_rate=0, user_rate=0, hidden_for_uploads_only=hidden_for_uploads_only)
    with cheap_hashes(), contextlib.closing(open_service(Settings({}, home), server=True)) as service:
        app = create_app(service, options)
        with running(app) as url:
            yield url


@pytest.fixture(scope="session")
def served(_made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of the server that the tests share."""
    return Path(shutil.copytree(_made_home, tmp_path_factory.mktemp("served") / "home"))


@pytest.fixture(scope="module")  # its hashes are cheap for all who run meanwhile
def url(served: Path) -> Iterator[str]:
    """Where that server is."""
    with serving(served) as found:
        yield found


@pytest.fixture
def remote(prefork: Prefork, served: Path, url: str) -> Cli:
    """Commands of user admin that know of the server only, and have no state directory."""
    return Cli(
        prefork,
        {
            "RESOLVER_HOME": "/nonexistent",
            "RESOLVER_URL": url,
            "RESOLVER_TOKEN": token_of(served),
            "RESOLVER_TENANT": "default_tenant",
        },
    )
