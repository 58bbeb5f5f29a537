"""The OpenAPI document, made of the routes and of the records that they take and answer."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.core.model import Named, SecretValue
from resolver.protocol import TENANT_HEADER, TOKEN_HEADER
from resolver.protocol.errors import ErrorBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.rest.routing import Group, Operation

_SECURITY_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
}


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
    by_kind = {_id_of(kind): schema for kind, schema in zip([*kinds, ErrorBody], schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, by_kind, components)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Blueprint resolver",
            "summary": "Secrets for blueprints, by a REST API that Cloudify's client can talk to.",
            "version": version("blueprint-resolver"),
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
    }


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
        "operationId": operation.function.__name__,
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
    if operation.guarded:
        described["security"] = [{name: []} for name in _SECURITY_SCHEMES]
        described["responses"]["default"] = {
            "description": "Refused.",
            "content": {"application/json": {"schema": schemas[_id_of(ErrorBody)]}},
        }
    return described


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
                text = {"type": "string"}
                found.append(
                    {"name": TENANT_HEADER, "in": "header", "required": name == "tenant", "schema": text}
                )
            case "query":
                found += _query_parameters(schemas[_id_of(operation.kinds["query"])], components)
            case _:
                found.append({"name": name, "in": "path", "required": True, "schema": {"type": "string"}})
    return found


def _query_parameters(schema: Mapping[str, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    record = components[schema["$ref"].rpartition("/")[2]]
    required = record.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in record["properties"].items()
    ]
