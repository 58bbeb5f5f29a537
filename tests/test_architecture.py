"""The page about the architecture agrees with the tree and with the contracts on imports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from importlinter.api import read_configuration

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "resolver"
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text()
CONTRACTS: dict[str, dict[str, Any]] = {
    options["id"]: options
    for options in read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
}
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
LOOSE = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}

PROTECTED = ("constructed", "requests", "delivery", "transfer", "blueprint", "roots", "server", "console")
"""The contracts that open a room to some of those above it."""


def files(text: str) -> set[str]:
    """The files and folders that a text names, by their paths from the root."""
    return set(re.findall(r"`((?:resolver|schemas|docs|tests)/[\w./-]*)`", text))


def rooms() -> dict[str, str]:
    """Who may import each room, as the page's table says."""
    return dict(re.findall(r"^\| `resolver/(\w+)(?:/|\.py)` \| ([^|]*) \| [^|]+ \|$", TEXT, re.MULTILINE))


def room_of(module: str) -> str:
    """The room of a module."""
    return module.split(".")[1]


@pytest.mark.parametrize("path", sorted(files(TEXT)))
def test_a_file_is_there(path: str) -> None:
    """Each file and folder that the page names exists."""
    assert (ROOT / path).exists()
    assert path.endswith("/") == (ROOT / path).is_dir()


def test_a_file_that_is_not_there_is_noticed() -> None:
    """The search finds whole paths, folders too, and no commands."""
    assert files("`resolver/a.py`, `docs/`, `resolver audit`, `cli/`") == {"resolver/a.py", "docs/"}


def test_every_room_is_described() -> None:
    """The page has each room and each loose module."""
    assert rooms().keys() == ROOMS | LOOSE


@pytest.mark.parametrize("contract", PROTECTED)
def test_a_room_is_open_to_those_of_its_contract(contract: str) -> None:
    """The table names the rooms that a contract allows to import a room or a module of it."""
    options = CONTRACTS[contract]
    allowed = ", ".join(sorted({room_of(module) for module in options["allowed_importers"]}))
    for module in options["protected_modules"]:
        said = rooms()[room_of(module)]
        if module.count(".") == 1:
            assert said == allowed
        else:
            assert (
                said == f"all above; `{module.removeprefix('resolver.').replace('.', '/')}.py` only {allowed}"
            )


def test_no_other_room_is_said_to_be_closed() -> None:
    """A contract that protects a room is one of those above, and what no contract protects is open."""
    protecting = {
        name
        for name, options in CONTRACTS.items()
        if options["type"] == "protected" and options["protected_modules"][0].startswith("resolver.")
    }
    assert protecting == set(PROTECTED)
    closed = {room_of(module) for name in PROTECTED for module in CONTRACTS[name]["protected_modules"]}
    outermost = CONTRACTS["layers"]["layers"][0].split(" | ")
    for room, said in rooms().items():
        if room not in closed:
            assert said == ("nobody" if room in outermost else "all" if room == "errors" else "all above")
