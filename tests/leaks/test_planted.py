"""The tests of error messages find leaks: each fails when one is put in by hand."""

from __future__ import annotations

import inspect
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.api import Resolver
from resolver.dsl.problems import Reason
from resolver.resolution.run import BlueprintRun
from tests.leaks import test_errors as errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.leaks.conftest import World

pytestmark = pytest.mark.slow

CASE = next(case for case in errors.CASES if case.error is Reason.NOT_JSON)
"""One in which a value was decrypted before something turned out to be wrong."""

RAISE = BlueprintRun.raise_problems


def in_a_message(run: BlueprintRun, value: str) -> None:
    """A problem is told with the value."""
    run.add(Reason.NOT_JSON, f"not JSON: {value}", "")
    RAISE(run)


def in_a_context(run: BlueprintRun, value: str) -> None:
    """The value is in an exception that another one took the place of."""
    try:
        int(value)
    except ValueError:
        RAISE(run)


def in_a_log(run: BlueprintRun, value: str) -> None:
    """The value is an argument of a debug message."""
    logging.getLogger("resolver").debug("looking at %s", value)
    RAISE(run)


def in_a_record(run: BlueprintRun, value: str) -> None:
    """The value is in an audit record."""
    with closing(sqlite3.connect(Path(os.environ["RESOLVER_HOME"], "data", "resolver.db"))) as connection:
        connection.execute("UPDATE audit_record SET body = CAST(body || ? AS BLOB)", [value])
        connection.commit()
    RAISE(run)


def in_the_store(run: BlueprintRun, value: str) -> None:
    """The value is in a file beside the database."""
    Path(os.environ["RESOLVER_HOME"], "data", "cache").write_text(value)
    RAISE(run)


def in_a_frame(run: BlueprintRun, value: str) -> None:
    """The value is in the frames that the interface no longer leaves behind."""
    assert value
    RAISE(run)


@pytest.mark.parametrize(
    ("leak", "search"),
    [
        (in_a_message, errors.test_no_message_holds_a_value),
        (in_a_message, errors.test_no_exception_holds_a_value),
        (in_a_context, errors.test_no_earlier_exception_holds_a_value),
        (in_a_frame, errors.test_no_earlier_exception_holds_a_value),
        (in_a_log, errors.test_nothing_that_is_kept_holds_a_value),
        (in_a_record, errors.test_nothing_that_is_kept_holds_a_value),
        (in_the_store, errors.test_nothing_that_is_kept_holds_a_value),
    ],
    ids=lambda thing: thing.__name__,
)
def test_a_planted_leak_is_found(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[BlueprintRun, str], None],
    search: Callable[[World, errors.Case], None],
) -> None:
    """A test that passes without the leak fails with it, because of what was found."""

    def leaky(run: BlueprintRun) -> None:
        values = run.plan._values._texts  # noqa: SLF001 - where leaks would come from
        leak(run, "".join(value.reveal() for value in values.values()))

    monkeypatch.setattr(BlueprintRun, "raise_problems", leaky)
    if leak in (in_a_context, in_a_frame):  # which the interface leaves behind
        monkeypatch.setattr(Resolver, "resolve", inspect.unwrap(Resolver.resolve))
    with pytest.raises(AssertionError) as caught:
        search(world, CASE)
    assert "== []" in str(caught.value)
