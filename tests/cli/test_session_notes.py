"""Notes that say the same at every run are told once in a terminal session, and everywhere else each time."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from resolver.cli.session_notes import is_told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NOTE, OTHER = "b.yaml: imports left to the manager: types.yaml", "b.yaml: another"


@contextmanager
def _terminal() -> Iterator[pytest.MonkeyPatch]:
    """Within it stderr is a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stderr, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        patch.setattr(os, "getsid", lambda _: os.getpid())  # in some containers 0
        yield patch
    os.close(ours)


def told(note: str, environ: Mapping[str, str]) -> list[bool]:
    """What two runs on a terminal are told of a note."""
    with _terminal():
        return [is_told(note, environ) for _ in range(2)]


def test_once_in_a_session(tmp_path: Path) -> None:
    """The second run says nothing; another note, session or leader does. No file says what it is about."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with _terminal() as patch:
        assert [is_told(note, environ) for note in (NOTE, NOTE, OTHER, OTHER)] == [False, True, False, True]
        patch.setattr(os, "getsid", lambda _: os.getppid())
        assert [is_told(NOTE, environ) for _ in range(2)] == [False, True]
    files = list((tmp_path / "blueprint-resolver-notes").iterdir())
    assert {(path.stat().st_size, path.stat().st_mode & 0o777, len(path.name)) for path in files} == {
        (0, 0o600, 32)
    }
    assert len(files) == 3


def test_each_time_without_a_place(tmp_path: Path) -> None:
    """In a CI job, without a folder, and with one that others could have prepared; nothing is made in it."""
    for environ in ({}, {"XDG_RUNTIME_DIR": "here"}, {"XDG_RUNTIME_DIR": str(tmp_path), "CI": "true"}):
        assert told(NOTE, environ) == [False, False]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "blueprint-resolver-notes"
    folder.symlink_to("elsewhere")
    assert told(NOTE, {"XDG_RUNTIME_DIR": str(tmp_path)}) == [False, False]
    folder.unlink()
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    assert told(NOTE, {"XDG_RUNTIME_DIR": str(tmp_path)}) == [False, False]
    assert list(folder.iterdir()) == list((tmp_path / "elsewhere").iterdir()) == []


def test_each_time_in_a_pipe(tmp_path: Path) -> None:
    """As in a log."""
    assert [is_told(NOTE, {"XDG_RUNTIME_DIR": str(tmp_path)}) for _ in range(2)] == [False, False]
    assert list(tmp_path.iterdir()) == []
