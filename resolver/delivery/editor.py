"""A text in an editor: in a private folder that is in memory, by an editor that keeps no copy on a disk."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.delivery.child import run
from resolver.delivery.child_input import NoInput
from resolver.delivery.fifo import PrivateFolder
from resolver.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VIM = (
    *("--clean", "-n", "-i", "NONE", "--cmd", "set nomodeline"),
    *("-c", "set noswapfile nobackup nowritebackup noundofile"),
)
"""No swap file, registers, history, backup or undo file; neither a vimrc nor a value says otherwise."""

_OPTIONS: Mapping[str, Sequence[str]] = {
    "busybox": (),
    "ed": (),
    "nano": ("--ignorercfiles",),
    "nvim": _VIM,
    "vim": _VIM,
}
"""The editors that are known to keep no copy elsewhere, by their programs, and what makes them so."""

_HINT = "let EDITOR name vim, nvim, nano or ed; or pipe the value: `resolver secrets update KEY -f -`"


def editor_command(environ: Mapping[str, str]) -> list[str]:
    """The user's editor, with the options that keep it from leaving copies.

    Args:
        environ: where `VISUAL`, `EDITOR` and `PATH` are looked up.

    Raises:
        UsageError: there is none, or it is not known to keep no copies.
    """
    given = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        words = shlex.split(given)
    except ValueError:
        words = []
    program = shutil.which(words[0], path=environ.get("PATH")) if words else None
    if program is None:
        raise UsageError(f"there is no editor {given!r}", hint=_HINT)
    # What `vi` is differs: the program at the end of its links decides.
    name = Path(program).resolve().name.partition(".")[0]
    if name not in _OPTIONS:
        raise UsageError(
            f"the editor {words[0]!r} may keep copies of what it edits on a disk, so it gets no value",
            hint=_HINT,
        )
    return [program, *_OPTIONS[name], *words[1:]]


class EditedFile:
    """A file in memory that an editor can change, until this object is closed.

    To be made before the text is decrypted. A process of its own removes the folder even if we are killed.

    Args:
        bases: folders in memory, the best first.

    Raises:
        UnavailableError: there is no folder in memory that only this user can reach.
    """

    _NAME = "value"

    def __init__(self, bases: Sequence[str]) -> None:
        if not bases:
            raise UnavailableError(
                "there is no folder in memory to edit a value in",
                hint="let XDG_RUNTIME_DIR name one on a tmpfs, as /dev/shm is; or use "
                "`resolver secrets update KEY -f -`",
            )
        self._folder = PrivateFolder((), bases)
        self._descriptor = os.open(
            self._folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        )
        self.path = self._folder.path / self._NAME

    def write(self, text: bytes) -> None:
        """Make the file, for its owner alone."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._NAME, flags, 0o600, dir_fd=self._descriptor)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)

    def read(self, most: int) -> bytes:
        """The beginning of what the editor has left there.

        Args:
            most: how many bytes are read at most.

        Raises:
            UsageError: there is no file.
        """
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._NAME, flags, dir_fd=self._descriptor)
        except OSError:
            raise UsageError("the editor has left no file: nothing is changed") from None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError("the editor has left no file: nothing is changed")
            return file.read(most)

    def edit(self, command: Sequence[str], environ: Mapping[str, str], withheld: frozenset[str]) -> None:
        """Have the user's editor open the file, and wait for it.

        Args:
            command: the editor, with its options.
            environ: its environment.
            withheld: the variables that it does not inherit.

        Raises:
            UsageError: it failed; what it wrote is not to be used.
        """
        # For less and whatever an editor starts: no history of commands, which may hold pieces of a value.
        more = {"TMPDIR": str(self._folder.path), "LESSHISTFILE": "-", "HISTFILE": os.devnull}
        ended = run([*command, str(self.path)], NoInput(), environ=environ, more=more, withheld=withheld)
        if ended.problem or ended.code:
            raise UsageError(
                f"the editor ended with {ended.code}: nothing is changed", hint=ended.problem or ""
            )

    def close(self) -> None:
        """Remove the folder."""
        os.close(self._descriptor)
        self._folder.close()
