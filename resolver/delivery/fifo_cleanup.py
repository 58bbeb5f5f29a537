"""Program that makes a private folder with FIFOs, and removes it when the process that started it is gone.

A program of its own, so that it outlives a process that is killed: `python fifo_cleanup.py NAMES BASE...`,
where `/` separates NAMES. It never holds a value: it is started anew, without environment, before anything
is decrypted. Its stdin is a pipe that nobody writes to and that ends with that process. It writes the
folder's path to its stdout, or nothing when no folder could be made.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from contextlib import suppress


def is_safe(base: str) -> bool:
    """Whether nobody else, but root, can replace a folder of ours in a folder."""
    try:
        status = os.stat(base)  # noqa: PTH116 - pathlib takes as long to load as all the rest
    except OSError:
        return False
    is_shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
    return not is_shared and status.st_uid in (0, os.geteuid())


def make_folder(bases: list[str], names: list[str]) -> str:
    """Make a folder with FIFOs in the first of some folders that lets us; its path, empty when none does."""
    for base in filter(is_safe, bases):
        folder = f"{base}/resolver-{os.urandom(8).hex()}"
        try:
            os.mkdir(folder, 0o700)  # noqa: PTH102 - as above
        except OSError:
            continue
        try:
            for name in filter(None, names):
                os.mkfifo(f"{folder}/{name}", 0o600)
        except OSError:
            remove_folder(folder)
            continue
        return folder
    return ""


def remove_folder(folder: str) -> None:
    """Remove a folder with all that is in it."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    remove_folder(entry.path)
                else:
                    with suppress(OSError):
                        os.unlink(entry.path)  # noqa: PTH108 - as above
        os.rmdir(folder)  # noqa: PTH106 - as above
    except OSError:
        pass


def main(names: str, *bases: str) -> None:
    """Make the folder, wait, remove it."""
    with suppress(OSError):
        os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)  # whatever we were started with: the owner must get in
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    folder = make_folder(list(bases), names.split("/"))
    try:
        with suppress(OSError):
            os.write(1, os.fsencode(folder))
        os.close(1)
        os.chdir("/")
        os.read(0, 1)
    finally:
        if folder:
            remove_folder(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
