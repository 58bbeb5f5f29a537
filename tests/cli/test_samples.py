"""The sample blueprints, the values stored for them, and what their page says of them fit together."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.blueprint.reader import read
from resolver.cli.samples import SAMPLE_SECRETS
from resolver.core.model import SecretValue
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Reason
from resolver.dsl.values import GivenInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.dsl.key_use import KeyUse

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "sample_blueprints"
GOOD = sorted(path for path in FOLDER.glob("*.yaml") if not path.stem.startswith("invalid"))


def plan_of(path: Path, inputs: Mapping[str, str] | None = None) -> tuple[Plan, set[str]]:
    """Run the plan of a blueprint with the sample values; the plan at its end, and the keys it asked for."""
    given = {name: GivenInput(value) for name, value in (inputs or {}).items()}
    plan = Plan([read(path.read_bytes(), path.name)], given)
    asked: set[str] = set()
    while uses := plan.advance():
        new = {use.key for use in uses} - asked
        if not new:
            break
        asked |= new
        plan.supply({key: SecretValue(SAMPLE_SECRETS[key]) for key in new & SAMPLE_SECRETS.keys()})
        for use in uses:
            if use.key not in SAMPLE_SECRETS:
                refuse(plan, use)
    return plan, asked


def refuse(plan: Plan, use: KeyUse) -> None:
    """Report a key that has no sample value."""
    plan.refuse(use, Reason.NOT_FOUND, "no such sample")


def test_there_are_samples() -> None:
    """The folder is where this test looks, and has at least six blueprints that resolve."""
    assert len(GOOD) >= 6


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_sample_asks_for_stored_keys_only(path: Path) -> None:
    """Every sample has calls, all keys they ask for have a value, and all paths lead somewhere."""
    plan, asked = plan_of(path)
    assert plan.problems == []
    assert plan.survey()
    assert asked <= SAMPLE_SECRETS.keys()


def problems_of(name: str) -> list[tuple[str | int, Reason]]:
    """The problems of a blueprint: the node each is in, and its reason."""
    plan, _ = plan_of(FOLDER / name)
    return [(problem.path[1], problem.reason) for problem in plan.problems]


def test_the_invalid_sample_is_refused() -> None:
    """The invalid sample has one problem in each of its nodes."""
    assert sorted(problems_of("invalid.yaml")) == [
        ("argument_is_a_number", Reason.BAD_ARGUMENT),
        ("argument_is_no_function", Reason.BAD_ARGUMENT),
        ("known_only_at_run_time", Reason.NOT_KNOWN_YET),
        ("list_too_short", Reason.BAD_ARGUMENT),
        ("missing_secret", Reason.NOT_FOUND),
        ("not_a_call", Reason.NOT_A_CALL),
        ("unknown_input", Reason.BAD_INPUT),
    ]


def test_the_sample_with_wrong_paths_is_refused() -> None:
    """The sample with wrong paths has one problem in each of its nodes, once the values are there."""
    assert sorted(problems_of("invalid_paths.yaml")) == [
        ("path_into_plain_text", Reason.NOT_JSON),
        ("path_leads_nowhere", Reason.NO_SUCH_STEP),
        ("step_of_the_wrong_kind", Reason.NO_SUCH_STEP),
    ]


def test_every_value_is_asked_for() -> None:
    """No value is stored that no sample needs, with the inputs that the samples' page shows."""
    asked: set[str] = set()
    for path in GOOD:
        asked |= plan_of(path)[1]
    asked |= plan_of(
        FOLDER / "secret_name_from_input.yaml",
        {"db_secret_name": "db_password_production"},
    )[1]
    asked |= plan_of(FOLDER / "connection_strings.yaml", {"environment": "live"})[1]
    assert asked == set(SAMPLE_SECRETS)


@pytest.mark.parametrize("key", SAMPLE_SECRETS)
def test_no_value_could_be_real(key: str) -> None:
    """Every value says that it is not a real one."""
    assert "not-a-real-" in SAMPLE_SECRETS[key]


def read_sessions(page: str) -> list[tuple[str, str]]:
    """The commands in a page's console blocks, each with the output that follows it."""
    sessions: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            sessions.append((command, output))
    return sessions


SESSIONS = read_sessions((FOLDER / "README.md").read_text())


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with the two commands on its path and a store with the samples."""
    folder = tmp_path_factory.mktemp("samples")
    for name in ("resolve", "resolver"):
        script = folder / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from resolver.cli.main import {name}\n{name}()\n",
        )
        script.chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RESOLVER_")}
    environ |= {"PATH": f"{folder}:{environ['PATH']}", "RESOLVER_HOME": str(folder / "home")}
    subprocess.run(["resolver", "init", "--sample"], env=environ, check=True, capture_output=True, timeout=60)
    return environ


def test_the_page_has_sessions() -> None:
    """The page's sessions are found, and every sample is in one and in the table."""
    commands = " ".join(command for command, _ in SESSIONS)
    page = (FOLDER / "README.md").read_text()
    for path in FOLDER.glob("*.yaml"):
        assert path.name in commands
        assert f"| [{path.name}]({path.name}) |" in page


@pytest.mark.parametrize(("command", "output"), SESSIONS)
def test_the_page_shows_what_comes_out(environ: dict[str, str], command: str, output: str) -> None:
    """A command of the page prints what the page shows; notes apart, as the page says."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.stdout == output
    assert not [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
