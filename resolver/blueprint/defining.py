"""What a blueprint and its imports define, for the calls that refer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.blueprint.imports import NAMESPACE_DELIMITER
from resolver.blueprint.merging import OWN_PREFIX, merge
from resolver.dsl.calls import holds_call

if TYPE_CHECKING:
    from resolver.blueprint.tree import Tree


def definitions_of(tree: Tree) -> list[Any]:
    """The documents that define what calls in a tree refer to, the one that counts first.

    What stands in a namespaced file and depends on a call is left out: the names in that call would have to
    be read within the namespace.
    """
    merged = merge(tree)
    documents = [merged.document]
    if merged.problems:
        documents = [document for blueprint in tree.merged for document in blueprint.documents]
    for branch in tree.branches:
        if branch.blueprint is not None and branch.namespace:
            documents += [_prefixed(document, branch.namespace) for document in branch.blueprint.documents]
    return documents


def _prefixed(document: object, namespace: str) -> dict[str, Any]:
    """The inputs, nodes and types of a namespaced file under the names they have for its importer."""

    def prefix(name: str) -> str:
        return name if name.startswith(OWN_PREFIX) else f"{namespace}{NAMESPACE_DELIMITER}{name}"

    sections: dict[str, Any] = {}
    for section, reference in (("inputs", ""), ("node_templates", "type"), ("node_types", "derived_from")):
        entries = document.get(section) if isinstance(document, dict) else None
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if not isinstance(name, str) or holds_call(entry):
                continue
            named = entry
            if isinstance(entry, dict) and isinstance(entry.get(reference), str):
                named = {**entry, reference: prefix(entry[reference])}
            sections.setdefault(section, {})[prefix(name)] = named
    return sections
