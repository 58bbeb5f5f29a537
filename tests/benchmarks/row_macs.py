"""What MACs of rows cost a use, in processor time: checked anew each time, remembered, and not looked at.

    python tests/benchmarks/row_macs.py [KEYS...]

The three are tried in turn, so that what else the machine does falls on all; the least of each counts.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))  # the package and the tests that lie here

from resolver.core.permissions import TenantRole
from resolver.store.sql import SqlStore
from tests.databases import World, database
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS, _USES = 40, 10
LIMIT = 1.15
"""What a use may cost at most, as a multiple of one without MACs."""


class _Unchecked(SqlStore):
    """A store that neither checks nor makes MACs."""

    def authenticated(self, *_arguments: object) -> SqlStore:
        """The same one."""
        return self


def measure(folder: Path, keys: int) -> dict[str, float]:
    """The least processor time of a use of so many keys, in microseconds: anew, remembered, unchecked."""
    url = database("sqlite", folder)
    world = World(url, SqlStore(url))
    for number in range(keys):
        world.secret(f"key{number}", "made up, and as long as a password is")
    user = world.user("user", TenantRole.USER)
    checked = world.service
    world.store = _Unchecked(url)
    unchecked = world.reopened()
    guard = checked._store._guard  # type: ignore[attr-defined]  # noqa: SLF001 - to have it forget
    uses = [key_use(f"key{number}") for number in range(keys)]
    tried: dict[str, Callable[[], object]] = {
        "anew": guard.verified.clear,
        "remembered": lambda: None,
        "unchecked": lambda: None,
    }
    least = dict.fromkeys(tried, float("inf"))
    for _ in range(_ROUNDS):
        for name, before in tried.items():
            service = unchecked if name == "unchecked" else checked
            spent = 0.0
            for _ in range(_USES):
                before()
                started = time.process_time()
                service.use.use(user, "home", uses, DIGESTS)
                spent += time.process_time() - started
            least[name] = min(least[name], spent / _USES * 1e6)
    checked.close()
    return least


def main() -> None:
    """Print a table."""
    sys.stdout.write("keys   without   remembered        anew\n")
    for keys in [int(text) for text in sys.argv[1:]] or [1, 20, 200]:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
            found = measure(Path(folder), keys)
        base = found["unchecked"]
        told = [f"{found[name]:6.0f} ({found[name] / base:.2f})" for name in ("remembered", "anew")]
        sys.stdout.write(f"{keys:4} {base:9.0f}   {'  '.join(told)}   microseconds; at most {LIMIT}\n")


if __name__ == "__main__":
    main()
