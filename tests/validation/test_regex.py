"""Regular expressions from blueprints: matched as Python matches them, and never for long."""

from __future__ import annotations

import os
import sys
import time

import pytest

from resolver.dsl.input_types import Match
from resolver.validation import regex
from resolver.validation.regex import match_all


def test_answers_are_those_of_python() -> None:
    """Patterns match the beginning of texts as `re.match` has it, and what is no pattern is told."""
    pairs = [
        ("a+b", "aabc"),
        ("a+b", "xaab"),
        (r"^(?=.*\d)(?=.*[a-z]).{4,}$", "abc1"),
        (r"^(?=.*\d)(?=.*[a-z]).{4,}$", "abcd"),
        (r"\w+$", "é\n"),
        ("(", "("),
        ("(?:" * 5000, ""),
        ("\ud800", "\ud800"),
        ("[[a]", "["),
    ]
    yes, no, bad = Match.MATCHES, Match.DIFFERS, Match.INVALID
    assert match_all(pairs) == [yes, no, yes, no, yes, bad, bad, yes, yes]


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(?i)" + "[\\0-\U0010ffff]" * 300 + "(a+)+$"],
    ids=["matching takes for ever", "compiling and matching do"],
)
def test_what_takes_too_long_is_not_known(pattern: str) -> None:
    """A pattern that would run for years is given up; answers from before it count."""
    begun = time.monotonic()
    found = match_all([("a", "a"), (pattern, "a" * 5000 + "b"), ("a", "a")])
    assert found == [Match.MATCHES, Match.UNKNOWN, Match.UNKNOWN]
    assert time.monotonic() - begun < regex.SECONDS + 5


def test_the_time_limit_holds_without_help_of_the_system() -> None:
    """The process is ended after the seconds given, whatever it does."""
    assert match_all([("(a+)+$", "a" * 40 + "b")], seconds=0.01) == [Match.UNKNOWN]


def test_without_python_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started, as in an embedded Python, there are no answers."""
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    assert match_all([("a", "a")]) == [Match.UNKNOWN]


def test_the_process_gets_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the process is empty but for what Python needs to start."""
    monkeypatch.setenv("RESOLVER_TOKEN", "ctok")
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    monkeypatch.setattr(regex, "_CODE", "import os; print('matches' if len(os.environ) < 4 else 'differs')")
    assert len(os.environ) >= 4
    assert match_all([("a", "a")]) == [Match.MATCHES]
