"""Names that are close to a mistyped one. Who asks must be allowed to see every name that is put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SUGGESTIONS = 3
CLOSENESS = 0.75
"""Lowest ratio of `difflib.SequenceMatcher` at which two names are close: one slip in four characters."""

MAX_LENGTH_DIFFERENCE = 3
"""Names that differ more in length are not compared: with many names, comparing all of them takes long."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A question that offers the closest names, `did you mean 'a' or 'b'?`; empty when none is close.

    Args:
        name: what was written.
        names: what there is.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only needed once something is missing

    likely = [other for other in names if abs(len(other) - len(name)) <= MAX_LENGTH_DIFFERENCE]
    close = [repr(other) for other in get_close_matches(name, likely, MAX_SUGGESTIONS, CLOSENESS)]
    if not close:
        return ""
    *others, last = close
    return f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
