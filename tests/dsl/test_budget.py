"""The budget of a run: what a short text may ask for is counted before it is done."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from resolver.blueprint import dump, read, render, to_json
from resolver.blueprint.dsl_schema import strict_problems
from resolver.core.model import SecretValue
from resolver.dsl.budget import LOOK_EVERY, Budget
from resolver.dsl.definitions import Definitions
from resolver.dsl.functions import FUNCTIONS, MAX_TEXT, StaticFunction
from resolver.dsl.input_types import Match, check_inputs
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Fault, Reason
from resolver.dsl.values import GivenInput
from resolver.errors import BudgetError

KIB = 1024
MIB = KIB * KIB


def run(document: Any, secrets: dict[str, str], budget: Budget, **given: Any) -> Plan:  # noqa: ANN401 - plain data
    """Drive a plan over a document to its end."""
    source = read(json.dumps(document).encode(), "b.yaml", budget=budget)
    inputs = {name: GivenInput(value) for name, value in given.items()}
    plan = Plan([source], inputs, evaluate=True, budget=budget)
    while uses := plan.advance():
        plan.supply({use.key: SecretValue(secrets[use.key]) for use in uses})
    return plan


def doubling(levels: int) -> dict[str, Any]:
    """Inputs of which each asks for the next one twice."""
    inputs: dict[str, Any] = {
        f"i{level}": {"default": [{"get_input": f"i{level + 1}"}] * 2} for level in range(levels)
    }
    inputs[f"i{levels}"] = {"default": "x"}
    return inputs


def test_calls_of_a_run_share_its_steps() -> None:
    """Many short calls that each cost less than one may are refused together, at the first one too many."""
    document = {"inputs": doubling(8), "a": [{"get_input": "i0"} for _ in range(100)]}
    assert not run(document, {}, Budget()).problems
    with pytest.raises(BudgetError) as caught:
        run(document, {}, Budget(steps=300_000))
    (problem,) = caught.value.problems
    assert (problem.reason, problem.message) == (Reason.BUDGET_SPENT, "the run takes more than 300000 steps")
    assert problem.source == "b.yaml"
    assert 5 < int(problem.path[1]) < 60


def text(length: int) -> str:
    """A text of some length."""
    return "a" * length


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("string_replace", lambda: [text(64 * KIB), "a", text(64 * KIB)]),
        ("string_replace", lambda: [text(64 * KIB), "", text(64 * KIB)]),
        ("string_split", lambda: [text(8 * MIB), "a"]),
        ("string_upper", lambda: "ΐ" * (6 * MIB)),
        ("concat", lambda: [text(64 * KIB)] * 1000),
        ("concat", lambda: [[text(64 * KIB)] * 100] * 100),
        ("concat", lambda: [{"a": {str(number): None for number in range(1000)}}] * 10_000),
        ("merge", lambda: [{str(number): None for number in range(10_000)}] * 10_000),
    ],
)
@pytest.mark.slow
def test_lengths_are_known_before_texts_are_made(name: str, argument: Any) -> None:  # noqa: ANN401 - a function of plain data
    """A function that would make more than it may is refused before it makes anything of that size."""
    function, given = FUNCTIONS[name], argument()
    assert isinstance(function, StaticFunction)
    tracemalloc.start()
    try:
        with pytest.raises((BudgetError, Fault)):
            function.compute(given, Budget(steps=500_000, characters=MAX_TEXT))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MIB


def test_what_a_function_may_make_it_makes() -> None:
    """The lengths computed are those of the results, as far as one can tell without making them."""
    for name, argument in (
        ("string_replace", ["abcabc", "b", "xy"]),
        ("string_replace", ["abcabc", "b", "xy", 1]),
        ("string_replace", ["abc", "", "-"]),
        ("string_lower", "ÀB"),
        ("concat", ["a", "bc"]),
    ):
        function = FUNCTIONS[name]
        assert isinstance(function, StaticFunction)
        made = function.compute(argument, Budget())
        assert function.compute(argument, Budget(characters=3 * len(made))) == made
        with pytest.raises(BudgetError):
            function.compute(argument, Budget(characters=len(made) - 1))


def test_a_number_of_too_many_digits_is_refused() -> None:
    """`str()` can't write it, and that is no failure of ours."""
    function = FUNCTIONS["concat"]
    assert isinstance(function, StaticFunction)
    with pytest.raises(Fault, match="too many digits"):
        function.compute([1 << 40_000], Budget())


def nested_types(levels: int) -> dict[str, Any]:
    """Data types whose properties are each of the next type, and have defaults."""
    types: dict[str, Any] = {
        f"t{level}": {"properties": {name: {"type": f"t{level + 1}", "default": {}} for name in "abcd"}}
        for level in range(levels)
    }
    return types | {f"t{levels}": {"properties": {}}}


def test_defaults_of_data_types_are_counted() -> None:
    """Types within types ask for a mapping of any size, however short they are."""
    document = {
        "data_types": nested_types(40),
        "inputs": {"i": {"type": "t0", "default": {}}},
        "a": {"get_input": "i"},
    }
    with pytest.raises(BudgetError):
        run(document, {}, Budget(steps=50_000))


def test_checks_of_inputs_are_counted() -> None:
    """Items by allowed values, patterns by items, inputs by properties: no product of two is free."""

    def match_all(pairs: Any) -> list[Match]:  # noqa: ANN401 - pairs of texts
        return [Match.MATCHES] * len(pairs)

    many = [str(number) for number in range(1000)]
    hostile: list[dict[str, Any]] = [
        {
            "inputs": {
                "i": {
                    "type": "list",
                    "item_type": "string",
                    "default": many,
                    "constraints": [{"valid_values": many}],
                }
            }
        },
        {
            "inputs": {
                "i": {
                    "type": "list",
                    "item_type": "string",
                    "default": many,
                    "constraints": [{"pattern": text(10_000)}],
                }
            }
        },
        {
            "inputs": {f"i{number}": {"type": "t", "default": {}} for number in range(1000)},
            "data_types": {"t": {"properties": {name: {} for name in many}}},
        },
        {
            "inputs": {f"i{number}": {"type": "t", "default": dict.fromkeys(many)} for number in range(1000)},
            "data_types": {"t": {"properties": {}}},
        },
    ]
    for document in hostile:
        with pytest.raises(BudgetError):
            check_inputs(Definitions([document], Budget(steps=300_000, characters=5 * MIB)), {}, match_all)
        assert check_inputs(Definitions([document], Budget(10**8, 10**9)), {}, match_all) is not None


@pytest.mark.slow
def test_placing_and_writing_are_counted() -> None:
    """Texts, numbers and entries alike, in each format, and in every place that shares them."""
    value: Any = [0] * 5_000
    document = {"a": [{"get_secret": ["k", "p"]} for _ in range(100)]}
    secrets = {"k": json.dumps({"p": value})}
    assert not run(document, secrets, Budget()).problems
    with pytest.raises(BudgetError):
        run(document, secrets, Budget(characters=MIB))
    source = read(json.dumps(document).encode(), "b.yaml")
    results = {id(call): value for call in source.documents[0]["a"]}
    shared = [value] * 100
    for write in (
        lambda budget: render(source, results, budget),
        lambda budget: dump(source.documents[0], results, "", budget),
        lambda budget: to_json(shared, "", budget),
        lambda budget: to_json([b"x" * 40_000] * 100, "", budget),
        lambda budget: render(source, dict.fromkeys(results, "\N{GRINNING FACE}\0" * 4_000), budget),
    ):
        write(Budget())
        with pytest.raises(BudgetError):
            write(Budget(characters=MIB))


def test_the_schema_of_the_dsl_is_applied_within_the_budget() -> None:
    """Checking with the schema is the slowest thing that a run does to a node."""
    nodes = {f"n{number}": {"type": "t", "properties": {}} for number in range(1000)}
    document = {"tosca_definitions_version": "cloudify_dsl_1_5", "node_templates": nodes}
    source = read(json.dumps(document).encode(), "b.yaml")
    assert strict_problems(source, Budget()) == ()
    with pytest.raises(BudgetError):
        strict_problems(source, Budget(steps=10_000))


def test_time_has_an_end() -> None:
    """The clock that counts is looked at while a text is read and while calls are evaluated."""
    now = [0.0]

    def clock() -> float:
        now[0] += 1
        return now[0]

    long = ("a: [" + "x, " * (3 * LOOK_EVERY) + "]").encode()
    assert read(long, "b.yaml", budget=Budget(seconds=1000, clock=clock))
    with pytest.raises(BudgetError, match="1 problem found") as caught:
        read(long, "b.yaml", budget=Budget(seconds=10, clock=clock))
    assert caught.value.problems[0].message == "the run computes for more than 10 seconds"
    document = {"inputs": doubling(12), "a": [{"get_input": "i0"} for _ in range(30)]}
    with pytest.raises(BudgetError):
        run(document, {}, Budget(seconds=10, clock=clock))


def test_work_that_nobody_waits_for_ends() -> None:
    """In reading, in the second pass over a wrong text, and in evaluation."""
    gone = [False]
    looks = [0]

    def cancelled() -> bool:
        looks[0] += 1
        gone[0] = gone[0] or looks[0] > 5
        return gone[0]

    for data in (b"a: [" + b"x, " * (3 * LOOK_EVERY) + b"]", b"a: 1\n" * (3 * LOOK_EVERY)):
        gone[0], looks[0] = False, 0
        with pytest.raises(BudgetError) as caught:
            read(data, "b.yaml", budget=Budget(cancelled=cancelled))
        assert caught.value.problems[0].message == "the run was given up: nobody waits for it any more"
        assert looks[0] == 6
    document = {"inputs": doubling(12), "a": [{"get_input": "i0"} for _ in range(30)]}
    gone[0], looks[0] = False, 0
    with pytest.raises(BudgetError):
        run(document, {}, Budget(cancelled=cancelled))
    assert looks[0] == 6


def test_a_budget_that_is_spent_stays_spent() -> None:
    """Whoever goes on after an error gets no further."""
    budget = Budget(steps=10)
    for _ in range(2):
        with pytest.raises(BudgetError):
            budget.spend(11)
    budget = Budget(characters=10)
    for _ in range(2):
        with pytest.raises(BudgetError):
            budget.spend(1, 11)
