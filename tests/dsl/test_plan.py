"""Plans: rounds, refusals, what is placed, and that nothing computed from a value or an input shows."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resolver.core.location import Position, format_path
from resolver.core.model import SecretValue
from resolver.dsl.budget import MAX_CHARACTERS, Budget
from resolver.dsl.context import DeploymentContext
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Reason
from resolver.dsl.values import GivenInput
from resolver.dsl.walk import rebuild
from resolver.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Document:
    """A blueprint that was never text: its calls stand in lines by the order in which they are asked for."""

    digest = "0" * 64

    def __init__(self, *documents: Any, name: str = "b.yaml") -> None:  # noqa: ANN401 - plain data
        self.name = name
        self.documents: Sequence[Any] = documents

    def position_of(self, node: Mapping[Any, Any]) -> Position | None:
        """Line 1 for every call."""
        return Position(1, len(node))

    def line_at(self, position: Position) -> str:
        """No line."""
        return f"line {position.line}"


def run(
    document: Any,  # noqa: ANN401 - plain data
    secrets: Mapping[str, str],
    inputs: Mapping[str, GivenInput] | None = None,
    *,
    partial: bool = False,
    evaluate: bool = False,
    room: int = MAX_CHARACTERS,
) -> tuple[Plan, Any, list[list[str]]]:
    """Drive a plan to its end: the plan, the new document or None, and the keys that each round asked for."""
    source = Document(document)
    budget = Budget(characters=room)
    plan = Plan([source], inputs, partial=partial, evaluate=evaluate, budget=budget)
    rounds: list[list[str]] = []
    while uses := plan.advance():
        rounds.append([use.key for use in uses])
        missing = [use for use in uses if use.key not in secrets]
        for use in missing:
            plan.refuse(use, Reason.NOT_FOUND, f"secret {use.shown} was not found")
        if missing:
            return plan, None, rounds
        plan.supply({use.key: SecretValue(secrets[use.key]) for use in uses})
    if plan.problems:
        return plan, None, rounds
    results = plan.results(source)
    new = rebuild(
        document,
        {node: placement.value for node, placement in results.by_node.items()},
        {path: placement.value for path, placement in results.by_path.items()},
    )
    return plan, new, rounds


DATABASE = json.dumps({"user": "admin", "ports": [1, 2], "deep": {"x": None}, "flag": True})


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("db", DATABASE),
        (["db", "user"], "admin"),
        (["db", "ports", 1], 2),
        (["db", "ports", -1], 2),
        (["db", "ports"], [1, 2]),
        (["db", "deep"], {"x": None}),
        (["db", "flag"], True),
        ({"concat": ["d", "b"]}, DATABASE),
        ({"get_input": "which"}, DATABASE),
        ([{"get_input": "which"}, "user"], "admin"),
        ({"get_secret": "pointer"}, DATABASE),
        ([{"get_secret": ["pointers", 0]}, {"get_secret": "step"}], "admin"),
    ],
)
def test_arguments_that_are_calls(argument: object, value: object) -> None:
    """A key, a path, and functions for either, all yield the stored value with its type."""
    secrets = {"db": DATABASE, "pointer": "db", "pointers": '["db"]', "step": "user"}
    document = {"inputs": {"which": {"default": "db"}}, "a": {"get_secret": argument}}
    plan, new, _ = run(document, secrets)
    assert not plan.problems
    assert new["a"] == value
    assert type(new["a"]) is type(value)


@pytest.mark.parametrize(
    ("argument", "reason", "shown"),
    [
        (None, Reason.BAD_ARGUMENT, "takes a key or a list of a key and steps, not nothing"),
        (5, Reason.BAD_ARGUMENT, "not a whole number"),
        (True, Reason.BAD_ARGUMENT, "not a boolean"),
        ([], Reason.BAD_ARGUMENT, "needs a key and at least one step"),
        (["db"], Reason.BAD_ARGUMENT, "needs a key and at least one step"),
        ([5, "x"], Reason.BAD_ARGUMENT, "the key given to get_secret is a whole number, not text"),
        (["db", 1.5], Reason.BAD_ARGUMENT, "step 1 of the path given to get_secret is a number"),
        (["db", True], Reason.BAD_ARGUMENT, "step 1 of the path given to get_secret is a boolean"),
        (["db", ["x"]], Reason.BAD_ARGUMENT, "step 1 of the path given to get_secret is a list"),
        ({"not": "a call"}, Reason.BAD_ARGUMENT, "not a mapping"),
        ("a b", Reason.BAD_ARGUMENT, "the key 'a b' has characters that are not allowed"),
        ("", Reason.BAD_ARGUMENT, "the key is empty"),
        (["db", "nope"], Reason.NO_SUCH_STEP, "step 1 of the path, 'nope', leads nowhere"),
        (["db", "ports", 2], Reason.NO_SUCH_STEP, "step 2 of the path, 2, leads nowhere"),
        (["db", "ports", -3], Reason.NO_SUCH_STEP, "step 2 of the path, -3, leads nowhere"),
        (["db", "ports", 10**30], Reason.NO_SUCH_STEP, "leads nowhere"),
        (["db", 0], Reason.NO_SUCH_STEP, "step 1 of the path, 0, leads nowhere"),
        (["db", "user", 0], Reason.NO_SUCH_STEP, "step 2 of the path, 0, leads nowhere"),
        (["db", "user", "x"], Reason.NO_SUCH_STEP, "step 2 of the path, 'x', leads nowhere"),
        (["db", "flag", "x", "y"], Reason.NO_SUCH_STEP, "step 2 of the path, 'x', leads nowhere"),
        (["db", "deep", "x", "y"], Reason.NO_SUCH_STEP, "step 3 of the path, 'y', leads nowhere"),
        (["digits", 1], Reason.NO_SUCH_STEP, "step 1 of the path, 1, leads nowhere"),
        (["db", None], Reason.BAD_ARGUMENT, "step 1 of the path given to get_secret is nothing"),
        (
            ["db", dt.date(2001, 1, 1)],
            Reason.BAD_ARGUMENT,
            "step 1 of the path given to get_secret is a date",
        ),
        (["db", "ports", "0"], Reason.NO_SUCH_STEP, "step 2 of the path, '0', leads nowhere"),
        (["text", "x"], Reason.NOT_JSON, "the value of secret 'text' is not JSON"),
        (["deepest", 0], Reason.NOT_JSON, "the value of secret 'deepest' is not JSON"),
        (["calls", "x"], Reason.VALUE_HOLDS_CALL, "out of secret 'calls' would put a function call"),
        ({"get_input": "nowhere"}, Reason.BAD_INPUT, "input 'nowhere' is not declared"),
        ({"get_input": "empty"}, Reason.BAD_INPUT, "input 'empty' has no value"),
        ({"get_input": "loop"}, Reason.BAD_ARGUMENT, "without an end in sight"),
        ({"get_attribute": ["n", "a"]}, Reason.NOT_KNOWN_YET, "needs get_attribute"),
        ({"get_property": ["n", ["a"]]}, Reason.BAD_ARGUMENT, "property"),
        ({"get_property": ["n", {"a": 1}]}, Reason.BAD_ARGUMENT, "property"),
    ],
)
def test_arguments_that_are_not(argument: object, reason: Reason, shown: str) -> None:
    """Each way to be wrong has its reason and its sentence; nothing is placed."""
    secrets = {
        "db": DATABASE,
        "text": "hunter2",
        "digits": '{"1": "x"}',
        "calls": '{"x": [{"get_secret": "db"}]}',
        "deepest": "[" * 100_000,
    }
    inputs = {"empty": {}, "loop": {"default": {"get_input": "loop"}}}
    nodes = {"n": {"type": "t", "properties": {"a": 1}}}
    document = {
        "inputs": inputs,
        "node_templates": nodes,
        "node_types": {"t": {}},
        "a": {"get_secret": argument},
    }
    plan, new, _ = run(document, secrets)
    assert new is None
    (problem,) = plan.problems
    assert problem.reason is reason
    assert shown in problem.message
    assert problem.path == ("a",)
    assert problem.position == Position(1, 1)


KEYS = {1: "one", "1": "text", False: "no", None: "nothing", 1.5: "half", dt.date(2001, 1, 1): "day"}


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (1, "one"),
        ("1", "text"),
        (False, "no"),
        (0, "no"),  # as everywhere in Python, and so in Cloudify
        (2, "step 1 of the path, 2, leads nowhere in the "),
        ("null", "step 1 of the path, 'null', leads nowhere in the "),
        (None, "step 1 of the path given to {} is nothing, not text or a whole number"),
        (1.5, "step 1 of the path given to {} is a number, not text or a whole number"),
        (dt.date(2001, 1, 1), "step 1 of the path given to {} is a date, not text or a whole number"),
        ([1], "step 1 of the path given to {} is a list, not text or a whole number"),
        ({"k": 1}, "step 1 of the path given to {} is a mapping, not text or a whole number"),
    ],
)
@pytest.mark.parametrize("function", ["get_input", "get_property"])
def test_steps_through_keys_that_are_no_text(function: str, step: object, outcome: str) -> None:
    """YAML's keys may be of any type; a step is text or a number, and leads to the key that equals it."""
    path = [step] if function == "get_input" else ["m", step]
    document = {
        "inputs": {"i": {"default": KEYS}},
        "node_types": {"t": {}},
        "node_templates": {"i": {"type": "t", "properties": {"m": KEYS}}},
        "a": {"get_secret": {"concat": ["k_", {function: ["i", *path]}]}},
    }
    plan, new, _ = run(document, {f"k_{outcome}": "V"})
    if new is not None:
        assert new["a"] == "V"
    else:
        (problem,) = plan.problems
        assert problem.message.startswith(outcome.format(function))


def test_a_call_below_keys_that_are_no_text_is_replaced() -> None:
    """Keys of any type lead to calls, which are named by them."""
    document = {key: {"get_secret": f"k{number}"} for number, key in enumerate(KEYS)}
    secrets = {f"k{number}": "V" for number in range(len(KEYS))}
    plan, new, _ = run(document, secrets)
    assert not plan.problems
    assert new == dict.fromkeys(KEYS, "V")
    plan, _, _ = run(document, {})
    shown = [format_path(problem.path) for problem in plan.problems]
    assert shown == ["[1]", "['1']", "[False]", "None", "['1.5']", "['2001-01-01']"]


def test_what_is_placed_has_an_end() -> None:
    """A short text that asks for a long value very often is refused where there is no more room."""
    secrets = {"k": "hunter2" * 10, "j": json.dumps({"part": ["x" * 70]})}
    calls: list[tuple[dict[str, Any], int]] = [
        ({"get_secret": "k"}, 250),
        ({"get_secret": ["j", "part"]}, 300),
        ({"concat": [{"get_secret": "k"}, "x"]}, 450),
    ]
    for call, room in calls:
        plan, new, _ = run([dict(call) for _ in range(3)], secrets, evaluate=True, room=room)
        assert (plan.problems, len(new)) == ([], 3)
        with pytest.raises(BudgetError) as caught:
            run([dict(call) for _ in range(5)], secrets, evaluate=True, room=room)
        (problem,) = caught.value.problems
        assert (problem.reason, problem.path) == (Reason.BUDGET_SPENT, (3,))
        message = f"the run makes more than {room} characters, those in between included"
        assert problem.message == message


def test_get_secret_beside_other_keys_is_an_error() -> None:
    """`get_secret` with a default, or with another function, is no call and not silent data either."""
    plan, _, _ = run({"a": {"get_secret": "k", "default": "x"}}, {"k": "v"})
    (problem,) = plan.problems
    assert problem.reason is Reason.NOT_A_CALL
    assert problem.message == "get_secret stands beside 'default', so it is not a call"
    plan, _, _ = run({"a": {"get_secret": "k", **{f"k{number}": 1 for number in range(7)}}}, {})
    (problem,) = plan.problems
    assert problem.message == (
        "get_secret stands beside 'k0', 'k1', 'k2', 'k3', 'k4', 2 more, so it is not a call"
    )


def test_rounds_ask_for_each_key_once() -> None:
    """A round has all keys that are known by then, each once; inner calls come first."""
    document = [
        {"get_secret": "a"},
        {"get_secret": "a"},
        {"get_secret": {"get_secret": "p"}},
        {"x": [{"get_secret": {"get_secret": {"get_secret": "q"}}}]},
    ]
    _, new, rounds = run(document, {"a": "A", "p": "a", "q": "p", "b": "B"})
    assert rounds == [["a", "p", "q"]]  # the rest is there by then
    assert new == ["A", "A", "A", {"x": ["A"]}]
    _, new, rounds = run(document, {"a": "A", "p": "b", "q": "p", "b": "B"})
    assert rounds == [["a", "p", "q"], ["b", "b"]]  # out of different secrets, so told apart


def test_all_problems_are_reported_together() -> None:
    """Every call that is wrong, and each call of a refused key, is a problem of its own."""
    document = {
        "a": {"get_secret": 5},
        "b": {"get_secret": "no"},
        "c": [{"get_secret": "no"}],
        "d": {"get_secret": ""},
    }
    plan, new, _ = run(document, {})
    assert new is None
    assert sorted((problem.path, problem.reason) for problem in plan.problems) == [
        (("a",), Reason.BAD_ARGUMENT),
        (("b",), Reason.NOT_FOUND),
        (("c", 0), Reason.NOT_FOUND),
        (("d",), Reason.BAD_ARGUMENT),
    ]


def test_partial_keeps_what_is_not_known_yet_and_nothing_else() -> None:
    """With `partial` a call that needs run time stays whole and is counted; one that is wrong stays wrong."""
    later = {"get_secret": {"concat": ["x", {"get_attribute": ["n", "a"]}]}}
    plan, new, _ = run({"a": later, "b": {"get_secret": "k"}}, {"k": "v"}, partial=True)
    assert (plan.deferred, new) == (1, {"a": later, "b": "v"})
    plan, new, _ = run({"a": later, "b": {"get_secret": 5}}, {}, partial=True)
    assert [problem.reason for problem in plan.problems] == [Reason.BAD_ARGUMENT]
    plan, new, _ = run({"a": later}, {})
    assert [problem.reason for problem in plan.problems] == [Reason.NOT_KNOWN_YET]


def test_an_input_without_a_value_is_an_error_where_a_secret_needs_it() -> None:
    """Elsewhere its call stays for the orchestrator, who will have the value; calls in it are resolved."""
    document = {
        "inputs": {"later": {"type": "string"}, "null": {"default": None}},
        "a": {"concat": [{"get_input": "later"}, {"get_secret": "k"}]},
        "b": {"concat": [{"get_input": "null"}]},
    }
    plan, new, _ = run(document, {"k": "v"}, evaluate=True)
    assert plan.problems == []
    assert new["a"] == {"concat": [{"get_input": "later"}, "v"]}
    assert new["b"] == document["b"]
    plan, new, _ = run(document | {"c": {"get_secret": {"get_input": "later"}}}, {"k": "v"}, evaluate=True)
    assert [(problem.path, problem.message) for problem in plan.problems] == [
        (("c",), "input 'later' has no value")
    ]
    plan, _, _ = run({"a": {"concat": [{"get_input": "nowhere"}]}}, {}, evaluate=True)
    assert [problem.message for problem in plan.problems] == ["input 'nowhere' is not declared"]


def test_an_optional_input_without_a_value_is_nothing() -> None:
    """As in Cloudify; a key can't be made of it."""
    document = {"inputs": {"may": {"required": False}}, "a": {"get_input": "may"}}
    assert run(document, {}, evaluate=True)[1]["a"] is None
    plan, _, _ = run(document | {"a": {"get_secret": {"get_input": "may"}}}, {})
    assert [problem.message for problem in plan.problems] == ["input 'may' has no value"]


DATA_TYPES = {
    "login": {
        "properties": {
            "user": {"default": "root"},
            "port": {"type": "integer", "default": 22},
            "name": {"required": False},
        }
    },
    "host": {
        "derived_from": "login",
        "properties": {"login": {"type": "login"}, "key": {"default": {"get_secret": "k"}}},
    },
}


def test_data_types_add_their_defaults() -> None:
    """A property or input of a data type has the defaults of what it leaves out, calls included."""
    document = {
        "data_types": DATA_TYPES,
        "inputs": {"given": {"type": "host"}, "all": {"type": "login"}},
        "node_types": {"t": {"properties": {"p": {"type": "host", "default": {"user": "eve", "name": "n"}}}}},
        "node_templates": {
            "own": {"type": "t", "properties": {"p": {"port": 1, "login": {"port": 2}}}},
            "none": {"type": "t"},
        },
        "a": {"get_property": ["own", "p"]},
        "b": {"get_property": ["none", "p", "user"]},
        "c": {"get_input": ["given", "login", "user"]},
        "d": {"get_input": ["given", "key"]},
        "e": {"get_input": "all"},
    }
    given = {"given": GivenInput({"login": {}})}
    plan, new, _ = run(document, {"k": "v"}, given, evaluate=True)
    assert plan.problems == []
    assert new["a"] == {
        "user": "eve",
        "port": 1,
        "name": "n",
        "login": {"user": "root", "port": 2},
        "key": "v",
    }
    assert [new[name] for name in "bcd"] == ["eve", "root", "v"]
    assert new["e"] == {"user": "root", "port": 22}


def test_what_a_type_elsewhere_may_add_is_not_known_yet() -> None:
    """A step that leads nowhere is an error only where all types are in the tree."""
    document = {
        "node_templates": {"n": {"type": "elsewhere", "properties": {"p": {"a": [1]}}}},
        "a": {"get_property": ["n", "p", "b"]},
    }
    plan, new, _ = run(document, {}, evaluate=True)
    assert plan.problems == []
    assert new == document
    for step, reason in (("b", Reason.NOT_KNOWN_YET), ("a", Reason.BAD_ARGUMENT)):
        call = {"get_secret": {"get_property": ["n", "p", step, *([1] if step == "a" else [])]}}
        plan, _, _ = run(document | {"a": call}, {})
        assert [problem.reason for problem in plan.problems] == [reason]
    plan, _, _ = run(document | {"node_types": {"elsewhere": {}}}, {}, evaluate=True)
    assert [problem.message for problem in plan.problems] == [
        "step 1 of the path, 'b', leads nowhere in the property 'p' of node 'n'"
    ]


def test_types_that_are_no_text_are_passed_over() -> None:
    """A declaration whose type is a mapping or a list is no data type, and no reason to fail."""
    for type_name in ({"get_secret": "k"}, ["string"], 5):
        document = {"inputs": {"x": {"type": type_name}}, "a": {"get_secret": {"get_input": "x"}}}
        assert run(document, {"k": "v"}, {"x": GivenInput("k", "k")})[1]["a"] == "v"


def test_an_input_that_names_a_secret_stays_as_it_was_typed() -> None:
    """`--inputs key=007` names the secret that was typed, not the number that YAML makes of it."""
    document = {"inputs": {"key": {}}, "a": {"get_secret": {"concat": ["k", {"get_input": "key"}]}}}
    _, new, _ = run(document, {"k7": "seven"}, {"key": GivenInput(7, "007")})
    assert new["a"] == "seven"
    document = {"inputs": {"key": {}}, "a": {"get_secret": {"get_input": "key"}}}
    _, new, _ = run(document, {"yes": "text"}, {"key": GivenInput(value=True, text="yes")})
    assert new["a"] == "text"


def test_a_key_written_and_computed_is_two_uses() -> None:
    """A key that stands in one call and came out of a secret in another is told apart, so neither tells."""
    plan = Plan([Document([{"get_secret": {"get_secret": "p"}}, {"get_secret": "a"}])])
    plan.supply({use.key: SecretValue("a") for use in plan.advance() if use.key == "p"})
    assert [(use.key, use.shown) for use in plan.advance()] == [("a", "<from secret p>"), ("a", "'a'")]


CANARY = "hunter2"
WORDS = st.sampled_from(["k", "json", "pointer", "i", "given", "x", 0, 5, None, "ports"])


CONTEXT = DeploymentContext(
    tenant="given",
    deployment={"id": f"{CANARY}-deployment"},
    labels={"k": [f"{CANARY}-label"]},
    capabilities={"x": {"k": {"x": f"{CANARY}-capability"}}},
    attributes={"x": {"k": f"{CANARY}-attribute", "json": "json"}},
)


def _calls(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = ["get_secret", "get_secret", "get_input", "concat", "merge", "get_property", "get_attribute"]
    names += [
        "string_split",
        "string_replace",
        "string_upper",
        "string_find",
        "get_label",
        "get_sys",
        "get_capability",
    ]
    return st.one_of(
        st.builds(lambda name, argument: {name: argument}, st.sampled_from(names), inner),
        st.lists(inner, max_size=3),
        st.builds(lambda argument: {"get_secret": argument, "type": "string"}, inner),
    )


ARGUMENTS = st.recursive(WORDS, _calls, max_leaves=8)


@settings(max_examples=300, deadline=None)
@given(st.lists(ARGUMENTS, min_size=1, max_size=4))
@example([{"get_secret": {"get_property": ["x", ["k"]]}}])
@example([{"get_secret": {"get_attribute": ["x", {"k": 0}]}}])
@example([{"get_secret": {"get_capability": ["x", ["k"]]}}])
@example(
    [{"get_secret": {"get_attribute": ["x", "k"]}}, {"get_secret": [{"get_attribute": ["x", "json"]}, 5]}]
)
@example([{"get_secret": {"get_sys": ["deployment", "id"]}}, {"get_secret": {"get_label": ["k", 0]}}])
@example([{"get_secret": {"get_secret": "k"}}, {"get_secret": ["k", "x"]}])
@example([{"get_secret": {"get_input": "given"}}, {"get_secret": ["json", {"get_input": "given"}]}])
@example([{"get_secret": {"get_input": [{"get_secret": "k"}]}}])
@example([{"get_secret": {"get_input": ["given", {"get_secret": "k"}]}}])
@example([{"get_secret": {"get_property": [{"get_secret": "k"}, {"get_input": "given"}]}}])
def test_whatever_the_calls_nothing_shows_and_nothing_breaks(arguments: list[Any]) -> None:
    """Any nesting of functions ends in a result or in problems; neither shows a secret's or input's value."""
    secrets = {
        "k": f"{CANARY}-bare",
        "json": json.dumps({"x": f"{CANARY}-in-json", CANARY: 1, "ports": [f"{CANARY}-listed"]}),
        "pointer": "json",
        "ports": f"{CANARY}-ports",
    }
    document = {
        "inputs": {"i": {"default": "json"}, "given": {"type": "string"}},
        "node_templates": {"x": {"type": "t", "properties": {"k": {"get_secret": "k"}, "ports": [1]}}},
        "a": [{"get_secret": argument} for argument in arguments],
        "b": arguments,
    }
    inputs = {"given": GivenInput(f"{CANARY}-given", f"{CANARY}-given")}
    for evaluate in (False, True):
        source = Document(document)
        plan = Plan([source], inputs, CONTEXT, evaluate=evaluate)
        shown: list[object] = []
        while uses := plan.advance():
            shown += [[use.shown, use.calls[0].location()] for use in uses]
            missing = [use for use in uses if use.key not in secrets]
            for use in missing:
                plan.refuse(use, Reason.NOT_FOUND, f"secret {use.shown} was not found")
            shown += [plan.survey()]
            if missing:
                break
            plan.supply({use.key: SecretValue(secrets[use.key]) for use in uses})
        results = plan.results(source)
        shown += [results.by_node.values(), results.by_path.values(), plan.problems]
        assert CANARY not in repr(shown)
        labels = [placement.label for placement in (*results.by_node.values(), *results.by_path.values())]
        assert CANARY not in repr(labels)
