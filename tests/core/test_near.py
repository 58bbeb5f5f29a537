"""Suggestions for mistyped names."""

from __future__ import annotations

import pytest

from resolver.core.near import did_you_mean


@pytest.mark.parametrize(
    ("name", "names", "question"),
    [
        pytest.param("db_pasword", ["api", "db_password"], "did you mean 'db_password'?", id="one"),
        pytest.param("key_3", ["key_1", "key_2"], "did you mean 'key_2' or 'key_1'?", id="two"),
        pytest.param(
            "key_4",
            ["key_1", "key_2", "key_3"],
            "did you mean 'key_3', 'key_2' or 'key_1'?",
            id="three",
        ),
        pytest.param("KEY", ["key"], "", id="case counts"),
        pytest.param("token", ["password"], "", id="none is close"),
        pytest.param("key", [], "", id="no names"),
        pytest.param("ab", ["ab_and_more"], "", id="too long to be compared"),
    ],
)
def test_what_is_suggested(name: str, names: list[str], question: str) -> None:
    """The closest names are offered, at most three; without a close one there is no question."""
    assert did_you_mean(name, names) == question
