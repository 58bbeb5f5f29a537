"""Calls in imported files are found, and nothing outside the blueprint's folder is read."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from resolver.blueprint import Limits, ignored_calls, read, read_tree
from resolver.blueprint.folder import Folder
from resolver.cli.report.regions import Regions
from resolver.core.location import Position
from resolver.dsl.problems import Problem, Reason
from resolver.errors import UsageError
from resolver.resolution import BlueprintText

if TYPE_CHECKING:
    from pathlib import Path

CALL = "a:\n  b: {get_secret: k}\n"


class ImportReport(NamedTuple):
    """What the imports of one blueprint came to."""

    kept: tuple[str, ...]
    problems: tuple[Problem, ...]


def check(folder: Path, text: str, limits: Limits | None = None) -> ImportReport:
    """Check the imports of a blueprint that stands in a folder."""
    tree = read_tree(read(text.encode(), "main.yaml"), folder, limits or Limits())
    return ImportReport(tree.deferred, (*tree.problems, *ignored_calls(tree)))


def write(tree: Path, **files: str) -> None:
    """Write files; two underscores in a name stand for a slash, each gets the ending .yaml."""
    for name, text in files.items():
        path = tree / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)


def test_imports_that_belong_to_the_manager_are_deferred(tmp_path: Path) -> None:
    """Addresses, plugins, blueprints and files that are not there are reported, not looked for further."""
    names = [
        "cloudify/types/types.yaml",
        "http://example.com/types.yaml",
        "https://example.com/types.yaml",
        "plugin:cloudify-aws-plugin?version= >=1.22.1",
        "ns--blueprint:other",
        "ns--missing.yaml",
    ]
    lines = "".join(f"  - '{name}'\n" for name in names)
    report = check(tmp_path, f"imports:\n{lines}  - plugin:x:\n      a: 1\n")
    assert report == ImportReport((*names, "plugin:x"), ())


def test_an_imported_file_without_calls_is_fine(tmp_path: Path) -> None:
    """A local import is read, and with nothing to say about it there is nothing in the report."""
    write(tmp_path, lib="a: {concat: [b]}\n")
    assert check(tmp_path, "imports: [lib.yaml]") == ImportReport((), ())


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("imports: [lib.yaml]", 11),
        ("x: 1\nimports:\n  - plugin:x\n  - lib.yaml\n", 5),
        ("imports: [ns--lib.yaml]", 11),
        ("imports: [./lib.yaml]", 11),
        ("imports: [{lib.yaml: {a: b}}]", 11),
        ("imports: &i [lib.yaml]\nb: *i", 14),
        ("x: {y:[z]}\nimports: [lib.yaml]", 11),
        ("--- 1\n--- {imports: [lib.yaml]}", 16),
    ],
)
def test_an_imported_file_with_calls_is_named(tmp_path: Path, text: str, column: int) -> None:
    """The problem stands at the import and says which file and line holds a call."""
    write(tmp_path, lib=CALL)
    (problem,) = check(tmp_path, text).problems
    assert problem.reason is Reason.IMPORT_HOLDS_CALLS
    assert problem.message == (
        "the imported file 'lib.yaml' holds a get_secret call on line 2, where none is resolved"
    )
    assert problem.source == "main.yaml"
    assert problem.position is not None
    assert problem.position.column == column
    assert "lib.yaml" in problem.line_text


def test_a_merged_list_of_imports_is_followed(tmp_path: Path) -> None:
    """Imports that come by a merge key are followed too; the problem stands where they are written."""
    write(tmp_path, lib=CALL)
    (problem,) = check(tmp_path, "<<: {imports: [lib.yaml]}").problems
    assert (problem.reason, problem.position) == (Reason.IMPORT_HOLDS_CALLS, Position(1, 16))


def test_malformed_calls_count_too(tmp_path: Path) -> None:
    """`get_secret` beside other keys is no silent data in an imported file either."""
    write(tmp_path, lib="a: {get_secret: k, b: 1}")
    assert [p.reason for p in check(tmp_path, "imports: [lib.yaml]").problems] == [Reason.IMPORT_HOLDS_CALLS]


def test_imports_of_imports_are_followed(tmp_path: Path) -> None:
    """A file is looked up beside the one that imports it, then in the blueprint's folder."""
    write(
        tmp_path, sub__one="imports: [two.yaml, three.yaml, four.yaml]", sub__two=CALL, three=CALL, two="x: 1"
    )
    report = check(tmp_path, "imports: [sub/one.yaml]")
    assert [(p.source, p.message.split("'")[1]) for p in report.problems] == [
        ("sub/one.yaml", "sub/two.yaml"),
        ("sub/one.yaml", "three.yaml"),
    ]
    assert report.kept == ("four.yaml",)


def test_the_file_for_the_blueprints_version_is_read(tmp_path: Path) -> None:
    """In a blueprint of version 1.3, `lib_1_3.yaml` in its folder stands for `lib.yaml`, as in Cloudify."""
    write(tmp_path, lib_1_3=CALL)
    assert check(tmp_path, "imports: [lib.yaml]") == ImportReport(("lib.yaml",), ())
    text = "tosca_definitions_version: cloudify_dsl_1_3\nimports: [lib.yaml]"
    assert len(check(tmp_path, text).problems) == 1


def test_a_file_beside_the_importer_goes_before_the_versions_file(tmp_path: Path) -> None:
    """Cloudify looks beside the importing file first, and by the name as it is written only."""
    write(tmp_path, lib="x: 1", lib_1_3=CALL, two="x: 1", two_1_3=CALL, sub__one="imports: [two.yaml]")
    text = "tosca_definitions_version: cloudify_dsl_1_3\nimports: [lib.yaml, sub/one.yaml]"
    (problem,) = check(tmp_path, text).problems
    assert "'two_1_3.yaml'" in problem.message


def test_circles_end(tmp_path: Path) -> None:
    """A file is read once, and the blueprint's own calls are not held against an import of itself."""
    main = "imports: [one.yaml]\na: {get_secret: k}\n"
    write(tmp_path, one="imports: [two.yaml, main.yaml]", two="imports: [one.yaml]", main=main)
    assert check(tmp_path, main) == ImportReport((), ())


def test_broken_imports_are_reported_under_their_own_name(tmp_path: Path) -> None:
    """What is wrong in an imported file is said about that file."""
    write(tmp_path, sub__lib="a: 1\na: 2\n")
    (problem,) = check(tmp_path, "imports: [sub/lib.yaml]").problems
    assert (problem.reason, problem.source, problem.position) == (
        Reason.DUPLICATE_KEY,
        "sub/lib.yaml",
        Position(2, 1),
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../outside.yaml", "a path with '..' may lead out of the blueprint's folder"),
        ("sub/../lib.yaml", "a path with '..' may lead out of the blueprint's folder"),
        ("ns--../outside.yaml", "a path with '..' may lead out of the blueprint's folder"),
        ("/etc/passwd", "an absolute path leads out of the blueprint's folder"),
        ("file:///etc/passwd", "a file: address leads out of the blueprint's folder"),
        ("link.yaml", "a symbolic link leads out of the blueprint's folder"),
        ("linked/outside.yaml", "a symbolic link leads out of the blueprint's folder"),
        ("null.yaml", "a symbolic link leads out of the blueprint's folder"),
        ("fifo.yaml", "it is not a regular file"),
        ("socket.yaml", "it is not a regular file"),
        ("folder.yaml", "it is not a regular file"),
        ("dangling.yaml", "it can't be read (No such file or directory)"),
        ('"a\\0b"', "a path can't hold a null character"),
    ],
)
def test_imports_that_are_refused(tmp_path: Path, name: str, why: str) -> None:
    """Nothing outside the folder is read, and nothing that is no regular file is waited for."""
    tree = tmp_path / "tree"
    (tree / "folder.yaml").mkdir(parents=True)
    write(tmp_path, outside=CALL)
    write(tree, lib=CALL)
    (tree / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (tree / "linked").symlink_to(tmp_path)
    (tree / "null.yaml").symlink_to("/dev/null")
    (tree / "dangling.yaml").symlink_to("nowhere.yaml")
    os.mkfifo(tree / "fifo.yaml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tree / "socket.yaml"))
        (problem,) = check(tree, f"x: 1\nimports: [{name}]").problems
    assert problem.reason is Reason.IMPORT_REFUSED
    assert problem.message.endswith(f"is refused: {why}")
    assert problem.position == Position(2, 11)
    assert problem.path == ("imports", 0)


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    """A symbolic link that stays in the folder is like the file it names, and a linked folder is a folder."""
    tree = tmp_path / "tree"
    write(tree, lib=CALL)
    (tree / "link.yaml").symlink_to("lib.yaml")
    (tmp_path / "other").symlink_to(tree)
    (problem,) = check(tmp_path / "other", "imports: [link.yaml, lib.yaml]").problems
    assert "'lib.yaml'" in problem.message


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that exists but can't be opened is refused, not kept."""
    write(tmp_path, lib=CALL)

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("resolver.blueprint.folder.os.open", refuse)
    (problem,) = check(tmp_path, "imports: [lib.yaml]").problems
    assert problem.message == "the import 'lib.yaml' is refused: it can't be read (Permission denied)"


def test_imports_are_limited(tmp_path: Path) -> None:
    """Size and number of imported files have bounds."""
    write(tmp_path, one="imports: [two.yaml]", two="x: 1")
    assert check(tmp_path, "imports: [one.yaml]", Limits(imports=2)).problems == ()
    (problem,) = check(tmp_path, "imports: [one.yaml]", Limits(imports=1)).problems
    assert problem.message == "the import 'two.yaml' is refused: more than 1 files are imported"
    (problem,) = check(tmp_path, "imports: [one.yaml]", Limits(size=10)).problems
    assert (problem.reason, problem.source) == (Reason.TOO_LARGE, "one.yaml")


@pytest.mark.parametrize(
    "text", ["imports: lib.yaml", "imports: [1, [lib.yaml], null]", "imports:", "[imports]", "a"]
)
def test_what_is_no_list_of_imports_is_left_alone(tmp_path: Path, text: str) -> None:
    """Imports that Cloudify would refuse are not guessed at."""
    write(tmp_path, lib=CALL)
    assert check(tmp_path, text) == ImportReport((), ())


def test_an_import_shows_no_properties(tmp_path: Path) -> None:
    """What an import sets for plugins may be secret."""
    write(tmp_path, lib="x: 1")
    (branch,) = read_tree(read(b"imports: [lib.yaml: {properties: {a: hunter2}}]", "main"), tmp_path).branches
    assert branch.entry.properties == {"properties": {"a": "hunter2"}}
    assert repr(branch.entry) == "<Import 'lib.yaml'>"
    assert "hunter2" not in repr(branch)


def secret_beside(folder: Path) -> Path:
    """A folder beside a blueprint's, whose file holds a call that a report would name."""
    outside = folder.parent / f"{folder.name}-outside"
    write(outside, lib=CALL)
    return outside


@pytest.mark.parametrize("path", ["sub/inner/lib.yaml", "sub/inner", "sub"])
def test_what_is_swapped_after_it_was_found_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A link that takes the place of a file, or of a folder on the way, leads nowhere."""
    write(tmp_path, sub__inner__lib="a: 1\n")
    outside = secret_beside(tmp_path)
    write(outside, inner__lib=CALL)
    lookup = Folder.find

    def swapped(folder: Folder, beside: Path, target: str) -> Path | None:
        found = lookup(folder, beside, target)
        here = tmp_path / path
        here.rename(tmp_path / "moved")
        here.symlink_to(outside / "lib.yaml" if path.endswith(".yaml") else outside)
        return found

    text = "imports: [sub/inner/lib.yaml]\n"
    assert check(tmp_path, text) == ImportReport((), ())
    monkeypatch.setattr(Folder, "find", swapped)
    (problem,) = check(tmp_path, text).problems
    assert problem.reason is Reason.IMPORT_REFUSED
    assert problem.message.endswith("a symbolic link was put in its place while it was read")


def test_a_race_against_links_is_not_won(tmp_path: Path) -> None:
    """However often a folder is swapped for a link that leads out, what is outside is not read."""
    write(tmp_path, sub__lib="a: 1\n")
    outside = secret_beside(tmp_path)
    (tmp_path / "link").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        sub, link, away = tmp_path / "sub", tmp_path / "link", tmp_path / "away"
        while not stop.is_set():
            sub.rename(away)
            link.rename(sub)
            sub.rename(link)
            away.rename(sub)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        reasons = {
            problem.reason
            for _ in range(2_000)
            for problem in check(tmp_path, "imports: [sub/lib.yaml]\n").problems
        }
    finally:
        stop.set()
        swapper.join(30)
    assert reasons <= {Reason.IMPORT_REFUSED}


def test_a_report_reads_no_link_either(tmp_path: Path) -> None:
    """A file that a problem lies in is read again in the same way, for SARIF."""
    write(tmp_path, lib=CALL)
    outside = secret_beside(tmp_path)
    text = BlueprintText(str(tmp_path / "main.yaml"), b"imports: [lib.yaml]\n", tmp_path)
    problem = Problem(
        Reason.SYNTAX, "wrong", str(tmp_path / "lib.yaml"), Position(2, 6), line_text="  b: {get_secret: k}"
    )
    found = Regions([text]).of(problem)
    assert found is not None
    assert found["snippet"] == {"text": "{get_secret: k}"}
    (tmp_path / "lib.yaml").unlink()
    (tmp_path / "lib.yaml").symlink_to(outside / "lib.yaml")
    assert Regions([text]).of(problem) == {"startLine": 2, "startColumn": 6}


def tree_with_root(tmp_path: Path, text: str, **files: str) -> ImportReport:
    """What the imports of `tree/app/main.yaml` come to, when `tree` is the root."""
    write(tmp_path / "tree", app__other="x: 1", **files)
    (tmp_path / "tree/app").mkdir(exist_ok=True)
    blueprint = read(text.encode(), "tree/app/main.yaml")
    tree = read_tree(blueprint, tmp_path / "tree/app", root=tmp_path / "tree")
    return ImportReport(tree.deferred, (*tree.problems, *ignored_calls(tree)))


@pytest.mark.parametrize("name", ["../common/lib.yaml", "common/lib.yaml", "../app/../common/lib.yaml"])
def test_imports_may_lead_anywhere_in_a_named_tree(tmp_path: Path, name: str) -> None:
    """By `..`, or from the root; a file is named from where the root was named."""
    files = {"common__lib": "imports: [../deep/b.yaml]", "deep__b": CALL}
    write(tmp_path / "tree", **files)
    blueprint = read(f"imports: [{name}, ns--../app/other.yaml]".encode(), "app/main.yaml")
    write(tmp_path / "tree", app__other="x: 1")
    tree = read_tree(blueprint, tmp_path / "tree/app", root=tmp_path / "tree")
    assert tree.problems == ()
    assert [branch.path for branch in tree.branches] == ["common/lib.yaml", "app/other.yaml", "deep/b.yaml"]
    root = (tmp_path / "tree").as_posix()
    assert [file.name for file in tree.imported] == [
        f"{root}/common/lib.yaml",
        f"{root}/app/other.yaml",
        f"{root}/deep/b.yaml",
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../../outside.yaml", "it leads out of the tree that --root names"),
        ("../../../../../../../../etc/passwd", "it leads out of the tree that --root names"),
        ("../link.yaml", "a symbolic link leads out of the blueprint's folder"),
        ("../linked/outside.yaml", "a symbolic link leads out of the blueprint's folder"),
        ("../into/../outside.yaml", "a symbolic link leads out of the blueprint's folder"),
        ("/etc/passwd", "an absolute path leads out of the blueprint's folder"),
    ],
)
def test_nothing_leads_out_of_a_named_tree(tmp_path: Path, name: str, why: str) -> None:
    """Neither by `..`, however it is written, nor by a link, nor by `..` behind a link."""
    tree = tmp_path / "tree"
    write(tmp_path, outside=CALL, side__x=CALL)
    tree.mkdir()
    (tree / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (tree / "linked").symlink_to(tmp_path)
    (tree / "into").symlink_to(tmp_path / "side")
    (problem,) = tree_with_root(tmp_path, f"imports: [{name}]").problems
    assert problem.reason is Reason.IMPORT_REFUSED
    assert problem.message == f"the import {name!r} is refused: {why}"


def test_a_blueprint_lies_in_its_tree(tmp_path: Path) -> None:
    """One that does not, and a tree that is not there, are refused before anything is read."""
    (tmp_path / "link").symlink_to(tmp_path.parent)
    (tmp_path / "sub").mkdir()
    for root in (tmp_path / "sub", tmp_path / "absent"):
        with pytest.raises(UsageError, match="which --root names"):
            BlueprintText("main.yaml", b"a: 1", tmp_path, root)
    assert BlueprintText("main.yaml", b"a: 1", tmp_path / "sub", tmp_path / "link").root


def test_the_way_out_is_named(tmp_path: Path) -> None:
    """A path with `..` is refused with a hint."""
    (problem,) = check(tmp_path, "imports: [../a.yaml]").problems
    assert problem.hint == "--root DIR names a folder around it, within which such paths may lead"


def test_a_report_reads_files_of_a_named_tree(tmp_path: Path) -> None:
    """A file in the tree that a problem lies in is read again for SARIF."""
    write(tmp_path, common__lib=CALL, app__x="x: 1")
    text = BlueprintText("main.yaml", b"imports: [../common/lib.yaml]\n", tmp_path / "app", tmp_path)
    problem = Problem(
        Reason.SYNTAX,
        "wrong",
        str(tmp_path / "common/lib.yaml"),
        Position(2, 6),
        line_text="  b: {get_secret: k}",
    )
    found = Regions([text]).of(problem)
    assert found is not None
    assert found["snippet"] == {"text": "{get_secret: k}"}
