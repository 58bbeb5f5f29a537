"""A blueprint's imports are read once each, in Cloudify's order, under names that a user would type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.blueprint import ImportTree, Limits, ignored_calls, read, read_tree
from resolver.core.location import Position
from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from pathlib import Path

CALL = "a:\n  b: {get_secret: k}\n"


def tree_of(
    folder: Path, main: str, *, name: str = "main.yaml", limits: Limits | None = None, **files: str
) -> ImportTree:
    """Write files and read a tree; two underscores in a name stand for a slash."""
    for file, text in files.items():
        path = folder / (file.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return read_tree(read(main.encode(), name), folder, limits or Limits())


def names(tree: ImportTree) -> list[str]:
    """The imported files, in order."""
    return [blueprint.name for blueprint in tree.imported]


def test_files_are_visited_breadth_first(tmp_path: Path) -> None:
    """First what the blueprint imports, then what those files import, as Cloudify's parser merges them."""
    tree = tree_of(
        tmp_path,
        "imports: [one.yaml, two.yaml]",
        one="imports: [three.yaml]",
        two="imports: [four.yaml, one.yaml]",
        three="x: 1",
        four="x: 1",
    )
    assert names(tree) == ["one.yaml", "two.yaml", "three.yaml", "four.yaml"]
    assert tree.merged == (tree.main, *tree.imported)


def test_a_file_is_named_from_where_the_blueprint_was_named(tmp_path: Path) -> None:
    """An imported file's name is what a user would type to open it, and its lines are its own."""
    tree = tree_of(
        tmp_path,
        "imports: [sub/lib.yaml]",
        name="deep/er/main.yaml",
        sub__lib="imports: [b.yaml]",
        sub__b=CALL,
    )
    assert names(tree) == ["deep/er/sub/lib.yaml", "deep/er/sub/b.yaml"]
    lib = tree.imported[1]
    position = lib.position_of(lib.documents[0]["a"]["b"])
    assert position == Position(2, 6)
    assert lib.line_at(position) == "  b: {get_secret: k}"


def test_a_file_is_read_once_however_it_is_spelled(tmp_path: Path) -> None:
    """Different spellings, a symbolic link and a nested import of one file are one file."""
    (tmp_path / "link.yaml").symlink_to("sub/lib.yaml")
    tree = tree_of(
        tmp_path,
        "imports: [sub/lib.yaml, ./sub//lib.yaml, link.yaml, sub/two.yaml]",
        sub__lib="x: 1",
        sub__two="imports: [lib.yaml]",
    )
    assert names(tree) == ["sub/lib.yaml", "sub/two.yaml"]


def test_a_file_in_two_namespaces_is_read_once_and_counted_twice(tmp_path: Path) -> None:
    """Each namespace is an import of its own for Cloudify; the file behind them is one."""
    main = "imports: [one--lib.yaml, two--lib.yaml, lib.yaml]"
    tree = tree_of(tmp_path, main, lib="imports: [b.yaml]", b="x: 1")
    assert names(tree) == ["lib.yaml", "b.yaml"]
    assert [(branch.path, branch.namespace) for branch in tree.branches] == [
        ("lib.yaml", "one"),
        ("lib.yaml", "two"),
        ("lib.yaml", ""),
        ("b.yaml", "one"),
        ("b.yaml", "two"),
        ("b.yaml", ""),
    ]


def test_namespaces_are_joined(tmp_path: Path) -> None:
    """What a namespaced file imports into a namespace has both."""
    tree = tree_of(tmp_path, "imports: [{'out--lib.yaml': {p: 1}}]", lib="imports: [in--b.yaml]", b="x: 1")
    assert [branch.namespace for branch in tree.branches] == ["out", "out--in"]
    assert tree.merged == (tree.main,)


def test_a_namespace_within_itself_ends_at_the_limit(tmp_path: Path) -> None:
    """A file that imports itself into a namespace would go on for ever; the number of imports is bounded."""
    tree = tree_of(tmp_path, "imports: [lib.yaml]", lib="imports: [ns--lib.yaml]", limits=Limits(imports=20))
    (problem,) = tree.problems
    assert problem.message == "the import 'ns--lib.yaml' is refused: more than 20 files are imported"
    assert (problem.source, problem.position) == ("lib.yaml", Position(1, 11))
    assert len(tree.branches) == 20


def test_a_broken_file_is_reported_once(tmp_path: Path) -> None:
    """However often it is imported."""
    tree = tree_of(tmp_path, "imports: [lib.yaml, ns--lib.yaml]", lib="a: 1\na: 2\n")
    (problem,) = tree.problems
    assert (problem.reason, problem.source) == (Reason.DUPLICATE_KEY, "lib.yaml")


@pytest.mark.parametrize("entry", ["lib.yaml", "ns--lib.yaml"])
def test_calls_in_imports_are_not_passed_over(tmp_path: Path, entry: str) -> None:
    """The hint says what would resolve them."""
    tree = tree_of(tmp_path, f"imports: [{entry}]", lib=CALL)
    (problem,) = ignored_calls(tree)
    assert problem.reason is Reason.IMPORT_HOLDS_CALLS
    assert problem.hint == "--merge-imports resolves both as one document"


def merged_keys(tree: ImportTree) -> list[tuple[str, str]]:
    """The files that are merged, with their namespaces."""
    return [branch.key for branch in tree.branches if branch.is_merged]


def test_what_has_no_call_in_a_namespace_is_not_merged(tmp_path: Path) -> None:
    """It stays an import; what it imports and what imports the same goes with what holds a call."""
    files = {"lib": CALL, "b": "x: 1", "c": "imports: [lib.yaml]", "d": "imports: [b.yaml]"}
    tree = tree_of(tmp_path, "imports: [lib.yaml, ns--b.yaml]", **files)
    assert merged_keys(tree) == [("lib.yaml", "")]
    tree = tree_of(tmp_path, "imports: [one--c.yaml, two--d.yaml, one--b.yaml]", **files)
    assert merged_keys(tree) == [("c.yaml", "one"), ("lib.yaml", "one")]
    tree = tree_of(
        tmp_path, "imports: [ns--c.yaml, ns--e.yaml, ns--b.yaml]", **files, e="imports: [b.yaml, lib.yaml]"
    )
    assert merged_keys(tree) == [("c.yaml", "ns"), ("e.yaml", "ns"), ("b.yaml", "ns"), ("lib.yaml", "ns")]


def test_cloudifys_own_types_get_no_namespace(tmp_path: Path) -> None:
    """A local file of them keeps its names, wherever it is imported."""
    types = "node_types: {cloudify.nodes.Root: {}}"
    tree = tree_of(tmp_path, "imports: [ns--a.yaml, types.yaml]", a="imports: [types.yaml]", types=types)
    assert [branch.key for branch in tree.branches] == [("a.yaml", "ns"), ("types.yaml", "")]


def test_a_file_is_reported_at_its_first_import(tmp_path: Path) -> None:
    """Once, however many namespaces it is imported into."""
    tree = tree_of(tmp_path, "imports: [plugin:x, one--lib.yaml, two--lib.yaml]", lib=CALL)
    (problem,) = ignored_calls(tree)
    assert problem.path == ("imports", 1)
