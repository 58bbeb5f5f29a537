"""Timing of jobs against each other, in one run."""

from __future__ import annotations

import gc
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def alternate(
    jobs: Mapping[str, Callable[[], object]],
    repeats: int,
    pick: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """Time jobs in turn, so that whatever else the machine does touches all of them alike.

    Args:
        jobs: what to time, by name. Each runs once more beforehand, untimed.
        repeats: how often each is timed.
        pick: which of each job's times counts.

    Returns:
        Each job's time, in seconds.
    """
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            gc.collect()
            start = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - start)
    return {name: pick(measured) for name, measured in times.items()}
