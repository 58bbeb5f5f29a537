"""`--check --strict`: what the schema of the DSL refuses, where, and what it lets through."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from resolver.blueprint import read
from resolver.blueprint.dsl_schema import MAX_PROBLEMS, strict_problems
from resolver.core.location import format_path
from resolver.dsl.problems import Problem, Reason

WHOLE = Path(__file__).with_name("whole_dsl.yaml").read_text(encoding="utf-8")
"""A blueprint with every word of the DSL, which Cloudify's parser accepts."""

DELETED = object()


def problems_of(text: str) -> list[Problem]:
    """What is wrong with a text."""
    return list(strict_problems(read(text.encode(), "b.yaml")))


def changed(path: str, value: object) -> dict[str, Any]:
    """The whole blueprint with one place changed, added or deleted."""
    document = copy.deepcopy(yaml.safe_load(WHOLE))
    node: Any = document
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in steps:
        node = node[step]
    if value is DELETED:
        del node[last]
    else:
        node[last] = value
    return document  # type: ignore[no-any-return] - a mapping, as it was


def said_of(document: object) -> list[tuple[str, str]]:
    """The paths and messages of what is wrong with a document."""
    return [
        (format_path(problem.path), problem.message)
        for problem in problems_of(yaml.safe_dump(document, sort_keys=False))
    ]


def test_the_whole_dsl_is_accepted() -> None:
    """A blueprint that uses every word of the DSL has no problem."""
    assert problems_of(WHOLE) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("inputs", None),
        ("inputs/n", None),
        ("inputs/a/default", {"get_secret": "k"}),
        ("inputs/a/constraints/0/in_range", {"get_input": "x"}),
        ("node_templates/vm/relationships", None),
        ("node_templates/vm/properties/a", {"x": {"merge": "data", "y": 1}}),
        ("node_templates/vm/properties/b", {"concat": "beside another name, data", "x": 1}),
        ("node_templates/vm/properties/b", {1: "any key"}),
        ("node_templates/vm/interfaces/i/create", "scripts/create.sh"),
        ("policies/s/properties/max_instances", -1),
        ("policies/s/properties/max_instances", {"get_input": "a"}),
        ("plugins/p/install", False),
        ("dsl_definitions", [{"get_secret": "k"}]),
        ("imports", ["plugin:x", {"plugin:y": {"region": {"get_input": "a"}}}, "ns--blueprint:z"]),
        ("upload_resources", {"plugin_resources": ["https://example.com/p.wgn"]}),
    ],
)
def test_what_is_accepted(path: str, value: object) -> None:
    """Functions stand wherever values do, sections may be empty, short forms stand for long ones."""
    assert said_of(changed(path, value)) == []


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        (
            "tosca_definitions_version",
            DELETED,
            "(document)",
            "the blueprint must have tosca_definitions_version",
        ),
        (
            "tosca_definitions_version",
            "cloudify_dsl_2_0",
            "=",
            "'tosca_definitions_version' must be one of cl",
        ),
        (
            "node_template",
            {},
            "=",
            "'node_template' is not known here; known are tosca_definitions_version, ",
        ),
        ("inputs", [], "=", "'inputs' must be a mapping"),
        ("inputs/a/typ", "string", "=", "'typ' is not known here; known are description, type, "),
        ("inputs/a/type", 1, "=", "'type' must be text"),
        ("inputs/a/required", "yes", "=", "'required' must be true or false"),
        ("inputs/a/default", DELETED, "inputs.a", "'a' must have default"),
        ("inputs/a/constraints", {}, "=", "'constraints' must be a list"),
        ("inputs/a/constraints/0", {"in_rnage": [1, 2]}, "=.in_rnage", "'in_rnage' is not known here; kn"),
        ("inputs/a/constraints/0", {"error_message": "no"}, "=", "0 must have at least 2 items"),
        ("inputs/a/constraints/0", {"equal": 1, "less_than": 2}, "=", "0 must have at most 1 item"),
        ("inputs/a/constraints/0/in_range", [1], "=", "'in_range' must have at least 2 items"),
        ("inputs/a/constraints/1/greater_than", "1", "=", "'greater_than' must be a number or a mapping"),
        ("inputs/t/constraints/0/pattern", "(", "=", "'pattern' must be a regular expression"),
        ("inputs/t/type", "string", "=", "'type' must be textarea"),
        ("inputs/l/type", "dict", "=", "'type' must be list"),
        ("inputs/l/item_type", "my.Data", "=", "'item_type' must be one of string, integer, "),
        ("data_types/string", {"properties": {}}, "data_types", "'data_types' must not be one of string, "),
        ("plugins/p/executor", "me", "=", "'executor' must be one of central_deployment_agent, host_agent"),
        ("plugins/p", {"executor": "host_agent"}, "=", "'p' must have source or package_name"),
        ("node_types/T/interfaces/i/create/max_retries", -2, "=", "'max_retries' must be at least -1"),
        ("node_templates/vm", {}, "=", "'vm' must have type"),
        ("node_templates/vm", None, "=", "'vm' must be a mapping"),
        (
            "node_templates/5",
            {"type": "T"},
            "node_templates",
            "'node_templates' must have text for each name",
        ),
        (
            "node_templates/vm/relationships/0/target",
            DELETED,
            "node_templates.vm.relationships[0]",
            "0 must have target",
        ),
        ("node_templates/host2/capabilities", {}, "=", "'capabilities' must be nothing"),
        (
            "node_templates/vm/properties/a",
            {"get_secret": ["k"]},
            "=.get_secret",
            "'get_secret' must have at least 2 items",
        ),
        (
            "node_templates/vm/properties/a",
            {"get_secret": 5},
            "=.get_secret",
            "'get_secret' must be text or a list or a mapping",
        ),
        (
            "node_templates/vm/properties/a",
            {"get_secret": {"x": 1}},
            "=.get_secret",
            "'get_secret' must be a call of an intrinsic function",
        ),
        (
            "node_templates/vm/properties/a",
            [{"concat": [{"get_sys": "tenant"}]}],
            "=[0].concat[0].get_sys",
            "'get_sys' must be a list",
        ),
        (
            "node_templates/vm/properties/a",
            {"get_sys": ["user", "name"]},
            "=.get_sys[0]",
            "0 must be one of tenant, deployment",
        ),
        ("node_templates/vm/properties/a", {"merge": ["text"]}, "=.merge[0]", "0 must be a mapping"),
        ("node_templates/vm/interfaces/i/create", 5, "=", "'create' must be text or a mapping"),
        ("workflows/w2/mapping", DELETED, "workflows.w2", "'w2' must have mapping"),
        ("workflows/w2/parameters/x/hidden", True, "=", "'hidden' is not known here; known are "),
        ("groups/g/members", [], "=", "'members' must have at least 1 item"),
        ("policies/s/type", "other", "=", "'type' must be cloudify.policies.scaling"),
        ("policies/s/properties/max_instances", 0, "=", "'max_instances' must not be one of 0"),
        ("policies/s/properties/max_instances", "ALL", "=", "'max_instances' must be UNBOUNDED"),
        ("outputs/o/value", None, "=", "'value' must not be left empty"),
        ("labels/l/values", [{"get_attribute": ["vm", "x"]}], "=[0]", "0 must not have get_attribute"),
        ("blueprint_labels/l/values", [{"get_input": "a"}], "=[0]", "0 must be text"),
        ("imports", ["a", "a"], "=", "'imports' must have nothing twice"),
        (
            "imports",
            [{"plugin:x": {"p": {"a": 1}}}],
            "=[0]['plugin:x'].p",
            "'p' must be a call of an intrinsic function, or no",
        ),
        ("dsl_definitions", "text", "=", "'dsl_definitions' must be a mapping or a list"),
    ],
)
def test_what_is_refused(path: str, value: object, where: str, message: str) -> None:
    """One mistake in a whole blueprint is found, at its place and in words; nothing else is."""
    here = format_path(tuple(int(step) if step.isdigit() else step for step in path.split("/")))
    if path == "node_templates/5":
        document = changed("node_templates/vm", {"type": "T"})
        document["node_templates"][5] = {"type": "T"}
    else:
        document = changed(path, value)
    ((found, said),) = said_of(document)
    assert found == where.replace("=", here, 1)
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        ("1_5", set()),
        ("1_4", {"error_message", "properties_description", "plugins.p.properties"}),
        ("1_3", {"item_type", "availability_rules", "inputs.o.type"}),
        ("1_2", {"display_label", "hidden", "policies", "resource_tags", "merge", "capabilities"}),
        ("1_1", {"data_types", "dsl_definitions", "(document).description", "required", "package_name"}),
        ("1_0", {"concat", "max_retries", "retry_interval", "install_arguments"}),
    ],
)
def test_words_of_later_versions_are_refused(version: str, refused: set[str]) -> None:
    """A blueprint may use what its version of the DSL has, and not what a later one brought."""
    order = ["1_5", "1_4", "1_3", "1_2", "1_1", "1_0"]
    later = f"needs cloudify_dsl_{order[max(order.index(version) - 1, 0)]} or later"
    found = [
        path
        for path, said in said_of(changed("tosca_definitions_version", f"cloudify_dsl_{version}"))
        if said.endswith(later)
    ]
    for word in refused:
        name = word.removeprefix("(document).")
        assert any(path == name or path.endswith(f".{name}") for path in found), word
    assert bool(found) == bool(refused)


def test_positions() -> None:
    """A problem points at the name in the text, through merge keys and aliases too."""
    text = """\
tosca_definitions_version: cloudify_dsl_1_5
dsl_definitions:
  common: &common
    typ: T
node_templates:
  a:
    type: T
    <<: *common
  b: &b {type: 5}
  c: *b
"""
    found = problems_of(text)
    assert [(str(problem.position), problem.line_text) for problem in found] == [
        ("Position(line=4, column=5)", "    typ: T"),
        ("Position(line=9, column=10)", "  b: &b {type: 5}"),
    ]
    assert {problem.reason for problem in found} == {Reason.SCHEMA}


def test_several_documents() -> None:
    """Each document of a text is checked; the path says which one it is about."""
    text = "tosca_definitions_version: cloudify_dsl_1_5\n---\nx: 1\n"
    missing, unknown = problems_of(text)
    assert missing.path == ("document 2",)
    assert (unknown.path, unknown.position and unknown.position.line) == (("document 2", "x"), 3)


def test_what_is_no_blueprint() -> None:
    """A text that holds no mapping is refused by one problem, and many problems are cut short."""
    (problem,) = problems_of("- 1\n")
    assert problem.message == "the blueprint must be a mapping"
    assert len(problems_of("".join(f"word{number}: 1\n" for number in range(500)))) == MAX_PROBLEMS


def test_no_value_is_repeated() -> None:
    """A message names rules and names, never the value that breaks the rule."""
    for path in ("inputs/a/type", "node_templates", "outputs/o", "description", "plugins/p/executor"):
        for value in (7_777_777, ["7777777"]):
            assert "7777777" not in str(said_of(changed(path, value)))


def test_shared_and_deep_values_are_cheap() -> None:
    """A text whose aliases expand to a million nodes, and one nested to the limit, are checked at once."""
    levels = "".join(f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 6))
    shared = f"dsl_definitions:\n  l0: &l0 [x, {{get_secret: 5}}]\n{levels}"
    deep = (
        "node_templates: {a: {type: T, properties: {p: " + "[" * 90 + "{get_secret: [k]}" + "]" * 90 + "}}}\n"
    )
    begun = time.monotonic()
    for text in (shared, deep):
        (problem,) = problems_of(f"tosca_definitions_version: cloudify_dsl_1_5\n{text}")
        assert problem.path[-1] == "get_secret"
    assert time.monotonic() - begun < 5


def test_many_documents_are_looked_at_until_there_is_enough() -> None:
    """The schema is read once, and after the last problem that is reported nothing more is looked at."""
    begun = time.process_time()
    assert len(problems_of("---\nno: section\n" * 5_000)) == MAX_PROBLEMS
    assert time.process_time() - begun < 5
