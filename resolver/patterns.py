"""Regular expressions that come from blueprints, matched in bounded time.

A short pattern may take years to match or to compile, and nothing can stop `re` within a process. Other
engines are no way out: those with a time limit lack one for compiling, those without backtracking lack
look-around, and both read some patterns otherwise than Cloudify, which uses `re`. So one short-lived Python
process does all matches of a run, with limits on its time and memory. It gets patterns and texts through a
pipe, writes no files and no core, and its environment holds no credentials.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from resolver.core.input_types import Match

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 10.0
"""How long all matches of a run may take, the start of the process included, on however busy a machine."""

CPU_SECONDS = 1
"""How long they may compute."""

MEMORY = 1024 * 1024 * 1024
"""How much address space they may take, in bytes."""

_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""What Python may need of the environment to start."""

_CODE = f"""\
import json, re, sys, warnings
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
except (ImportError, OSError, ValueError):
    pass  # the parent still ends this process in time
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


def match_all(pairs: Sequence[tuple[str, str]], seconds: float = SECONDS) -> list[Match]:
    """Match patterns with the beginnings of texts, as `re.match` does.

    Args:
        pairs: patterns and texts.
        seconds: how long it may take.

    Returns:
        The answers, in the same order; those that did not come in time are `Match.UNKNOWN`.
    """
    # -I and -S: neither the user's settings nor what is installed changes what runs here.
    command = [sys.executable, "-I", "-S", "-c", _CODE]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603 - this Python, and the code above
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except (OSError, ValueError):
        return [Match.UNKNOWN] * len(pairs)
    with process:
        try:
            output, _ = process.communicate(json.dumps(pairs).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    answers = [Match(word) for word in output.decode("ascii").split()[: len(pairs)]]
    return answers + [Match.UNKNOWN] * (len(pairs) - len(answers))
