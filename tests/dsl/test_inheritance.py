"""What types declare and derive, and add to values, is what Cloudify's parser makes of them.

`HIERARCHY_EXAMPLES` raises how many generated hierarchies are compared, `HIERARCHY_FIRST` is the first seed.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from resolver.dsl.context import DeploymentContext
from resolver.dsl.definitions import Definitions
from resolver.dsl.evaluate import Evaluator
from resolver.dsl.inheritance import Kind, OutOfReachError, Typed, Unknown
from resolver.dsl.problems import Fault, Reason
from resolver.dsl.values import GivenInput, Values
from tests.dsl.hierarchies import KEYS, Hierarchy

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOUDIFY_PYTHON = os.environ.get("RESOLVER_TEST_CLOUDIFY_PYTHON", "")
VALUES_OF = Path(__file__).parents[1] / "corpus" / "cloudify_values.py"
FIRST = int(os.environ.get("HIERARCHY_FIRST", "0"))
EXAMPLES = int(os.environ.get("HIERARCHY_EXAMPLES", "30"))

MISSING, UNKNOWN = object(), object()


def paths_in(value: object) -> Iterator[tuple[Any, ...]]:
    """All paths into a value, that to nothing included, and one step too many at each mapping and text."""
    yield ()
    if isinstance(value, dict):
        yield ("none",)
        for key, inner in value.items():
            yield from ((key, *path) for path in paths_in(inner))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from ((number, *path) for path in paths_in(inner))


def at(value: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401 - plain data
    """What a path leads to."""
    for step in path:
        if not (step in value if isinstance(value, dict) else isinstance(value, list)):
            return MISSING
        value = value[step]
    return value


class Comparison:
    """Compares what one hierarchy's blueprint evaluates to with the parser's answer.

    Args:
        document: the blueprint, or what is within reach of it.
        given: values given for inputs.
    """

    def __init__(self, document: dict[str, Any], given: dict[str, Any]) -> None:
        self.definitions = Definitions([document])
        self.evaluator = Evaluator(
            self.definitions,
            {name: GivenInput(value) for name, value in given.items()},
            Values(),
            DeploymentContext(),
            self.definitions.budget,
        )
        self.known = self.unknown = 0

    def evaluate(self, call: dict[str, Any]) -> object:
        """The value of a call; UNKNOWN when it is not known yet, MISSING when the call is refused."""
        try:
            return self.evaluator.evaluate(call, ("outputs", "o")).value
        except Fault as fault:
            return UNKNOWN if fault.reason is Reason.NOT_KNOWN_YET else MISSING

    def compare(self, call: dict[str, Any], expected: object, *, is_whole: bool) -> None:
        """Compare one call's value, or see that it is not known."""
        value = self.evaluate(call)
        if value is UNKNOWN:
            assert not is_whole, call
            self.unknown += 1
        elif value is MISSING or expected is MISSING:
            assert value is expected, call
        else:
            # Their order too, which `concat` shows.
            assert json.dumps(value) == json.dumps(expected), call
            self.known += 1

    def compare_all(self, answer: dict[str, Any], *, is_whole: bool) -> None:
        """Compare all properties and inputs, and all paths into them."""
        for node, properties in answer["values"]["nodes"].items():
            for key in KEYS:
                for path in paths_in(properties[key]) if key in properties else [()]:
                    expected = at(properties, (key, *path))
                    self.compare({"get_property": [node, key, *path]}, expected, is_whole=is_whole)
        for name, value in answer["values"]["inputs"].items():
            for path in paths_in(value):
                self.compare({"get_input": [name, *path]}, at(value, path), is_whole=is_whole)

    def compare_relationship(
        self, written: dict[str, Any], expected: dict[str, Any], *, is_whole: bool
    ) -> None:
        """Compare the properties of a relationship, which no call reads."""
        types = self.definitions.types
        for key in KEYS:
            part = types.property(Kind.RELATIONSHIP, written["type"], written["properties"], key)
            try:
                value = types.whole(part) if isinstance(part, Typed) else part
            except OutOfReachError:
                value = Unknown("")
            if isinstance(value, Unknown):
                assert not is_whole
            elif part is None:
                assert key not in expected
            else:
                assert json.dumps(value) == json.dumps(expected[key]), (written, key)


@pytest.mark.slow
@pytest.mark.skipif(
    not CLOUDIFY_PYTHON, reason="RESOLVER_TEST_CLOUDIFY_PYTHON names no Python with cloudify-common"
)
def test_generated_hierarchies_are_what_cloudify_makes_of_them() -> None:
    """All properties, inputs and paths into them have the parser's value; without some types, no other."""
    generated = [Hierarchy(seed) for seed in range(FIRST, FIRST + EXAMPLES)]
    questions = [
        {
            "text": yaml.safe_dump(each.document, sort_keys=False),
            "secrets": {},
            "inputs": each.given,
            "properties": True,
        }
        for each in generated
    ]
    done = subprocess.run(
        [CLOUDIFY_PYTHON, "-W", "ignore", VALUES_OF],
        input=json.dumps(questions),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1200,
    )
    accepted = known = unknown = 0
    for each, answer in zip(generated, json.loads(done.stdout), strict=True):
        if "error" in answer:
            continue
        accepted += 1
        for document, is_whole in ((each.document, True), (each.within_reach(), False)):
            comparison = Comparison(document, each.given)
            comparison.compare_all(answer, is_whole=is_whole)
            (relationship,) = document["node_templates"]["two"]["relationships"]
            expected = answer["relationships"]["two"][0]
            comparison.compare_relationship(relationship, expected, is_whole=is_whole)
            known += comparison.known
            unknown += comparison.unknown
    assert accepted > 0.6 * EXAMPLES
    assert known > 20 * accepted
    assert unknown > accepted
