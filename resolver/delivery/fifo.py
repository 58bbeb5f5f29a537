"""FIFOs in a private folder, each of which gives its text to one reader, once."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.core.closing import Closing
from resolver.delivery import fifo_cleanup
from resolver.errors import UnavailableError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_F_SETPIPE_SZ = 1031  # <linux/fcntl.h>
_LARGEST_PIPE = 1 << 20  # pipe(7), /proc/sys/fs/pipe-max-size


def candidate_folders(environ: Mapping[str, str]) -> list[str]:
    """The folders in which the private folder may be made, the best first: memory before disks.

    A FIFO has a name there and nothing else: what passes through it is in no file system.
    """
    # A relative one is to be ignored (XDG Base Directory Specification).
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    temporary = environ.get("TMPDIR", "")
    found = [path for path in (runtime, "/dev/shm", temporary) if os.path.isabs(path)]  # noqa: PTH117, S108
    with suppress(FileNotFoundError):  # nothing that it knows can be written to, as in some containers
        found.append(tempfile.gettempdir())
    return list(dict.fromkeys(found))


class PrivateFolder(Closing):
    """A private folder with FIFOs, which a process of its own removes when this one is gone.

    To be made before anything is decrypted: a forked process inherits what there is.

    Args:
        names: names for the FIFOs.
        bases: where to make the folder, in the order of preference. One in which others could exchange it is
            passed over.

    Raises:
        UnavailableError: no folder could be made, or no process could be started.
    """

    def __init__(self, names: Sequence[str], bases: Sequence[str]) -> None:
        command = [sys.executable, "-I", "-S", fifo_cleanup.__file__, "/".join(names), *bases]
        stdin_reader, self._lifeline = os.pipe()
        report, report_writer = os.pipe()
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                command,
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, stdin_reader, 0),
                    (os.POSIX_SPAWN_DUP2, report_writer, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
            )
        except OSError as error:
            os.close(self._lifeline)
            os.close(report)
            raise UnavailableError(f"no process could be started: {error.strerror}") from None
        finally:
            os.close(stdin_reader)
            os.close(report_writer)
        with os.fdopen(report, "rb") as reader:
            self.path = Path(os.fsdecode(reader.read()))
        if not self.path.name:
            self._stop_cleanup()
            raise UnavailableError(
                f"no folder for a FIFO could be made in {', '.join(bases)}",
                hint="let XDG_RUNTIME_DIR or TMPDIR name a folder that only you can write to",
            )
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            self._stop_cleanup()
            raise UnavailableError(f"the folder for a FIFO can't be opened: {error.strerror}") from None

    def feed(self, name: str, text: bytes) -> None:
        """Give a text to whoever opens a FIFO next, from a thread of its own.

        The name is gone as soon as there is a reader. So whoever comes later gets an error, and neither waits
        for ever nor gets a part of the text.

        Args:
            name: the FIFO's name.
            text: what its reader gets.
        """
        threading.Thread(target=self._feed, args=(name, text), daemon=True).start()

    def _feed(self, name: str, text: bytes) -> None:
        folder = self._descriptor  # its path may lead to another one by now
        with suppress(OSError):  # the folder was removed before anyone came
            descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=folder)
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.unlink(name, dir_fd=folder)  # nothing may come between these two
                write_all(descriptor, text)
            else:  # someone has put a file there, which must not get it
                os.close(descriptor)

    def close(self) -> None:
        """Have the folder removed, and wait for that."""
        os.close(self._descriptor)
        self._stop_cleanup()
        # Gone already, unless someone killed the process that removes it.
        fifo_cleanup.remove_folder(str(self.path))

    def _stop_cleanup(self) -> None:
        os.close(self._lifeline)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def write_all(descriptor: int, text: bytes) -> None:
    """Write a text to a pipe and close it; a reader that goes away early is no error.

    Where the kernel lets us, the pipe is made large enough for all of it: if we are killed, a reader that has
    begun still gets the whole.
    """
    try:
        with suppress(OSError):
            fcntl.fcntl(descriptor, _F_SETPIPE_SZ, min(len(text), _LARGEST_PIPE))
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        pass
    finally:
        os.close(descriptor)
