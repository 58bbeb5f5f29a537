"""What Cloudify's own parser renames. Runs by the Python of an environment with `cloudify-common`.

Writes the parser's schema as JSON, by section, in the form that `test_namespaces.py` compares with ours.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dsl_parser import constants  # type: ignore[import-not-found]  # there only
from dsl_parser.elements import blueprint  # type: ignore[import-not-found]  # same
from dsl_parser.framework import elements  # type: ignore[import-not-found]  # same

_LEFT_OUT = {
    *("tosca_definitions_version", "description", "imports", "dsl_definitions", "metadata"),
    *("imported_blueprints", "namespaces_mapping", "deployment_settings"),
}
"""Sections that are dropped, that hold no names, or that no namespaced file may have."""


def rule_of(element: Any) -> Any:  # noqa: ANN401 - plain data
    """The rule of an element; None when nothing in it is ever renamed."""
    return _rule(element.schema, are_names=element.add_namespace_to_schema_elements)


def _rule(schema: Any, *, are_names: bool) -> Any:  # noqa: ANN401 - plain data
    if isinstance(schema, list):
        (fields,) = [each for each in schema if isinstance(each, dict)]
        return {**_rule(fields, are_names=are_names), "or_name": True}
    if isinstance(schema, dict):
        rules = {name: rule_of(field) for name, field in schema.items()}
        fields = {name: rule for name, rule in rules.items() if rule is not None}
        return {"fields": fields, "or_name": False} if fields else None
    if isinstance(schema, elements.Dict):
        inner = rule_of(schema.type)
        return None if inner is None else {"entries": inner, "are_names": are_names}
    if isinstance(schema, elements.List):
        inner = rule_of(schema.type)
        return None if inner is None else {"items": inner}
    if not isinstance(schema, elements.Leaf):
        return None
    types = schema.type if isinstance(schema.type, tuple) else (schema.type,)
    if are_names and not {str, dict, list}.isdisjoint(types):
        return "name"
    return "data" if dict in types else None


if __name__ == "__main__":
    found = {name: rule_of(element) for name, element in blueprint.Blueprint.schema.items()}
    sections = {
        name: rule["entries"] for name, rule in found.items() if name not in _LEFT_OUT and rule is not None
    }
    json.dump({"sections": sections, "types": sorted(constants.USER_PRIMITIVE_TYPES)}, sys.stdout)
