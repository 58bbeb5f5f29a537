"""What the tests of reports share: a store with one secret, and blueprints that are good and bad."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Cli
from tests.conftest import TENANT

if TYPE_CHECKING:
    from tests.cli.prefork import Prefork

TWO = """\
inputs: {name: {}}
a: {get_secret: db_pasword}
b: {get_secret: {get_input: name}}
"""
TWO_MESSAGES = [
    (
        "secret_not_found",
        f"secret 'db_pasword' was not found in tenant '{TENANT}'",
        f"did you mean 'db_password'? `resolver secrets list -t {TENANT}` shows what there is",
    ),
    (
        "bad_input",
        "input 'name' has no value",
        "give it with --inputs NAME=VALUE, or a default in the blueprint",
    ),
]


@pytest.fixture(scope="module")
def stored(prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with one secret, made once for all tests here."""
    home = tmp_path_factory.mktemp("stored") / "home"
    shutil.copytree(_made_home, home)
    Cli(prefork, home).prints("secrets", "create", "db_password", "-s", "a-secret-value")
    return home


@pytest.fixture
def home(stored: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(stored, tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `two.yaml`, which has two problems, and `good.yaml`, which has none."""
    (tmp_path / "two.yaml").write_text(TWO)
    (tmp_path / "good.yaml").write_text("a: {get_secret: db_password}\n")
    return tmp_path


def diagnose(cli: Cli, folder: Path, form: str, *arguments: str, name: str = "two.yaml") -> tuple[int, str]:
    """Resolve a blueprint that is refused; the exit code and what is on stderr, without the folder's name."""
    done = cli.run("resolve", f"{folder}/{name}", "-t", TENANT, "--diagnostics", form, *arguments)
    assert done.stdout == ""
    assert "a-secret-value" not in done.stderr
    return done.returncode, done.stderr.replace(f"{folder}/", "")
