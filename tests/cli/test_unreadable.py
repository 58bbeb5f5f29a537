"""State directories that can't be used as they are: told in words, with the file and the cause."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Cli


def folder(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink(missing_ok=True)
    path.mkdir(mode=0o700)


def loop(path: Path) -> None:
    """Put a link to itself in the place of a folder: nobody can look into that, not even root."""
    if path.exists():
        shutil.rmtree(path)
    path.symlink_to(path.name)


def binary(path: Path) -> None:
    """Put what is no text in the place of a file."""
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("part", "spoil", "code", "message"),
    [
        ("config.yaml", folder, 2, "'{home}/config.yaml' can't be read: Is a directory"),
        ("config.yaml", binary, 2, "'{home}/config.yaml' can't be read: it is not UTF-8 text"),
        ("profile", folder, 4, "the profile '{home}/profile' can't be read: Is a directory"),
        ("profile", binary, 4, "the profile '{home}/profile' can't be read: it is not UTF-8 text"),
        (
            "data",
            loop,
            6,
            "'{home}/data/resolver.db' can't be looked at: Too many levels of symbolic links",
        ),
        ("keys", loop, 6, "the folder '{home}/keys' can't be read: Too many levels of symbolic links"),
    ],
)
def test_what_is_unreadable_is_named(
    admin: Cli, part: str, spoil: Callable[[Path], None], code: int, message: str
) -> None:
    """A command says which file or folder can't be read and why, and nothing of Python."""
    spoil(admin.home / part)
    found, said = admin.refuses("secrets", "list", "-t", "default_tenant")
    assert (found, said) == (code, f"error: {message.format(home=admin.home)}\n")


@pytest.mark.parametrize(
    ("part", "spoil", "message"),
    [
        (".lock", folder, "the file '{home}/.lock' can't be made: Is a directory"),
        ("data", loop, "the folder '{home}/data' can't be made: File exists"),
    ],
)
def test_init_names_what_is_in_its_way(
    admin: Cli, tmp_path: Path, part: str, spoil: Callable[[Path], None], message: str
) -> None:
    """`init` says which file or folder it can't make and why, and makes no key."""
    new = tmp_path / "new"
    new.mkdir()
    spoil(new / part)
    found, said = admin.at(new).refuses("init")
    assert (found, said) == (6, f"error: {message.format(home=new)}\n")
    assert [path.name for path in new.iterdir() if path.name not in (".lock", "data")] == []
