"""Notes that say the same at every run are told once in a terminal session, and everywhere else each time."""

from __future__ import annotations

import os
import pty
import sys
from typing import TYPE_CHECKING

import pytest

from resolver.cli.session_notes import is_told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTE, OTHER = "b.yaml: imports left to the manager: types.yaml", "b.yaml: another"


@pytest.fixture
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        yield
    os.close(ours)


@pytest.mark.usefixtures("_terminal")
def test_once_in_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run says nothing; another note, session or leader does. No file says what it is about."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert [is_told(note, environ) for note in (NOTE, NOTE, OTHER, OTHER)] == [False, True, False, True]
    with monkeypatch.context() as patch:
        patch.setattr(os, "getsid", lambda _: os.getppid())
        assert [is_told(NOTE, environ) for _ in range(2)] == [False, True]
    files = list((tmp_path / "blueprint-resolver-notes").iterdir())
    assert {(path.stat().st_size, path.stat().st_mode & 0o777, len(path.name)) for path in files} == {
        (0, 0o600, 32)
    }
    assert len(files) == 3


@pytest.mark.usefixtures("_terminal")
def test_each_time_without_a_place(tmp_path: Path) -> None:
    """In a CI job, without a folder, and with one that others could have prepared; nothing is made in it."""
    for environ in ({}, {"XDG_RUNTIME_DIR": "here"}, {"XDG_RUNTIME_DIR": str(tmp_path), "CI": "true"}):
        assert [is_told(NOTE, environ) for _ in range(2)] == [False, False]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "blueprint-resolver-notes"
    folder.symlink_to("elsewhere")
    assert [is_told(NOTE, {"XDG_RUNTIME_DIR": str(tmp_path)}) for _ in range(2)] == [False, False]
    folder.unlink()
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    assert [is_told(NOTE, {"XDG_RUNTIME_DIR": str(tmp_path)}) for _ in range(2)] == [False, False]
    assert list(folder.iterdir()) == list((tmp_path / "elsewhere").iterdir()) == []


def test_each_time_in_a_pipe(tmp_path: Path) -> None:
    """As in a log."""
    assert [is_told(NOTE, {"XDG_RUNTIME_DIR": str(tmp_path)}) for _ in range(2)] == [False, False]
    assert list(tmp_path.iterdir()) == []
