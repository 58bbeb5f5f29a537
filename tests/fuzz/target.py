"""What the fuzzers call: one input goes through reading, planning, rendering and the words of the messages.

An input is fine when it gives results or our own errors, in time. `Fuzzed` counts what came of the inputs, so
that a run that only ever met refusals does not pass for one that tested something.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml

from resolver.blueprint import Limits, read, render, to_json
from resolver.blueprint.dsl_schema import strict_problems
from resolver.cli.report.json import problem_as_json
from resolver.cli.report.text import problem_lines
from resolver.core.model import SecretValue
from resolver.dsl.plan import Plan
from resolver.dsl.values import GivenInput
from resolver.dsl.walk import rebuild
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolver.blueprint import Blueprint
    from resolver.dsl.problems import Problem

SECONDS = 1.0
"""How long one input may compute."""

LIMITS = Limits(nodes=20_000)
"""The program's own bounds, but for the nodes: what a short text expands to is walked here."""

VALUES = (
    '{"user": "eve", "ports": [1, 2], "deep": {"a": null}, "get_input": 1}',
    "plain",
    "- a: {b} # c\n\x85\x00\U0001f511'\"",
    "{ get_secret: other }",
    "[[true, -1.5e300], {}]",
    "k",
)
"""Values of secrets; dealt out to keys by their length."""

INPUTS = {
    "given": GivenInput({"get_secret": "a"}),
    "k": GivenInput("k", "k"),
    "a": GivenInput([1, {"k": "a"}]),
}


class Fuzzed:
    """Runs inputs, and counts what came of them.

    Attributes:
        outcomes: how many inputs ended in which way.
        slowest: the longest that one input computed, in seconds.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0

    def __str__(self) -> str:
        return f"slowest {self.slowest:.3f} s: {dict(self.outcomes)}"

    def take(self, data: bytes) -> None:
        """Run one input.

        Raises:
            AssertionError: the result is wrong, or took too long.
            Exception: whatever got through that is not an error of ours.
        """
        begun = time.process_time()
        self.outcomes[run(data)] += 1
        took = time.process_time() - begun
        self.slowest = max(self.slowest, took)
        assert took < SECONDS, f"{took:.1f} s for {data[:200]!r}"


def run(data: bytes) -> str:
    """Run one input; what came of it, in a word."""
    try:
        blueprint = read(data, "fuzzed", LIMITS)
    except BlueprintError as error:
        _look_at(error.problems)
        return "not read"
    _look_at(blueprint.warnings)
    if len(data) % 8 == 0:  # it takes ten times as long as all the rest
        _look_at(strict_problems(blueprint))
    loaded = load(blueprint.text.content, yaml.SafeLoader)
    assert loaded is None or alike(loaded, blueprint.documents), (data, loaded, blueprint.documents)
    try:
        to_json(blueprint.documents)
    except BlueprintError as error:
        _look_at(error.problems)
    evaluate = len(data) % 2 == 0
    plan = Plan([blueprint], INPUTS, partial=len(data) % 3 == 0, evaluate=evaluate)
    uses = plan.advance()
    plan.survey()  # as a check has it, before any value is there
    while uses and not plan.problems:
        plan.supply({use.key: SecretValue(VALUES[len(use.key) % len(VALUES)]) for use in uses})
        uses = plan.advance()
    if plan.problems:
        _look_at(plan.problems)
        return "not resolved"
    results = plan.results(blueprint)
    if results.by_path:
        return "not the same everywhere"
    return _rendered(blueprint, {node: placement.value for node, placement in results.by_node.items()})


def _rendered(blueprint: Blueprint, values: dict[int, Any]) -> str:
    """Render a blueprint, and load what comes out."""
    try:
        text = render(blueprint, values).text
    except BlueprintError as error:
        _look_at(error.problems)
        return "not rendered"
    if not values:
        assert text == ("\ufeff" if blueprint.has_bom else "") + blueprint.text.content
        return "read"
    expected = [rebuild(document, values) for document in blueprint.documents]
    if "Tagged(" in repr(expected):
        return "resolved, with tags"
    loaded: Any = load(text, yaml.SafeLoader)
    if loaded is None:  # it refuses a few texts that libyaml takes
        loaded, expected = _blanked(load(text, yaml.CSafeLoader)), _blanked(expected)
    assert alike(loaded, expected), (text, loaded, expected)
    return "resolved"


def _blanked(data: Any) -> Any:  # noqa: ANN401 - YAML data
    """Data with null in place of each empty text.

    An empty value tagged `!` is null to PyYAML's safe loader, as it is to us, and a text to libyaml's.
    """
    if isinstance(data, dict):
        return {_blanked(key): _blanked(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_blanked(item) for item in data]
    return None if data == "" else data


def load(text: str, loader: type[Any]) -> list[Any] | None:
    """What a loader makes of a text; None when it refuses."""
    try:
        return list(yaml.load_all(text, loader))
    except (yaml.YAMLError, ValueError, AttributeError, OverflowError):
        return None


def alike(one: object, other: object) -> bool:
    """Equality that knows types, and that not-a-number is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(map(alike, one.items(), other.items()))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return one == other


def _look_at(problems: Iterable[Problem]) -> None:
    """Write problems as text and as JSON: a message must never be what fails."""
    found: Sequence[Problem] = list(problems)
    for problem in found:
        assert problem.message
        assert problem_as_json(problem)["source"] == problem.source
        assert all(problem_lines(problem))
