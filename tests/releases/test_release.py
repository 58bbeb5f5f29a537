"""What is released can be built again by anyone, byte for byte."""

from __future__ import annotations

import hashlib
import json
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


_STUB = """#!/bin/bash
# Stands for python3, and for what it installs: an environment with tools that make a file each.
[ "$2" = venv ] || exit 1
mkdir -p "${@: -1}/bin"
for name in pip hatchling cyclonedx-py uv; do
    printf '#!/bin/bash\\nexec %s/tool %s "$@"\\n' "${0%/*}" "$name" > "${@: -1}/bin/$name"
    chmod +x "${@: -1}/bin/$name"
done
"""

_TOOL = """#!/bin/bash
case $1 in
hatchling) mkdir -p "$4"; echo wheel > "$4/p-1.2.3-py3-none-any.whl"; echo sdist > "$4/p-1.2.3.tar.gz" ;;
cyclonedx-py) while [ "$1" != -o ]; do shift; done; echo '{}' > "$2" ;;
uv) echo "$@" >> "${0%/*}/uploaded" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small repository with the script and all that a release needs, and stubs of tools on PATH."""
    clone, tools, remote = tmp_path / "clone", tmp_path / "tools", tmp_path / "remote"
    for folder in (clone / ".ci", clone / "tests/releases/1.2.3", tools):
        folder.mkdir(parents=True)
    for name, text in (("python3", _STUB), ("tool", _TOOL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    shutil.copy(ROOT / ".ci/release", clone / ".ci")
    (clone / "tests/releases/1.2.3/README.md").touch()
    (clone / "pyproject.toml").write_text('version = "1.2.3"\n[project.urls]\n')
    (clone / "CHANGELOG.md").write_text("## 1.2.3, 2026-12-01\n")
    (clone / ".gitattributes").touch()
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    for command in ("init -q", "add -A", "commit -qm x", f"remote add origin {remote}"):
        _git(clone, *command.split())
    return clone


def _git(clone: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=clone, capture_output=True, text=True, check=True
    )
    return done.stdout


def _release(clone: Path, *options: str) -> subprocess.CompletedProcess[str]:
    given = {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "x"}
    given |= {"GIT_CONFIG_KEY_1": "user.email", "GIT_CONFIG_VALUE_1": "x@example.com"}
    return subprocess.run(
        [clone / ".ci/release", clone.parent / "out", "--sign", clone.parent / "key", *options],
        env=os.environ | given | {"PATH": f"{clone.parent / 'tools'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("dry", [True, False])
def test_publishing_is_one_command(clone: Path, dry: bool) -> None:  # noqa: FBT001 - a parameter
    """Everything is made and signed; tag, upload and push are what a dry run leaves out, and prints."""
    done = _release(clone, "--publish", *(["--dry-run"] if dry else []))
    assert done.returncode == 0, done.stderr
    out = clone.parent / "out"
    made = {path.name for path in out.iterdir()}
    files = {"p-1.2.3-py3-none-any.whl", "p-1.2.3.tar.gz"}
    assert made == files | {"p-1.2.3.cdx.json", "p-1.2.3.provenance.json", "SHA256SUMS", "SHA256SUMS.sig"}
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    (out / "signers").write_text(f"releaser {(clone.parent / 'key.pub').read_text()}")
    verify = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        out / "signers",
        "-I",
        "releaser",
        "-n",
        "blueprint-resolver",
    ]
    with (out / "SHA256SUMS").open("rb") as sums:
        subprocess.run([*verify, "-s", out / "SHA256SUMS.sig"], stdin=sums, check=True, capture_output=True)
    provenance = json.loads((out / "p-1.2.3.provenance.json").read_text())
    assert {one["name"] for one in provenance["subject"]} == files
    (source,) = provenance["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["digest"]["gitCommit"] == _git(clone, "rev-parse", "HEAD").strip()
    uploaded = clone.parent / "tools/uploaded"
    assert uploaded.exists() is not dry
    assert done.stdout.count("would run: ") == (3 if dry else 0)
    tags = _git(clone, "ls-remote", "--tags", "origin")
    assert ("refs/tags/v1.2.3" in tags) is not dry
    if not dry:
        assert all(name in uploaded.read_text() for name in files)
        shutil.rmtree(out)
        assert "there is a tag v1.2.3 already" in _release(clone, "--publish").stderr


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("CHANGELOG.md", "## 1.2.3, not released yet\n", "CHANGELOG.md has no '## 1.2.3, DATE'"),
        ("pyproject.toml", 'version = "1.2.3.dev0"\n[project.urls]\n', "is no version to release"),
        ("pyproject.toml", 'version = "1.2.3"\n', "has no [project.urls]"),
        ("pyproject.toml", 'version = "1.2.4"\n[project.urls]\n', "CHANGELOG.md has no '## 1.2.4, DATE'"),
        ("new", "", ""),
    ],
)
def test_what_is_not_ready_is_not_published(clone: Path, file: str, text: str, message: str) -> None:
    """It is refused before anything is built; so is a tree with changes."""
    (clone / file).write_text(text)
    assert "the tree has changes that are not committed" in _release(clone, "--publish").stderr
    _git(clone, "add", "-A")
    _git(clone, "commit", "-qm", "x")
    done = _release(clone, "--publish", "--dry-run")
    assert (done.returncode == 0) is (message == "")
    assert message in done.stderr
