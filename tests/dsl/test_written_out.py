"""With `--evaluate`, a result is written in its call's place only where the parser leaves it what it is."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
import yaml

from tests.dsl.test_inheritance import SECRETS, VALUES_OF, plan_of

CLOUDIFY_PYTHON = os.environ.get("RESOLVER_TEST_CLOUDIFY_PYTHON", "")

BEFORE = """\
tosca_definitions_version: cloudify_dsl_1_3
inputs:
  s: {default: text}
  m: {default: {a: given}}
  none: {required: false}
  d: {type: D, default: {get_input: m}}
plugins: {stub: {executor: central_deployment_agent, install: false}}
data_types:
  D: {properties: {a: {default: da}, b: {default: db}}}
  E: {properties: {d: {type: D}, z: {type: integer, default: 1}}}
node_types:
  T:
    properties:
      d: {type: D, default: {a: pa}}
      e: {type: E, required: false}
      i: {type: integer, required: false}
      x: {required: false}
"""
OF_TYPE = "{i: {op: {implementation: stub.run, inputs: {v: %s}}}}"
PLACES = {
    "a property": "node_templates: {n: {type: T, properties: {%s}}}",
    "a default": "  U: {derived_from: T, properties: {%s}}\nnode_templates: {n: {type: U}}",
    "an operation of a type": (
        f"  U: {{derived_from: T, interfaces: {OF_TYPE}}}\nnode_templates: {{n: {{type: U}}}}"
    ),
    "an operation": f"node_templates: {{n: {{type: T, interfaces: {OF_TYPE}}}}}",
    "an operation of both": (
        f"  U: {{derived_from: T, interfaces: {OF_TYPE % '{default: {c: 1}}'}}}\n"
        "node_templates: {n: {type: U, interfaces: {i: {op: {inputs: {v: %s}}}}}}"
    ),
    "an output": "node_templates: {n: {type: T, properties: {x: null}}}\noutputs: {o: {value: %s}}",
    "a capability": "node_templates: {n: {type: T}}\ncapabilities: {o: {value: %s}}",
}
STAY = {
    "a property": (
        "d: {get_input: m}",
        "e: {d: {get_input: m}}",
        "i: {get_input: s}",
        "e: {z: {get_input: s}}",
    ),
    "a default": ("d: {type: D, default: {get_input: m}}", "i: {type: integer, default: {get_input: s}}"),
    "an operation of a type": (
        "{type: D, default: {get_input: m}}",
        "{type: integer, default: {get_input: s}}",
    ),
    "an operation": (),
    "an operation of both": ("{get_input: m}",),
    "an output": ("{get_input: none}", "{get_property: [n, x]}"),
    "a capability": ("{get_input: none}",),
}
WRITTEN = {
    "a property": (
        "d: {a: {get_input: s}}",
        "d: {merge: [{get_input: m}, {b: 1}]}",
        "x: {get_input: m}",
        "x: {get_input: none}",
        "e: {z: {string_find: [a, b]}}",
    ),
    "a default": ("d: {type: D, default: {a: {get_input: s}}}", "x: {default: {get_input: m}}"),
    "an operation of a type": ("{default: {get_input: m}}", "{type: string, default: {get_input: s}}"),
    "an operation": ("{get_input: m}", "{type: string, default: {get_input: s}}", "{get_input: none}"),
    "an operation of both": ("{get_input: s}", "{get_secret: k}"),
    "an output": ("[{get_input: none}]", "{get_input: m}"),
    "a capability": ("{get_input: m}",),
}


def texts(cases: dict[str, tuple[str, ...]]) -> list[str]:
    """The blueprints of some cases."""
    return [f"{BEFORE}{PLACES[place] % written}\n" for place, all_of in cases.items() for written in all_of]


def parts(document: dict[str, Any]) -> dict[str, Any]:
    """What of a blueprint is tested here: its input stays as it is in each."""
    return {name: document[name] for name in document if name != "inputs"}


@pytest.mark.parametrize("text", texts(STAY))
def test_what_stays(text: str) -> None:
    """A result that the parser would refuse, complete or merge is left to it as the call that it is."""
    document = yaml.safe_load(text)
    plan, new = plan_of(document)
    assert plan.problems == []
    assert new == document
    reasons = {each.message for each in plan.left if each.path[0] != "inputs"}
    assert len(reasons) == 1
    assert reasons.pop().startswith("the call stays: the result can't be written here: the parser ")


@pytest.mark.parametrize("text", texts(WRITTEN))
def test_what_is_written(text: str) -> None:
    """All that it would leave as it is is written."""
    document = yaml.safe_load(text)
    plan, new = plan_of(document)
    assert plan.problems == []
    assert "get_" not in json.dumps(parts(new))


def test_what_comes_out_of_a_secret_is_not_described() -> None:
    """The reason does not say in which way a value does not fit that holds a part of a secret."""
    written = "i: {string_lower: {get_secret: k}}"
    plan, new = plan_of(yaml.safe_load(f"{BEFORE}{PLACES['a property'] % written}\n"))
    assert new["node_templates"]["n"]["properties"]["i"] == {"string_lower": "V1"}
    (reason,) = (each.message for each in plan.left if each.path[0] != "inputs")
    assert reason == "the call stays: the result can't be written here: the parser would change it"


@pytest.mark.skipif(not CLOUDIFY_PYTHON, reason="RESOLVER_TEST_CLOUDIFY_PYTHON names no Python")
def test_cloudify_evaluates_to_the_same() -> None:
    """What the parser makes of all these is the same before and after."""
    questions: list[str] = []
    for text in [*texts(STAY), *texts(WRITTEN)]:
        plain, evaluated = (plan_of(yaml.safe_load(text), evaluate=each)[1] for each in (False, True))
        questions += [
            text,
            yaml.safe_dump(plain, sort_keys=False),
            yaml.safe_dump(evaluated, sort_keys=False),
        ]
    done = subprocess.run(
        [CLOUDIFY_PYTHON, "-W", "ignore", VALUES_OF],
        input=json.dumps([{"text": text, "secrets": SECRETS} for text in questions]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
    )
    answers = json.loads(done.stdout)
    refused = 0
    for number in range(0, len(questions), 3):
        original, plain, evaluated = answers[number : number + 3]
        if "error" in original:
            refused += 1
            continue
        assert plain == original, questions[number]
        assert evaluated == original, questions[number]
    assert refused <= 3
