"""What a blueprint defines: inputs, node templates and their properties, over all documents of its tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_ANCESTRY = 50
"""Longest chain of `derived_from` that is followed before it is taken for a cycle."""


class Definitions:
    """The definitions of one blueprint.

    Args:
        documents: the blueprint's own document first, then those of its imports. The first definition of
            a name counts.
    """

    def __init__(self, documents: Sequence[object]) -> None:
        self._documents = [document for document in documents if isinstance(document, dict)]

    def _find(self, section: str, name: object) -> Mapping[Any, Any] | None:
        for document in self._documents:
            entries = document.get(section)
            if isinstance(entries, dict) and isinstance(name, str) and name in entries:
                entry = entries[name]
                return entry if isinstance(entry, dict) else {}
        return None

    def input(self, name: str) -> Mapping[Any, Any] | None:
        """The declaration of an input; empty when it declares nothing, None when there is no such input."""
        return self._find("inputs", name)

    def inputs(self) -> Iterator[tuple[str, Mapping[Any, Any]]]:
        """All inputs with their declarations."""
        seen: set[str] = set()
        for document in self._documents:
            entries = document.get("inputs")
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                if isinstance(name, str) and name not in seen:
                    seen.add(name)
                    yield name, entry if isinstance(entry, dict) else {}

    def node(self, name: str) -> Mapping[Any, Any] | None:
        """A node template."""
        return self._find("node_templates", name)

    def property(self, node: Mapping[Any, Any], name: object) -> tuple[bool, Any]:
        """A property of a node template: its own, or the default of its type or of one that it derives from.

        Returns:
            Whether it was found, and its value.

        Raises:
            LookupError: it was not found, and a type that may declare it is not in the tree.
        """
        own = node.get("properties")
        if isinstance(own, dict) and name in own:
            return True, own[name]
        type_name = node.get("type")
        for _ in range(MAX_ANCESTRY):
            if type_name is None:
                return False, None
            node_type = self._find("node_types", type_name)
            if node_type is None:
                raise LookupError(type_name)
            declared = node_type.get("properties")
            if isinstance(declared, dict) and name in declared:
                declaration = declared[name]
                if isinstance(declaration, dict) and "default" in declaration:
                    return True, declaration["default"]
                return False, None
            type_name = node_type.get("derived_from")
        return False, None

    def data_type_properties(self, name: str) -> Mapping[Any, Mapping[Any, Any]] | None:
        """The properties that a data type declares or derives, with their declarations.

        Returns:
            None when the type, or one that it derives from, is not in the tree: nothing can be said then.
        """
        properties: dict[Any, Mapping[Any, Any]] = {}
        type_name: object = name
        for _ in range(MAX_ANCESTRY):
            data_type = self._find("data_types", type_name)
            if data_type is None:
                return None
            declared = data_type.get("properties")
            for key, declaration in declared.items() if isinstance(declared, dict) else ():
                properties.setdefault(key, declaration if isinstance(declaration, dict) else {})
            type_name = data_type.get("derived_from")
            if type_name is None:
                return properties
        return None
