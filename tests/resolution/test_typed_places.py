"""A key alone gives text: where the blueprint declares another type, that is said with its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.core.location import format_path
from resolver.dsl.budget import Budget
from resolver.dsl.definitions import Definitions
from resolver.dsl.problems import Reason
from resolver.dsl.typed_places import misfits
from resolver.resolution import BlueprintText, Options, check
from tests.cloudify import ask, needs_cloudify

if TYPE_CHECKING:
    from resolver.resolution.check import Check

CASES = Path(__file__).parents[1] / "blueprint" / "cases"

DSL = """\
tosca_definitions_version: cloudify_dsl_1_4
plugins: {default_workflows: {executor: central_deployment_agent, install: false}}
"""
TYPES = """\
data_types:
  whole: {properties: {size: {type: integer, required: false}, name: {type: string, required: false}}}
  child: {derived_from: whole, properties: {inner: {type: whole, required: false}}}
node_types:
  cloudify.nodes.Root: {properties: {f: {type: float, required: false}, s: {type: string, required: false}}}
  t:
    derived_from: cloudify.nodes.Root
    properties: {i: {type: integer, required: false}, d: {type: child, required: false}}
relationships:
  r: {properties: {connection_type: {default: all_to_all}, i: {type: integer, required: false}}}
"""


def checked(text: str, base: Path | None = None, **options: object) -> Check:
    """The check of one text, without a store."""
    named = Options(**options)  # type: ignore[arg-type] # whatever the test gives
    return check(None, None, "", [BlueprintText("b.yaml", text.encode(), base)], named)


def places(found: Check) -> list[str]:
    """The paths of all places that are warned of."""
    assert {warning.reason for warning in found.warnings} <= {Reason.TEXT_FOR_TYPE}
    return [format_path(warning.path) for warning in found.warnings]


def test_the_handed_case() -> None:
    """All four places are warned of, and are errors with `--strict`."""
    text = (CASES / "typed_property.yaml").read_text()
    found = checked(text, CASES)
    assert places(found) == [
        "inputs.port.default",
        "inputs.flag.default",
        "inputs.lst.default",
        "node_templates.n.properties.p",
    ]
    first = found.warnings[0]
    assert first.message == "a key alone gives text, where the type takes a whole number"
    assert first.hint.endswith("{ get_secret: [KEY, STEP] }")
    assert (first.position and first.position.line, first.line_text.strip()[:4]) == (4, "port")
    strict = checked(text, CASES, strict=True)
    assert [problem.path for problem in strict.problems if problem.reason is Reason.TEXT_FOR_TYPE] == [
        warning.path for warning in found.warnings
    ]
    assert strict.warnings == ()


CALL = "{ get_secret: k }"

WRONG = [
    "inputs: {a: {type: float, default: CALL}}",
    "inputs: {a: {type: dict, default: CALL}}",
    "inputs: {a: {type: whole, default: CALL}}",
    "inputs: {a: {type: whole, default: {size: CALL}}}",
    "inputs: {a: {type: list, item_type: integer, default: [1, CALL]}}",
    "workflows: {w: {mapping: default_workflows.w, parameters: {p: {type: integer, default: CALL}}}}",
    "node_templates: {n: {type: t, properties: {i: CALL}}}",
    "node_templates: {n: {type: t, properties: {f: CALL}}}",
    "node_templates: {n: {type: t, properties: {d: CALL}}}",
    "node_templates: {n: {type: t, properties: {d: {size: CALL}}}}",
    "node_templates: {n: {type: t, properties: {d: {inner: {size: CALL}}}}}",
    (
        "node_templates:\n  m: {type: t}\n"
        "  n: {type: t, relationships: [{type: r, target: m, properties: {i: CALL}}]}"
    ),
]
RIGHT = [
    "inputs: {a: {type: string, default: CALL}, b: {default: CALL}}",
    "inputs: {a: {type: whole, default: {name: CALL}}}",
    "inputs: {a: {type: list, default: [1, CALL]}, d: {type: dict, default: {i: CALL}}}",
    "node_templates: {n: {type: t, properties: {s: CALL, d: {name: CALL}}}}",
]


def blueprint(text: str, value: str = CALL) -> str:
    """A blueprint with the types of these tests, and a value in the places of `CALL`."""
    return f"{DSL}{TYPES}{text.replace('CALL', value)}\n"


@pytest.mark.parametrize("text", WRONG)
def test_places_that_take_no_text(text: str) -> None:
    """Inputs, defaults, properties and their parts, through data types and what they derive from."""
    (place,) = places(checked(blueprint(text)))
    assert place.startswith(("inputs.", "workflows.", "node_templates."))


@pytest.mark.parametrize("text", RIGHT)
def test_places_that_take_text(text: str) -> None:
    """Texts, what has no type, and items and entries of what is declared as a list or dict alone."""
    assert places(checked(blueprint(text))) == []


def test_steps_and_other_functions_are_not_known() -> None:
    """What steps lead to has any type, and the result of another function is not looked at."""
    text = "inputs: {l: {type: list, default: [k, s]}, a: {type: integer, default: CALL}}"
    steps, concat, given = (
        "{get_secret: [k, s]}",
        "{concat: [a, {get_secret: k}]}",
        "{get_secret: {get_input: l}}",
    )
    for value in (steps, concat, given):
        assert places(checked(blueprint(text, value))) == []


def test_computed_keys_and_type_beside_the_call() -> None:
    """A key that is computed gives text, too; `type` beside the call changes nothing."""
    for value in ("{ get_secret: { get_input: key } }", "{ get_secret: k, type: integer }"):
        text = blueprint("inputs: {key: {default: k}, a: {type: integer, default: CALL}}", value)
        assert places(checked(text)) == ["inputs.a.default"]


def test_a_shared_call_is_shown_where_it_does_not_fit() -> None:
    """A call that anchors and merges bring to several places is judged in each."""
    text = (
        DSL
        + TYPES
        + (
            f"dsl_definitions: {{p: &p {{i: &call {CALL}}}}}\n"
            "inputs: {a: {type: string, default: *call}, b: {type: list, default: *call}}\n"
            "node_templates:\n  m: {type: t, properties: {<<: *p}}\n  n: {type: t, properties: {s: *call}}\n"
        )
    )
    found = checked(text)
    assert sorted(places(found)) == ["inputs.b.default", "node_templates.m.properties.i"]
    assert len({warning.position for warning in found.warnings}) == 1


def test_types_that_stay_with_the_manager() -> None:
    """Of a type that is not in the tree, or derives from one, nothing is said but what is known."""
    text = DSL + (
        "data_types: {d: {derived_from: gone, properties: {i: {type: integer}}}}\n"
        "node_types:\n"
        "  t: {derived_from: gone, properties: {i: {type: integer}, d: {type: d}, g: {type: gone}}}\n"
        f"node_templates: {{n: {{type: t, properties: {{i: {CALL}, d: {CALL}, g: {CALL}, x: {CALL}}}}},"
        f" m: {{type: gone, properties: {{i: {CALL}}}}}}}\n"
    )
    assert places(checked(text)) == ["node_templates.n.properties.i"]


def test_imported_declarations(tmp_path: Path) -> None:
    """Types that an imported file declares count as the blueprint's own."""
    (tmp_path / "lib.yaml").write_text(TYPES)
    text = f"{DSL}imports: [lib.yaml]\nnode_templates: {{n: {{type: t, properties: {{i: {CALL}}}}}}}\n"
    assert places(checked(text, tmp_path)) == ["node_templates.n.properties.i"]


def test_properties_are_looked_at_where_a_type_takes_no_text() -> None:
    """A type is looked at once; of a type whose properties all take text, no value of a node is."""
    call = {"get_secret": "k"}
    nodes = {f"n{number}": {"type": "t", "properties": {"a": [], "i": call}} for number in range(1000)}
    for name, found in (("string", 0), ("integer", 1000)):
        document = {
            "node_types": {"t": {"properties": {"a": {}, "i": {"type": name}}}},
            "node_templates": nodes,
        }
        definitions = Definitions([document], Budget(steps=10 if name == "string" else 10_000))
        assert len(list(misfits(document, definitions, {id(call)}))) == found


def test_tosca() -> None:
    """In TOSCA the sections are those of its template, and so are the paths."""
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "node_types: {t: {properties: {i: {type: integer}}}}\n"
        f"topology_template: {{node_templates: {{n: {{type: t, properties: {{i: {CALL}}}}}}}}}\n"
    )
    assert places(checked(text)) == ["topology_template.node_templates.n.properties.i"]


_ASK = """
import json, sys
from types import SimpleNamespace
from dsl_parser import functions, parser
def accepts(text):
    try:
        parser.parse(text)
    except Exception:
        return False
    return True
asked = json.load(sys.stdin)
storage = SimpleNamespace(get_secret=lambda key: SimpleNamespace(value="443"))
typed = functions.evaluate_functions({"a": {"get_secret": "k", "type": "integer"}}, {}, storage)
print(json.dumps([typed, [accepts(text) for text in asked]]))
"""


@needs_cloudify
def test_cloudify_refuses_text_there() -> None:
    """Cloudify takes the call in each place, refuses text in those that are warned of, and no other."""
    node = "\nnode_templates: {x: {type: t}}"
    texts = [text if "node_templates" in text else text + node for text in (*WRONG, *RIGHT)]
    asked = [*map(blueprint, texts), *(blueprint(text, "'443'") for text in texts)]
    typed, accepted = ask(_ASK, asked)
    assert typed == {"a": "443"}  # the type beside a call changes nothing
    takes_calls = ["item_type" not in text for text in texts]  # there the parser refuses the call itself
    assert accepted == [*takes_calls, *[False] * len(WRONG), *[True] * len(RIGHT)]
