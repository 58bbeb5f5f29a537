"""Suggestions of names that are close to a mistyped one; the caller must be allowed to see all of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MAX_SUGGESTIONS = 3
CLOSENESS = 0.75
"""Lowest ratio of `difflib.SequenceMatcher` at which two names are close: one slip in four characters."""

MAX_LENGTH_DIFFERENCE = 3
"""Names that differ more in length are not compared."""

MAX_COMPARED = 10_000_000
"""Most pairs of characters that are compared, about a second's work; after that there are no suggestions."""


class Suggestions:
    """Suggests names that are close to mistyped ones.

    Args:
        names: gives the names that there are; called when one is missing for the first time.
    """

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._look_up = names
        self._left = MAX_COMPARED

    @cached_property
    def _names(self) -> Mapping[int, Sequence[str]]:
        """The names by their length."""
        by_length: dict[int, list[str]] = {}
        for name in self._look_up():
            by_length.setdefault(len(name), []).append(name)
        return by_length

    def question(self, name: str) -> str:
        """A question that offers the closest names, `did you mean 'a' or 'b'?`; empty when none is close.

        Args:
            name: what was written.
        """
        from difflib import get_close_matches  # noqa: PLC0415 - only needed once something is missing

        lengths = range(len(name) - MAX_LENGTH_DIFFERENCE, len(name) + MAX_LENGTH_DIFFERENCE + 1)
        groups = [(length, self._names[length]) for length in lengths if length in self._names]
        # A name is compared by the square of its length, at worst.
        self._left -= sum(len(group) * max(length * len(name), 1) for length, group in groups)
        if self._left < 0:
            return ""
        likely = [other for _, group in groups for other in group]
        close = [repr(other) for other in get_close_matches(name, likely, MAX_SUGGESTIONS, CLOSENESS)]
        if not close:
            return ""
        *others, last = close
        return f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
