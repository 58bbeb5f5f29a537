"""Calls see what imported files define."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.blueprint import Tree, definitions_of, read, read_tree

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "tosca_definitions_version: cloudify_dsl_1_3\n"


def tree_of(folder: Path, main: str, a: str) -> Tree:
    """A blueprint that imports one file."""
    (folder / "a.yaml").write_text(a)
    return read_tree(read(main.encode(), "main.yaml"), folder)


def test_definitions_are_those_of_the_merged_document(tmp_path: Path) -> None:
    """A node that two files make up is found whole; where files can't be merged, the first one counts."""
    main = MAIN + "imports: [a.yaml]\nnode_templates: {n: {relationships: []}}\n"
    tree = tree_of(tmp_path, main, a="node_templates: {n: {type: t}}\n")
    (document,) = definitions_of(tree)
    assert document["node_templates"]["n"] == {"relationships": [], "type": "t"}
    tree = tree_of(tmp_path, main, a="node_templates: {n: {properties: {}}}\n")
    assert definitions_of(tree) == [tree.main.documents[0], tree.imported[0].documents[0]]


def test_definitions_in_a_namespace_have_its_prefix(tmp_path: Path) -> None:
    """But for Cloudify's own names; those that depend on calls are left out, since nothing renames these."""
    tree = tree_of(
        tmp_path,
        MAIN + "imports: [ns--a.yaml]\n",
        a="inputs: {x: {default: 1}, y: {default: {get_input: x}}}\n"
        "node_templates: {n: {type: t}, m: {type: cloudify.nodes.Root}}\n"
        "node_types: {t: {derived_from: cloudify.nodes.Root}, 5: {}}\n",
    )
    assert definitions_of(tree)[1:] == [
        {
            "inputs": {"ns--x": {"default": 1}},
            "node_templates": {"ns--n": {"type": "ns--t"}, "ns--m": {"type": "cloudify.nodes.Root"}},
            "node_types": {"ns--t": {"derived_from": "cloudify.nodes.Root"}},
        }
    ]
