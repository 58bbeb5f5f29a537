"""What calls of TOSCA 1.x evaluate to is what `tosca-parser` finds.

`TOSCA_EXAMPLES` raises how many generated service templates are compared, `TOSCA_FIRST` is the first seed.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from resolver.dsl.context import DeploymentContext
from resolver.dsl.definitions import Definitions
from resolver.dsl.dialects import TOSCA_1
from resolver.dsl.evaluate import Evaluator
from resolver.dsl.problems import Fault, Reason
from resolver.dsl.values import GivenInput, Values
from tests.dsl.service_templates import ServiceTemplate

TOSCA_PYTHON = os.environ.get("RESOLVER_TEST_TOSCA_PYTHON", "")
FIRST = int(os.environ.get("TOSCA_FIRST", "0"))
EXAMPLES = int(os.environ.get("TOSCA_EXAMPLES", "40"))

MISSING, UNKNOWN = object(), object()


class Ours:
    """What we make of one service template.

    Args:
        generated: the service template.
        without: sections of types that are out of reach.
    """

    def __init__(self, generated: ServiceTemplate, *without: str) -> None:
        document = {name: each for name, each in generated.document.items() if name not in without}
        self.definitions = Definitions([document], dialect=TOSCA_1)
        self._given = {name: GivenInput(value) for name, value in generated.given.items()}

    def evaluate(self, value: object, *here: str | int) -> object:
        """A value with its calls evaluated, where it stands in the topology."""
        budget = self.definitions.budget
        evaluator = Evaluator(self.definitions, self._given, Values(), DeploymentContext(), budget)
        try:
            return evaluator.evaluate(value, ("topology_template", *here)).value
        except Fault as fault:
            return UNKNOWN if fault.reason is Reason.NOT_KNOWN_YET else MISSING

    def properties(self, node: str, expected: dict[str, Any]) -> dict[str, Any]:
        """All properties of a node, as `get_property` reads them, and one that it does not have."""
        found = {key: self.evaluate({"get_property": [node, key]}, "outputs") for key in [*expected, "none"]}
        return {key: value for key, value in found.items() if value is not MISSING}

    def capability(self, node: str, name: str, expected: dict[str, Any]) -> dict[str, Any]:
        """All properties of a node's capability; a requirement of its name goes first."""
        template = self.definitions.node(node) or {}
        if any(name in entry for entry in template.get("requirements", ())):
            return expected
        calls = {key: {"get_property": [node, name, key]} for key in [*expected, "none"]}
        found = {key: self.evaluate(call, "outputs") for key, call in calls.items()}
        return {key: value for key, value in found.items() if value is not MISSING}

    def inputs_of_operation(self, node: str) -> dict[str, Any]:
        """What an operation of a node's relationship is given."""
        template = self.definitions.node(node) or {}
        found: dict[str, Any] = {}
        for number, entry in enumerate(template.get("requirements", ())):
            here = ("node_templates", node, "requirements", number, "door", "relationship", "interfaces")
            if "door" in entry:
                operation = entry["door"]["relationship"]["interfaces"]["Configure"]["pre_configure_source"]
                found |= {key: self.evaluate(value, *here) for key, value in operation["inputs"].items()}
        return found


def compare(generated: ServiceTemplate, answer: dict[str, Any], number: int) -> int:
    """Compare everything in a service template; how many properties of nodes there were."""
    ours = Ours(generated)
    for node, expected in answer["nodes"].items():
        assert ours.properties(node, expected) == expected, (number, node)
        assert ours.inputs_of_operation(node) == answer["relationships"][node], (number, node)
        for name, properties in answer["capabilities"][node].items():
            assert ours.capability(node, name, properties) == properties, (number, node, name)
    for name, output in generated.document["topology_template"]["outputs"].items():
        assert ours.evaluate(output["value"], "outputs") == answer["outputs"][name], (number, name)
    return sum(map(len, answer["nodes"].values()))


def compare_within_reach(generated: ServiceTemplate, answer: dict[str, Any], number: int) -> int:
    """See that properties have no other value where types are out of reach; how many are not known."""
    unknown = 0
    for without in ("data_types", "capability_types", "node_types"):
        ours = Ours(generated, without)
        for node, expected in answer["nodes"].items():
            for key, value in expected.items():
                found = ours.evaluate({"get_property": [node, key]}, "outputs")
                assert found in (value, UNKNOWN), (number, without, node, key)
                unknown += found is UNKNOWN
    return unknown


@pytest.mark.skipif(not TOSCA_PYTHON, reason="RESOLVER_TEST_TOSCA_PYTHON names no Python with tosca-parser")
def test_generated_service_templates_are_what_tosca_parser_finds() -> None:
    """Properties, capabilities, inputs of operations and outputs have the parser's values.

    With types out of reach there are fewer, and no other.
    """
    generated = [ServiceTemplate(seed) for seed in range(FIRST, FIRST + EXAMPLES)]
    questions = [
        {"text": yaml.safe_dump(each.document, sort_keys=False), "inputs": each.given} for each in generated
    ]
    done = subprocess.run(
        [TOSCA_PYTHON, "-W", "ignore", Path(__file__).with_name("tosca_values.py")],
        input=json.dumps(questions),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1200,
    )
    accepted = known = unknown = 0
    for number, (each, answer) in enumerate(zip(generated, json.loads(done.stdout), strict=True), FIRST):
        if "error" in answer:  # it evaluates SELF where a call is read from, and not where it stands
            continue
        accepted += 1
        known += compare(each, answer, number)
        unknown += compare_within_reach(each, answer, number)
    assert accepted > 0.9 * EXAMPLES
    assert known > 8 * EXAMPLES
    assert unknown > EXAMPLES
