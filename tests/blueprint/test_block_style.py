"""A dumped document loads as what it was, with values that can't be mistaken for anything else."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.blueprint import Masked, dump
from resolver.dsl.problems import Reason
from resolver.dsl.source import Tagged
from resolver.dsl.walk import rebuild
from resolver.errors import BlueprintError

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "yes",
        "~",
        "<<",
        "=",
        "0x1",
        "1:30",
        "2020-01-01",
        "a: b",
        "- a",
        "a #b",
        " a",
        "a ",
        "*a",
        "&a",
        "---",
        "",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.binary()
    | st.dates(dt.date(1000, 1, 1))
)
keys = st.none() | st.booleans() | st.integers() | texts
documents = st.recursive(
    scalars | st.sets(texts),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.lists(inner).map(lambda x: [x, x]),
    max_leaves=30,
)


def typed(node: object) -> object:
    """A document in which True differs from 1, and the order of keys counts."""
    if isinstance(node, dict):
        return "dict", [(typed(key), typed(value)) for key, value in node.items()]
    if isinstance(node, list):
        return "list", [typed(item) for item in node]
    return type(node).__name__, sorted(map(repr, node)) if isinstance(node, set) else repr(node)


@given(documents)
@settings(max_examples=150, deadline=None)
def test_a_dumped_document_loads_as_itself(document: object) -> None:
    """Types included, for everything that YAML can hold."""
    assert typed(yaml.safe_load(dump(document))) == typed(document)


def test_the_text_is_in_block_style() -> None:
    """Mappings and lists open up; words stand without quotes where they are read as they are."""
    document = {
        "node_templates": {"vm": {"type": "my.nodes.Server", "list": [1, [2, {"a": None}], {}], "on": "a b"}},
        "empty": [],
    }
    assert dump(document) == (
        "node_templates:\n"
        "  vm:\n"
        "    type: my.nodes.Server\n"
        "    list:\n"
        "      - 1\n"
        "      - - 2\n"
        "        - a: null\n"
        "      - {}\n"
        '    "on": a b\n'
        "empty: []\n"
    )


def test_shared_nodes_are_shared_in_the_text() -> None:
    """So a text never grows beyond its data, and loading it gives shared objects again."""
    shared: dict[str, Any] = {"a": 1}
    text = dump({"x": shared, "y": [shared]})
    assert text == "x: &shared1\n  a: 1\ny:\n  - *shared1\n"
    loaded = yaml.safe_load(text)
    assert loaded["x"] is loaded["y"][0]


def test_text_does_not_grow_with_aliases() -> None:
    """A document of shared nodes within shared nodes would be endless written out."""
    node: Any = ["x"]
    for _ in range(80):
        node = [node, node]
    assert len(dump(node)) < 20_000


@pytest.mark.parametrize(
    "value",
    ["yes", "plain", "a\nb\n", "{ get_secret: k }", "'", "\u202e", {"a": [1, "x"]}, [True], None, 12, ""],
)
def test_values_stand_in_place_of_calls(value: object) -> None:
    """On one line and as `rebuild` would place them; text always in double quotes, as `render` writes it."""
    call = {"get_secret": "k"}
    document = {"a": call, "b": [call, {"c": call}], "d": 1}
    text = dump(document, {id(call): value})
    assert yaml.safe_load(text) == rebuild(document, {id(call): value})
    assert text.count("\n") == 5
    if isinstance(value, str):
        assert text.startswith('a: "')


def test_a_long_value_is_written_once() -> None:
    """A shared call's value is an alias where writing it again would take more space."""
    call = {"get_secret": "k"}
    text = dump([call, call], {id(call): "v" * 100})
    assert text == f'- &shared1 "{"v" * 100}"\n- *shared1\n'


def test_masked_values_are_tagged() -> None:
    """What is hidden can't be loaded by mistake."""
    call = {"get_secret": "k"}
    text = dump({"a": call}, {id(call): Masked("k")})
    assert text == "a: !masked k\n"
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)


@pytest.mark.parametrize(
    ("value", "reason"), [("\ud800", Reason.UNREADABLE), (Tagged("!x"), Reason.CUSTOM_TAG)]
)
def test_what_yaml_cannot_hold_is_refused(value: object, reason: Reason) -> None:
    """With the document's name and without the value."""
    call = {"get_secret": "k"}
    with pytest.raises(BlueprintError) as caught:
        dump({"a": call}, {id(call): value}, "main.yaml")
    (problem,) = caught.value.problems
    assert (problem.reason, problem.source) == (reason, "main.yaml")
    assert problem.message.startswith("the merged document can't be written as YAML: ")


def test_long_keys_are_marked_as_keys() -> None:
    """YAML reads a key of over 1024 characters only behind a question mark."""
    document = {"k" * 1100: {"a": 1}, "x": {"é" * 1100: [1]}}
    assert yaml.safe_load(dump(document)) == document
