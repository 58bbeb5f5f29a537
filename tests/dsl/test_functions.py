"""The table of functions: documented as it is, and all that there is to say of a function."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from resolver.blueprint import read, render
from resolver.core.model import SecretValue
from resolver.dsl.calls import call_name, holds_call
from resolver.dsl.context import DeploymentContext, UnansweredError
from resolver.dsl.functions import (
    FUNCTIONS,
    ContextFunction,
    Function,
    ReadingFunction,
    RunTimeFunction,
    StaticFunction,
)
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from resolver.dsl.budget import Budget

DOCUMENTED = Path(__file__).parents[2] / "docs" / "blueprints.md"


def names_in_row(begins_with: str) -> set[str]:
    """The functions that a row of the documentation's table names, without their arguments."""
    (row,) = [line for line in DOCUMENTED.read_text().splitlines() if line.startswith(f"| {begins_with}")]
    return {quoted.partition(":")[0] for quoted in re.findall(r"`([a-z][^`]*)`", row.split("|")[1])}


def names_of(*kinds: type[Function]) -> set[str]:
    """The functions of some kinds."""
    return {name for name, function in FUNCTIONS.items() if isinstance(function, kinds)}


def test_the_table_is_documented() -> None:
    """`docs/blueprints.md` names each function in the row of its kind; `all others` is run time."""
    text = DOCUMENTED.read_text()
    # The tenant's name is known without a context, so that call of `get_sys` is as good as static.
    static = names_of(StaticFunction, ReadingFunction) - {"get_secret"} | {"get_sys"}
    assert names_in_row("`get_input`") == static
    assert names_in_row("`get_sys`, `get_label`") == names_of(ContextFunction)
    assert "the same without an answer, and all others" in text
    for name in names_of(RunTimeFunction):
        assert name not in text


def test_names_are_those_of_the_table() -> None:
    """An entry stands under its own name."""
    assert {name: function.name for name, function in FUNCTIONS.items()} == {name: name for name in FUNCTIONS}


def reverse(argument: object, budget: Budget) -> str:
    """A text backwards."""
    budget.spend(1, budget.text_length(argument))
    return str(argument)[::-1]


def answer(context: DeploymentContext, argument: object) -> Any:  # noqa: ANN401 - plain data
    """A fact about the deployment."""
    if argument not in context.deployment:
        raise UnansweredError
    return context.deployment[str(argument)]


NEW: tuple[Function, ...] = (
    StaticFunction("string_reverse", reverse),
    ContextFunction("get_fact", answer),
    RunTimeFunction("get_later"),
)


def resolved(text: str, *, partial: bool = False, evaluate: bool = False) -> tuple[str, Plan]:
    """A text with all values in their places, and its plan."""
    blueprint = read(text.encode(), "b.yaml")
    plan = Plan(
        [blueprint], None, DeploymentContext(deployment={"id": "yek"}), partial=partial, evaluate=evaluate
    )
    while uses := plan.advance():
        plan.supply({use.key: SecretValue(f"value of {use.key}") for use in uses})
    results = plan.results(blueprint).by_node
    return render(blueprint, {node: made.value for node, made in results.items()}).text, plan


@pytest.fixture
def _new(monkeypatch: pytest.MonkeyPatch) -> None:
    for function in NEW:
        monkeypatch.setitem(FUNCTIONS, function.name, function)


@pytest.mark.usefixtures("_new")
def test_a_new_function_is_one_entry() -> None:
    """It is read as a call, evaluated in arguments, left elsewhere, and evaluated there when asked to."""
    assert call_name({"string_reverse": "x", "type": "string"}) == "string_reverse"
    assert holds_call([{"get_later": []}])
    argument = "a: { get_secret: { string_reverse: { get_fact: id } } }\n"
    assert yaml.safe_load(resolved(argument)[0]) == {"a": "value of key"}
    elsewhere = "a: { string_reverse: { get_secret: key } }\nb: { get_fact: id }\nc: { get_later: [1] }\n"
    left = {"a": {"string_reverse": "value of key"}, "b": {"get_fact": "id"}, "c": {"get_later": [1]}}
    assert yaml.safe_load(resolved(elsewhere)[0]) == left
    evaluated = {"a": "yek fo eulav", "b": "yek", "c": {"get_later": [1]}}
    assert yaml.safe_load(resolved(elsewhere, evaluate=True)[0]) == evaluated


@pytest.mark.usefixtures("_new")
@pytest.mark.parametrize("call", ["{ get_fact: name }", "{ get_later: [1] }"])
def test_a_new_function_without_an_answer_is_left_for_run_time(call: str) -> None:
    """In an argument it is refused by name, or deferred on demand."""
    text = f"a: {{ get_secret: {call} }}\n"
    _, refused = resolved(text)
    (problem,) = refused.problems
    name = call.split()[1].removesuffix(":")
    assert problem.reason is Reason.NOT_KNOWN_YET
    assert problem.message == f"the call needs {name}, whose result is not known before deployment"
    same, deferred = resolved(text, partial=True)
    assert (same, deferred.problems, deferred.deferred) == (text, [], 1)
