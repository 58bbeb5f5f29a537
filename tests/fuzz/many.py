"""Run many mutated texts: `python -m tests.fuzz.many [COUNT] [SEED]`, from the checkout."""

from __future__ import annotations

import resource
import sys
import traceback
from random import Random

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import PIECES, seeds
from tests.fuzz.target import Fuzzed

MEMORY = 2 * 1024**3
"""How much address space the run may take, in bytes."""


def main(count: int = 10_000, seed: int = 0) -> int:
    """Run as many as asked for, and say what came of them; the exit code."""
    random = Random(seed)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    texts, fuzzed, found = seeds(), Fuzzed(), 0
    for number in range(1, count + 1):
        data = mutated(random, texts, PIECES)
        try:
            fuzzed.take(data)
        except Exception:  # noqa: BLE001 - every one is a finding
            found += 1
            sys.stderr.write(f"input {number}: {data!r}\n{traceback.format_exc()}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stderr.write(f"{count} inputs, {found} findings, peak {peak} MiB, {fuzzed}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
