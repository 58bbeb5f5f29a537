"""What is installed along with the program: declared, with lower bounds that have no known faults."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DECLARED = [*PROJECT["dependencies"], *EXTRAS["masking"], *EXTRAS["server"], *EXTRAS["postgresql"]]

MENDED = {
    # Wheels bring OpenSSL along, and its faults: CVE-2025-15467 in that of 46.0.3, more since.
    "cryptography": (50, 0, 2),
    "h11": (0, 16),  # CVE-2025-43859, wrong ends of chunks
    "starlette": (0, 49, 1),  # CVE-2025-62727, quadratic time for a Range header
}
"""The first release of each library without a fault that is known, as it matters here."""


def bound(requirement: str) -> tuple[str, tuple[int, ...]]:
    """A library's name, and the lowest version that is allowed."""
    found = re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
    assert found is not None, requirement
    return found[1], tuple(int(number) for number in found[2].split("."))


def test_each_has_a_lower_bound() -> None:
    """`.ci/run` installs exactly these versions and runs tests with them."""
    assert all(version for _, version in map(bound, DECLARED))


@pytest.mark.parametrize("name", sorted(MENDED))
def test_lower_bounds_are_mended(name: str) -> None:
    """No version is allowed that has a known fault which matters here, if the library is used at all."""
    bounds = dict(map(bound, DECLARED))
    assert bounds.get(name, MENDED[name]) >= MENDED[name]
