"""The OpenAPI document, made of the routes and of the records that they take and answer.

It is written so that generators of clients take it: each schema has a name of ours, none is null alone, each
list says what is in it, and each status that a route answers with is there.
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.core.model import Named, SecretValue
from resolver.protocol import OWN_ROUTES, TENANT_HEADER, TOKEN_HEADER
from resolver.protocol.errors import ErrorBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.rest.routing import Group, Operation

_SECURITY_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
}


_REFUSALS = {
    "400": "A parameter, a field, a name or a value breaks the rules.",
    "401": "Credentials are missing, malformed, unknown, revoked or expired.",
    "403": "The user, role or token may not do this; the same where the tenant does not exist.",
    "404": "What was named does not exist, or may not be seen.",
    "408": "The body took too long to arrive.",
    "409": "It collides with what is stored, or with another writer.",
    "412": "The secret has another version than `If-Match` says.",
    "413": "It is more than one request, or one caller, may have.",
    "415": "The body does not say that it is JSON, or is compressed.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "500": "The server failed, or what is stored does not open.",
    "503": "The store or its key is not available, or the server is busy.",
    "default": "Refused.",
}
"""What each status means; docs/api.md has the `error_code` of each."""

_PATH_PARAMETERS = {
    "key": ("The key of the secret.", "db_password", {"pattern": "^[A-Za-z][A-Za-z0-9._~-]{0,255}$"}),
    "name": ("The name of what is asked for.", "prod", {}),
    "username": ("The name of the user, in any case.", "alice", {}),
    "approval_id": (
        "The id of the approval.",
        "0c2ff1a8-6f0e-4d0f-9d0a-3b8c2e7d5a11",
        {"pattern": "^[0-9a-f-]{36}$"},
    ),
    "token_id": ("The public part of the token: its id.", "Ab3dE6gH9k", {}),
}
"""What each name in a path means, with an example and what it looks like."""


def make_document(groups: Iterable[Group]) -> dict[str, Any]:
    """Make the document.

    Args:
        groups: all routes, in the order of the document.
    """
    operations = [operation for group in groups for operation in group.operations]
    kinds = [kind for operation in operations for kind in _kinds_of(operation)]
    schemas, components = msgspec.json.schema_components(
        [*kinds, ErrorBody], schema_hook=_schema_of, ref_template="#/components/schemas/{name}"
    )
    components = {_name_of(name): _tidy(schema) for name, schema in components.items()}
    by_kind = {_id_of(kind): _tidy(schema) for kind, schema in zip([*kinds, ErrorBody], schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, by_kind, components)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    queries = {_id_of(one.kinds["query"]) for one in operations if "query" in one.parameters}
    for query in queries:  # whose fields are parameters
        del components[_component_of(by_kind[query])]
    tags = {one.tag: _first_sentence(sys.modules[one.function.__module__].__doc__) for one in operations}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Blueprint resolver",
            "summary": "Secrets for blueprints, by a REST API that Cloudify's client can talk to.",
            "version": version("blueprint-resolver"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that answers with this document."}],
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
    }


_GENERIC = re.compile(r"(\w+?)_(\w.*?)_\Z")
_SHORT = {"CloudifyPage": "Page", "Part": "Part"}
_REFERENCE = "#/components/schemas/"
_ARGUMENT = re.compile(r"^    (\w+): ((?:.|\n(?!    \w+: ))+)", re.MULTILINE)
"""An argument in the docstring of a record, with what follows it in deeper lines."""


def _name_of(component: str) -> str:
    """The name of a schema; of a list of something `SomethingPage` or `SomethingPart`."""
    generic = _GENERIC.fullmatch(component)
    if generic is None:
        return component
    item = generic[2] if generic[2].isalnum() else "Item"
    return f"{item}{_SHORT.get(generic[1], generic[1])}"


def _component_of(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).removeprefix(_REFERENCE)


def _tidy(schema: Any) -> Any:  # noqa: ANN401 - a part of a schema
    """A schema as all generators take it, with what the record's docstring says of each field."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {name: part if name == "default" else _tidy(part) for name, part in schema.items()}
    if "$ref" in tidy:
        tidy["$ref"] = _REFERENCE + _name_of(_component_of(tidy))
    if isinstance(tidy.get("title"), str):
        tidy["title"] = _name_of(re.sub(r"\W", "_", tidy["title"]))
    if tidy.get("type") == "array":
        tidy.setdefault("items", {})
    choices = [choice.get("type") for choice in tidy.get("anyOf", ())]
    if choices == ["boolean", "string"]:  # written as text, or not
        tidy["type"] = tidy.pop("anyOf")[0]["type"]
    for field in tidy.get("properties", {}).values():
        if field.get("type") == "null":  # alone: generators want a type beside it
            field["type"], field["description"] = ["string", "null"], "Always null."
    if tidy.get("properties") and isinstance(tidy.get("description"), str):
        _describe_fields(tidy)
    return tidy


def _describe_fields(schema: dict[str, Any]) -> None:
    told, _, arguments = schema["description"].partition("\n\nArgs:\n")
    schema["description"] = told
    for name, text in _ARGUMENT.findall(arguments.partition("\n\n")[0]):
        field = schema["properties"].get(name) or schema["properties"].get(f"_{name}")
        if field is not None:
            field.setdefault("description", _sentence(text))


def _sentence(text: str) -> str:
    """Text of a docstring as a sentence in one line; the format has no None."""
    line = re.sub(r"\bNone\b", "null", " ".join(text.split()))
    return line[:1].upper() + line[1:] + ("" if line.endswith(".") else ".")


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split())


def _kinds_of(operation: Operation) -> Sequence[Any]:
    """The types that an operation takes and answers."""
    kinds = [operation.kinds[name] for name in ("body", "query") if name in operation.parameters]
    return kinds if operation.answer is None else [*kinds, operation.answer]


def _id_of(kind: Any) -> str:  # noqa: ANN401 - any type
    return str(kind) if hasattr(kind, "__origin__") else f"{kind!r}"


def _schema_of(kind: type) -> dict[str, Any]:
    """The schema of a type that the library does not know: each is written as text."""
    if issubclass(kind, (Named, SecretValue)):
        return {"type": "string"}
    raise NotImplementedError


def _describe(
    operation: Operation, schemas: Mapping[str, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": _id_of_operation(operation),
        "summary": _summary_of(operation),
    }
    rest = inspect.getdoc(operation.function) or ""
    described["description"] = rest
    if parameters := _parameters(operation, schemas, components):
        described["parameters"] = parameters
    if "body" in operation.parameters:
        described["requestBody"] = {
            "required": not operation.body_is_optional,
            "content": {"application/json": {"schema": schemas[_id_of(operation.kinds["body"])]}},
        }
    done: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        done["content"] = {"application/json": {"schema": schemas[_id_of(operation.answer)]}}
    described["responses"] = {str(operation.status): done}
    if operation.or_nothing:
        described["responses"]["204"] = {"description": "Done, with nothing to report."}
    described["security"] = [{name: []} for name in _SECURITY_SCHEMES] if operation.guarded else []
    error = {"application/json": {"schema": schemas[_id_of(ErrorBody)]}}
    for status, text in _refusals_of(operation):
        described["responses"].setdefault(status, {"description": text, "content": error})
    return described


def _refusals_of(operation: Operation) -> Iterable[tuple[str, str]]:
    """The statuses that a route may refuse with; what a proxy before it may answer is the default."""
    taken = set(operation.parameters)
    changes = operation.method != "GET"
    asks_for_session = operation.path.startswith(OWN_ROUTES)
    applies = {
        "401": operation.guarded or asks_for_session,
        "403": operation.guarded or asks_for_session,
        "404": bool(taken - {"call"}),
        "408": "body" in taken,
        "409": changes,
        "412": changes and "key" in taken,
        "415": "body" in taken,
    }
    return [(status, text) for status, text in _REFUSALS.items() if applies.get(status, True)]


def _id_of_operation(operation: Operation) -> str:
    """What generated clients call it: our own routes by their names, Cloudify's with a word before them."""
    prefix = "cloudify_" if operation.path.startswith("/api/v3") else ""
    return f"{prefix}{operation.function.__name__}"


def _summary_of(operation: Operation) -> str:
    return operation.function.__name__.replace("_", " ").capitalize()


def _parameters(
    operation: Operation, schemas: Mapping[str, Any], components: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Those in the path, in the headers, and in the query."""
    found: list[dict[str, Any]] = []
    for name in operation.parameters:
        match name:
            case "call" | "body" | "budget":
                pass
            case "tenant" | "any_tenant":
                found.append(
                    {
                        "name": TENANT_HEADER,
                        "in": "header",
                        "required": name == "tenant",
                        "description": "The tenant that it is asked in.",
                        "schema": {"type": "string"},
                        "example": "default_tenant",
                    }
                )
            case "query":
                found += _query_parameters(schemas[_id_of(operation.kinds["query"])], components)
            case _:
                text, example, more = _PATH_PARAMETERS[name]
                found.append(
                    {
                        "name": name,
                        "in": "path",
                        "required": True,
                        "description": text,
                        "schema": {"type": "string", **more},
                        "example": example,
                    }
                )
    return found


def _query_parameters(schema: Mapping[str, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    record = components[_component_of(schema)]
    required = record.get("required", ())
    found: list[dict[str, Any]] = []
    for name, field in record["properties"].items():
        plain = {word: part for word, part in field.items() if word != "description"}
        one = {"name": name, "in": "query", "required": name in required, "schema": plain}
        found.append(one | {"description": field.get("description", record["description"])})
    return found
