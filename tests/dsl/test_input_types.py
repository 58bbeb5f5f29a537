"""Types and constraints of inputs: which values fit, and what is said of those that don't."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.provenance import WRITTEN
from resolver.dsl.definitions import Definitions
from resolver.dsl.input_types import Match, check_inputs, match_none, named_secrets, undeclared
from resolver.dsl.problems import Reason
from resolver.dsl.values import GivenInput

if TYPE_CHECKING:
    from collections.abc import Sequence

VALUE = "s3cr3t"
CALL = {"get_secret": "k"}
GIVEN = "the value given for input 'x' "
DATA_TYPES = {
    "address": {"properties": {"street": {"type": "string"}, "number": {"type": "integer", "default": 1}}},
    "office": {"derived_from": "address", "properties": {"floor": {"type": "integer", "required": False}}},
    "person": {"properties": {"home": {"type": "address"}, "age": None}},
    "derived": {"derived_from": "elsewhere", "properties": {"a": {"type": "integer"}}},
    "circle": {"derived_from": "circle"},
}


def match_all(pairs: Sequence[tuple[str, str]]) -> list[Match]:
    """Match the short patterns of these tests."""
    answers = []
    for pattern, text in pairs:
        try:
            answers.append(Match.MATCHES if re.match(pattern, text) else Match.DIFFERS)
        except re.error:
            answers.append(Match.INVALID)
    return answers


def definitions(declared: object) -> Definitions:
    """A blueprint with one input."""
    return Definitions([{"inputs": {"x": declared}, "data_types": DATA_TYPES}])


def said(declared: object, value: Any, text: str | None = None) -> list[str]:  # noqa: ANN401 - any data
    """What is said of a given value."""
    problems = check_inputs(definitions(declared), {"x": GivenInput(value, text)}, match_all)
    assert {(problem.reason, problem.path) for problem in problems} <= {(Reason.BAD_INPUT, ("inputs", "x"))}
    return [problem.message for problem in problems]


@pytest.mark.parametrize(
    ("name", "fitting", "others"),
    [
        ("string", ["a", 1, 1.5, True, None], [[VALUE], {VALUE: 1}]),
        ("textarea", ["a\nb"], [[]]),
        ("integer", [1, -1, 0], [VALUE, 1.5, True, None, []]),
        ("float", [1, 1.5], [VALUE, True, None]),
        ("boolean", [True, False], [1, "true", None]),
        ("list", [[], [VALUE]], [VALUE, {}, None]),
        ("dict", [{}, {"a": VALUE}], [VALUE, [], None]),
        ("regex", ["a+", ""], [1, None, "("]),
        ("secret_key", ["k", "a.b-c_d~e"], [5, None, "", "white space", "1st", "k" * 257]),
        ("deployment_id", ["d", 10], [[], {}]),
        ("capability_value", ["d", 10, [], {}, None], []),
        ("operation_name", ["a.b"], [{}]),
        ("not_in_the_tree", ["a", 1, []], []),
        (None, ["a", 1, [], {}], []),
        (["no name"], ["a", 1], []),
    ],
)
def test_types(name: object, fitting: list[object], others: list[object]) -> None:
    """Each type takes its values and no others; calls are not looked at, since their values come later."""
    for value in [*fitting, CALL, {"concat": ["a"], "type": "string"}]:
        assert said({"type": name}, value) == []
    for value in others:
        (message,) = said({"type": name}, value)
        assert message.startswith(GIVEN)
        assert VALUE not in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("integer", VALUE, "is text, not a whole number"),
        ("float", True, "is a boolean, not a number"),
        ("boolean", 0, "is a whole number, not a boolean"),
        ("list", {}, "is a mapping, not a list"),
        ("dict", VALUE, "is text, not a mapping"),
        ("string", [], "is a list, not text"),
        ("regex", "(s3cr3t", "is not a regular expression"),
        ("secret_key", "s3cr3t !", "can't be the key of a secret"),
        ("address", VALUE, "is text, not a mapping as data type 'address' wants it"),
        ("address", {"street": "a", VALUE: 1}, "has a property that data type 'address' does not have"),
        ("address", {}, "lacks property 'street' of data type 'address'"),
    ],
)
def test_messages(name: str, value: object, message: str) -> None:
    """A message says what the value is and what is wanted, without the value."""
    assert said({"type": name}, value) == [GIVEN + message]


def test_what_is_typed_for_a_text_is_text() -> None:
    """NAME=VALUE for a type that is text is what was typed; for any other it is what YAML makes of it."""
    four = {"constraints": [{"length": 4}]}
    assert said({"type": "string"} | four, 10, "0012") == []
    assert said({"type": "node_id"} | four, 10, "0012") == []
    assert said({"type": "integer"}, "0x", "0x") == [GIVEN + "is text, not a whole number"]
    assert said({"type": "integer"}, 10, "0012") == []


@pytest.mark.parametrize(
    ("constraint", "fitting", "other", "message"),
    [
        ({"equal": 3}, 3, 4, "must be 3"),
        ({"greater_than": 3}, 3.5, 3, "must be greater than 3"),
        ({"greater_or_equal": 3}, 3, 2, "must be 3 or more"),
        ({"less_than": 3}, 2, 3, "must be less than 3"),
        ({"less_or_equal": 3}, 3, 4, "must be 3 or less"),
        ({"in_range": [1, 3]}, 3, 4, "must be between 1 and 3"),
        ({"valid_values": ["a", 1]}, "a", VALUE, "must be one of 'a', 1"),
        ({"length": 2}, "ab", VALUE, "must have 2 characters or items"),
        ({"min_length": 2}, [1, 2], [1], "must have at least 2 characters or items"),
        ({"max_length": 2}, {"a": 1}, VALUE, "must have at most 2 characters or items"),
        ({"pattern": "a+b"}, "aabc", VALUE, "must match the pattern 'a+b'"),
        (
            {"greater_than": 3},
            4,
            VALUE,
            "is text, to which the constraint greater_than as it is written does not apply",
        ),
        (
            {"length": 3},
            "abc",
            5,
            "is a whole number, to which the constraint length as it is written does not",
        ),
        (
            {"valid_values": "abc"},
            CALL,
            "a",
            "is text, to which the constraint valid_values as it is written",
        ),
        ({"in_range": [1]}, CALL, 1, "is a whole number, to which the constraint in_range as it is written"),
        ({"pattern": "a"}, "a", 5, "is a whole number, to which the constraint pattern does not apply"),
        (
            {"pattern": "("},
            CALL,
            VALUE,
            "can't be checked, because the constraint's pattern is not a regular",
        ),
    ],
)
def test_constraints(constraint: dict[str, object], fitting: object, other: object, message: str) -> None:
    """Each constraint lets through what holds to it, and says what it asks for without the value."""
    assert said({"constraints": [constraint]}, fitting) == []
    (found,) = said({"constraints": [constraint]}, other)
    assert found.startswith(GIVEN + message)
    assert VALUE not in found


def test_what_the_manager_decides_on_is_left_to_it() -> None:
    """Constraints about the manager, calls as arguments, and malformed lists are passed over."""
    for constraints in (
        [{"filter_id": "f"}, {"labels": []}, {"name_pattern": {"starts_with": "x"}}, {"deployment_id": "d"}],
        [{"greater_than": {"get_input": "least"}}, {"pattern": CALL}],
        "none",
        [None, "none", {5: 5}],
    ):
        assert said({"constraints": constraints}, 1) == []
    assert said({"constraints": [{"valid_values": ["a"]}]}, [CALL]) == []


def test_all_broken_constraints_are_told_with_the_authors_words() -> None:
    """Each broken constraint is a problem; the blueprint's own words for it are the hint."""
    constraints = [{"min_length": 9, "error_message": "use nine letters"}, {"max_length": 2}]
    problems = check_inputs(definitions({"constraints": constraints}), {"x": GivenInput(VALUE)}, match_all)
    assert [problem.hint for problem in problems] == ["use nine letters", ""]


def test_a_wrong_type_is_told_alone() -> None:
    """A value of the wrong type is not also said to break constraints."""
    declared = {"type": "integer", "constraints": [{"in_range": [1, 2]}]}
    assert said(declared, VALUE) == [GIVEN + "is text, not a whole number"]


def test_items_of_a_list() -> None:
    """With an item type, type and constraints hold for each item, and not for the list."""
    declared = {"type": "list", "item_type": "integer", "constraints": [{"less_than": 5}]}
    assert said(declared, [1, 4, CALL]) == []
    assert said(declared, [1, VALUE, 7]) == [
        f"item 2 of {GIVEN}is text, not a whole number",
        f"item 3 of {GIVEN}must be less than 5",
    ]
    assert said({"type": "list", "constraints": [{"max_length": 1}]}, [7]) == []


@pytest.mark.parametrize(
    ("name", "value", "messages"),
    [
        ("address", {"street": "a", "number": 2}, []),
        ("address", {"street": CALL}, []),
        (
            "address",
            {"street": "a", "number": VALUE},
            [f"property 'number' of {GIVEN}is text, not a whole number"],
        ),
        (
            "address",
            {"use_external_resource": True},
            ["has a property that data type 'address' does not have"],
        ),
        ("office", {"street": "a", "floor": 3}, []),
        ("office", {"floor": 3}, ["lacks property 'street' of data type 'office'"]),
        ("person", {"home": {"street": "a"}, "age": 7}, []),
        ("person", {"home": CALL, "age": 7}, []),
        ("person", {"home": 5, "age": 7}, [f"property 'home' of {GIVEN}is a whole number, not a mapping as"]),
        ("derived", {"a": VALUE}, []),
        ("circle", {"a": VALUE}, []),
    ],
)
def test_data_types(name: str, value: object, messages: list[str]) -> None:
    """A value of a data type has its properties and those it derives; others are not known."""
    found = said({"type": name}, value)
    assert len(found) == len(messages)
    for message, expected in zip(found, messages, strict=True):
        assert expected in message
        assert VALUE not in message


def test_a_value_within_itself_ends() -> None:
    """A value from Python that holds itself is not followed for ever."""
    value: dict[str, object] = {}
    value["home"] = value
    blueprint = {"inputs": {"x": {"type": "t"}}, "data_types": {"t": {"properties": {"home": {"type": "t"}}}}}
    assert check_inputs(Definitions([blueprint]), {"x": GivenInput(value)}, match_all) == []


def test_defaults() -> None:
    """A default is checked like a given value, unless one is given; an empty one counts as none."""
    for declared in ({"type": "integer"}, {"type": "integer", "default": None}, None):
        assert check_inputs(definitions(declared), {}, match_all) == []
    declared = {"type": "integer", "default": "5"}
    (problem,) = check_inputs(definitions(declared), {}, match_all)
    assert problem.message == "the default of input 'x' is text, not a whole number"
    assert check_inputs(definitions(declared), {"x": GivenInput(5)}, match_all) == []


def test_a_default_may_be_what_cloudify_takes() -> None:
    """Cloudify takes a default of any kind for a text, and one that lacks properties that are given later."""
    for declared in ({"type": "string", "default": []}, {"type": "address", "default": {}}):
        assert check_inputs(definitions(declared), {}, match_all) == []


def test_patterns_are_asked_for_once_and_together() -> None:
    """All patterns of a blueprint are matched by one request, and none is made when there are no patterns."""
    requests: list[Sequence[tuple[str, str]]] = []

    def asked(pairs: Sequence[tuple[str, str]]) -> Sequence[Match]:
        requests.append(pairs)
        return [Match.UNKNOWN, Match.DIFFERS, Match.MATCHES]

    inputs = {
        "a": {"default": "v", "constraints": [{"pattern": "p"}]},
        "b": {"default": "v", "constraints": [{"pattern": "q"}, {"pattern": "p"}]},
        "c": {"type": "regex", "default": "r"},
    }
    problems = check_inputs(Definitions([{"inputs": inputs}]), {}, asked)
    assert requests == [[("p", "v"), ("q", "v"), ("r", "")]]
    assert [problem.message.partition("input ")[2] for problem in problems] == [
        "'a' can't be checked, because matching it with the constraint's pattern takes too long",
        "'b' must match the pattern 'q'",
        "'b' can't be checked, because matching it with the constraint's pattern takes too long",
    ]
    assert check_inputs(definitions({"default": "v"}), {}, asked) == []
    assert len(requests) == 1


def test_without_a_way_to_match_a_pattern_is_refused() -> None:
    """A pattern that nobody matches counts as not matched."""
    declared = {"constraints": [{"pattern": ".*"}]}
    (problem,) = check_inputs(definitions(declared), {"x": GivenInput("a")}, match_none)
    assert "can't be checked" in problem.message


def test_secrets_that_inputs_name() -> None:
    """An input of type secret_key names a secret: by its default or by what is given; in a list, several."""

    def named(declared: object, **given: GivenInput) -> list[tuple[str, bool]]:
        found = named_secrets(definitions(declared), given)
        return [(secret.key, secret.provenance is WRITTEN) for secret in found]

    assert named({"type": "secret_key", "default": "k"}) == [("k", True)]
    assert named({"type": "secret_key", "default": "k"}, x=GivenInput(12, "other")) == [("other", False)]
    assert named({"type": "list", "item_type": "secret_key", "default": ["a", CALL, "b"]}) == [
        ("a", True),
        ("b", True),
    ]
    for declared in ({"type": "string", "default": "k"}, {"type": "secret_key"}, None):
        assert named(declared) == []
    for value in (CALL, "no key", 5, ["k"]):
        assert named({"type": "secret_key"}, x=GivenInput(value)) == []
    (secret,) = named_secrets(definitions({"type": "secret_key"}), {"x": GivenInput(VALUE)})
    assert VALUE not in repr(secret)


def test_undeclared_inputs() -> None:
    """A given input that no blueprint declares is refused by name; one that any of them declares is not."""
    first, second = Definitions([{"inputs": {"a": None}}]), Definitions([{}, {"inputs": {"b": {}}}])
    assert undeclared([first, second], ["a", "b"]) == []
    (problem,) = undeclared([first, second], ["a", "c"])
    assert (problem.reason, problem.message) == (Reason.BAD_INPUT, "input 'c' is not declared")
    assert problem.hint == "declared are: 'a', 'b'"
    (problem,) = undeclared([Definitions([{}])], ["c"])
    assert problem.hint == "no input is declared"
