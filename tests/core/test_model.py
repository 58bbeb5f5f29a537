"""Names, values and scopes: what is taken and what is refused, and that values do not show."""

from __future__ import annotations

import pickle
import traceback
from itertools import pairwise

import pytest

from resolver.core.model import (
    FULL_SCOPE,
    MAX_VALUE_BYTES,
    Scope,
    SecretValue,
    Visibility,
    check_key,
    check_value,
)
from resolver.errors import InvalidRequestError


@pytest.mark.parametrize("key", ["a", "Z", "db_password", "a.b-c~d_1", "x" * 256])
def test_a_key_by_the_rules_is_taken(key: str) -> None:
    """Letters, digits, `-`, `.`, `_` and `~`, after a letter, up to 256 characters."""
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "the key is empty"),
        ("x" * 257, "the key is too long: at most 256 characters are allowed"),
        ("a b", "the key has characters that are not allowed"),
        ("a/b", "the key has characters that are not allowed"),
        ("a\n", "the key has characters that are not allowed"),
        ("clé", "the key has characters that are not allowed"),
        ("\uff41", "the key has characters that are not allowed"),
        ("a\0", "the key has characters that are not allowed"),
        ("1a", "the key must begin with a letter"),
        ("_a", "the key must begin with a letter"),
        ("٣a", "the key has characters that are not allowed"),
    ],
)
def test_a_key_against_the_rules_is_refused(key: str, message: str) -> None:
    """Each rule has its sentence, and they are checked in one order."""
    with pytest.raises(InvalidRequestError) as caught:
        check_key(key)
    assert caught.value.message == message


def test_values_are_bounded_in_bytes() -> None:
    """A value is 1 byte to 1 MiB of UTF-8; the limit counts bytes, and no message repeats the value."""
    assert check_value("é" * (MAX_VALUE_BYTES // 2)).reveal()[0] == "é"
    for text in ("", "é" * (MAX_VALUE_BYTES // 2) + "x", "hunter2\ud800"):
        with pytest.raises(InvalidRequestError) as caught:
            check_value(text)
        shown = "".join(traceback.format_exception(caught.value))
        assert "hunter2" not in shown.replace('"hunter2\\ud800"', "")


def test_a_value_shows_only_when_asked_to() -> None:
    """Repr, str and every format are stars; it can't be pickled; only `reveal` gives the text."""
    value = SecretValue("hunter2")
    shown = [
        repr(value),
        str(value),
        f"{value}",
        f"{value!r:>30}",
        f"{value:>30}",
        repr([value]),
    ]
    assert not any("hunter2" in text for text in shown)
    with pytest.raises(TypeError, match=r"^a secret value can't be pickled$"):
        pickle.dumps(value)
    assert not hasattr(value, "__dict__")
    assert value.reveal() == "hunter2"
    assert value == SecretValue("hunter2") != SecretValue("hunter3")
    assert value != "hunter2"


def test_visibilities_widen() -> None:
    """Private is narrower than tenant, tenant than global."""
    widths = [visibility.width for visibility in (Visibility.PRIVATE, Visibility.TENANT, Visibility.GLOBAL)]
    assert all(one < other for one, other in pairwise(widths))


@pytest.mark.parametrize(
    ("patterns", "key", "permitted"),
    [
        (None, "anything", True),
        ((), "anything", False),
        (("prod_*",), "prod_a", True),
        (("prod_*",), "PROD_a", False),
        (("prod_*",), "xprod_a", False),
        (("prod_?",), "prod_ab", False),
        (("a", "b*"), "bc", True),
        (("[ab]c",), "ac", True),
        (("prod",), "prod_a", False),
    ],
)
def test_patterns_match_whole_keys_in_their_case(
    patterns: tuple[str, ...] | None,
    key: str,
    permitted: bool,  # noqa: FBT001 - a column
) -> None:
    """A scope's patterns are globs over the whole key, and tell upper from lower case."""
    assert Scope(keys=patterns).permits_key(key) is permitted


def test_a_scope_of_nothing_is_a_limit() -> None:
    """An empty set leaves nothing; only the absence of a scope leaves everything."""
    assert not FULL_SCOPE.is_limited
    for scope in (Scope(permissions=frozenset()), Scope(tenants=frozenset()), Scope(keys=())):
        assert scope.is_limited
