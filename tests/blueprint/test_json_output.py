"""Loaded documents as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resolver.blueprint import read, to_json
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Reason
from resolver.errors import BlueprintError, BudgetError


def document(text: str) -> Any:  # noqa: ANN401 - plain data
    """The only document of a text."""
    return read(text.encode(), "text").documents[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a: 1, b: [x, 1.5, true, null]}", '{"a": 1, "b": ["x", 1.5, true, null]}'),
        ("é😀", '"\\u00e9\\ud83d\\ude00"'),
        (
            "[2001-02-03, 2001-02-03 04:05:06, 2001-02-03T04:05:06Z]",
            '["2001-02-03", "2001-02-03T04:05:06", "2001-02-03T04:05:06+00:00"]',
        ),
        ("!!binary AP8=", '"AP8="'),
        ("!!set {b, a, 2, 1}", '["a", "b", 1, 2]'),
        ("!!omap [a: 1, b: {c: d}]", '[["a", 1], ["b", {"c": "d"}]]'),
        (
            "{1: a, null: b, 2001-02-03: c, !!binary AP8= : d, 1.5: e}",
            '{"1": "a", "null": "b", "2001-02-03": "c", "AP8=": "d", "1.5": "e"}',
        ),
        ("a: &a [x]\nb: *a\n", '{"a": ["x"], "b": ["x"]}'),
    ],
)
def test_documents_as_json(text: str, expected: str) -> None:
    """Each type of YAML has one form in JSON, in ASCII."""
    assert to_json(document(text)) == expected
    json.loads(expected)


def test_truth_as_a_key() -> None:
    """A key that is true is written as YAML and JSON write it."""
    assert to_json(document("{yes: 1}")) == '{"true": 1}'


@pytest.mark.parametrize(
    ("text", "reason", "path"),
    [
        ("a: {1: x, '1': y}", Reason.DUPLICATE_KEY, ("a",)),
        ("a: [.inf]", Reason.BAD_SCALAR, ()),
        ("a: .nan", Reason.BAD_SCALAR, ()),
        ("a: !foo x", Reason.CUSTOM_TAG, ("a",)),
        ("a: 0x1" + "0" * 5000, Reason.BAD_SCALAR, ("a",)),
        ("{.inf: x}", Reason.BAD_SCALAR, ()),
    ],
)
def test_what_json_can_not_hold(text: str, reason: Reason, path: tuple[str | int, ...]) -> None:
    """Data without a form in JSON is refused; a number without its place, which may be inside a secret."""
    with pytest.raises(BlueprintError) as caught:
        to_json(document(text), "my.yaml")
    (problem,) = caught.value.problems
    assert (problem.reason, problem.path, problem.source) == (reason, path, "my.yaml")


def test_all_problems_are_reported() -> None:
    """One run names everything that JSON can't hold, and says once what it says of no place."""
    with pytest.raises(BlueprintError) as caught:
        to_json(document("[.inf, !foo x, .nan, !bar y]"))
    assert [problem.path for problem in caught.value.problems] == [(), (1,), (3,)]


def test_shared_texts_count_at_each_place() -> None:
    """JSON has no aliases, so a document of shared texts may become endless; it is refused before that."""
    assert len(json.loads(to_json(["x" * 10] * 3, budget=Budget(characters=60)))) == 3
    for shared in ("x" * 10, "x" * 5 + "\n" * 3, "é" * 2, b"x" * 5):
        with pytest.raises(BudgetError) as caught:
            to_json([shared] * 4, "my.yaml", Budget(characters=60))
        (problem,) = caught.value.problems
        assert problem.reason is Reason.BUDGET_SPENT
        assert problem.message == "the run makes more than 60 characters, those in between included"
