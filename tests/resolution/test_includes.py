"""Files that a blueprint imports are looked at as what they are."""

from __future__ import annotations

from pathlib import Path

from resolver.dsl.problems import Reason
from resolver.resolution import BlueprintText, Options, check

CASES = Path(__file__).parents[1] / "blueprint" / "cases"
MAIN = "tosca_definitions_version: cloudify_dsl_1_1\nimports: [sub/a.yaml, ns--b.yaml]\n"


def found(folder: Path, *names: str) -> list[str]:
    """The problems of a strict check of some files, with their places."""
    texts = [BlueprintText.read(folder / name) for name in names]
    problems = check(None, None, "t", texts, Options(strict=True)).problems
    assert {problem.reason for problem in problems} <= {Reason.SCHEMA}
    return [
        f"{Path(problem.source).relative_to(folder)}:{problem.position.line}: {problem.message}"
        for problem in problems
        if problem.position
    ]


def test_a_strict_check_looks_into_imports(tmp_path: Path) -> None:
    """Each with its own places, by the version of the blueprint, and without a version of its own."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.yaml").write_text(MAIN)
    (tmp_path / "sub/a.yaml").write_text("inputs: {}\ndescription: x\n")
    (tmp_path / "b.yaml").write_text("inputs: {}\nnode_types: []\n")
    wrong = [
        "sub/a.yaml:2: 'description' needs cloudify_dsl_1_2 or later",
        "b.yaml:2: 'node_types' must be a mapping",
    ]
    assert found(tmp_path, "main.yaml") == wrong
    assert sorted(found(tmp_path, "sub/a.yaml", "main.yaml")) == sorted(wrong)
    assert found(tmp_path, "sub/a.yaml") == [
        "sub/a.yaml:1: the blueprint must have tosca_definitions_version"
    ]


def test_a_file_of_comments_imports_nothing() -> None:
    """As the handed case has it; given itself it is still refused."""
    checked = check(None, None, "t", [BlueprintText.read(CASES / "empty_import.yaml")])
    assert checked.problems == ()
    assert [call.key for call in checked.calls] == ["k"]
    merged = check(
        None,
        None,
        "t",
        [BlueprintText.read(CASES / "empty_import.yaml")],
        Options(merge_imports=True, strict=True),
    )
    assert {problem.reason for problem in merged.problems} == {Reason.SCHEMA}  # of `x` in the case
    (problem,) = check(None, None, "t", [BlueprintText.read(CASES / "nothing.yaml")]).problems
    assert problem.reason is Reason.EMPTY


def test_notes_of_custom_tags_have_places(tmp_path: Path) -> None:
    """In the blueprint and in what it imports."""
    (tmp_path / "a.yaml").write_text("x: !mine\n  y: {get_secret: k}\n")
    text = BlueprintText("main.yaml", b"imports: [a.yaml]\nz: !mine [{get_secret: k}]\n", tmp_path)
    warnings = check(None, None, "t", [text]).warnings
    assert [(each.source, each.position and each.position.line) for each in warnings] == [
        ("main.yaml", 2),
        ("a.yaml", 2),
    ]
