"""What types declare and derive, and add to values, is what Cloudify's parser makes of them.

`HIERARCHY_EXAMPLES` raises how many generated hierarchies are compared, `HIERARCHY_FIRST` is the first seed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from resolver.core.model import SecretValue
from resolver.dsl.budget import Budget
from resolver.dsl.context import DeploymentContext
from resolver.dsl.definitions import Definitions
from resolver.dsl.evaluate import Evaluator
from resolver.dsl.inheritance import Kind, OutOfReachError, Typed, Unknown
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Fault, Reason
from resolver.dsl.values import GivenInput, Values
from resolver.dsl.walk import rebuild
from tests.cloudify import ask, needs_cloudify
from tests.dsl.hierarchies import KEYS, Hierarchy
from tests.dsl.test_plan import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES_OF = Path(__file__).parents[1] / "corpus" / "cloudify_values.py"
FIRST = int(os.environ.get("HIERARCHY_FIRST", "0"))
EXAMPLES = int(os.environ.get("HIERARCHY_EXAMPLES", "30"))

CASES = Path(__file__).with_name("cases")
SECRETS = {"k": "V1", "j": "V2", "tab": "T"}

MISSING, UNKNOWN = object(), object()


def paths_in(value: object) -> Iterator[tuple[Any, ...]]:
    """All paths into a value, that to nothing included, and one step too many at each mapping and text."""
    yield ()
    if isinstance(value, dict):
        yield ("none",)
        for key, inner in value.items():
            yield from ((key, *path) for path in paths_in(inner))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from ((number, *path) for path in paths_in(inner))


def at(value: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401 - plain data
    """What a path leads to."""
    for step in path:
        if not (step in value if isinstance(value, dict) else isinstance(value, list)):
            return MISSING
        value = value[step]
    return value


class Comparison:
    """Compares what one hierarchy's blueprint evaluates to with the parser's answer.

    Args:
        document: the blueprint, or what is within reach of it.
        given: values given for inputs.
    """

    def __init__(self, document: dict[str, Any], given: dict[str, Any]) -> None:
        self.definitions = Definitions([document])
        self.evaluator = Evaluator(
            self.definitions,
            {name: GivenInput(value) for name, value in given.items()},
            Values(),
            DeploymentContext(),
            self.definitions.budget,
        )
        self.known = self.unknown = 0

    def evaluate(self, call: dict[str, Any]) -> object:
        """The value of a call; UNKNOWN when it is not known yet, MISSING when the call is refused."""
        try:
            return self.evaluator.evaluate(call, ("outputs", "o")).value
        except Fault as fault:
            return UNKNOWN if fault.reason is Reason.NOT_KNOWN_YET else MISSING

    def compare(self, call: dict[str, Any], expected: object, *, is_whole: bool) -> None:
        """Compare one call's value, or see that it is not known."""
        value = self.evaluate(call)
        if value is UNKNOWN:
            assert not is_whole, call
            self.unknown += 1
        elif value is MISSING or expected is MISSING:
            assert value is expected, call
        else:
            # Their order too, which `concat` shows.
            assert json.dumps(value) == json.dumps(expected), call
            self.known += 1

    def compare_all(self, answer: dict[str, Any], *, is_whole: bool) -> None:
        """Compare all properties and inputs, and all paths into them."""
        for node, properties in answer["values"]["nodes"].items():
            for key in KEYS:
                for path in paths_in(properties[key]) if key in properties else [()]:
                    expected = at(properties, (key, *path))
                    self.compare({"get_property": [node, key, *path]}, expected, is_whole=is_whole)
        for name, value in answer["values"]["inputs"].items():
            for path in paths_in(value):
                self.compare({"get_input": [name, *path]}, at(value, path), is_whole=is_whole)

    def compare_relationship(
        self, written: dict[str, Any], expected: dict[str, Any], *, is_whole: bool
    ) -> None:
        """Compare the properties of a relationship, which no call reads."""
        types = self.definitions.types
        for key in KEYS:
            part = types.property(Kind.RELATIONSHIP, written["type"], written["properties"], key)
            try:
                value = types.whole(part) if isinstance(part, Typed) else part
            except OutOfReachError:
                value = Unknown("")
            if isinstance(value, Unknown):
                assert not is_whole
            elif part is None:
                assert key not in expected
            else:
                assert json.dumps(value) == json.dumps(expected[key]), (written, key)


def plan_of(document: dict[str, Any], *others: dict[str, Any], evaluate: bool = True) -> tuple[Plan, Any]:
    """The plan of a blueprint, followed as far as it goes, and the blueprint with what came of it."""
    source = Document(document)
    plan = Plan([source], evaluate=evaluate, definitions={id(document): Definitions([document, *others])})
    while uses := plan.advance():
        plan.supply({use.key: SecretValue(SECRETS[use.key]) for use in uses})
    results = plan.results(source)
    values = {node: made.value for node, made in results.by_node.items()}
    return plan, rebuild(document, values, {path: made.value for path, made in results.by_path.items()})


def case(name: str) -> dict[str, Any]:
    """A blueprint that is a file."""
    document: dict[str, Any] = yaml.safe_load((CASES / f"{name}.yaml").read_text())
    return document


def test_what_the_managers_types_may_add_to_stays() -> None:
    """A mapping whose type is out of reach is not read as a whole; what is given in it is known."""
    plan, new = plan_of(case("manager_type_defaults"))
    properties = new["node_templates"]["n"]["properties"]
    assert properties["agent_config"] == {"user": "k", "password": "V1"}
    assert properties["ip"] == {"get_property": ["n", "agent_config"]}
    assert plan.problems == []
    assert [(left.message, left.path) for left in plan.left] == [
        (
            (
                "the call stays: the property 'agent_config' of node 'n' is not known as a whole: "
                "node type 'cloudify.nodes.Compute' is not in this blueprint"
            ),
            ("node_templates", "n", "properties", "ip"),
        )
    ]
    whole = plan_of(case("manager_type_defaults"), case("stub"))[1]
    assert whole["node_templates"]["n"]["properties"]["ip"] == properties["agent_config"]


def test_why_a_call_stays_is_said_once() -> None:
    """A call around one that stays is left for the same reason; another reason is said, too."""
    properties = {"c": {"a": 1}, "d": {"b": 1}}
    read = [{"get_property": ["n", name]} for name in ("c", "d")]
    document = {"node_templates": {"n": {"type": "t", "properties": properties}}, "a": {"merge": read}}
    plan, new = plan_of(document)
    assert new == document
    assert [left.message.split(" of node")[0] for left in plan.left] == [
        "the call stays: the property 'c'",
        "the call stays: the property 'd'",
    ]


@pytest.mark.parametrize("name", ["input_step_sibling", "input_step_secret_sibling"])
@pytest.mark.parametrize("evaluate", [False, True])
def test_what_stands_beside_a_step_is_not_evaluated(name: str, *, evaluate: bool) -> None:
    """Neither a call that reads the same input nor one of a secret keeps a key from being known."""
    plan, new = plan_of(case(name), evaluate=evaluate)
    assert plan.problems == []
    assert new["p"] == "V1"
    assert [found.key for found in plan.survey() if found.location.path == ("p",)] == ["k"]


def test_defaults_of_one_data_type_are_put_together_along_node_types() -> None:
    """The default of a derived type adds to the one that it overrides."""
    assert plan_of(case("derived_default"), case("stub"))[1]["node_templates"]["n"]["properties"] == {
        "p": "V2"
    }


DATA = {
    "base": {"properties": {"a": {"default": 1}, "b": {"default": 2}}},
    "data": {"derived_from": "base", "properties": {"b": {"default": 3}, "c": {"required": False}}},
    "outer": {"properties": {"in": {"type": "data", "default": {"c": 4}}, "x": {"default": 5}}},
    "outermost": {"derived_from": "outer", "properties": {"in": {"type": "data", "default": {"a": 6}}}},
    "bare": {"properties": {"in": {"type": "data"}}},
}
CALL = {"get_input": "i"}


@pytest.mark.parametrize(
    ("parent", "child", "given", "expected"),
    [
        # the nearest declaration counts, as a whole
        ({"default": 1}, None, MISSING, 1),
        ({"default": 1}, {"default": 2}, MISSING, 2),
        ({"default": 1}, {}, MISSING, MISSING),
        ({"type": "dict", "default": {"a": 1}}, {"type": "dict", "default": {"b": 2}}, MISSING, {"b": 2}),
        ({"default": 1}, {"default": 2}, 3, 3),
        ({"default": 1}, {"default": None}, MISSING, None),
        ({"type": "dict", "default": {"a": 1}}, None, {"b": 2}, {"b": 2}),
        # a data type adds the defaults of its properties, its own before those that it derives
        ({"type": "base"}, None, MISSING, {"a": 1, "b": 2}),
        ({"type": "data"}, None, MISSING, {"b": 3, "a": 1}),
        ({"type": "data", "default": None}, None, MISSING, {"b": 3, "a": 1}),
        ({"type": "data", "default": {"a": 9}}, None, {"c": 8}, {"b": 3, "c": 8, "a": 9}),
        # in a property of a data type, too
        ({"type": "bare"}, None, MISSING, {"in": {"b": 3, "a": 1}}),
        ({"type": "outer"}, None, {"in": {"b": 7}}, {"in": {"b": 7, "c": 4, "a": 1}, "x": 5}),
        ({"type": "outermost"}, None, MISSING, {"in": {"b": 3, "c": 4, "a": 6}, "x": 5}),
        # defaults of one data type are put together along derived types
        (
            {"type": "data", "default": {"a": 9}},
            {"type": "data", "default": {"c": 8}},
            MISSING,
            {"b": 3, "c": 8, "a": 9},
        ),
        ({"type": "data", "default": {"a": 9}}, {"type": "data"}, {"c": 8}, {"b": 3, "c": 8, "a": 9}),
        # of two data types only the nearer counts, also where one derives from the other
        ({"type": "base", "default": {"a": 9}}, {"type": "data"}, MISSING, {"b": 3, "a": 1}),
        ({"type": "data", "default": {"a": 9}}, {"default": {"c": 8}}, MISSING, {"c": 8}),
        # a list is taken as it is, and so is what stands in it
        ({"type": "list", "default": [{"a": 1}]}, None, [{"b": 2}], [{"b": 2}]),
        # a call is a value: nothing is added to it, and nothing to what it gives
        ({"type": "data", "default": {"a": 9}}, None, CALL, {"c": 0}),
        ({"type": "data", "default": CALL}, None, MISSING, {"c": 0}),
        ({"type": "data", "default": CALL}, {"type": "data"}, MISSING, {"b": 3, "a": 1}),
    ],
)
def test_rules_of_inheritance(
    parent: dict[str, Any], child: dict[str, Any] | None, given: object, expected: object
) -> None:
    """Each rule, for node types and relationships alike; the generated ones below show that it is one."""
    types = {
        "parent": {"properties": {"p": parent}},
        "child": {"derived_from": "parent", "properties": {} if child is None else {"p": child}},
    }
    own = {} if given is MISSING else {"p": given}
    document = {
        "inputs": {"i": {"default": {"c": 0}}},
        "data_types": DATA,
        "node_types": types,
        "relationships": types,
        "node_templates": {"n": {"type": "child", "properties": own}},
    }
    comparison = Comparison(document, {})
    comparison.compare({"get_property": ["n", "p"]}, expected, is_whole=True)
    for kind in (Kind.NODE, Kind.RELATIONSHIP):
        part = comparison.definitions.types.property(kind, "child", own, "p")
        assert (part is None) == (expected is MISSING)
        if isinstance(part, Typed) and part.value != CALL:
            assert comparison.definitions.types.whole(part) == expected


@pytest.mark.parametrize(
    ("declared", "given", "known", "unknown"),
    [
        # nothing is declared in reach: texts, numbers, lists and calls stay what they are, mappings may grow
        (None, {"a": 1, "b": [{}], "c": CALL, "d": {"e": 2}}, ("a", "b", "c"), ((), ("d",), ("f",))),
        # declared as no data type in reach: what a type out of reach declares does not count
        ({"type": "dict"}, {"a": {"b": 1}}, ((), "a"), ()),
        ({}, {"a": {"b": 1}}, ((), "a"), ()),
        # declared as a data type in reach: a default of a type out of reach may be put together with it
        ({"type": "data", "default": {"a": 9}}, {"c": {"d": 1}}, ("a", "c"), ((), "b")),
        ({"type": "elsewhere", "default": {"a": 9}}, {"c": 8}, ("a", "c"), ((), "b", "d")),
    ],
)
def test_what_a_type_out_of_reach_may_change_is_not_known(
    declared: dict[str, Any] | None, given: dict[str, Any], known: tuple[Any, ...], unknown: tuple[Any, ...]
) -> None:
    """Only what no type out of reach can change has a value."""
    document = {
        "inputs": {"i": {"default": {"c": 0}}},
        "data_types": DATA,
        "node_types": {
            "t": {"derived_from": "out.of.reach", "properties": {} if declared is None else {"p": declared}}
        },
        "node_templates": {"n": {"type": "t", "properties": {"p": given}}},
    }
    comparison = Comparison(document, {})
    for steps in known:
        path = steps if isinstance(steps, tuple) else (steps,)
        value = comparison.evaluate({"get_property": ["n", "p", *path]})
        assert value not in (MISSING, UNKNOWN), steps
    for steps in unknown:
        path = steps if isinstance(steps, tuple) else (steps,)
        assert comparison.evaluate({"get_property": ["n", "p", *path]}) is UNKNOWN, steps
    assert comparison.evaluate({"get_property": ["n", "other"]}) is UNKNOWN


def test_inputs_of_a_type_out_of_reach() -> None:
    """For inputs the same holds: given ones, defaults, and those that nothing here declares."""
    document = {"inputs": {"i": {"type": "elsewhere", "default": {"a": 1}}, "none": {"type": "elsewhere"}}}
    comparison = Comparison(document, {"given": {"a": 1}})
    for name in ("i", "given"):
        assert comparison.evaluate({"get_input": [name, "a"]}) == 1
        assert comparison.evaluate({"get_input": name}) is UNKNOWN
        assert comparison.evaluate({"get_input": [name, "b"]}) is UNKNOWN
    assert comparison.evaluate({"get_input": "none"}) is UNKNOWN


def test_an_input_that_lacks_what_its_data_type_requires_has_no_value() -> None:
    """The defaults of a data type make a value only when nothing that is required is missing."""
    data = {
        "lacking": {"properties": {"a": {"default": 1}, "b": {}}},
        "excused": {"properties": {"use_external_resource": {"default": True}, "b": {}}},
        "inner": {"properties": {"in": {"type": "lacking"}, "a": {"default": 1}}},
        "empty": {"properties": {"a": {"required": False}}},
    }
    inputs = {name: {"type": name} for name in data}
    comparison = Comparison({"data_types": data, "inputs": inputs}, {})
    assert comparison.evaluate({"get_input": "excused"}) == {"use_external_resource": True}
    for name in ("lacking", "inner", "empty"):
        assert comparison.evaluate({"get_input": name}) is MISSING


def test_types_in_circles_are_not_known() -> None:
    """Types that derive from themselves, and data types that hold themselves, end in a reason."""
    document = {
        "data_types": {"d": {"properties": {"d": {"type": "d"}}}, "e": {"derived_from": "e"}},
        "node_types": {"t": {"derived_from": "u"}, "u": {"derived_from": "t"}},
        "node_templates": {"n": {"type": "t", "properties": {"p": {}}}},
        "inputs": {name: {"type": name, "default": {}} for name in "de"},
    }
    comparison = Comparison(document, {})
    for call in ({"get_property": ["n", "p"]}, {"get_input": "d"}, {"get_input": "e"}):
        assert comparison.evaluate(call) is UNKNOWN


def test_wide_and_deep_types_cost_what_is_read() -> None:
    """A step into a property of a wide type looks at none of its other properties."""
    wide = {f"p{number}": {"default": number} for number in range(2000)}
    levels = {f"d{number}": {"derived_from": f"d{number + 1}", "properties": {}} for number in range(40)}
    document = {
        "data_types": levels | {"d40": {"properties": wide}},
        "node_types": {"t": {"properties": {"c": {"type": "d0"}}}},
        "node_templates": {"n": {"type": "t"}},
    }
    definitions = Definitions([document], Budget(steps=500 * 100))
    evaluator = Evaluator(definitions, {}, Values(), DeploymentContext(), definitions.budget)
    for number in range(500):
        assert evaluator.evaluate({"get_property": ["n", "c", f"p{number}"]}, ()).value == number


@pytest.mark.slow
@needs_cloudify
def test_generated_hierarchies_are_what_cloudify_makes_of_them() -> None:
    """All properties, inputs and paths into them have the parser's value; without some types, no other."""
    generated = [Hierarchy(seed) for seed in range(FIRST, FIRST + EXAMPLES)]
    questions = [
        {
            "text": yaml.safe_dump(each.document, sort_keys=False),
            "secrets": {},
            "inputs": each.given,
            "properties": True,
        }
        for each in generated
    ]
    answers = ask(VALUES_OF, questions, timeout=1200)
    accepted = known = unknown = 0
    for each, answer in zip(generated, answers, strict=True):
        if "error" in answer:
            continue
        accepted += 1
        for document, is_whole in ((each.document, True), (each.within_reach(), False)):
            comparison = Comparison(document, each.given)
            comparison.compare_all(answer, is_whole=is_whole)
            (relationship,) = document["node_templates"]["two"]["relationships"]
            expected = answer["relationships"]["two"][0]
            comparison.compare_relationship(relationship, expected, is_whole=is_whole)
            known += comparison.known
            unknown += comparison.unknown
    assert accepted > 0.6 * EXAMPLES
    assert known > 20 * accepted
    assert unknown > accepted
