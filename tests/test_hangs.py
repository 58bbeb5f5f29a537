"""Tests that hang: each is named, with its stack, and the run goes on or ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

IN_PYTHON = """
def test_hangs():
    while True:
        pass
"""

IN_A_REGULAR_EXPRESSION = """
import re

def test_hangs():
    re.match("(a+)+$", "a" * 60 + "b")
"""

IN_A_PROPERTY = """
import hypothesis
from hypothesis import strategies

@hypothesis.given(strategies.integers())
def test_hangs(number):
    while True:
        pass
"""

IN_C = """
import collections
import itertools

def test_hangs():
    collections.deque(itertools.repeat(None), maxlen=0)
"""


IN_A_FIXTURE = """
import pytest

@pytest.fixture(scope="session")
def hangs():
    while True:
        pass

def test_hangs(hangs):
    pass
"""


def run(folder: Path, text: str, *options: str) -> str:
    """Run tests with this project's settings, but for short limits; what was shown of a run that failed."""
    (folder / "test_planted.py").write_text(text + "\n\ndef test_goes_on():\n    pass\n")
    settings = (ROOT / "pyproject.toml").read_text()
    for name, number in (("timeout", 1), ("faulthandler_timeout", 3)):
        lines = [line for line in settings.splitlines() if line.startswith(f"{name} = ")]
        assert len(lines) == 1
        settings = settings.replace(lines[0], f'{name} = "{number}"')
    (folder / "pyproject.toml").write_text(settings)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "xdist",
            "-p",
            "pytest_timeout",
            "-p",
            "no:cacheprovider",
            *options,
            folder,
        ],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # a second for each process
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "line", "options"),
    [
        pytest.param(IN_PYTHON, "while True:\n", (), id="python"),
        pytest.param(IN_A_REGULAR_EXPRESSION, 're.match("(a+)+$"', ("-n", "1"), id="regular-expression"),
    ],
)
def test_a_hang_is_a_failed_test(tmp_path: Path, text: str, line: str, options: tuple[str, ...]) -> None:
    """It shows where; the tests after it are run."""
    shown = run(tmp_path, text, *options)
    assert line in shown
    assert "test_planted.py:" in shown
    assert "Timeout (>1.0s) from pytest-timeout" in shown
    assert "1 failed, 1 passed" in shown


@pytest.mark.parametrize("text", [IN_A_PROPERTY, IN_C], ids=["property", "c"])
def test_a_hang_that_no_signal_ends_ends_the_process(tmp_path: Path, text: str) -> None:
    """A worker is replaced, and the test that it died of is named; the stack of each thread is shown."""
    shown = run(tmp_path, text, "-n", "1")
    assert "Timeout (0:00:03)!" in shown
    assert "test_planted.py" in shown.split("Timeout (0:00:03)!")[1]
    assert "in test_hangs" in shown.split("Timeout (0:00:03)!")[1]
    assert "crashed while running" in shown
    assert "test_planted.py::test_hangs" in shown
    assert "1 failed, 1 passed" in shown


def test_a_hang_of_what_all_tests_share_is_an_error(tmp_path: Path) -> None:
    """The time of a fixture, whatever its scope, counts for the test that it is made for."""
    shown = run(tmp_path, IN_A_FIXTURE, "-n", "1")
    assert "while True:\n" in shown
    assert "Timeout (>1.0s) from pytest-timeout" in shown
    assert "1 passed, 1 error" in shown
