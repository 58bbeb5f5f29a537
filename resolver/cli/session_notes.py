"""Notes about a blueprint that every run would repeat: on a terminal each session is told once."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = "blueprint-resolver-notes"
_START_TIME = 19
"""The field of proc(5)'s stat behind the process's name that says when the process began; from 0."""


def is_told(note: str, environ: Mapping[str, str]) -> bool:
    """Whether this terminal session has had a note already; from now on it has.

    What remembers it is an empty file in the user's own folder of this login (XDG_RUNTIME_DIR), named by a
    digest. In a pipe, a log and a CI job, and where there is no such folder, each run tells all.
    """
    from resolver.delivery.log_sources import is_ci  # noqa: PLC0415 - for a note only

    folder = environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(folder) or not sys.stderr.isatty() or is_ci(environ):  # noqa: PTH117 - a text
        return False
    try:
        return _is_there(folder, _name(note))
    except OSError:
        return False


def _name(note: str) -> str:
    """A digest of the note and of the session: its leader, when that began, and the terminal."""
    import hashlib  # noqa: PLC0415 - as above

    session = os.getsid(0)
    began = Path(f"/proc/{session}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    terminal = os.fstat(sys.stderr.fileno()).st_rdev
    said = f"{session} {began.split()[_START_TIME]} {terminal} {note}"
    return hashlib.blake2b(said.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def _is_there(runtime: str, name: str) -> bool:
    """Whether there is such a file; then made. Nothing outside of a private folder is looked at or made."""
    folder = Path(runtime) / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(opened)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o600, dir_fd=opened))
    except FileExistsError:
        return True
    finally:
        os.close(opened)
    return False
