"""How much code does, in lines run: what it costs without a clock, which others' work sets back."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@dataclass
class Effort:
    """What was done so far.

    Args:
        lines: how many lines of Python were run. What C code does counts for nothing.
    """

    lines: int = 0


@contextlib.contextmanager
def lines_run() -> Iterator[Effort]:
    """Count the lines that are run in this thread until the block ends."""
    effort = Effort()

    def count(_frame: FrameType, event: str, _argument: Any) -> Any:  # noqa: ANN401 - the interpreter's own
        effort.lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield effort
    finally:
        sys.settrace(before)
