"""Walks: every outermost call is found once, and a rebuilt document differs only where it should."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resolver.dsl.walk import find_calls, find_occurrences, rebuild

CALLS = st.builds(lambda key: {"get_secret": key}, st.sampled_from(["a", "b"]))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3))
DOCUMENTS = st.recursive(
    st.one_of(SCALARS, CALLS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text("abc", max_size=2), st.integers(0, 2)), inner, max_size=4),
        st.builds(lambda node: [node, {"again": node}], inner),  # one object at two places
        st.builds(lambda node: {"concat": ["x", node]}, inner),
    ),
    max_leaves=25,
)


def naive_calls(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:  # noqa: ANN401 - plain data
    """All calls at all their places, by plain recursion."""
    if isinstance(node, dict) and "get_secret" in node:
        return [(path, node)]
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for step, value in steps for found in naive_calls(value, (*path, step))]


def naive_rebuild(node: Any) -> Any:  # noqa: ANN401 - plain data
    """Each call replaced by what stands for its value, by plain recursion."""
    if isinstance(node, dict):
        if "get_secret" in node:
            return ["value of", node["get_secret"]]
        return {key: naive_rebuild(value) for key, value in node.items()}
    return [naive_rebuild(value) for value in node] if isinstance(node, list) else node


@given(DOCUMENTS)
def test_each_call_is_found_once_at_its_first_place(document: Any) -> None:  # noqa: ANN401 - plain data
    """The walk yields what a plain recursion does, shared nodes once, in the order of the document."""
    expected: dict[int, tuple[Any, ...]] = {}
    for path, node in naive_calls(document):
        expected.setdefault(id(node), path)
    found = list(find_calls(document))
    assert [(path, id(node)) for path, node in found] == [(path, mark) for mark, path in expected.items()]


@given(DOCUMENTS)
def test_every_place_of_a_call_is_found(document: Any) -> None:  # noqa: ANN401 - plain data
    """Asked for all places, the walk goes through shared nodes as often as they occur."""
    whole = naive_calls(document)
    marks = {id(node) for _, node in whole}
    assert list(find_occurrences(document, marks)) == [(path, id(node)) for path, node in whole]


@given(DOCUMENTS)
def test_rebuilding_is_substitution(document: Any) -> None:  # noqa: ANN401 - plain data
    """A rebuilt document is the old one with each call replaced; the old one is as it was."""
    before = copy.deepcopy(document)
    results = {id(node): ["value of", node["get_secret"]] for _, node in find_calls(document)}
    new = rebuild(document, results)
    assert new == naive_rebuild(document)
    assert document == before


def test_a_replacement_is_data_and_never_looked_into() -> None:
    """A value that looks like a call, or is replaced elsewhere, is placed as it is."""
    call = {"get_secret": "a"}
    value = {"get_secret": "b", "again": call}
    new = rebuild({"x": call}, {id(call): value})
    assert new["x"] is value


def test_shared_nodes_stay_shared_but_for_exceptions() -> None:
    """An anchor's node is one object after rebuilding too, except at the one place that differs."""
    call = {"get_secret": "a"}
    shared = {"x": call}
    document = {"one": shared, "two": shared, "three": shared}
    new = rebuild(document, {id(call): "A"})
    assert new["one"] is new["two"]
    new = rebuild(document, {id(call): "A"}, {("two", "x"): "B"})
    assert new == {"one": {"x": "A"}, "two": {"x": "B"}, "three": {"x": "A"}}
    assert new["one"] is new["three"]


def test_a_text_that_expands_hugely_costs_what_it_says() -> None:
    """Thirty levels of doubling are walked and rebuilt at once: shared nodes are visited once."""
    call: Any = {"get_secret": "a"}
    node: Any = [call]
    for _ in range(30):
        node = [node, node]
    assert len(list(find_calls(node))) == 1
    new = rebuild(node, {id(call): "A"})
    for _ in range(30):
        assert new[0] is new[1]
        new = new[0]
    assert new == ["A"]
