"""Values and JSON Schemas: what is said, what is never retrieved, and that no check takes for ever."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue
from resolver.dsl.budget import Budget
from resolver.errors import InvalidRequestError, SchemaMismatchError
from resolver.validation.value_schema import MAX_SCHEMA, check_against, check_all, check_schema

if TYPE_CHECKING:
    from pathlib import Path

OBJECT = '{"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1}'


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        (OBJECT, '{"kept": "back"}', "/additionalProperties/type: must be a whole number"),
        (OBJECT, "{}", "/minProperties: must have at least 1 item"),
        ('{"enum": ["a", "b"]}', '"kept"', "/enum: must be one of a, b"),
        (
            '{"properties": {"p": {"pattern": "^a+$"}}}',
            '{"p": "kept"}',
            "/properties/p/pattern: must match ^a+$",
        ),
        ('{"$defs": {"d": {"type": "null"}}, "$ref": "#/$defs/d"}', '"kept"', "/type: must be nothing"),
        ('{"not": {}}', '"kept"', "/not: breaks the rule not"),
    ],
)
def test_a_finding_names_rule_and_place_in_the_schema(schema: str, value: str, problem: str) -> None:
    """Never what is in the value, its keys included."""
    with pytest.raises(SchemaMismatchError) as caught:
        check_against(check_schema(schema, Budget()), SecretValue(value), Budget())
    assert caught.value.message == (f"the value does not keep to the JSON schema of the secret: {problem}")
    assert "kept" not in caught.value.message
    assert "back" not in caught.value.message


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("{", "the JSON schema is not JSON"),
        ("[1]", "the JSON schema must be a JSON object that is not empty"),
        ("{}", "the JSON schema must be a JSON object that is not empty"),
        ('{"type": "kept"}', "the JSON schema is not valid: /type breaks the rules of JSON Schema"),
        ('{"$ref": "#/nowhere"}', "the JSON schema has a reference that leads nowhere"),
        ('{"a": ' * 50_000, "the JSON schema is too large: at most 65536 bytes are allowed"),
        ('{"a":' * 9_000 + "1" + "}" * 9_000, "the JSON schema is not JSON"),
        (
            json.dumps({"description": "x" * MAX_SCHEMA}),
            "the JSON schema is too large: at most 65536 bytes are allowed",
        ),
        ('{"const": "\\ud800"}', "the JSON schema is not valid UTF-8 text"),
    ],
    ids=["cut", "list", "empty", "no type", "nowhere", "huge", "deep", "large", "surrogate"],
)
def test_a_schema_that_is_none_is_refused(schema: str, problem: str) -> None:
    """With a sentence that says what it should be."""
    with pytest.raises(InvalidRequestError) as caught:
        check_schema(schema, Budget())
    assert caught.value.message == problem


def test_nothing_outside_of_the_schema_is_retrieved(tmp_path: Path) -> None:
    """A reference to a file or a server is refused, and neither is asked."""
    (tmp_path / "s.json").write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        for reference in (f"http://127.0.0.1:{port}/s", (tmp_path / "s.json").as_uri(), "other.json#/a"):
            for place in ({"$ref": reference}, {"properties": {"a": {"items": [{"$ref": reference}]}}}):
                with pytest.raises(InvalidRequestError, match=r"refers to something outside of it at /"):
                    check_schema(json.dumps(place), Budget())
        # Past that check, too: nothing is asked when a value meets the reference.
        assert check_all(
            [(json.dumps({"$ref": f"http://127.0.0.1:{port}/s"}), SecretValue("1"))], Budget()
        ) == ["meets a reference that leads nowhere"]
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_check_ends_in_time() -> None:
    """A pattern or self-reference that would take years is told as such, and the next are checked."""
    evil = json.dumps({"pattern": "^(a+)+$"})
    double = {"$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}}
    double["$defs"]["d40"] = {}
    start = time.monotonic()
    answers = check_all(
        [
            (evil, SecretValue(json.dumps("a" * 60 + "!"))),
            ('{"type": "integer"}', SecretValue("1")),
            (json.dumps({**double, "$ref": "#/$defs/d0"}), SecretValue("1")),
            ('{"type": "integer"}', SecretValue('"a"')),
            ('{"$ref": "#"}', SecretValue("1")),
            (OBJECT, SecretValue("[" * 100_000)),
        ],
        Budget(),
    )
    assert time.monotonic() - start < 60
    late = "can't be checked in the time there is for it"
    assert answers[:3] == [late, "", late]
    assert answers[3].endswith("/type: must be a whole number")
    assert answers[4:] == ["is nested too deeply", "is nested too deeply"]
