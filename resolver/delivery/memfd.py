"""Sealed memory files, which exist in no file system and can't be changed.

See memfd_create(2) and, for seals, F_ADD_SEALS in fcntl(2).
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress

from resolver.errors import UnavailableError

if sys.platform != "win32":
    import fcntl

_MFD_NOEXEC_SEAL = 0x0008  # Linux 6.3; the os module of Python 3.11 does not name it
_LOWEST_DESCRIPTOR = 50
"""Scripts use small numbers for descriptors of their own (`exec 3>log`); one of those would replace ours."""


def require_memfd() -> None:
    """Check, before anything is decrypted, that this platform has memory files at all.

    Raises:
        UnavailableError: it has none. There is no fallback: a text is never put into a file on disk instead.
    """
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        raise UnavailableError(
            f"a command can't be given a blueprint in memory on {sys.platform}",
            hint="this needs memfd_create and file seals, which Linux has; elsewhere, pipe into the command",
        )


def why_no_memfd() -> str:
    """Why no sealed memory file can be made here, which a sandbox may forbid.

    Returns:
        One sentence; empty when one can be made.

    Raises:
        UnavailableError: this is not Linux, so there are none, and much else is missing.
    """
    if sys.platform != "linux":
        require_memfd()
    try:
        os.close(seal(b"probe"))
    except UnavailableError as error:
        return error.message
    return ""


def seal(text: bytes) -> int:
    """Put a text into a memory file and seal it against every change.

    Args:
        text: what the file shall hold, byte for byte.

    Returns:
        A read-only descriptor at offset 0 that no child inherits; the caller closes it. Nothing else refers
        to the file.

    Raises:
        UnavailableError: this platform has no sealed memory files, or no room for this one.
    """
    require_memfd()
    everything = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    try:
        writable = _create("resolved-blueprint", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.fchmod(writable, 0o400)
            rest = memoryview(text)
            while rest:
                rest = rest[os.write(writable, rest) :]
            fcntl.fcntl(writable, fcntl.F_ADD_SEALS, everything)
            # Opened anew: a duplicate would be writable and would share its offset with the original.
            readable = os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(writable)
        try:
            return fcntl.fcntl(readable, fcntl.F_DUPFD_CLOEXEC, _LOWEST_DESCRIPTOR)
        finally:
            os.close(readable)
    except OSError as error:
        raise UnavailableError(
            f"no sealed memory file could be made: {error.strerror}",
            hint="this needs memfd_create, file seals and a mounted /proc; a sandbox may forbid them",
        ) from None


def is_memfd(descriptor: int) -> bool:
    """Whether a descriptor is an anonymous memory file, rather than a file that was or is below some path.

    All memory files live on one mount that the kernel keeps to itself, so their device is that of any other
    one. Neither an unlinked file (a shell's here-string) nor one on a tmpfs (`/dev/shm`) is on that device,
    though both look alike otherwise: no links, and seals can be asked for. Huge-page ones do not count.
    """
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        return False
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink:
        return False
    with suppress(OSError):
        probe = _create("probe", os.MFD_CLOEXEC)
        try:
            return os.fstat(probe).st_dev == status.st_dev
        finally:
            os.close(probe)
    return False


def _create(name: str, flags: int) -> int:
    try:
        return os.memfd_create(name, flags | _MFD_NOEXEC_SEAL)
    except OSError:
        # An older kernel does not know the flag.
        return os.memfd_create(name, flags)
