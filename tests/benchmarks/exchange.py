"""What an exchange of a JWT costs beside a use: `python -m tests.benchmarks.exchange [ROUNDS]`.

In process, on SQLite in a folder for temporary files: no network, no HTTP, and keys that are there.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.protocol.identity import Grant
from tests.databases import made_world
from tests.issuer import claims_of, key_set
from tests.service.uses import DIGESTS, key_use
from tests.trusting import ISSUER, ROBOT, jwt, key, trusting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def median(work: Callable[[object], object], over: Iterable[object]) -> float:
    """Milliseconds that a piece of work takes at the median."""
    taken = []
    for one in over:
        began = time.perf_counter()
        work(one)
        taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


def main() -> None:
    """Measure, and print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    world = made_world("sqlite", Path(tempfile.mkdtemp()))
    service = world.service
    rsa = key("rsa", "RS256")
    trusting(world, jwks=key_set(key(), rsa), lifetime=3600)
    world.secret("k")
    texts = {
        "ES256": [jwt(world) for _ in range(rounds)],
        "RS256": [rsa.jwt(claims_of(ISSUER, now=1893456000)) for _ in range(rounds)],
    }
    plain = world.caller(ROBOT)
    granted = service.trusts.exchange(jwt(world))
    assert isinstance(granted, Grant)
    workload = service.gate.authenticate_token(granted.token)
    verifier = service.trusts._verifier  # noqa: SLF001 - a part of it, alone
    sys.stdout.write("what                                        ms, median" + "\n")
    for name, some in texts.items():
        sys.stdout.write(
            f"reading a JWT, {name:<28} {median(lambda text: verifier.read(str(text)), some):8.2f}" + "\n"
        )
    for name, some in texts.items():
        sys.stdout.write(
            f"exchange, {name:<33} {median(lambda text: service.trusts.exchange(str(text)), some):8.2f}\n"
        )
    for name, caller in (("a plain token", plain), ("a token of a trust", workload)):
        took = median(
            lambda _, by=caller: service.use.use(by, "home", [key_use("k")], DIGESTS),  # type: ignore[misc]
            range(rounds),
        )
        sys.stdout.write(f"use with {name:<34} {took:8.2f}" + "\n")
    service.close()


if __name__ == "__main__":
    main()
