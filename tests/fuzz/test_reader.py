"""Fuzzing in the suite: whatever the input is, reading and resolving give results or our errors, in time.

`FUZZ_INPUTS` raises how many inputs each test runs; `tests.fuzz.many` and `tests.fuzz.atheris_target` are for
millions.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import target
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import PIECES, TEXTS, seeds
from tests.fuzz.target import Fuzzed

if TYPE_CHECKING:
    from random import Random

ROOT = Path(__file__).parents[2]
ATHERIS = "tests.fuzz.atheris_target"
# The checkout comes last on the path: what is fuzzed is the package that the other tests run on.
START = (
    f"import runpy, sys; sys.path.append({str(ROOT)!r}); runpy.run_module({ATHERIS!r}, run_name='__main__')"
)
INPUTS = int(os.environ.get("FUZZ_INPUTS", "400"))

many = settings(max_examples=INPUTS, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@many
@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map(
        lambda words: "".join(words).encode()
    )
    | st.binary(max_size=60)
)
def test_pieces(data: bytes) -> None:
    """Pieces of YAML in any order, and any bytes."""
    Fuzzed().take(data)


@many
@given(st.randoms(use_true_random=False))
def test_mutated_texts(random: Random) -> None:
    """Blueprints with pieces put in, cut out and moved."""
    Fuzzed().take(mutated(random, seeds(), PIECES))


@pytest.mark.parametrize(
    "text", ["[!, {get_secret: k}]", "{x: !, y: {get_secret: k}}", "{!, '': {get_secret: k}}"]
)
def test_texts_that_only_libyaml_reads(text: str) -> None:
    """What they give is compared with libyaml's loader; another value in its place would be noticed."""
    assert target.load(text, yaml.SafeLoader) is None
    assert target.run(text.encode()) == "resolved"


def test_a_wrong_value_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a text that only libyaml reads, too."""
    loaded = target.load
    monkeypatch.setattr(target, "load", lambda text, loader: loaded(text.replace("plain", "another"), loader))
    with pytest.raises(AssertionError, match="another"):
        target.run(b"[!, {get_secret: a}]")


def test_the_fuzzers_reach_what_they_are_for() -> None:
    """The texts to begin with are read, and most are resolved: refusals alone would test nothing."""
    fuzzed = Fuzzed()
    for text in TEXTS:
        fuzzed.take(text.encode())
    assert fuzzed.outcomes["not read"] == 0
    assert fuzzed.outcomes["resolved"] >= len(TEXTS) // 2


def test_another_exception_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not an error of ours gets through."""
    monkeypatch.setattr(target, "read", lambda *_: {}["planted"])
    with pytest.raises(KeyError):
        Fuzzed().take(b"a: 1")


def test_a_wrong_result_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that loads as something else is found."""
    monkeypatch.setattr(target, "rebuild", lambda *_: "planted")
    with pytest.raises(AssertionError):
        Fuzzed().take(b"a: {get_secret: k}")


def test_a_slow_input_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """An input that takes too long is named."""
    monkeypatch.setattr(target, "SECONDS", 0.0)
    with pytest.raises(AssertionError, match=r"^0\.[0-9] s for b'a: 1'"):
        Fuzzed().take(b"a: 1")


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="atheris has no wheel for this platform"
)
def test_atheris() -> None:
    """Coverage-guided inputs, in a process of its own: libFuzzer ends it at the first finding."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", START, f"-runs={INPUTS}", "-seed=1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {INPUTS} runs" in done.stderr
