"""The JSON Schemas that ship with the program, and checking data against them.

A finding says which rule failed and where, never what stood there: the library's own message would repeat it.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def schema_text(name: str) -> str:
    """The text of a schema in `schemas/`, which the wheel has within the package."""
    packaged = resources.files("resolver") / "schemas" / name
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parent.parent / "schemas" / name).read_text(encoding="utf-8")


def findings(data: object, name: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Check data against a schema.

    Args:
        data: the data.
        name: the schema's file name.

    Yields:
        The path of each place where a rule failed, and the rule in words.
    """
    import jsonschema  # noqa: PLC0415 - slow to load, and most runs need no schema

    validator = jsonschema.Draft202012Validator(json.loads(schema_text(name)))
    for error in validator.iter_errors(data):
        yield tuple(error.absolute_path), _rule(str(error.validator), error.validator_value)


def _rule(rule: str, wanted: Any) -> str:  # noqa: ANN401 - a keyword's value
    match rule:
        case "type":
            return f"must be of type {' or '.join(wanted) if isinstance(wanted, list) else wanted}"
        case "required":
            return f"must have {', '.join(wanted)}"
        case "additionalProperties":
            return "has a name that is not known here"
        case "enum":
            return f"must be one of {', '.join(map(str, wanted))}"
        case _:
            return f"breaks the rule {rule}"
