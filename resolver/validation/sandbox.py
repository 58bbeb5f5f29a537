"""Runs code in a short-lived Python process with limits on its time and memory.

Some work that users' texts ask for, such as matching a pattern, may take years, and nothing can stop it
within a process. The child gets what it works on through a pipe, writes no files and no core, can't be read
by other processes of the same user, and its environment holds no credentials.
"""

from __future__ import annotations

import os
import subprocess
import sys

MEMORY = 1024 * 1024 * 1024
"""How much address space a child may take, in bytes."""

_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""What Python may need of the environment to start."""

_LIMITS = """\
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, ({cpu}, {cpu}))
    resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
except (ImportError, OSError, ValueError):
    pass  # the parent still ends this process in time
try:
    import ctypes
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
except (ImportError, OSError, AttributeError, TypeError):
    pass  # other systems have no such call
"""


def run_limited(
    code: str, data: bytes, *, seconds: float, cpu_seconds: int, packages: bool = False
) -> tuple[bytes, bool]:
    """Run code in a Python process of its own.

    Args:
        code: the program; it reads `data` from stdin.
        data: what it works on.
        seconds: how long it may take, its start included, on however busy a machine.
        cpu_seconds: how long it may compute.
        packages: whether it needs installed packages, which it then finds where this process does.

    Returns:
        What it wrote until it ended or was ended, and whether it ended by itself without a failure.
    """
    # -I and -S: neither the user's settings nor what is installed changes what runs here.
    paths = f"import sys; sys.path[:0] = {sys.path!r}\n" if packages else ""
    program = _LIMITS.format(cpu=cpu_seconds, memory=MEMORY) + paths + code
    command = [sys.executable, "-I", "-S", "-c", program]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603 - this Python, and the code above
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except (OSError, ValueError):
        return b"", False
    with process:
        try:
            output, _ = process.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    return output, process.returncode == 0
