"""Which mappings are calls, and which are data."""

from __future__ import annotations

from typing import Any

import pytest

from resolver.dsl.calls import call_name, holds_call, is_malformed


@pytest.mark.parametrize(
    ("node", "name", "malformed"),
    [
        ({"get_secret": "k"}, "get_secret", False),
        ({"get_secret": "k", "type": "string"}, "get_secret", False),
        ({"type": "string", "get_secret": "k"}, "get_secret", False),
        ({"get_secret": None}, "get_secret", False),
        ({"get_secret": "k", "default": "x"}, None, True),
        ({"get_secret": "k", "type": "string", "x": 1}, None, True),
        ({"get_secret": "k", "get_input": "i"}, None, True),
        ({"get_input": "i"}, "get_input", False),
        ({"concat": [], "type": "string"}, "concat", False),
        ({"concat": [], "x": 1}, None, False),
        ({"type": "get_secret"}, None, False),
        ({"Get_Secret": "k"}, None, False),
        ({1: 2}, None, False),
        ({}, None, False),
    ],
)
def test_a_call_is_a_function_alone_or_beside_type(
    node: dict[Any, Any],
    name: str | None,
    malformed: bool,  # noqa: FBT001 - a column
) -> None:
    """The only key, or that key plus `type`; `get_secret` beside anything else is malformed, not data."""
    assert call_name(node) == name
    assert is_malformed(node) is malformed


@pytest.mark.parametrize(
    ("data", "holds"),
    [
        ({"a": [{"b": {"get_secret": "k"}}]}, True),
        ([[{"concat": []}]], True),
        ({"get_secret": "k", "other": 1}, True),
        ({"a": "get_secret", "b": ["get_input"]}, False),
        ({"concat": 1, "b": 2}, False),
        ("{get_secret: k}", False),
    ],
)
def test_data_that_would_be_read_as_a_call_is_found(data: object, holds: bool) -> None:  # noqa: FBT001 - a column
    """A call anywhere within counts; a function's name as text does not."""
    assert holds_call(data) is holds
