"""Data as YAML on one line."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
import yaml

from resolver.blueprint.flow_style import EmitError, Masked, emit, quote
from resolver.dsl.problems import Reason
from resolver.dsl.source import Tagged

ZONE = dt.timezone(-dt.timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("a", '"a"'),
        ("1", '"1"'),
        ('a"\\\n\t', '"a\\"\\\\\\n\\t"'),
        ("\x00\x1b\x7f\x85\xa0", '"\\u0000\\u001b\\x7F\\x85\\xA0"'),
        ("\u2028\ufeff\uffff\u202e", '"\\u2028\\uFEFF\\uFFFF\\u202E"'),
        ("😀\U000e0041", '"😀\\U000E0041"'),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (-12, "-12"),
        (2**64, "0x10000000000000000"),
        (-(2**64), "-0x10000000000000000"),
        (1.0, "1.0"),
        (1e17, "1.0e+17"),
        (1.5e-9, "1.5e-09"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        (dt.date(2001, 2, 3), "2001-02-03"),
        (dt.datetime(2001, 2, 3, 4, 5, 6), "2001-02-03T04:05:06"),  # noqa: DTZ001 - YAML has times without a zone
        (dt.datetime(2001, 2, 3, 4, 5, 6, 7, tzinfo=dt.UTC), "2001-02-03T04:05:06.000007+00:00"),
        (dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=ZONE), "2001-02-03T04:05:06-05:30"),
        (b"\x00\xff", '!<tag:yaml.org,2002:binary> "AP8="'),
        ([], "[]"),
        ({}, "{}"),
        ([1, [None]], "[1, [null]]"),
        ({"a": {1: [True]}}, '{"a": {1: [true]}}'),
        ({None: 1, dt.date(2001, 2, 3): 2}, "{null: 1, 2001-02-03: 2}"),
        ({"b", "a"}, '!<tag:yaml.org,2002:set> {"a": null, "b": null}'),
        (set(), "!<tag:yaml.org,2002:set> {}"),
        ([("a", 1), ("a", [2])], '!<tag:yaml.org,2002:pairs> [{"a": 1}, {"a": [2]}]'),
        ({"k" * 1100: 1}, '{? "' + "k" * 1100 + '" : 1}'),
    ],
)
def test_what_is_written_loads_as_it_was(data: object, text: str) -> None:
    """Every type of YAML has one form, on one line, that both of PyYAML's parsers read back."""
    assert emit(data) == text
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        found = yaml.load(text, loader)
        assert found == data
        assert type(found) is type(data)


def test_not_a_number() -> None:
    """Not-a-number is written too, though it equals nothing."""
    assert math.isnan(yaml.safe_load(emit(math.nan)))


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("db_password", "!masked db_password"),
        ("", '!masked ""'),
        ("a b", '!masked "a b"'),
        ("<from secret k>", '!masked "<from secret k>"'),
        ("a\x1b", '!masked "a\\u001b"'),
    ],
)
def test_masked_labels(label: str, text: str) -> None:
    """A label is quoted unless it is a plain word."""
    assert emit({"a": Masked(label)}) == f'{{"a": {text}}}'


def test_replacements_are_not_looked_into() -> None:
    """What stands in a mapping's place is written as it is, even where the mapping comes again within."""
    call: dict[str, Any] = {"get_secret": "k"}
    results: dict[int, object] = {id(call): ["V", call]}
    assert emit([call], results) == '[["V", {"get_secret": "k"}]]'
    assert emit([call, [call]], results, untouched=2) == '[{"get_secret": "k"}, [["V", {"get_secret": "k"}]]]'


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        (["hunter2\ud800"], Reason.UNREADABLE, "a string holds half of a surrogate pair"),
        ({"a": Tagged("!t")}, Reason.CUSTOM_TAG, "a node with a custom tag can't be written anew"),
    ],
)
def test_refused_data(data: object, reason: Reason, message: str) -> None:
    """What YAML can't hold is refused, and the message says of what kind it is and no more."""
    with pytest.raises(EmitError) as caught:
        emit(data)
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def test_depth_is_limited() -> None:
    """A hundred levels are written, one more is refused."""
    data: Any = 1
    for _ in range(100):
        data = [data]
    assert emit(data) == "[" * 100 + "1" + "]" * 100
    with pytest.raises(EmitError, match="more than 100 levels"):
        emit([data])


def test_every_character_survives_quoting() -> None:
    """Each character of Unicode reads back as itself, and none that acts on a terminal is written raw."""
    for start in range(0, 0x110000, 0x1000):
        text = "".join(chr(code) for code in range(start, start + 0x1000) if not 0xD800 <= code < 0xE000)
        quoted = quote(text)
        assert quoted.isprintable()
        assert yaml.load(quoted, yaml.CSafeLoader) == text
