"""Environments with programs of others are made once, or the tests that need them are skipped."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import environments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VARIABLES = sorted(environments.REQUIREMENTS)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been made, by the names of folders, in a cache of its own."""
    made: list[str] = []
    monkeypatch.setattr(environments, "CACHE", tmp_path)
    monkeypatch.setattr(
        environments, "make", lambda folder, _wanted: (folder.mkdir(), made.append(folder.name))
    )
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    environments.name_all()
    return made


@pytest.mark.parametrize("variable", VARIABLES)
def test_it_is_made_once(made: list[str], variable: str) -> None:
    """Whoever comes later finds it."""
    assert [environments.demand(variable) for _ in range(2)] == ["", ""]
    assert len(made) == 1


def test_without_an_index_tests_are_skipped(made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says so, and not every process of a run tries it again."""
    tried: list[Path] = []

    def fail(folder: Path, _requirements: Sequence[str]) -> None:
        tried.append(folder)
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(environments, "make", fail)
    told = {environments.demand(VARIABLES[0]) for _ in range(2)}
    assert told == {
        f"{VARIABLES[0]} names no Python, and none could be made: is there an index to install from?"
    }
    assert (len(tried), made) == (1, [])


@pytest.mark.parametrize("given", ["", "/own/python"])
def test_one_s_own_is_left_alone(made: list[str], monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """An empty variable has these tests skipped."""
    monkeypatch.setenv(VARIABLES[0], given)
    environments.name_all()
    assert environments.demand(VARIABLES[0]) == ""
    assert made == []
