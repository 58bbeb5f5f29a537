"""What those who work on the code rely on: the fast half of the suite, hooks, subjects of commits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import SLOW

ROOT = Path(__file__).parents[1]
HOOK = ROOT / ".ci" / "commit_subject.py"


@pytest.mark.parametrize("name", SLOW)
def test_what_is_slow_is_there(name: str) -> None:
    """A module that was moved takes its place in the list along."""
    assert (ROOT / "tests" / name).exists()


def test_slow_parts_stand_in_order() -> None:
    """Once each."""
    assert list(SLOW) == sorted(set(SLOW))


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("store: bind tokens to their row\n", ""),
        ("core, service: one record\n\nWhy.\n# a comment of git\n", ""),
        ("rest/v1: a route\n", ""),
        ("Merge branch 'x'\n", ""),
        (f"docs: {'x' * 66}\n", ""),
        (f"docs: {'x' * 67}\n", "the subject has 73 characters, 72 is the most: "),
        ("Bind tokens\n", "the subject begins with the place, as in `store: bind tokens to their row`, not "),
        ("store:bind\n", "the subject begins with the place"),
        ("", "the subject begins with the place"),
        ("store: bind\nmore\n", "an empty line follows the subject, not 'more'"),
    ],
)
def test_subjects(tmp_path: Path, message: str, problem: str) -> None:
    """A commit's subject names the place, and is seen whole in a log."""
    path = tmp_path / "message"
    path.write_text(message)
    done = subprocess.run([sys.executable, HOOK, path], capture_output=True, text=True, check=False)
    assert done.returncode == bool(problem)
    assert done.stderr.startswith(problem)
    assert bool(done.stderr) == bool(problem)


def test_hooks_are_what_is_installed() -> None:
    """Each runs a tool of the test extra or a script of ours, on this machine."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    assert {hook["entry"].split()[0] for hook in hooks} == {"ruff", "mypy", "lint-imports", "python"}
    assert f"python {HOOK.relative_to(ROOT)}" in [hook["entry"] for hook in hooks]
