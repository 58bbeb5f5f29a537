"""The wait after wrong passwords: it grows, ends, and can't be stretched by those who cause it."""

from __future__ import annotations

from resolver.core.login_backoff import FREE, LONGEST, Failures, slot_of, wait_after
from resolver.core.times import later

NOW = "2030-01-01T00:00:00.000Z"


def test_the_first_few_cost_nothing_then_the_wait_doubles() -> None:
    """Four wrong passwords are free; then it is 1, 2, 4 seconds and so on, at most 15 minutes."""
    assert [wait_after(count) for count in range(FREE + 5)] == [0] * (FREE + 1) + [1, 2, 4, 8]
    assert wait_after(1000) == LONGEST == 900


def test_a_refused_attempt_changes_nothing() -> None:
    """While logins are refused further attempts are not counted; afterwards the next one is."""
    failures = Failures()
    for _ in range(FREE):
        failures = failures.with_another(NOW)
        assert not failures.refuses(NOW)
    failures = failures.with_another(NOW)
    assert failures.refuses(NOW)
    assert failures.with_another(NOW) is failures
    after = later(NOW, 1)
    assert not failures.refuses(after)
    assert failures.with_another(after).refused_until == later(after, 2)


def test_wrong_passwords_of_yesterday_do_not_count() -> None:
    """After a day without any, the count starts anew."""
    old = Failures(50, NOW, later(NOW, 900))
    assert old.with_another(later(NOW, 24 * 60 * 60 - 1)).count == 51
    assert old.with_another(later(NOW, 24 * 60 * 60)) == Failures(1, later(NOW, 24 * 60 * 60), "")


def test_names_of_nobody_share_places() -> None:
    """A user has a place of its own; names that no user has share a fixed number, whatever they are."""
    assert slot_of("an id", "name") == "an id"
    assert slot_of(None, "Name") == slot_of(None, "nAME")
    assert len({slot_of(None, f"n{number}") for number in range(20_000)}) <= 4096
    assert len(slot_of(None, "\udcff" * 100)) <= 36
