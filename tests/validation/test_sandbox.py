"""Children: few at once, one for each user, and no longer than their run has time for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue
from resolver.dsl.budget import Budget
from resolver.dsl.input_types import Match
from resolver.errors import BudgetError, InvalidRequestError, UnavailableError
from resolver.validation import sandbox
from resolver.validation.regex import match_all
from resolver.validation.sandbox import ChildLimiter, run_limited
from resolver.validation.value_schema import check_all, check_schemas

if TYPE_CHECKING:
    from collections.abc import Callable

LATE = "can't be checked in the time there is for it"


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processor time that each child was given; none of them gets to an end."""
    given: list[int] = []

    def never_ends(
        _code: str, _data: bytes, _seconds: float, cpu_seconds: int, *, packages: bool
    ) -> tuple[bytes, float | None]:
        del packages
        given.append(cpu_seconds)
        return b"", None

    monkeypatch.setattr(sandbox, "_run", never_ends)
    return given


def test_a_run_has_an_end_however_many_it_checks(children: list[int]) -> None:
    """What is left once the time of a run is used up is refused without a child."""
    budget = Budget(child_seconds=5)
    assert check_all([("{}", SecretValue("1"))] * 100, budget) == [LATE] * 100
    assert children == [2, 2, 1]
    (problem,) = check_schemas(['{"type": "object"}'], budget)
    assert isinstance(problem, InvalidRequestError)
    assert problem.message == f"the JSON schema {LATE}"
    assert match_all([("a", "a")], budget) == [Match.UNKNOWN]
    assert len(children) == 3


def test_what_children_compute_comes_out_of_the_budget() -> None:
    """Those that end by themselves say how long they took."""
    budget = Budget(child_seconds=5)
    assert match_all([("a", "a")], budget) == [Match.MATCHES]
    assert 0 < 5 - budget.child_seconds < 1


def test_nothing_is_started_for_nobody(children: list[int]) -> None:
    """A run that was given up starts no child."""
    with pytest.raises(BudgetError):
        run_limited("", b"", Budget(cancelled=lambda: True), seconds=1, cpu_seconds=1)
    assert not children


def started(
    turns: ChildLimiter, payer: str, until: threading.Event
) -> tuple[threading.Thread, threading.Event]:
    """A thread that takes a turn, and the sign that it has it."""
    has_it = threading.Event()

    def take() -> None:
        with turns.turn(payer, 60):
            has_it.set()
            until.wait(60)

    thread = threading.Thread(target=take)
    thread.start()
    return thread, has_it


def test_few_children_run_at_once_and_one_for_each_user() -> None:
    """Whoever has one running waits for it, while the others have the turns that are left."""
    turns, done = ChildLimiter(2), threading.Event()

    def is_refused(payer: str) -> bool:
        try:
            with turns.turn(payer, 0.01):
                return False
        except UnavailableError:
            return True

    first, has_first = started(turns, "mallory", done)
    assert has_first.wait(200)
    more = [started(turns, "mallory", done) for _ in range(5)]
    assert is_refused("mallory")
    assert not is_refused("alice")
    assert not is_refused("")
    second, has_second = started(turns, "", done)
    assert has_second.wait(200)
    assert is_refused("alice")
    assert not any(has_it.is_set() for _, has_it in more)
    done.set()
    for thread in (first, second, *(thread for thread, _ in more)):
        thread.join(30)
    assert all(has_it.is_set() for _, has_it in more)
    assert not is_refused("mallory")


def test_children_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns and schemas alike: where no turn comes in time, the answer is to try again."""

    def full(check: Callable[[], object]) -> str:
        with pytest.raises(UnavailableError) as caught:
            check()
        return caught.value.message

    monkeypatch.setattr(sandbox, "_turns", ChildLimiter(0))
    monkeypatch.setattr(sandbox, "TURN_SECONDS", 0.01)
    message = "too many checks of schemas and patterns wait for one another"
    assert full(lambda: match_all([("a", "a")])) == message
    assert full(lambda: check_all([("{}", SecretValue("1"))], Budget())) == message
