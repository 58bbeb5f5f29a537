"""What Cloudify's own parser makes of blueprints.

Runs by the Python of an environment with `cloudify-common`.

Reads a JSON array of `{"text": blueprint, "secrets": {key: value}}` from standard input and writes a JSON
array of as many results: `{"values": ..., "inputs": ...}` with the evaluated inputs, nodes, operations,
relationships and outputs, and what was given for inputs that have no default; or `{"error": class name}`.
A question may hold `"inputs"`, values given for inputs, and `"properties": true`, which adds the properties
of relationships, unevaluated, to the result.

The texts import types that only a Cloudify manager has. Imports are therefore dropped, and every type,
property, relationship and plugin that a blueprint uses is declared by a stub.
"""

from __future__ import annotations

import contextlib
import json
import sys
from types import SimpleNamespace
from typing import Any

import yaml
from dsl_parser import functions, parser, tasks  # type: ignore[import-not-found]  # there only

_DEPENDS_ON = "cloudify.relationships.depends_on"
_CONTAINED_IN = "cloudify.relationships.contained_in"
_CONNECTED_TO = "cloudify.relationships.connected_to"

# Answered by a running deployment. Here each stays the call that it is, on both sides of a comparison.
_RUN_TIME = (
    "get_attribute",
    "get_attributes_dict",
    "get_attributes_list",
    "get_capability",
    "get_consumers",
    "get_environment_capability",
    "get_group_capability",
    "get_label",
    "get_sys",
)

_GIVEN = {"boolean": True, "dict": {}, "float": 1.5, "integer": 1, "list": []}
"""What inputs without a default are given, by type; all others get a text."""


class Stubs:
    """Declarations added to one blueprint for what its imports would have declared.

    Args:
        document: the loaded blueprint; it is changed in place.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        document.pop("imports", None)
        self._document = document
        self._types = self._section("node_types")
        self._relationships = self._section("relationships")
        self._plugins = self._section("plugins")

    def add(self) -> None:
        """Declare everything that is used."""
        self._plugin("stub")
        self._relationships.setdefault(
            _DEPENDS_ON, {"properties": {"connection_type": {"default": "all_to_all"}}}
        )
        for name in (_CONTAINED_IN, _CONNECTED_TO):
            self._relationships.setdefault(name, {"derived_from": _DEPENDS_ON})
        for declared in list(self._relationships.values()):
            self._relationship(declared.get("derived_from", _DEPENDS_ON))
            self._operations(declared.get("source_interfaces"))
            self._operations(declared.get("target_interfaces"))
        for declared in list(self._types.values()):
            self._types.setdefault(declared.get("derived_from", "cloudify.nodes.Root"), {})
            self._operations(declared.get("interfaces"))
        for node in self._document.get("node_templates", {}).values():
            self._types.setdefault(node["type"], {})
            self._properties(self._types, node)
            self._operations(node.get("interfaces"))
            for relationship in node.get("relationships", []):
                self._relationship(relationship["type"])
                self._properties(self._relationships, relationship)
                self._operations(relationship.get("source_interfaces"))
                self._operations(relationship.get("target_interfaces"))

    def _section(self, name: str) -> dict[str, Any]:
        section = self._document[name] = self._document.get(name) or {}
        return section

    def _plugin(self, name: str) -> None:
        self._plugins.setdefault(name, {"executor": "central_deployment_agent", "install": False})

    def _relationship(self, name: str) -> dict[str, Any]:
        base = next((known for known in (_CONTAINED_IN, _CONNECTED_TO) if known in name), _DEPENDS_ON)
        declared: dict[str, Any] = self._relationships.setdefault(name, {"derived_from": base})
        return declared

    def _properties(self, types: dict[str, Any], user: dict[str, Any]) -> None:
        known: set[str] = set()
        ancestor = types.get(user["type"])
        while ancestor is not None:
            known |= (ancestor.get("properties") or {}).keys()
            ancestor = types.get(ancestor.get("derived_from"))
        for name in (user.get("properties") or {}).keys() - known:
            types[user["type"]].setdefault("properties", {})[name] = {"required": False}

    def _operations(self, interfaces: dict[str, Any] | None) -> None:
        for interface in (interfaces or {}).values():
            for name, operation in (interface or {}).items():
                short = isinstance(operation, str)
                implementation = operation if short else (operation or {}).get("implementation")
                if not implementation:
                    continue
                if "/" not in implementation:
                    self._plugin(implementation.partition(".")[0])
                elif short:  # a script, which the parser would look for
                    interface[name] = "stub.run"
                else:
                    operation["implementation"] = "stub.run"


def _inputs(operations: dict[str, Any]) -> dict[str, Any]:
    """What operations are given; the rest of a definition says whether a function stands in it."""
    return {name: definition["inputs"] for name, definition in operations.items()}


def _load(text: str) -> Any:  # noqa: ANN401 - plain data
    """Load a blueprint as Cloudify does, faster where libyaml reads the same."""
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:  # libyaml knows less, tabs between tokens for one
        return yaml.safe_load(text)


def values_of(question: dict[str, Any]) -> dict[str, Any]:
    """Everything in a blueprint that Cloudify evaluates, after its own evaluation, and the inputs given."""
    secrets = question["secrets"]
    document = json.loads(json.dumps(_load(question["text"]), default=str))
    Stubs(document).add()
    inputs = {
        name: _GIVEN.get(declared.get("type"), f"text of {name}")
        for name, declared in (document.get("inputs") or {}).items()
        if "default" not in declared
        and declared.get("required", True)
        and declared.get("type") not in (document.get("data_types") or {})
    }
    inputs |= question.get("inputs", {})
    plan = parser.parse(json.dumps(document))
    deployment = tasks.prepare_deployment_plan(
        plan, get_secret_method=secrets.__getitem__, inputs=dict(inputs)
    )
    storage = SimpleNamespace(
        get_secret=lambda key: SimpleNamespace(value=secrets[key]), get_input=deployment["inputs"].__getitem__
    )
    payload = {
        "nodes": {node["name"]: node["properties"] for node in deployment["nodes"]},
        "operations": {node["name"]: _inputs(node["operations"]) for node in deployment["nodes"]},
        "relationships": {
            node["name"]: [
                [_inputs(relationship["source_operations"]), _inputs(relationship["target_operations"])]
                for relationship in node.get("relationships", [])
            ]
            for node in deployment["nodes"]
        },
        "outputs": {name: output["value"] for name, output in deployment["outputs"].items()},
    }
    evaluated: dict[str, Any] = functions.evaluate_functions(payload, {}, storage)
    # What no call reads may be wrong in an input, and is not evaluated elsewhere.
    with contextlib.suppress(Exception):
        evaluated |= functions.evaluate_functions({"inputs": deployment["inputs"]}, {}, storage)
    answer = {"values": evaluated, "inputs": inputs}
    if question.get("properties"):
        answer["relationships"] = {
            node["name"]: [relationship["properties"] for relationship in node.get("relationships", [])]
            for node in plan["nodes"]
        }
    return answer


def _itself(call: Any, _: object) -> Any:  # noqa: ANN401 - a function of the parser's, and plain data
    return call.raw


def main() -> None:
    """Answer all questions on standard input."""
    for name in _RUN_TIME:
        functions.TEMPLATE_FUNCTIONS[name].evaluate = _itself
    results: list[dict[str, Any]] = []
    for question in json.load(sys.stdin):
        try:
            results.append(values_of(question))
        except Exception as error:  # noqa: BLE001 - whatever the parser raises is its answer
            results.append({"error": type(error).__name__})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
