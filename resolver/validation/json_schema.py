"""The JSON Schemas that ship with the program, and checking data against them.

A finding says which rule failed and where, never what stood there: the library's own message would repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Keyword = Callable[[Any, Any, Any, Any], Iterator["ValidationError"]]
"""How `jsonschema` checks a keyword: called with the validator, the keyword's value, the data, the schema."""

MAX_NAMES = 30
"""Most names that a finding lists."""

_KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}


def schema_text(name: str) -> str:
    """The text of a schema in `schemas/`, which the wheel has within the package."""
    from importlib import resources  # noqa: PLC0415 - slow to load

    packaged = resources.files("resolver") / "schemas" / name
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[2] / "schemas" / name).read_text(encoding="utf-8")


@cache
def _schema(name: str) -> Any:  # noqa: ANN401 - JSON data
    return json.loads(schema_text(name))


def findings(
    data: object, name: str, keywords: Mapping[str, Keyword] | None = None
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Check data against a schema.

    Args:
        data: the data.
        name: the schema's file name.
        keywords: how keywords are checked that are not the specification's, or not as it says.

    Yields:
        The path of each node that a rule failed at, and the rule in words; each once.
    """
    import jsonschema  # noqa: PLC0415 - slow to load, and most runs need no schema

    kind: Any = jsonschema.Draft202012Validator
    if keywords:
        kind = jsonschema.validators.extend(kind, keywords)  # type: ignore[no-untyped-call]
    yielded: set[tuple[tuple[str | int, ...], str]] = set()
    for error in kind(_schema(name)).iter_errors(data):
        for finding in _findings(error):
            if finding not in yielded:
                yielded.add(finding)
                yield finding


def _findings(error: ValidationError) -> Iterator[tuple[tuple[str | int, ...], str]]:
    where = tuple(error.absolute_path)
    schema: Any = error.schema
    wanted: Any = error.validator_value
    data: Any = error.instance
    if error.validator == "additionalProperties" and wanted is False:
        known = ", ".join(schema.get("properties", {}))
        for name in data:
            if name not in schema.get("properties", {}):
                yield (*where, name), f"is not known here; known are {known}"
    elif error.validator == "required":
        missing = [name for name in wanted if name not in data]
        yield where, f"must have {', '.join(missing)}"
    else:
        yield where, rule_in_words(str(error.validator), wanted)


def rule_in_words(rule: str, wanted: Any) -> str:  # noqa: ANN401, C901, PLR0911, PLR0912 - a keyword's value; one case for each keyword
    """What a keyword of a schema demands, without a word of the data."""
    match rule:
        case "type":
            return f"must be {_kinds(wanted)}"
        case "enum":
            return f"must be one of {_names(wanted)}"
        case "const":
            return f"must be {_names([wanted])}"
        case "minItems" | "minProperties":
            return f"must have at least {_count(wanted)}"
        case "maxItems" | "maxProperties":
            return f"must have at most {_count(wanted)}"
        case "minimum":
            return f"must be at least {wanted}"
        case "uniqueItems":
            return "must have nothing twice"
        case "pattern":
            return f"must match {wanted}"
        case "format":
            return "must be a regular expression"
        case "anyOf" if all(set(choice) == {"required"} for choice in wanted):
            return f"must have {' or '.join(', '.join(choice['required']) for choice in wanted)}"
        case "not" if wanted == {"type": "null"}:
            return "must not be left empty"
        case "not" if set(wanted) == {"enum"}:
            return f"must not be one of {_names(wanted['enum'])}"
        case "not" if "required" in wanted:
            return f"must not have {', '.join(wanted['required'])}"
        case "call":
            return "must be a call of an intrinsic function, or no mapping"
        case "x-since":
            return f"needs cloudify_dsl_{wanted} or later"
        case "x-value-since":
            return f"has a value that needs cloudify_dsl_{wanted} or later"
        case "names":
            return "must have text for each name; quote what YAML reads as something else"
        case _:
            return f"breaks the rule {rule}"


def _kinds(wanted: str | list[str]) -> str:
    kinds = [wanted] if isinstance(wanted, str) else [kind for kind in wanted if kind != "null"]
    return " or ".join(_KINDS[kind] for kind in kinds)


def _names(wanted: list[Any]) -> str:
    names = [str(name) if isinstance(name, str) else json.dumps(name) for name in wanted if name is not None]
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")


def _count(number: int) -> str:
    return f"{number} item{'' if number == 1 else 's'}"
