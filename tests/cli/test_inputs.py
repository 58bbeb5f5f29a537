"""Inputs on the command line: types, constraints, names of secrets, and `--check --strict`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import TENANT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli
    from tests.conftest import Run

pytestmark = pytest.mark.slow

VALUE = "s3cr3t-value"
BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_4
inputs:
  port:
    type: integer
    default: 1
    constraints: [{ in_range: [1, 65535] }]
  zone: { type: string, default: a0, constraints: [{ pattern: '[a-z][0-9]+$' }] }
  named: { type: secret_key, default: k }
node_templates:
  vm:
    type: t
    properties: { a: { get_secret: k } }
"""


@pytest.fixture
def blueprint(tmp_path: Path, admin: Cli) -> Path:
    """A blueprint with inputs that are not easily pleased; its secrets are there."""
    for key in ("k", "other"):
        admin.prints("secrets", "create", key, "-s", VALUE)
    path = tmp_path / "b.yaml"
    path.write_text(BLUEPRINT)
    return path


def refused(run: Run, *words: str | Path) -> tuple[int, list[str]]:
    """Exit code and errors of a run that puts nothing on stdout."""
    done = run("resolve", *words, "-t", TENANT)
    assert done.stdout == ""
    assert VALUE not in done.stderr
    return done.returncode, [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_fitting_inputs_are_taken(run: Run, blueprint: Path) -> None:
    """Inputs that fit let the blueprint through; what names a secret is neither placed nor told as used."""
    done = run("resolve", blueprint, "-t", TENANT, "-i", "port=443", "-i", "zone=b12", "-i", "named=other")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == BLUEPRINT.replace("{ get_secret: k }", f'"{VALUE}"')


def test_all_that_does_not_fit_is_told_together(run: Run, blueprint: Path) -> None:
    """Wrong types, broken constraints and unknown names are one report, without any given value."""
    given = ["-i", f"port={VALUE}", "-i", f"zone={VALUE}", "-i", f"nope={VALUE}", "-i", f"named={VALUE}!"]
    assert refused(run, blueprint, *given) == (
        3,
        [
            "error: input 'nope' is not declared [bad_input]",
            "error: the value given for input 'port' is text, not a whole number [bad_input]",
            "error: the value given for input 'zone' must match the pattern '[a-z][0-9]+$' [bad_input]",
            "error: the value given for input 'named' can't be the key of a secret [bad_input]",
            "error: 4 problems found, nothing was resolved",
        ],
    )


def test_places_of_inputs(run: Run, blueprint: Path) -> None:
    """A problem with an input points at its declaration."""
    done = run("resolve", blueprint, "-t", TENANT, "-i", "port=0")
    assert f"--> {blueprint}:3:3  inputs.port" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        BLUEPRINT.partition("\n")[2],
        BLUEPRINT + "imports: ['https://example.com/inputs.yaml']\n",
    ],
    ids=["a fragment", "an import that is not here"],
)
def test_unknown_inputs_are_let_through_where_they_may_be_declared(
    run: Run, blueprint: Path, text: str
) -> None:
    """An input may be declared by what imports the text, or by an import that is left to the manager."""
    blueprint.write_text(text)
    assert run("resolve", blueprint, "-t", TENANT, "-i", "nope=1").returncode == 0


def test_unknown_inputs_are_refused_beside_plugins(run: Run, blueprint: Path) -> None:
    """Plugins and the base types declare no inputs; local imports are read."""
    blueprint.with_name("more.yaml").write_text("inputs: { local: { type: integer } }\n")
    blueprint.write_text(BLUEPRINT + "imports: [cloudify/types/types.yaml, 'plugin:x', more.yaml]\n")
    assert run("resolve", blueprint, "-t", TENANT, "-i", "local=1").returncode == 0
    assert refused(run, blueprint, "-i", "nope=1")[0] == 3
    code, errors = refused(run, blueprint, "-i", "local=a")
    assert (code, errors[0]) == (
        3,
        "error: the value given for input 'local' is text, not a whole number [bad_input]",
    )


@pytest.mark.parametrize("check", [(), ("--check",)], ids=["resolve", "check"])
def test_a_secret_that_an_input_names_must_be_there(
    run: Run, blueprint: Path, check: tuple[str, ...]
) -> None:
    """A secret_key input names a secret that the caller may use; the given name is not repeated."""
    done = run("resolve", blueprint, "-t", TENANT, *check, "-i", "named=absent-one")
    assert done.returncode == 5
    said = done.stdout + done.stderr
    assert "error: secret <from input named> was not found in tenant 'default_tenant'" in said
    assert f"{blueprint}:8:3  inputs.named" in said
    assert "absent-one" not in said


def test_a_secret_that_is_only_named_is_not_recorded_as_used(run: Run, blueprint: Path, admin: Cli) -> None:
    """The audit trail tells of the secret that was used, and of a refused name; not of one that was named."""
    before = admin.prints("audit", "list", "-t", TENANT).count("secret:use")
    run("resolve", blueprint, "-t", TENANT, "-i", "named=other")
    used = [line for line in admin.prints("audit", "list", "-t", TENANT).splitlines() if "secret:use" in line]
    assert len(used) == before + 1
    assert "other" not in used[-1]
    run("resolve", blueprint, "-t", TENANT, "-i", "named=absent-one")
    assert "<from input named>" in admin.prints("audit", "list", "-t", TENANT).splitlines()[-1]


def test_another_users_private_secret_can_not_be_named(run: Run, blueprint: Path, admin: Cli) -> None:
    """A secret that the caller may not see is not found, whoever asks by naming it in an input."""
    admin.prints("secrets", "create", "mine", "-s", VALUE, "-l", "private")
    user = admin.as_user("ann", role="user")
    done = user.run("resolve", str(blueprint), "-t", TENANT, "-i", "named=mine")
    assert done.returncode == 5
    assert run("resolve", blueprint, "-t", TENANT, "-i", "named=mine").returncode == 0


def test_strict(run: Run, blueprint: Path) -> None:
    """`--check --strict` adds what breaks the schema or the rules; without `--strict` it is let through."""
    right = BLUEPRINT.replace("secret_key, default: k", "secret_key, required: false")
    right += "node_types: { t: { properties: { a: {} } } }\n"
    blueprint.write_text(right.replace("    type: t\n", "    typ: t\n"))
    assert run("resolve", blueprint, "-t", TENANT, "--check").returncode == 0
    done = run("resolve", blueprint, "--check", "--strict", "--offline")
    assert done.returncode == 3
    assert "error: 'typ' is not known here; known are type, properties, interfaces" in done.stdout
    assert f"{blueprint}:11:5  node_templates.vm.typ" in done.stdout
    blueprint.write_text(right)
    assert run("resolve", blueprint, "--check", "--strict", "--offline").returncode == 0
    blueprint.write_text(right.replace("    type: t\n", "    type: tt\n"))
    assert run("resolve", blueprint, "-t", TENANT, "--check").returncode == 0
    done = run("resolve", blueprint, "--check", "--strict", "--offline")
    assert done.returncode == 3
    assert "error: node type 'tt' is not defined [bad_definition]" in done.stdout


def test_strict_goes_with_check(run: Run, blueprint: Path) -> None:
    """`--strict` without `--check` is a usage error."""
    code, errors = refused(run, blueprint, "--strict")
    assert (code, errors) == (2, ["error: --strict goes with --check"])
