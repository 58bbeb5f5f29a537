"""`--check --strict`: what Cloudify refuses beyond the form, where it is found, and what is let through."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from resolver.blueprint import read, read_tree
from resolver.blueprint.dsl_schema import strict_problems
from resolver.blueprint.dsl_semantics import semantic_problems
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.core.location import format_path
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Problem, Reason
from resolver.errors import BudgetError
from resolver.resolution.resolve import check
from resolver.resolution.run import BlueprintText, Options
from tests.blueprint.dsl_variants import BROKEN, LEFT, WHOLE, varied
from tests.cloudify import ask, needs_cloudify

HERE = Path(__file__).parent

REFUSALS = int(os.environ.get("REFUSAL_EXAMPLES", "20"))
"""How many variants Cloudify is asked about; CONTRIBUTING.md has all of them."""

HOSTILE = int(os.environ.get("RESOLVER_TEST_TYPES", "2000"))
"""How many types a hostile text has; more than Python lets functions call one another."""

HEAD = "tosca_definitions_version: cloudify_dsl_1_5\n"


def problems_of(text: str, base: Path | None = None, budget: Budget | None = None) -> list[Problem]:
    """What is wrong with the names and values of a text."""
    blueprint = read(text.encode(), "b.yaml")
    budget = budget or Budget()
    return semantic_problems(read_tree(blueprint, base), base, strict_problems(blueprint), budget)


def told(text: str, base: Path | None = None) -> list[tuple[str, str, str]]:
    """The paths, messages and hints of what is wrong with a text."""
    found = problems_of(text, base)
    assert {problem.reason for problem in found} <= {Reason.BAD_DEFINITION}
    return [(format_path(problem.path), problem.message, problem.hint) for problem in found]


def strictly(path: Path) -> list[Problem]:
    """What `--check --strict --offline` says of a file."""
    return list(check(None, None, "t", [BlueprintText.read(path)], Options(strict=True)).problems)


def dumped(document: dict[str, Any]) -> str:
    """A document's text."""
    return str(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))


def written(folder: Path, variants: dict[str, dict[str, Any]]) -> dict[str, Path]:
    """Files with variants of the whole blueprint, by name."""
    paths = {}
    for number, (name, changes) in enumerate(variants.items()):
        paths[name] = folder / f"{number}.yaml"
        text = dumped(varied(changes))
        paths[name].write_text(text, encoding="utf-8")
    return paths


def test_the_whole_dsl_is_accepted() -> None:
    """A blueprint that uses every word of the DSL has no problem."""
    assert told(WHOLE, HERE) == []


@pytest.mark.slow
def test_what_cloudify_refuses_is_found(tmp_path: Path) -> None:
    """Each kind of mistake is a problem, and what is left to the manager is none."""
    missed = [name for name, path in written(tmp_path, BROKEN).items() if not strictly(path)]
    assert missed == []
    assert [name for name, path in written(tmp_path, LEFT).items() if strictly(path)] == []


@pytest.mark.slow
@pytest.mark.timeout(1000)
@needs_cloudify
def test_cloudify_refuses_the_same(tmp_path: Path) -> None:
    """Cloudify's own parser refuses each of the variants, and accepts what they are made of."""
    variants = Random(7).sample(sorted({**BROKEN, **LEFT}.items()), k=min(REFUSALS, len(BROKEN) + len(LEFT)))
    paths = {**written(tmp_path, dict(variants)), "the whole": HERE / "whole_dsl.yaml"}
    questions = [str(path) for path in paths.values()]
    complaints = ask(HERE / "cloudify_refusals.py", questions, timeout=900)
    answers = dict(zip(paths, complaints, strict=True))
    assert [name for name, complaint in answers.items() if complaint is None] == ["the whole"]


@pytest.mark.parametrize(
    ("name", "where", "message", "hint"),
    [
        (
            "node type, misspelt",
            "node_templates.host.type",
            "node type 'cloudify.nodes.Computer' is not defined",
            "did you mean 'cloudify.nodes.Compute'?",
        ),
        (
            "relationship target",
            "node_templates.vm.relationships[0].target",
            "node template 'hosts' is not defined",
            "did you mean 'host' or 'host2'?",
        ),
        (
            "parent of a data type",
            "data_types['my.More'].derived_from",
            "data type 'my.Dta' is not defined",
            "did you mean 'my.Data'?",
        ),
        (
            "data types in one another",
            "data_types['my.Data']",
            "data types refer to each other in a circle: 'my.Data' -> 'my.More' -> 'my.Data'",
            "",
        ),
        (
            "value with a property too many",
            "node_templates.vm.properties.c.pp",
            "'pp' is not a property of data type 'my.Data'",
            "",
        ),
        (
            "value with a part of another type",
            "node_templates.vm.properties.c.p",
            "'p' must be a whole number",
            "",
        ),
        (
            "plugin of a workflow",
            "workflows.w",
            "workflow 'w' leads to 'pp.m.w', which is neither in a plugin nor a file",
            "",
        ),
        (
            "input of an inner call",
            "node_templates.vm.properties.a.x[0].concat[1].get_input",
            "input 'aa' is not declared",
            "",
        ),
        (
            "member of two groups",
            "groups.h.members[0]",
            "'vm' is a member of group 'g', too, and both are scaled",
            "",
        ),
    ],
)
def test_where_and_how_it_is_said(name: str, where: str, message: str, hint: str) -> None:
    """A problem has the place of the mistake, says what is wrong, and offers names that are close."""
    text = dumped(varied(BROKEN[name]))
    assert (where, message, hint) in told(text, HERE)


def test_an_empty_list_is_a_default_of_any_items() -> None:
    """Of names that only a manager can check, a list without any is checked by nobody."""
    changes = {"inputs/n": {"type": "list", "item_type": "secret_key", "default": []}}
    assert told(dumped(varied(changes)), HERE) == []


def test_a_step_leads_into_a_value_that_does_not_fit() -> None:
    """Where a call leads is looked for in values of data types that are wrong in other ways, too."""
    text = (
        f"{HEAD}data_types: {{d: {{properties: {{size: {{type: integer, default: 1}}}}}}}}\n"
        "node_types: {t: {properties: {p: {type: d}}}}\n"
        "node_templates: {n: {type: t, properties: {p: 5}}, m: {type: t}}\n"
        "outputs: {right: {value: {get_property: [m, p, size]}}, wrong: {value: {get_property: [n, p, x]}}}\n"
    )
    assert told(text) == [
        ("node_templates.n.properties.p", "'p' must be a mapping, as data type 'd' wants it", ""),
        ("outputs.wrong.value.get_property", "node template 'n' has no such property", ""),
    ]


def test_what_the_manager_may_define_is_left_to_it() -> None:
    """A type or plugin that an import left to the manager may define is no mistake; a target is one."""
    text = f"""\
{HEAD}imports: [cloudify/types/types.yaml, "plugin:aws", "net--blueprint:network"]
node_types:
  Mine: {{derived_from: aws.Thing, properties: {{p: {{type: integer, required: true}}}}}}
node_templates:
  a:
    type: Mine
    properties: {{q: 1}}
    interfaces: {{i: {{create: aws.create}}}}
    relationships:
      - {{type: aws.in, target: b}}
      - {{type: cloudify.relationships.connected_to, target: net--vm}}
"""
    assert told(text) == [
        ("node_templates.a.relationships[0].target", "node template 'b' is not defined", ""),
    ]
    mistyped = text.replace("{q: 1}", "{p: text}").replace("target: b", "target: net--b")
    assert [where for where, _, _ in told(mistyped)] == ["node_templates.a.properties.p"]


def test_namespaces_are_known_by_their_names() -> None:
    """What is imported into a namespace defines names that begin with it, and no others."""
    text = f"{HEAD}imports: [net--blueprint:network]\nnode_templates:\n  a: {{type: TYPE}}\n"
    for type_name, is_known in (("net--T", True), ("cloudify.nodes.Root", True), ("T", False)):
        assert (told(text.replace("TYPE", type_name)) == []) == is_known


def test_imported_files_are_checked_together(tmp_path: Path) -> None:
    """Types of a local import are known, and what is wrong in it has its place there."""
    (tmp_path / "types.yaml").write_text(
        "node_types:\n  T:\n    properties:\n      p: {type: integer, default: x}\n"
    )
    text = f"{HEAD}imports: [types.yaml]\nnode_templates:\n  a: {{type: T}}\n  b: {{type: U}}\n"
    found = {
        (problem.source, problem.position and problem.position.line, problem.message)
        for problem in problems_of(text, tmp_path)
    }
    assert found == {
        ("types.yaml", 4, "'default' must be a whole number"),
        ("b.yaml", 5, "node type 'U' is not defined"),
    }


def test_what_is_in_a_namespace_is_known(tmp_path: Path) -> None:
    """A local file in a namespace is a part of the blueprint: its names are known, and its mistakes found."""
    (tmp_path / "net.yaml").write_text(
        "node_types: {T: {}}\nnode_templates:\n  vm: {type: T}\n  other: {type: U}\n"
    )
    text = f"""\
{HEAD}imports: [net--net.yaml]
relationships: {{R: {{}}}}
node_templates:
  a: {{type: net--T, relationships: [{{type: R, target: net--vm}}]}}
  b: {{type: net--T, relationships: [{{type: R, target: net--vn}}]}}
"""
    found = {(problem.source, problem.message) for problem in problems_of(text, tmp_path)}
    assert found == {
        ("net.yaml", "node type 'net--U' is not defined"),
        ("b.yaml", "node template 'net--vn' is not defined"),
    }


def test_inputs_of_an_operation_that_does_nothing_are_not_looked_at() -> None:
    """The calls in the inputs of an operation count where it is implemented, by the type or the template."""
    text = f"""\
{HEAD}plugins: {{p: {{executor: central_deployment_agent, install: false}}}}
node_types: {{T: {{interfaces: {{i: {{a: p.f, b: {{}}}}}}}}}}
node_templates:
  n: {{type: T, interfaces: {{i: {{OPERATION: {{inputs: {{x: {{get_input: none}}}}}}}}}}}}
"""
    counted = {name for name in ("a", "b", "c") if told(text.replace("OPERATION", name))}
    assert counted == {"a"}


def test_scripts_are_looked_for_beside_the_blueprint(tmp_path: Path) -> None:
    """A script must be there; without a folder, or where a path leads out of it, nothing is said."""
    (tmp_path / "a.sh").touch()
    text = f"""\
{HEAD}plugins: {{script: {{executor: host_agent, install: false}}}}
workflows: {{w: PATH}}
"""
    (tmp_path / "folder.d").mkdir()
    for path, is_there in (("a.sh", True), ("b.sh", False), ("../b.sh", True), ("folder.d", False)):
        assert (told(text.replace("PATH", path), tmp_path) == []) == is_there, path
    assert told(text.replace("PATH", "b.sh")) == []


def test_tosca_files_are_left_alone() -> None:
    """The rules are those of Cloudify's DSL: a blueprint of another language has none of their problems."""
    text = "tosca_definitions_version: tosca_simple_yaml_1_3\nnode_templates: {größer: {type: T}}\n"
    assert told(text) == []


@pytest.mark.slow
def test_no_value_is_repeated() -> None:
    """A message names what is defined and declared, never the value of a property."""
    for name, changes in BROKEN.items():
        marked = {path: "value-777" if value in ("x", 5, 50) else value for path, value in changes.items()}
        said = told(dumped(varied(marked)), HERE)
        assert "777" not in str(said) or "type" in str(changes), name


def many(count: int) -> str:
    """A blueprint of many nodes and types, in which all names are right."""
    properties = ", ".join(f"p{number}: {{type: integer, default: 1}}" for number in range(50))
    types = "".join(f"  T{number}: {{derived_from: T}}\n" for number in range(count))
    nodes = "".join(
        f"  n{number}: {{type: T{number}, relationships: [{{type: R, target: n{number + 1}}}]}}\n"
        for number in range(count - 1)
    )
    return (
        f"{HEAD}plugins: {{p: {{executor: central_deployment_agent, install: false}}}}\n"
        f"relationships: {{R: {{target_interfaces: {{i: {{c: p.f}}}}}}}}\n"
        f"node_types:\n  T: {{properties: {{{properties}}}, interfaces: {{i: {{a: p.f, b: p.g}}}}}}\n{types}"
        f"node_templates:\n{nodes}  n{count - 1}: {{type: T}}\n"
    )


def steps_of(text: str) -> int:
    """The steps that checking a text takes."""

    class Counting(Budget):
        taken = 0

        def spend(self, steps: int = 1, characters: int = 0) -> None:
            self.taken += steps
            super().spend(steps, characters)

    budget = Counting()
    problems_of(text, budget=budget)
    return budget.taken


def test_the_cost_grows_with_the_text() -> None:
    """Ten times the nodes and types take about ten times the steps, and not more than a few for each."""
    few, many_more = steps_of(many(100)), steps_of(many(1_000))
    assert many_more < 12 * few
    assert many_more < 100 * 1_000


@pytest.mark.parametrize(
    "text",
    [
        "node_types:\n" + "".join(f"  T{n}: {{derived_from: T{n + 1}}}\n" for n in range(HOSTILE)),
        "node_types:\n"
        + "".join(f"  T{n}: {{derived_from: T{(n + 1) % (HOSTILE - 1)}}}\n" for n in range(HOSTILE - 1)),
        "data_types:\n"
        + "".join(f"  T{n}: {{properties: {{p: {{type: T{n + 1}}}}}}}\n" for n in range(HOSTILE - 1))
        + f"  T{HOSTILE - 1}: {{}}\n",
        "data_types:\n"
        + "".join(
            f"  T{n}: {{properties: {{{', '.join(f'p{m}: {{type: T{n + 1}}}' for m in range(9))}}}}}\n"
            for n in range(40)
        )
        + "  T40: {}\n",
    ],
    ids=["chain", "circle", "parts", "doubling"],
)
@pytest.mark.slow
def test_hostile_types_cost_little(text: str) -> None:
    """Chains and circles of thousands of types, and data types that would unfold without an end, end soon."""
    steps = steps_of(HEAD + text)
    assert steps < 300 * HOSTILE


def test_what_costs_too_much_is_refused() -> None:
    """Rules spend from the budget of the run."""
    with pytest.raises(BudgetError):
        problems_of(many(200), budget=Budget(steps=500))


def test_there_is_an_end_to_problems() -> None:
    """No more problems are looked for than are reported."""
    nodes = "".join(f"  n{number}: {{type: T}}\n" for number in range(500))
    assert len(problems_of(f"{HEAD}node_templates:\n{nodes}")) == MAX_PROBLEMS
