"""How a command gets the blueprints: memory files, FIFOs, or its stdin.

A child's input is made in our process, attached in the forked one before it becomes the command, and, where
someone has to write while the command reads, served in ours.
"""

from __future__ import annotations

import enum
import os
import re
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.delivery.fifo import write_all
from resolver.delivery.memfd import seal
from resolver.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.delivery.fifo import PrivateFolder

PATH_VARIABLE = "RESOLVED_BLUEPRINT"

_PLACEHOLDER = re.compile(r"\{([1-9][0-9]{0,4})?\}")

WHOLE = 0
"""The number of `{}`, which stands for all blueprints in one text; the others count from 1."""


class InputKind(enum.Enum):
    """The ways in which a command gets blueprints."""

    MEMORY_FILES = enum.auto()
    FIFOS = enum.auto()
    NOTHING = enum.auto()
    STDIN_FILE = enum.auto()
    STDIN_PIPE = enum.auto()


def numbers_in(arguments: Sequence[str], blueprints: int) -> list[int]:
    """The numbers of the texts that a command needs: always `WHOLE`, and those that its arguments name.

    Args:
        arguments: the command's arguments, without the program.
        blueprints: how many there are.

    Raises:
        UsageError: there are several, and a number is none of theirs.
    """
    numbers = {int(found[1]) for word in arguments for found in _PLACEHOLDER.finditer(word) if found[1]}
    # With one blueprint there is no reason to number them, and `{2}` is rather part of a pattern.
    beyond = sorted(number for number in numbers if number > blueprints)
    if beyond and blueprints > 1:
        raise UsageError(
            f"the command names {{{beyond[0]}}}, and there are {blueprints} blueprints",
            hint="to keep such a word as it is, put the command into a script",
        )
    return [WHOLE, *sorted(number for number in numbers if number <= blueprints)]


def fill(arguments: Sequence[str], paths: Mapping[int, str]) -> list[str]:
    """Put paths in place of `{}`, `{1}` and so on; numbers without a path stay."""
    return [
        _PLACEHOLDER.sub(lambda found: paths.get(int(found[1] or WHOLE), found[0]), argument)
        for argument in arguments
    ]


class ChildInput(ABC):
    """Blueprints on their way to a command.

    Attributes:
        descriptors: what must stay open until the command has it. Ours are closed as soon as it has started.
    """

    descriptors: Sequence[int] = ()

    @abstractmethod
    def attach(self, arguments: Sequence[str]) -> tuple[list[str], str]:
        """In the forked process: make the texts available.

        Args:
            arguments: the command's arguments, without the program.

        Returns:
            The arguments that it gets, and the path that `RESOLVED_BLUEPRINT` names; empty for none.
        """

    def serve(self) -> None:  # noqa: B027 - most have nothing to do
        """In our process, once the command has been forked: write what it reads. Does not block."""


class MemoryFiles(ChildInput):
    """Sealed memory files, which can be read as often as wanted.

    The paths lead through the command's own process id, so they work in processes that it starts.

    Args:
        texts: the texts by their numbers, `WHOLE` among them.
    """

    def __init__(self, texts: Mapping[int, bytes]) -> None:
        self._files: dict[int, int] = {}
        try:
            for number, text in texts.items():
                self._files[number] = seal(text)
        except BaseException:
            for descriptor in self._files.values():
                os.close(descriptor)
            raise
        self.descriptors = list(self._files.values())

    def attach(self, arguments: Sequence[str]) -> tuple[list[str], str]:
        """Keep the files open for the command."""
        # Our id as this /proc knows it, which may be that of another process namespace.
        base = f"/proc/{Path('/proc/self').readlink()}/fd"
        for descriptor in self.descriptors:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - the only way to call it
        paths = {number: f"{base}/{descriptor}" for number, descriptor in self._files.items()}
        return fill(arguments, paths), paths[WHOLE]


class Fifos(ChildInput):
    """FIFOs, each of which can be read once. For commands that need a plain path.

    Args:
        folder: where they are.
        texts: the texts by their numbers, `WHOLE` among them.
        names: the names of the FIFOs, by the same numbers.
    """

    def __init__(self, folder: PrivateFolder, texts: Mapping[int, bytes], names: Mapping[int, str]) -> None:
        self._folder = folder
        self._texts = dict(texts)
        self._names = dict(names)
        self._paths = {number: str(folder.path / names[number]) for number in texts}

    def attach(self, arguments: Sequence[str]) -> tuple[list[str], str]:
        """Name the paths."""
        return fill(arguments, self._paths), self._paths[WHOLE]

    def serve(self) -> None:
        """Wait for a reader at each, in threads."""
        while self._texts:
            number, text = self._texts.popitem()
            self._folder.feed(self._names[number], text)


class NoInput(ChildInput):
    """No blueprint at all, for a command that gets variables only."""

    def attach(self, arguments: Sequence[str]) -> tuple[list[str], str]:
        """Leave the arguments alone; there is no path."""
        return list(arguments), ""


class _Stdin(ChildInput):
    """The command's stdin; its first descriptor is what the command reads from."""

    def attach(self, arguments: Sequence[str]) -> tuple[list[str], str]:
        """Make it stdin. Arguments are left alone, and there is no path."""
        os.dup2(self.descriptors[0], 0)
        return list(arguments), ""


class StdinFile(_Stdin):
    """A sealed memory file as the command's stdin.

    Args:
        text: what it holds.
    """

    def __init__(self, text: bytes) -> None:
        self.descriptors = [seal(text)]


class StdinPipe(_Stdin):
    """A pipe as the command's stdin, for systems that do not let us have memory files.

    Args:
        text: what the command reads.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        reader, self._writer = os.pipe()
        self.descriptors = [reader]

    def serve(self) -> None:
        """Write from a thread, as the command reads."""
        text, self._text = self._text, b""
        threading.Thread(target=write_all, args=(self._writer, text), daemon=True).start()
