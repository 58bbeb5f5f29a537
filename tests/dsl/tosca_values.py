"""What OpenStack's `tosca-parser` makes of service templates.

Runs by the Python of an environment with `tosca-parser`.

Reads a JSON array of `{"text": service template, "inputs": {name: value}}` from standard input and writes a
JSON array of as many results: `{"nodes": ..., "capabilities": ..., "relationships": ..., "outputs": ...}`,
evaluated, or `{"error": message}`.

The parser finds what `get_input` and `get_property` lead to, and leaves `concat`, `join` and `token` to
orchestrators: these are evaluated here, as the specification says.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import yaml
from toscaparser import functions  # type: ignore[import-not-found]  # there only
from toscaparser.tosca_template import ToscaTemplate  # type: ignore[import-not-found]  # same


class Join(functions.Function):  # type: ignore[misc]  # of a class that is there only
    """A function that came with version 1.2, which the parser takes for a text."""

    def validate(self) -> None:
        """Anything goes."""

    def result(self) -> Join:
        """Nothing but itself, as the parser has it for `concat`."""
        return self


functions.function_mappings["join"] = Join


def evaluate(topology: Any, context: Any, node: Any) -> Any:  # noqa: ANN401 - objects of the parser's
    """A value with all calls in it evaluated, where it belongs to a node template or a relationship."""
    node = functions.get_function(topology, context, node)
    if isinstance(node, (functions.Concat, functions.Token)):
        argument = [evaluate(topology, node.context, each) for each in node.args]
        if isinstance(node, functions.Concat):
            return "".join(map(str, argument))
        text, separator, index = argument
        return text.split(separator)[index]
    if isinstance(node, Join):
        items, *delimiter = node.args
        return "".join(delimiter).join(str(evaluate(topology, node.context, each)) for each in items)
    if isinstance(node, functions.Function):
        return evaluate(topology, node.context, node.result())
    if isinstance(node, dict):
        return {key: evaluate(topology, context, each) for key, each in node.items()}
    if isinstance(node, list):
        return [evaluate(topology, context, each) for each in node]
    return node


def values_of(question: dict[str, Any]) -> dict[str, Any]:
    """Everything in a service template that calls read, after evaluation."""
    document = yaml.safe_load(question["text"])
    topology = ToscaTemplate(parsed_params=question["inputs"], yaml_dict_tpl=document).topology_template
    nodes = topology.nodetemplates
    return {
        "nodes": {
            node.name: {
                each.name: evaluate(topology, node, each.value) for each in node.get_properties_objects()
            }
            for node in nodes
        },
        "capabilities": {
            node.name: {
                capability.name: {
                    name: evaluate(topology, node, each.value)
                    for name, each in capability.get_properties().items()
                }
                for capability in node.get_capabilities_objects()
            }
            for node in nodes
        },
        "relationships": {
            node.name: {
                name: evaluate(topology, relationship, value)
                for target in node.relationships.values()
                for relationship in target.relationship_tpl
                for interface in relationship.interfaces
                for name, value in (interface.inputs or {}).items()
            }
            for node in nodes
        },
        "outputs": {each.name: evaluate(topology, topology.outputs, each.value) for each in topology.outputs},
    }


def main() -> None:
    """Answer all questions on standard input."""
    logging.disable()
    results: list[dict[str, Any]] = []
    for question in json.load(sys.stdin):
        try:
            results.append(values_of(question))
        except Exception as error:  # noqa: BLE001 - whatever the parser raises is its answer
            results.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(results, sys.stdout, default=str)


if __name__ == "__main__":
    main()
