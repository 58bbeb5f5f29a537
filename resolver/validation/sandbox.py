"""Runs code in a short-lived Python process with limits on its time and memory.

Some work that users' texts ask for, such as matching a pattern, may take years, and nothing can stop it
within a process. The child gets what it works on through a pipe, writes no files and no core, can't be read
by other processes of the same user, and its environment holds no credentials.

Few children run at once, whatever asks for them, and one for each user: whoever asks for the slowest work
has the others wait for no more than their own. What the children of one run compute comes out of its budget.
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from resolver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.dsl.budget import Budget

MEMORY = 1024 * 1024 * 1024
"""How much address space a child may take, in bytes."""

CHILDREN = 2
"""How many children of this process run at once."""

TURN_SECONDS = 20.0
"""How long to wait for a turn among them."""

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


_COST = """
import sys, time
print(time.process_time(), file=sys.stderr)
"""
"""What is run last: says how long the process computed."""


class ChildLimiter:
    """Bounds how many children run at once, in all and for each payer.

    Args:
        most: how many in all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._running: list[str] = []

    @contextlib.contextmanager
    def turn(self, payer: str, seconds: float) -> Iterator[None]:
        """Wait for a turn, and have it until the block ends.

        Args:
            payer: for whom; empty for anybody.
            seconds: how long to wait.

        Raises:
            UnavailableError: none came.
        """

        def is_free() -> bool:
            return len(self._running) < self._most and (not payer or payer not in self._running)

        with self._changed:
            if not self._changed.wait_for(is_free, seconds):
                raise UnavailableError(
                    "too many checks of schemas and patterns wait for one another", hint="try again later"
                )
            self._running.append(payer)
        try:
            yield
        finally:
            with self._changed:
                self._running.remove(payer)
                self._changed.notify_all()


_turns = ChildLimiter(CHILDREN)


def run_limited(
    code: str, data: bytes, budget: Budget, *, seconds: float, cpu_seconds: int, packages: bool = False
) -> tuple[bytes, bool]:
    """Run code in a Python process of its own, once it is its turn.

    Args:
        code: the program; it reads `data` from stdin.
        data: what it works on.
        budget: what the run may spend; nothing is started when its children's time is used up.
        seconds: how long it may take, its start included, on however busy a machine.
        cpu_seconds: how long it may compute.
        packages: whether it needs installed packages, which it then finds where this process does.

    Returns:
        What it wrote until it ended or was ended, and whether it ended by itself without a failure.

    Raises:
        UnavailableError: others' children run, and it was not its turn for too long.
        BudgetError: nobody waits for the run any more.
    """
    budget.look()
    if budget.child_seconds <= 0:
        return b"", False
    with _turns.turn(budget.payer, TURN_SECONDS):
        cpu_seconds = min(cpu_seconds, math.ceil(budget.child_seconds))
        output, cost = _run(code, data, seconds, cpu_seconds, packages=packages)
    budget.child_seconds -= cpu_seconds if cost is None else cost
    return output, cost is not None


def _run(
    code: str, data: bytes, seconds: float, cpu_seconds: int, *, packages: bool
) -> tuple[bytes, float | None]:
    """What code wrote, and how long it computed; None when it did not end by itself without a failure."""
    # -I and -S: neither the user's settings nor what is installed changes what runs here.
    paths = f"import sys; sys.path[:0] = {sys.path!r}\n" if packages else ""
    program = _LIMITS.format(cpu=cpu_seconds, memory=MEMORY) + paths + code + _COST
    command = [sys.executable, "-I", "-S", "-c", program]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603 - this Python, and the code above
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
    except (OSError, ValueError):
        return b"", None
    with process:
        try:
            output, said = process.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, said = process.communicate()
        except BaseException:
            process.kill()
            raise
    return output, float(said.split()[-1]) if process.returncode == 0 else None
