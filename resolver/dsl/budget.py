"""What one run may spend in reading, evaluation and rendering together: steps, characters and time.

A short text may ask for any amount of work. So each part of a run says what a step of it will cost before it
is taken: the length of a text before it is made, the size of a mapping before it is gone through.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from resolver.dsl.problems import Problem, Reason
from resolver.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

MAX_STEPS: Final = 5_000_000
"""Most steps of a run, each of about a microsecond: a node that is visited, a name that is compared."""

MAX_CHARACTERS: Final = 128 * 1024 * 1024
"""Most characters that a run makes: results of functions, values that it places, text that it writes."""

NODE: Final = 8
"""Characters that a mapping's or list's entry counts as, beside those of its texts."""

CHILD_SECONDS: Final = 6.0
"""How long the processes that a run starts to match patterns and check schemas may compute in all."""

_SCALAR: Final = 32
"""Characters of a number or a date, or of brackets and quotes."""

_ESCAPED: Final = 10
"""Most characters that one becomes in quotes: `\\U0001F600`."""

LOOK_EVERY: Final = 10_000
"""Steps after which a run looks whether time is left and somebody still waits."""

_CHUNK: Final = 64
"""Items between two looks at what is read; few, since the garbage collector goes through those that wait."""

_HINT = "resolve fewer blueprints at once, and use long values and large inputs less often"


def _never() -> bool:
    return False


class Budget:
    """What one run may spend. Once it is spent, whatever asks for more is refused.

    Args:
        steps: how many steps it may take.
        characters: how many characters it may make.
        seconds: how long it may compute, by `clock`.
        clock: tells the seconds that count, such as this thread's processor time; None for no bound.
        cancelled: says whether nobody waits for the result any more.
        child_seconds: how long processes of their own may compute for it, all together; see
            `resolver.validation.sandbox`.
        payer: for whom it is, of whose processes one runs at a time; empty for anybody.
    """

    def __init__(
        self,
        steps: int = MAX_STEPS,
        characters: int = MAX_CHARACTERS,
        *,
        seconds: float = 0,
        clock: Callable[[], float] | None = None,
        cancelled: Callable[[], bool] = _never,
        child_seconds: float = CHILD_SECONDS,
        payer: str = "",
    ) -> None:
        self.child_seconds = child_seconds
        self.payer = payer
        self._limits = (steps, characters, seconds)
        self._steps = steps
        self._characters = characters
        self._clock = clock
        self._end = 0.0
        self.cancelled = cancelled
        self._look_at = max(steps - LOOK_EVERY, 0)

    def spend(self, steps: int = 1, characters: int = 0) -> None:
        """Count what is about to be done.

        Args:
            steps: how many steps it takes.
            characters: how many characters it makes.

        Raises:
            BudgetError: there is less left.
        """
        self._steps -= steps
        self._characters -= characters
        if self._characters < 0:
            raise _spent(f"makes more than {self._limits[1]} characters, those in between included", _HINT)
        if self._steps < self._look_at:
            if self._steps < 0:
                raise _spent(f"takes more than {self._limits[0]} steps", _HINT)
            self._look_at = max(self._steps - LOOK_EVERY, 0)
            self.look()

    def look(self) -> None:
        """See whether there is time left, and whether somebody waits for the result.

        Raises:
            BudgetError: it is not so.
        """
        if self.cancelled():
            raise _spent("was given up: nobody waits for it any more", "")
        if self._clock is None:
            return
        now = self._clock()
        self._end = self._end or now + self._limits[2]  # begins with the run, in the thread that it is in
        if now > self._end:
            raise _spent(f"computes for more than {self._limits[2]:g} seconds", _HINT)

    def paced(self, items: Iterable[T]) -> Iterator[T]:
        """The same items, with a look now and then: for what the size of a text already bounds."""
        return chain.from_iterable(self._chunks(iter(items)))

    def _chunks(self, items: Iterator[T]) -> Iterator[list[T]]:
        is_over = False
        while not is_over:
            self.look()
            chunk: list[T] = []
            try:
                chunk.extend(islice(items, _CHUNK))
            except Exception:
                yield chunk  # what came before the error
                raise
            is_over = not chunk
            yield chunk

    def spend_on(self, value: object) -> int:
        """Count a value that is about to be placed or searched: each of its entries, and all of its texts.

        Returns:
            How many characters it counts as.
        """
        if isinstance(value, str):
            self.spend(1, len(value))
            return len(value)
        total = 0
        for item in _entries(value):
            size = NODE + (len(item) if isinstance(item, (str, bytes)) else 0)
            total += size
            self.spend(1, size)
        return total

    def text_length(self, value: object) -> int:
        """How many characters `str()` makes of a value at most, after counting the steps to find out."""
        if isinstance(value, str):
            self.spend()
            return len(value)
        total = 0
        for item in _entries(value):
            size = _SCALAR
            if isinstance(item, dict):
                size += 4 * len(item)
            elif isinstance(item, (list, tuple, set)):
                size += 2 * len(item)
            elif isinstance(item, (str, bytes)):
                size += _ESCAPED * len(item)
            elif isinstance(item, int):
                size += item.bit_length() // 3
            total += size
            self.spend()
        return total


def _entries(value: object) -> Iterator[Any]:
    """A value and all that is in it, names of mappings included."""
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        yield item
        if isinstance(item, dict):
            pending += item.keys()
            pending += item.values()
        elif isinstance(item, (list, tuple, set)):
            pending += item


def _spent(what: str, hint: str) -> BudgetError:
    return BudgetError([Problem(Reason.BUDGET_SPENT, f"the run {what}", hint=hint)])
