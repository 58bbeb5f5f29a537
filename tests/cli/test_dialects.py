"""Which language a blueprint is read as: its version says so, then `--dialect`, then `config.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import TENANT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

YORC = "tosca_definitions_version: tosca_simple_yaml_1_3\na: {{ get_vault_secret: [team/db{}] }}\n"


@pytest.fixture
def blueprint(admin: Cli, tmp_path: Path) -> Path:
    """A blueprint of Yorc's, whose path is a key here."""
    admin.prints("secrets", "create", "team--db", "-s", '{"password": "the value"}')
    path = tmp_path / "b.yaml"
    path.write_text(YORC.format(", data=password"))
    return path


def resolved(admin: Cli, blueprint: Path, *options: str) -> tuple[int, list[str], list[str]]:
    """Exit code, last line of stdout, first line of stderr."""
    done = admin.run("resolve", str(blueprint), "-t", TENANT, *options)
    return done.returncode, done.stdout.splitlines()[-1:], done.stderr.splitlines()[:1]


def test_the_option_and_the_setting(admin: Cli, blueprint: Path) -> None:
    """Either names it, the option first; without one such a call is data."""
    kept = blueprint.read_text().splitlines()[-1]
    warning = ["warning: 'get_vault_secret' is no function, and nothing is resolved here [near_miss]"]
    assert resolved(admin, blueprint) == (0, [kept], warning)
    assert resolved(admin, blueprint, "--dialect", "yorc") == (0, ['a: "the value"'], [])
    config = admin.home / "config.yaml"
    config.write_text("dialect: yorc\n")
    config.chmod(0o600)
    assert resolved(admin, blueprint) == (0, ['a: "the value"'], [])
    assert resolved(admin, blueprint, "--dialect", "tosca_1") == (0, [kept], warning)


def test_what_is_refused(admin: Cli, blueprint: Path) -> None:
    """Names that there are not, versions that are not known, and paths that two keys could stand for."""
    code, _, said = resolved(admin, blueprint, "--dialect", "french")
    assert (code, said[0].startswith("error: invalid value for '--dialect', choose from ")) == (2, True)
    config = admin.home / "config.yaml"
    config.write_text("dialect: french\n")
    config.chmod(0o600)
    assert resolved(admin, blueprint)[0] == 2
    config.unlink()
    blueprint.write_text("tosca_definitions_version: tosca_9_9\na: { get_secret: k }\n")
    code, _, said = resolved(admin, blueprint)
    assert (code, said) == (
        3,
        ["error: the tosca_definitions_version 'tosca_9_9' is not known [unknown_version]"],
    )
    blueprint.write_text(YORC.replace("team/db", "team--db").format(""))
    assert resolved(admin, blueprint, "--dialect", "yorc")[0] == 3
