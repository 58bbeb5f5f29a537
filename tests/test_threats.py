"""The threat model's table of threats: each row names a test that is there."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| (T\d+) \| (.+) \| (.+) \| (.+) \|$")
NAME = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[tuple[str, str, str, str]]:
    """The rows of the table: id, threat, defence, test."""
    text = (ROOT / "docs" / "threat-model.md").read_text()
    section = text.partition("\n## Threats, and the test for each\n")[2].partition("\n## ")[0]
    found = [match.groups() for line in section.splitlines() if (match := ROW.match(line))]
    return [(row[0], row[1], row[2], row[3]) for row in found]


def test_ids_are_unique_and_in_order() -> None:
    """Each threat has a number of its own, and the table is sorted by it."""
    numbers = [int(row[0][1:]) for row in rows()]
    assert numbers
    assert numbers == sorted(set(numbers))


@functools.cache
def functions_in(path: str) -> set[str]:
    """The names of all functions in a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_named_test_is_there() -> None:
    """Each row names at least one test, and the functions that it names are in the files that it names."""
    for number, _, _, tests in rows():
        named = NAME.findall(tests)
        assert named, number
        for path, function in named:
            assert function in functions_in(path), (number, path, function)
