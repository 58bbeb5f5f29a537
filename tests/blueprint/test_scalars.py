"""Scalars mean what PyYAML's safe loader takes them for."""

from __future__ import annotations

import datetime as dt
import string

import pytest
import yaml
from yaml.resolver import Resolver

from resolver.blueprint.scalars import MERGE, VALUE, PlainScalars, ScalarError, plain_scalar, tagged_scalar

WORDS = ("yes", "no", "true", "false", "on", "off", "null", "y", "n", "t", "nul", "yesno")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~",
        "a",
        "0",
        "-0",
        "+1",
        "1_000",
        "0b101",
        "0777",
        "08",
        "0o7",
        "0xFF",
        "190:20:30",
        "-1:30",
        "1.",
        ".5",
        "1e5",
        "1.5e5",
        "1.5e+5",
        "-.inf",
        "+.INF",
        ".NaN",
        "1:30.25",
        "2001-12-14",
        "2001-1-1",
        "2001-12-14t21:59:43.10-05:00",
        "2001-12-14 21:59:43.1 Z",
        "2001-12-14 21:59:43",
        "1_",
        "0_",
        "_1",
        "-",
        "+",
        ".",
        "..",
        "12e03",
        "685.230_15e+03",
        "é",
        "٣",
        "0x",
    ],
)
def test_plain_scalars(text: str) -> None:
    """All notations of YAML 1.1 give the safe loader's value and type."""
    expected = yaml.safe_load(f"[{text or '~'}]")[0] if text != "-" else "-"
    found = PlainScalars()[text]
    assert repr(found) == repr(expected)
    assert repr(plain_scalar(text)) == repr(found)


def test_words_in_any_case() -> None:
    """Truth values and null are known in the three spellings of YAML 1.1, and in no other."""
    for word in WORDS:
        for spelled in (word, word.capitalize(), word.upper(), word[:-1] + word[-1:].upper()):
            assert PlainScalars()[spelled] == yaml.safe_load(spelled), spelled


def test_no_other_type_begins_with_a_letter() -> None:
    """The short cut for texts that begin with a letter passes over none of PyYAML's implicit types."""
    for first in string.ascii_letters:
        types = Resolver.yaml_implicit_resolvers.get(first, [])
        assert {tag.rpartition(":")[2] for tag, _ in types} <= {"bool", "null"}
    assert None not in Resolver.yaml_implicit_resolvers


def test_signs_are_counted_each_time() -> None:
    """`<<` and `=` are no values, and every one that comes is counted."""
    plain = PlainScalars()
    assert [plain["<<"], plain["="], plain["<<"], plain["a"], plain["a"]] == [MERGE, VALUE, MERGE, "a", "a"]
    assert plain.special_keys == 3


def test_tagged_scalars() -> None:
    """A standard tag decides over the form of the text."""
    prefix = "tag:yaml.org,2002:"
    assert tagged_scalar(prefix + "str", "5") == "5"
    assert tagged_scalar(prefix + "int", "0x1F") == 31
    assert tagged_scalar(prefix + "float", "3") == 3.0
    assert tagged_scalar(prefix + "null", "anything") is None
    assert tagged_scalar(prefix + "binary", "aGk=") == b"hi"
    assert tagged_scalar(prefix + "timestamp", "2001-02-03") == dt.date(2001, 2, 3)
    assert tagged_scalar(prefix + "merge", "x") is MERGE


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("int", ""),
        ("int", "x"),
        ("int", "0b2"),
        ("int", "1" * 5000),
        ("float", "x"),
        ("bool", "maybe"),
        ("timestamp", "today"),
        ("timestamp", "2001-99-99"),
        ("timestamp", "2001-01-01 99:00:00"),
        ("timestamp", "2001-01-01 00:00:00+99:99"),
        ("binary", "é"),
        ("binary", "a"),
    ],
)
def test_bad_scalars(tag: str, text: str) -> None:
    """What the safe loader refuses, with whatever exception, is a ScalarError without the text."""
    with pytest.raises(ScalarError) as caught:
        tagged_scalar(f"tag:yaml.org,2002:{tag}", text)
    assert str(caught.value) == f"not a valid {tag}"
