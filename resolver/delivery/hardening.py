"""Keeping the memory of this process, which holds plaintext values, out of files and other processes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

_PR_GET_DUMPABLE = 3  # <linux/prctl.h>
_PR_SET_DUMPABLE = 4

stand_in = 0
"""The process that was started, when this one is its child and does its work; see `private_memory`."""


def harden() -> list[str]:
    """Turn off core files and dumpability for this process.

    Both are needed: a core limit of zero does not bind a crash handler that the kernel feeds through a pipe,
    dumpability does (core(5), prctl(2) PR_SET_DUMPABLE). Other processes of the same user can't trace a
    process that is not dumpable, nor read its memory, environment and descriptors below `/proc`. One that
    traced it before, or had its memory open, still can; see `private_memory`.

    Programs that this process starts inherit the core limit; dumpability they get back by execve(2).

    Returns:
        One sentence for each thing that could not be done; empty when all was.
    """
    lacks = [_turn_off_core_files(), _turn_off_dumpability(), find_tracer()]
    return [lack for lack in lacks if lack]


def find_tracer() -> str:
    """What is lacking because a process traces this one; empty when none does, as far as can be seen."""
    try:
        lines = Path("/proc/self/status").read_bytes().splitlines()
    except OSError:  # not Linux, or a container without /proc
        return ""
    tracer = next((int(line.split()[1]) for line in lines if line.startswith(b"TracerPid:")), 0)
    return f"process {tracer} traces this one and can read its memory" if tracer else ""


def _turn_off_core_files() -> str:
    try:
        import resource  # noqa: PLC0415 - Windows has no such module
    except ImportError:
        return f"core files can't be turned off on {sys.platform}"
    try:
        # Lowering the hard limit, too, is always allowed and can't be taken back.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        return f"core files could not be turned off: {error}"
    return ""


def _turn_off_dumpability() -> str:
    if sys.platform != "linux":
        return (
            f"other processes of the same user can't be kept from reading this one's memory on {sys.platform}"
        )
    failure = "other processes of the same user could not be kept from reading this one's memory"
    try:
        import ctypes  # noqa: PLC0415 - 8 ms that only Linux needs; some builds of Python lack it

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return f"{failure}: prctl is not available"
    # The answer is read back because a sandbox may accept the call and ignore it.
    nothing = ctypes.c_ulong(0)
    prctl(_PR_SET_DUMPABLE, nothing, nothing, nothing, nothing)
    if prctl(_PR_GET_DUMPABLE, nothing, nothing, nothing, nothing) != 0:
        return f"{failure}: prctl was refused"
    return ""


_STDERR = 2
_MAX_DESCRIPTORS = 65536


def close_all_but(*excepted: int) -> None:
    """Close what a library, or whoever started us, left open without close-on-exec: sockets, key files.

    Args:
        excepted: what stays open, beside stdin, stdout and stderr.
    """
    try:
        found = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except OSError:  # a container may be without
        found = list(range(min(os.sysconf("SC_OPEN_MAX"), _MAX_DESCRIPTORS)))
    for descriptor in found:
        if descriptor > _STDERR and descriptor not in excepted:
            # One of them was the listing's own.
            with suppress(OSError):
                os.close(descriptor)
