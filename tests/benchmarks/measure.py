"""Timing of jobs against each other, in one run.

Times are processor time, where nothing is waited for that counts, and of each job's the least: what else a
shared machine does can only add to them. Waiting for a disk is no processor time.
"""

from __future__ import annotations

import gc
import resource
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def children_time() -> float:
    """Processor time of the child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def whole_time() -> float:
    """Processor time of this process and of its children that have ended, in seconds."""
    return time.process_time() + children_time()


def alternate(
    jobs: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Time jobs in turn, so that whatever slows the machine down for a while touches all of them alike.

    Args:
        jobs: what to time, by name. Each runs once more beforehand, untimed.
        repeats: how often each is timed.
        clock: what counts: this process, its children, both, or with `perf_counter` waiting, too.

    Returns:
        The least of each job's times, in seconds.
    """
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            gc.collect()
            start = clock()
            job()
            times[name].append(clock() - start)
    return {name: min(measured) for name, measured in times.items()}
