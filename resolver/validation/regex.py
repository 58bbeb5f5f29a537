"""Regular expressions that come from blueprints, matched in bounded time.

A short pattern may take years to match or to compile, and nothing can stop `re` within a process. Other
engines are no way out: those with a time limit lack one for compiling, those without backtracking lack
look-around, and both read some patterns otherwise than Cloudify, which uses `re`. So one short-lived Python
process does all matches of a run, with limits on its time and memory.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from resolver.dsl.budget import Budget
from resolver.dsl.input_types import Match
from resolver.validation.sandbox import run_limited

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 10.0
"""How long all matches of a run may take, the start of the process included, on however busy a machine."""

CPU_SECONDS = 1
"""How long they may compute."""

_CODE = f"""\
import json, re, sys, warnings
warnings.simplefilter("ignore")
for pattern, text in json.load(sys.stdin):
    try:
        answer = "{Match.MATCHES}" if re.match(pattern, text) else "{Match.DIFFERS}"
    except MemoryError:
        answer = "{Match.UNKNOWN}"
    except (re.error, RecursionError, OverflowError):
        answer = "{Match.INVALID}"
    print(answer, flush=True)
"""


def match_all(
    pairs: Sequence[tuple[str, str]], budget: Budget | None = None, seconds: float = SECONDS
) -> list[Match]:
    """Match patterns with the beginnings of texts, as `re.match` does.

    Args:
        pairs: patterns and texts.
        budget: what the run may spend.
        seconds: how long it may take.

    Returns:
        The answers, in the same order; those that did not come in time are `Match.UNKNOWN`.
    """
    data = json.dumps(pairs).encode()
    output, _ = run_limited(_CODE, data, budget or Budget(), seconds=seconds, cpu_seconds=CPU_SECONDS)
    answers = [Match(word) for word in output.decode("ascii").split()[: len(pairs)]]
    return answers + [Match.UNKNOWN] * (len(pairs) - len(answers))
