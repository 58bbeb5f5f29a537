"""Checks of secret values against the JSON Schemas that users gave.

Both are checked in a short-lived process: a small schema can ask for more time than there is, by a pattern
or by references to itself. Nothing outside of the schema is ever retrieved. What is wrong is said by the
schema's rule and its path *in the schema*: a path in the value would show keys of it, which are content.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resolver.errors import InvalidRequestError, SchemaMismatchError
from resolver.validation.sandbox import run_limited

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resolver.core.model import SecretValue
    from resolver.dsl.budget import Budget

MAX_SCHEMA = 64 * 1024
"""Largest schema, in bytes of UTF-8."""

SECONDS = 15.0
"""How long the check of one value, or of one schema, may take on however busy a machine."""

CPU_SECONDS = 2
"""How long it may compute, the start of the process included."""

MAX_WORDS = 200
"""Most characters of a schema that a message repeats."""

_TOO_LONG = "can't be checked in the time there is for it"

_CODE = """\
import json
import sys
import warnings
warnings.simplefilter("ignore")
from resolver.validation.value_schema import answer
for one in json.load(sys.stdin):
    print(json.dumps(answer(*one)), flush=True)
"""


def check_schema(text: str, budget: Budget) -> str:
    """Check that a text is a JSON Schema that values can be checked against without anything else.

    Args:
        text: JSON text.
        budget: what the run may spend.

    Returns:
        The schema as it is stored.

    Raises:
        InvalidRequestError: it is not JSON, no schema, too large, or refers to something outside of it.
    """
    (checked,) = check_schemas([text], budget)
    if isinstance(checked, InvalidRequestError):
        raise checked
    return checked


def check_schemas(texts: Sequence[str], budget: Budget) -> Sequence[str | InvalidRequestError]:
    """Check several texts at once: for each the schema as it is stored, or what is wrong with it.

    Args:
        texts: JSON texts.
        budget: what the run may spend.
    """
    read: list[str | InvalidRequestError] = []
    for text in texts:
        try:
            read.append(_read_schema(text))
        except InvalidRequestError as error:
            read.append(error)
    stored = [each for each in read if isinstance(each, str)]
    problems = iter(_ask([(each, None) for each in stored], budget))
    return [
        InvalidRequestError(f"the JSON schema {problem}")
        if isinstance(each, str) and (problem := next(problems))
        else each
        for each in read
    ]


def _read_schema(text: str) -> str:
    """A schema as it is stored, as far as one knows without checking it."""
    if len(text.encode(errors="replace")) > MAX_SCHEMA:
        raise InvalidRequestError(f"the JSON schema is too large: at most {MAX_SCHEMA} bytes are allowed")
    try:
        schema = _load(text)
    except (ValueError, RecursionError):
        raise InvalidRequestError("the JSON schema is not JSON") from None
    if not isinstance(schema, dict) or not schema:
        raise InvalidRequestError(
            "the JSON schema must be a JSON object that is not empty", hint='for instance {"type": "object"}'
        )
    try:
        stored = json.dumps(schema, ensure_ascii=False)
        stored.encode()
    except (UnicodeEncodeError, RecursionError):
        raise InvalidRequestError("the JSON schema is not valid UTF-8 text") from None
    return stored


def check_against(schema: str, value: SecretValue, budget: Budget) -> None:
    """Check a value against a schema that was checked.

    Args:
        schema: the schema.
        value: the value.
        budget: what the run may spend.

    Raises:
        SchemaMismatchError: it is not JSON, or does not keep to the schema; says the rule and its path in
            the schema, never what is in the value.
    """
    (problem,) = check_all([(schema, value)], budget)
    if problem:
        raise SchemaMismatchError(f"the value {problem}", hint="a secret with a JSON schema holds JSON text")


def check_all(pairs: Sequence[tuple[str, SecretValue]], budget: Budget) -> Sequence[str]:
    """Check values against schemas: for each what is wrong, empty when nothing is.

    Those that the run has no time for any more can't be checked, and so are wrong.

    Args:
        pairs: schemas and values.
        budget: what the run may spend.
    """
    return _ask([(schema, value.reveal()) for schema, value in pairs], budget)


def _ask(pairs: Sequence[tuple[str, str | None]], budget: Budget) -> Sequence[str]:
    answers: list[str] = []
    while len(answers) < len(pairs):
        if budget.child_seconds <= 0:
            return answers + [_TOO_LONG] * (len(pairs) - len(answers))
        left = pairs[len(answers) :]
        output, done = run_limited(
            _CODE, json.dumps(left).encode(), budget, seconds=SECONDS, cpu_seconds=CPU_SECONDS, packages=True
        )
        answers += [str(json.loads(line)) for line in output.splitlines()[: len(left)]]
        if not done and len(answers) < len(pairs):
            # The one that the process ended at is to blame; those after it are asked about again.
            answers.append(_TOO_LONG)
    return answers


def answer(schema_text: str, value_text: str | None) -> str:
    """What is wrong with a value, or with a schema when there is no value; runs in the process of its own."""
    import jsonschema  # noqa: PLC0415 - only that process needs it
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    from resolver.validation.json_schema import rule_in_words  # noqa: PLC0415

    schema: Any = json.loads(schema_text)
    kind: Any = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        if value_text is None:
            if outside := _outside(schema):
                return f"refers to something outside of it at {outside}"
            kind.check_schema(schema)
            # Says whether the references lead anywhere, for as much of it as null meets.
            list(kind(schema, registry=Registry()).iter_errors(None))
            return ""
        value = _load(value_text)
        error = next(iter(kind(schema, registry=Registry()).iter_errors(value)), None)
    except SchemaError as wrong:
        return f"is not valid: {_pointer(wrong.absolute_path)} breaks the rules of JSON Schema"
    except Unresolvable:
        return (
            "has a reference that leads nowhere"
            if value_text is None
            else "meets a reference that leads nowhere"
        )
    except RecursionError:
        return "is nested too deeply"
    except ValueError:
        return "is not JSON"
    if error is None:
        return ""
    rule = _cut(rule_in_words(str(error.validator), error.validator_value))
    return f"does not keep to the JSON schema of the secret: {_pointer(error.absolute_schema_path)}: {rule}"


def _pointer(path: Iterable[object]) -> str:
    return _cut("/" + "/".join(map(str, path)))


def _cut(text: str) -> str:
    """A text of the schema as a message repeats it."""
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"


def _outside(schema: object) -> str:
    """The JSON pointer to a reference that leads out of the schema; empty without any."""
    ids: set[str] = set()
    references: list[tuple[str, str]] = []
    todo: list[tuple[object, str]] = [(schema, "")]
    while todo:
        node, pointer = todo.pop()
        if isinstance(node, dict):
            ids |= {node[name] for name in ("$id", "id") if isinstance(node.get(name), str)}
            references += [
                (node[name], f"{pointer}/{name}")
                for name in ("$ref", "$dynamicRef", "$recursiveRef")
                if isinstance(node.get(name), str)
            ]
            todo += [(child, f"{pointer}/{name}") for name, child in node.items()]
        elif isinstance(node, list):
            todo += [(child, f"{pointer}/{number}") for number, child in enumerate(node)]
    for reference, pointer in references:
        if not reference.startswith("#") and reference.partition("#")[0] not in ids:
            return _cut(pointer)
    return ""


def _load(text: str) -> Any:  # noqa: ANN401 - JSON data
    def refuse(_constant: str) -> None:
        raise ValueError("not JSON")

    return json.loads(text, parse_constant=refuse)
