"""Warnings of a run: what they are about, where they stand, and that a run can be told to fail on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.location import format_path
from resolver.dsl.problems import ONLY_WARNINGS, Problem, Reason
from resolver.resolution import BlueprintText, Options, check

if TYPE_CHECKING:
    from pathlib import Path

    from resolver.resolution.check import Check

DSL = "tosca_definitions_version: cloudify_dsl_1_3\n"


def checked(text: str, base: Path | None = None, options: Options | None = None) -> Check:
    """The check of one text, without a store."""
    return check(None, None, "", [BlueprintText("b.yaml", text.encode(), base)], options)


def places(problems: tuple[Problem, ...]) -> list[str]:
    """Where problems are, with their paths."""
    return [
        f"{problem.source}:{problem.position.line}:{problem.position.column} {format_path(problem.path)}"
        for problem in problems
        if problem.position is not None
    ]


def test_near_misses_have_places_in_the_order_of_the_text() -> None:
    """A near miss is shown at the name that is misspelt, or of the entry that is a text."""
    found = checked("b: '{ get_secret: k }'\na: [ 1, { get_secrets: k } ]\n")
    assert found.problems == ()
    assert places(found.warnings) == ["b.yaml:1:1 b", "b.yaml:2:11 a[1].get_secrets"]
    assert found.warnings[0].line_text == "b: '{ get_secret: k }'"


def test_calls_in_custom_tags_have_places() -> None:
    """What was a note without a place is a warning with one."""
    (warning,) = checked("a: 1\nb: !x\n  c: { get_secret: k }\n").warnings
    assert (warning.reason, warning.position is not None and warning.position.line) == (Reason.CUSTOM_TAG, 3)


@pytest.mark.parametrize("partial", [False, True])
def test_why_calls_stay_with_evaluate_has_places(*, partial: bool) -> None:
    """A check says of each call that stays which type is not there, and nothing without `--evaluate`."""
    text = (
        f"{DSL}node_templates: {{n: {{type: out.of.reach, properties: {{c: {{a: 1}}}}}}}}\n"
        "outputs: {o: {value: {get_property: [n, c]}}}\n"
    )
    found = checked(text, options=Options(evaluate=True, partial=partial))
    assert found.problems == ()
    assert places(found.warnings) == ["b.yaml:3:22 outputs.o.value"]
    assert found.warnings[0].message.endswith("node type 'out.of.reach' is not in this blueprint")
    assert checked(text).warnings == ()


def test_imported_files_are_looked_into(tmp_path: Path) -> None:
    """Near misses and undeclared inputs are found in imported files, too."""
    (tmp_path / "lib.yaml").write_text("a: { getSecret: k }\nb: { get_input: nope }\n")
    found = checked(DSL + "imports: [lib.yaml]\ninputs: { yes: {} }\n", tmp_path)
    assert places(found.warnings) == ["lib.yaml:1:6 a.getSecret", "lib.yaml:2:4 b"]


def test_undeclared_inputs() -> None:
    """A call that names no declared input is a warning with what is close to it."""
    text = DSL + "inputs: { name: {} }\na: { get_input: name }\nb: { get_input: [ nam, x ] }\n"
    text += "c: { concat: [ x, { get_input: other } ] }\nd: { get_input: { get_input: name } }\n"
    found = checked(text)
    assert places(found.warnings) == ["b.yaml:4:4 b", "b.yaml:5:19 c.concat[1]"]
    assert [(warning.message, warning.hint) for warning in found.warnings] == [
        ("input 'nam' is not declared", "did you mean 'name'?"),
        ("input 'other' is not declared", "declare it under inputs"),
    ]


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        pytest.param("imports: [blueprint:x]\n", 0, id="another blueprint may declare it"),
        pytest.param("imports: [missing.yaml]\n", 0, id="a file of the manager may"),
        pytest.param("imports: [plugin:x, cloudify/types/types.yaml]\n", 1, id="plugins and types don't"),
        pytest.param("", 1, id="no imports"),
    ],
)
def test_what_is_not_in_reach_may_declare_inputs(text: str, warned: int, tmp_path: Path) -> None:
    """Where an import that is left to the manager may declare the input, nothing is said."""
    assert len(checked(f"{DSL}{text}a: {{ get_input: x }}\n", tmp_path).warnings) == warned


def test_inputs_in_arguments_are_errors_alone() -> None:
    """In the argument of get_secret an undeclared input is an error, and no warning beside it."""
    found = checked(DSL + "a: { get_secret: { get_input: nope } }\n")
    assert [problem.reason for problem in found.problems] == [Reason.BAD_INPUT]
    assert found.warnings == ()


def test_other_documents_than_the_dsl_declare_nothing() -> None:
    """A document without a version of the DSL is no blueprint whose inputs are known."""
    assert checked("a: { get_input: x }\n").warnings == ()
    found = checked(f"a: {{ get_input: x }}\n---\n{DSL}b: {{ get_input: y }}\n")
    assert places(found.warnings) == ["b.yaml:4:4 ['document 2'].b"]


@pytest.mark.parametrize("reason", ONLY_WARNINGS[:2])
def test_a_run_can_fail_on_a_kind(reason: Reason) -> None:
    """Warnings of the kinds that were named are problems, and others stay what they are."""
    text = DSL + "a: { get_input: x }\nb: { getSecret: k }\n"
    found = checked(text, None, Options(fail_on=frozenset({reason})))
    assert [problem.reason for problem in found.problems] == [reason]
    assert found.problems[0].position is not None
    assert {warning.reason for warning in found.warnings} == set(ONLY_WARNINGS[:2]) - {reason}
