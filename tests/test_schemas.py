"""The JSON Schemas that ship with the program: sound, described for editors, and silent about the data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from resolver.dsl.functions import FUNCTIONS
from resolver.validation.json_schema import findings, schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = sorted(path.name for path in Path(__file__).parents[1].glob("schemas/*.json"))
BLUEPRINT: dict[str, Any] = json.loads(schema_text("blueprint.schema.json"))


def properties(schema: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All properties that a schema describes for people: those with a title."""
    if isinstance(schema, dict):
        for name, inner in schema.items():
            if name == "properties":
                for key, declared in inner.items():
                    if isinstance(declared, dict) and "title" in declared:
                        yield f"{path}/{key}", declared
            if name not in ("examples", "enum"):
                yield from properties(inner, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from properties(inner, f"{path}/{number}")


DESCRIBED = dict(properties(BLUEPRINT))


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_valid(name: str) -> None:
    """Every schema keeps to draft 2020-12, and says so."""
    schema = json.loads(schema_text(name))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_what_is_no_schema_is_refused() -> None:
    """The check that the test above makes refuses a schema with a mistake."""
    with pytest.raises(jsonschema.SchemaError):
        jsonschema.Draft202012Validator.check_schema(BLUEPRINT | {"type": "mapping"})


def closed(schema: object) -> Iterator[dict[str, Any]]:
    """All mappings in a schema that may have the properties it lists, and no others."""
    if isinstance(schema, dict) and schema.get("additionalProperties") is False:
        yield schema["properties"]
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from closed(inner)


def test_every_property_of_a_blueprint_is_described() -> None:
    """Each word that the DSL has carries a title, a text and examples, for editors to show."""
    words = [
        (name, word) for listed in closed(BLUEPRINT) for name, word in listed.items() if word is not True
    ]
    assert len(words) > 140
    for name, word in words:
        assert word["title"], name
        assert word["description"].endswith("."), name
        assert word["examples"], name


@pytest.mark.parametrize("place", sorted(DESCRIBED))
def test_examples_are_valid(place: str) -> None:
    """What a property shows as examples, the property accepts."""
    declared = DESCRIBED[place]
    validator = jsonschema.Draft202012Validator({"$defs": BLUEPRINT["$defs"], "allOf": [declared]})
    for example in declared["examples"]:
        if "/functions/" in place:  # these show the whole call
            example = {"call": example}  # noqa: PLW2901 - a value that holds it
            validator = validator.evolve(schema={"$defs": BLUEPRINT["$defs"], "$ref": "#/$defs/value"})
        validator.validate(example)


def test_all_functions_are_described() -> None:
    """The schema knows the functions that the program knows, for editors and for checking."""
    for part in ("functions", "call"):
        assert set(BLUEPRINT["$defs"][part]["properties"]) == FUNCTIONS.keys()


def test_all_lists_of_functions_are_whole() -> None:
    """Wherever the schema lists names of functions, it lists all of them."""

    def lists(part: object) -> Iterator[set[str]]:
        if isinstance(part, dict):
            if "enum" in part and "get_secret" in part["enum"]:
                yield set(part["enum"]) - {"type"}
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                yield from lists(each)

    found = list(lists(BLUEPRINT))
    assert len(found) > 1
    assert found == [FUNCTIONS.keys()] * len(found)


@pytest.mark.parametrize(
    ("data", "where", "rule"),
    [
        ({"tenant": 7_777_777}, ("tenant",), "must be text"),
        ({"tenant": ""}, ("tenant",), "breaks the rule minLength"),
        ({"tenants": "7777777"}, ("tenants",), "is not known here; known are "),
        ([7_777_777], (), "must be a mapping"),
    ],
)
def test_findings_never_repeat_data(data: object, where: tuple[str, ...], rule: str) -> None:
    """A finding says what must be where, in words, without what stands there."""
    ((found, said),) = findings(data, "config.schema.json")
    assert found == where
    assert said.startswith(rule)
    assert "7777777" not in said


def test_findings_of_sound_data() -> None:
    """Data that keeps to its schema has no findings."""
    assert list(findings({"tenant": "t"}, "config.schema.json")) == []


def test_the_line_for_editors_names_a_schema() -> None:
    """The line that the page of blueprints gives for editors leads to a schema that is there."""
    page = (Path(__file__).parents[1] / "docs" / "blueprints.md").read_text(encoding="utf-8")
    (name,) = re.findall(r"^# yaml-language-server: \$schema=schemas/(\S+)$", page, re.MULTILINE)
    (settings,) = re.findall(r'^\{"yaml\.schemas".*\}$', page, re.MULTILINE)
    assert name in NAMES
    assert list(json.loads(settings)["yaml.schemas"]) == [f"schemas/{name}"]
