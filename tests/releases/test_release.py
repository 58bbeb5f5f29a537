"""What is released can be built again by anyone, byte for byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def _built(source: Path, into: Path, umask: int) -> dict[str, str]:
    """Build from a copy of the tree; the digest of each file that came of it."""
    kept = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, source, ignore=kept)
    for number, path in enumerate(sorted(source.rglob("*"))):
        os.utime(path, (1_000_000 + number + umask, 1_000_000 + number + umask))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", into],
        cwd=source,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1780000000"},
        capture_output=True,
        umask=umask,
        check=True,
    )
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in into.iterdir()}


def test_builds_are_reproducible(tmp_path: Path) -> None:
    """Times, folders and masks make no difference to what is built."""
    one = _built(tmp_path / "a", tmp_path / "one", 0o022)
    two = _built(tmp_path / "other folder", tmp_path / "two", 0o077)
    assert {Path(name).suffix for name in one} == {".gz", ".whl"}
    assert one == two
