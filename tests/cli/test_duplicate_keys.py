"""`--allow-duplicate-keys`, and duplicate keys that are warnings, in commands and in Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resolver import open_resolver
from resolver.errors import BlueprintError
from tests.conftest import TENANT, run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

TWICE = "a: {get_secret: nope}\na: {get_secret: k}\n"
LAST = 'a: {get_secret: nope}\na: "v"\n'


@pytest.fixture
def cli(admin: Cli, tmp_path: Path) -> Cli:
    """A store with one secret, beside `twice.yaml`, `equal.yaml` and `lib.yaml`."""
    admin.prints("secrets", "create", "k", "-s", "v")
    (tmp_path / "twice.yaml").write_text(TWICE)
    (tmp_path / "equal.yaml").write_text("a: {get_secret: k}\na: {get_secret: k}\n")
    (tmp_path / "main.yaml").write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\nimports: [lib.yaml]\nb: {get_secret: k}\n"
    )
    (tmp_path / "lib.yaml").write_text("inputs: {i: {default: 1}, i: {default: 2}}\n")
    return admin


def refuses(cli: Cli, *arguments: str) -> tuple[int, str]:
    """Exit code and words of a run of `resolve` that must fail."""
    done = cli.run("resolve", *arguments)
    assert done.returncode != 0
    return done.returncode, done.stdout + done.stderr


def test_resolve_and_check(cli: Cli, tmp_path: Path) -> None:
    """Refused without the option; with it the last one counts, alone, and both places are warned of."""
    path = f"{tmp_path}/twice.yaml"
    code, said = refuses(cli, path, "-t", TENANT)
    assert code == 3
    assert f"first at {path}:1:1 [duplicate_key]" in said
    assert refuses(cli, path, "--check", "-t", TENANT)[0] == 3
    done = cli.run("resolve", path, "-t", TENANT, "--allow-duplicate-keys")
    assert (done.returncode, done.stdout) == (0, LAST)
    assert (
        f"warning: the key 'a' is there twice in one mapping, the last of which counts, first at {path}:1:1"
        in (done.stderr)
    )
    done = cli.run("resolve", path, "-t", TENANT, "--allow-duplicate-keys", "--format", "json")
    assert json.loads(done.stdout) == {"a": "v"}
    checked = cli.run(
        "resolve", path, "--check", "-t", TENANT, "--allow-duplicate-keys", "--diagnostics", "json"
    )
    document = json.loads(checked.stdout)
    assert (checked.returncode, [call["key"] for call in document["calls"]]) == (0, ["k"])
    assert [warning["line"] for warning in document["warnings"]] == [2]


def test_sarif_finds_the_region(cli: Cli, tmp_path: Path) -> None:
    """A report with regions reads such a text, too."""
    done = cli.run(
        *("resolve", f"{tmp_path}/equal.yaml", "-t", TENANT, "--check"),
        *("--diagnostics", "sarif", "--fail-on", "duplicate-key"),
    )
    (result,) = json.loads(done.stdout)["runs"][0]["results"]
    assert (done.returncode, result["level"]) == (3, "error")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2


def test_equal_values(cli: Cli, tmp_path: Path) -> None:
    """Equal values are resolved with a warning: what counts is replaced, what doesn't stays."""
    done = cli.run("resolve", f"{tmp_path}/equal.yaml", "-t", TENANT)
    assert (done.returncode, done.stdout) == (0, 'a: {get_secret: k}\na: "v"\n')
    assert "with the same value, first at" in done.stderr
    assert refuses(cli, f"{tmp_path}/equal.yaml", "-t", TENANT, "--fail-on", "duplicate-key")[0] == 3


def test_imported_files(cli: Cli, tmp_path: Path) -> None:
    """The option holds for imported files, too."""
    path = f"{tmp_path}/main.yaml"
    assert refuses(cli, path, "-t", TENANT)[0] == 3
    done = cli.run("resolve", path, "-t", TENANT, "--allow-duplicate-keys")
    assert done.returncode == 0
    assert f"--> {tmp_path}/lib.yaml:1:" in done.stderr


def test_inputs_files(cli: Cli, tmp_path: Path) -> None:
    """A file of inputs never has a key twice, not even with the same value."""
    (tmp_path / "inputs.yaml").write_text("a: 1\na: 1\n")
    code, said = refuses(
        cli,
        *(f"{tmp_path}/equal.yaml", "-t", TENANT, "--allow-duplicate-keys"),
        *("-i", f"{tmp_path}/inputs.yaml"),
    )
    assert (code, "has a key twice in one mapping" in said) == (3, True)


def test_python(cli: Cli, tmp_path: Path) -> None:
    """The Python interface has the option under the same name."""
    token = cli.prints("tokens", "create", "--quiet").strip()
    resolver = open_resolver(cli.home, token=token)
    try:
        caller = resolver.authenticate()
        with pytest.raises(BlueprintError):
            resolver.resolve(TWICE, tenant=TENANT, caller=caller)
        resolved = resolver.resolve(TWICE, tenant=TENANT, caller=caller, allow_duplicate_keys=True)
        assert (resolved.text(), resolved.data) == (LAST, {"a": "v"})
    finally:
        resolver.close()
    assert tmp_path.is_dir()


@pytest.mark.slow
def test_exec(cli: Cli, tmp_path: Path) -> None:
    """`exec` has the option, too."""
    arguments = ["exec", f"{tmp_path}/twice.yaml", "-t", TENANT]
    assert run_script(cli.home, "resolver", *arguments, "--", "cat", "{}").returncode == 125
    done = run_script(
        cli.home, "resolver", *arguments, "--allow-duplicate-keys", "--no-mask", "--", "cat", "{}"
    )
    assert (done.returncode, done.stdout) == (0, LAST)
