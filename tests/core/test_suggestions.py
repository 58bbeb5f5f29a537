"""Suggestions for mistyped names."""

from __future__ import annotations

import pytest

from resolver.core.suggestions import MAX_COMPARED, Suggestions


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
    assert Suggestions(lambda: names).question(name) == question


def test_names_are_looked_up_once_and_when_they_are_needed() -> None:
    """Without a question nobody is asked for the names, and with several once."""
    asked: list[str] = []

    def names() -> list[str]:
        asked.append("asked")
        return ["db_password"]

    near = Suggestions(names)
    assert asked == []
    assert near.question("db_pasword") == near.question("db_passwor") == "did you mean 'db_password'?"
    assert asked == ["asked"]


def test_comparing_has_an_end() -> None:
    """Once a run has compared enough pairs it offers nothing more, so that many mistakes don't take long."""
    names = [f"name_{number:05}" for number in range(1000)]
    near = Suggestions(lambda: names)
    questions = [near.question("nome_00001") for _ in range(MAX_COMPARED // 1000 // 100 + 1)]
    assert questions[-2].startswith("did you mean 'name_00001'")
    assert questions[-1] == ""


def test_long_names_count_for_more() -> None:
    """Comparing takes time by the square of a name's length, so few pairs of long ones are compared."""
    near = Suggestions(lambda: ["ab" * 5_000])
    assert near.question("ba" * 5_000) == ""
    assert near.question("ab") == ""
