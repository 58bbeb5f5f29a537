"""What a resolve costs: beside the least possible work, beside Cloudify's parser, and as a process.

And what masking a command's output costs, beside `cat`.

    python tests/benchmarks/run.py [--cloudify-python PYTHON | --make-cloudify DIRECTORY]

What is compared is timed in one run, in turn, and printed as ratios. Times are processor time, the least of
several, so that others may share the machine. Nothing is asserted: a time is no test.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cloudify_side import make_environment, measure
from embedded import Embedded
from floor import Floor
from generated import Generated, generate
from masking import time_masking
from measure import alternate
from startup import time_processes

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = ("floor", "cloudify", "process", "masking")
SIZES = (200, 2_000, 20_000)
MIB = 1 << 20
FLOOR, SILENT, AUDITED = "floor", "without audit", "with audit"


def main(arguments: list[str] | None = None) -> None:
    """Measure what was asked for and print it."""
    options = _parse(arguments)
    if options.no_collector:
        gc.disable()
    _say(f"processor time, the least of {options.repeats}; waiting for the disk is not in it")
    with tempfile.TemporaryDirectory(prefix="resolver-benchmark-") as name:
        directory = Path(name)
        blueprints = [generate(size) for size in options.sizes]
        if "floor" in options.only or "cloudify" in options.only:
            resolved = _compare_with_floor(blueprints, directory, options.repeats)
        if "cloudify" in options.only:
            python = options.cloudify_python
            if options.make_cloudify:
                python = make_environment(options.make_cloudify)
            if python is None:
                _say("cloudify: left out, no --cloudify-python and no --make-cloudify")
            else:
                _compare_with_cloudify(python, blueprints, resolved, directory, options.cloudify_timeout)
        if "process" in options.only:
            _compare_processes(directory, options.repeats)
        if "masking" in options.only:
            _compare_masking(directory, options.repeats)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="print what a resolve costs, as ratios")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="what to compare with (default: all)"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="calls in a blueprint")
    parser.add_argument("--repeats", type=int, default=9, help="how often each job is timed")
    parser.add_argument(
        "--no-collector", action="store_true", help="switch Python's collector off, as `resolve` itself does"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--cloudify-python", type=Path, help="the Python of an environment with cloudify-common"
    )
    source.add_argument("--make-cloudify", type=Path, help="make that environment in this directory")
    parser.add_argument(
        "--cloudify-timeout",
        type=float,
        default=120,
        help="seconds after which Cloudify's parser is given up",
    )
    return parser.parse_args(arguments)


def _compare_with_floor(
    blueprints: list[Generated], directory: Path, repeats: int
) -> dict[int, dict[str, float]]:
    """Time the floor and the resolver; the seconds of each, by number of calls."""
    _say(f"\n{'calls':>7} {'text':>8} {FLOOR:>10} {SILENT:>22} {AUDITED:>22}")
    found: dict[int, dict[str, float]] = {}
    # A smaller blueprint asks for a part of what the largest one asks for, so one store serves all.
    largest = max(blueprints, key=lambda blueprint: blueprint.calls)
    with closing(Embedded(largest.secrets, directory)) as embedded:
        for blueprint in blueprints:
            with closing(Floor(blueprint, directory)) as floor:
                jobs: dict[str, Callable[[], object]] = {
                    FLOOR: floor.run,
                    SILENT: partial(embedded.resolve_silently, blueprint.text),
                    AUDITED: partial(embedded.resolve, blueprint.text),
                }
                times = alternate(jobs, repeats)
            found[blueprint.calls] = times
            columns = "".join(
                f" {_ms(times[name])} ({_times(times[name], times[FLOOR])})" for name in (SILENT, AUDITED)
            )
            _say(f"{blueprint.calls:>7} {len(blueprint.text) // 1024:>5} kB {_ms(times[FLOOR])}{columns}")
    for smaller, larger in itertools.pairwise(found):
        growth = ", ".join(
            f"{name} {_times(found[larger][name], found[smaller][name])}" for name in found[larger]
        )
        _say(f"from {smaller} to {larger} calls ({larger / smaller:g} times): {growth}")
    return found


def _compare_with_cloudify(
    python: Path,
    blueprints: list[Generated],
    resolved: dict[int, dict[str, float]],
    directory: Path,
    timeout: float,
) -> None:
    _say(f"\n{'calls':>7} {'Cloudify':>10} {'its parse':>10} {'resolver is ahead':>22}")
    for blueprint in blueprints:
        result = measure(python, blueprint, directory, repeats=1, timeout=timeout)
        if result is None:
            _say(f"{blueprint.calls:>7} did not finish in {timeout:g} s")
            continue
        times = resolved[blueprint.calls]
        ahead = ", ".join(f"{_times(result.seconds, times[name])} {name}" for name in (SILENT, AUDITED))
        _say(f"{blueprint.calls:>7} {_ms(result.seconds)} {_ms(result.parse)}   {ahead}")


def _compare_processes(directory: Path, repeats: int) -> None:
    times = time_processes(directory / "home", repeats)
    least = next(iter(times.values()))
    _say("\nwhole processes")
    for name, seconds in times.items():
        _say(f"{name:>42} {_ms(seconds)} ({_times(seconds, least)})")


def _compare_masking(directory: Path, repeats: int) -> None:
    size = 64 * MIB
    for kind, times in time_masking(directory, size, repeats).items():
        least = next(iter(times.values()))
        _say(f"\n{size // MIB} MiB of {kind}, through pipes")
        for name, seconds in times.items():
            rate = size / MIB / seconds
            _say(f"{name:>42} {_ms(seconds)} ({_times(seconds, least)}) {rate:>6.0f} MiB/s")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:>7.1f} ms"


def _times(seconds: float, base: float) -> str:
    return f"{seconds / base:.2f}x"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
