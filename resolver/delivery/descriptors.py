"""The open descriptors of a process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_STDERR = 2
_MOST = 65536


def close_all_but(*kept: int) -> None:
    """Close what a library or whoever started us left open without close-on-exec: sockets, key files.

    Args:
        kept: what stays open, beside stdin, stdout and stderr.
    """
    try:
        found = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except OSError:  # a container may be without
        found = list(range(min(os.sysconf("SC_OPEN_MAX"), _MOST)))
    for descriptor in found:
        if descriptor > _STDERR and descriptor not in kept:
            # One of them was the listing's own.
            with suppress(OSError):
                os.close(descriptor)
