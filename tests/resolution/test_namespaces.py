"""What imports into a namespace define: known where the file is there, and not known yet where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.dsl.problems import Reason
from resolver.dsl.values import GivenInput
from resolver.resolution import BlueprintText, Options, check

if TYPE_CHECKING:
    from resolver.resolution import Check

CASES = Path(__file__).parents[1] / "blueprint" / "cases"
KEPT = "the {} may be defined by the import {!r}, of which nothing is known here"


def checked(text: str, **options: object) -> Check:
    """What a check says of a text, without a store."""
    named = Options(**options)  # type: ignore[arg-type] # whatever the test gives
    return check(None, None, "t", [BlueprintText("main.yaml", text.encode(), None)], named)


def messages(text: str, **options: object) -> list[tuple[Reason, str]]:
    """The problems of a text."""
    return [(problem.reason, problem.message) for problem in checked(text, **options).problems]


@pytest.mark.parametrize(
    ("imports", "name", "by"),
    [
        ("lib--blueprint:lib", "lib--host", "lib--blueprint:lib"),
        ("lib--blueprint:lib", "lib--deep--host", "lib--blueprint:lib"),
        ("lib--blueprint:lib", "cloudify.host", "lib--blueprint:lib"),
        ("lib--blueprint:lib", "host", ""),
        ("lib--blueprint:lib", "lib-host", ""),
        ("lib--blueprint:lib", "li--host", ""),
        ("common.yaml", "host", "common.yaml"),
        ("'http://example.com/common.yaml'", "lib--host", "http://example.com/common.yaml"),
        ("plugin:x", "host", ""),
        ("cloudify/types/types.yaml", "host", ""),
        ("lib--plugin:x", "lib--host", ""),
    ],
)
@pytest.mark.parametrize("kind", ["node template", "input"])
def test_what_a_kept_import_may_define_is_not_known_yet(imports: str, name: str, by: str, kind: str) -> None:
    """An import into a namespace makes names that begin with it, and Cloudify's own; any other makes any."""
    call = f"{{get_input: {name}}}" if kind == "input" else f"{{get_property: [{name}, ip]}}"
    text = f"imports: [plugin:y, {imports}]\na: {{get_secret: {call}}}\n"
    ((reason, message),) = messages(text)
    if by:
        assert (reason, message) == (Reason.NOT_KNOWN_YET, KEPT.format(f"{kind} {name!r}", by))
        assert messages(text, partial=True) == []
        assert checked(text, partial=True).deferred == 1
    else:
        assert reason is (Reason.BAD_INPUT if kind == "input" else Reason.BAD_ARGUMENT)
        assert messages(text, partial=True) == [(reason, message)]


def test_a_call_that_a_kept_import_may_answer_stays() -> None:
    """With `--evaluate` such a call stays; one that nothing can answer is refused."""
    text = "imports: [lib--blueprint:lib]\na: {get_property: [%s, ip]}\nb: {get_secret: k}\n"
    assert messages(text % "lib--host", evaluate=True) == []
    assert messages(text % "host", evaluate=True) == [
        (Reason.BAD_ARGUMENT, "there is no node template 'host'")
    ]


def test_a_given_input_may_be_declared_by_a_kept_import() -> None:
    """In the namespace of one that has a namespace; any name without one."""
    text = "tosca_definitions_version: cloudify_dsl_1_3\nimports: [{}]\n"
    given = {"lib--x": GivenInput("1")}
    assert messages(text.format("lib--blueprint:lib"), inputs=given) == []
    assert messages(text.format("common.yaml"), inputs=given) == []
    assert messages(text.format("other--blueprint:lib"), inputs=given) == [
        (Reason.BAD_INPUT, "input 'lib--x' is not declared")
    ]


def test_the_handed_case_of_a_namespaced_node() -> None:
    """The call stays: nothing is wrong with the blueprint."""
    text = (CASES / "namespaced_node.yaml").read_text()
    assert messages(text, evaluate=True) == []
    assert messages(text, evaluate=True, partial=True) == []
    assert [call.key for call in checked(text, evaluate=True).calls] == ["k"]


def test_the_handed_case_of_a_namespaced_file() -> None:
    """Inputs, nodes and data types of a local file are known under their whole names."""
    path = CASES / "namespaced_local.yaml"
    found = check(None, None, "t", [BlueprintText.read(path)], Options(evaluate=True))
    assert found.problems == ()
    assert [call.key for call in found.calls] == ["k", "k", "k"]


def test_a_file_that_can_not_be_renamed_is_not_known(tmp_path: Path) -> None:
    """What it defines stays unknown, rather than half known."""
    (tmp_path / "a.yaml").write_text(
        "inputs: {x: {default: k}, y: {default: {b: {get_input: {get_input: x}}}}}"
    )
    text = b"imports: [ns--a.yaml]\na: {get_secret: {get_input: ns--x}}\n"
    (problem,) = check(None, None, "t", [BlueprintText("main.yaml", text, tmp_path)]).problems
    assert problem.message == KEPT.format("input 'ns--x'", "ns--a.yaml")
