"""A pytest plugin for `.ci/run`: tests run on the installed package; in CI a skipped one is a failed one."""

# ruff: noqa: INP001 - loaded by its name alone

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

import resolver

if TYPE_CHECKING:
    from collections.abc import Generator

CORPUS = Path(os.environ.get("RESOLVER_TEST_CORPUS") or Path(__file__).parents[2] / "shared" / "corpus")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_configure() -> None:
    """Refuse to run on the checkout."""
    if not Path(resolver.__file__).is_relative_to(sys.prefix):
        raise pytest.UsageError(f"the package under test is {resolver.__file__}, not the installed one")


def _without_skip(report: Report) -> Report:
    may_skip = report.nodeid.startswith("tests/corpus/") and not CORPUS.exists()
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail") and not may_skip:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one."""
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself."""
    return _without_skip((yield))
