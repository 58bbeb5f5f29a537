"""Imports in TOSCA: how they are written, and the types that they bring.

An import brings types, and nothing of a topology. Its grammar is that of TOSCA Simple Profile 1.3, section
3.6.8, with the named form of 1.0, and that of TOSCA 2.0, section 6.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.blueprint.imports import IMPORTS, Import
from resolver.blueprint.positions import EntryLocation
from resolver.dsl.definitions import NAMESPACE_DELIMITER
from resolver.dsl.dialects import dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resolver.blueprint.document import Blueprint
    from resolver.dsl.budget import Budget
    from resolver.dsl.dialects import Dialect

_FILE = ("file", "url")
"""The keys of an import that name its file."""

_ELSEWHERE = ("repository", "profile")
"""The keys of an import that is not looked for in the folder: the orchestrator knows where these are."""

_NAMESPACE = ("namespace_prefix", "namespace")

_TYPES = ("node_types", "relationship_types", "capability_types", "data_types")

_NORMATIVE = ("tosca.", "tosca:")
"""Begin the names of the types that the specification defines, which no namespace is put before."""


class ToscaImport(Import, frozen=True):
    """One entry of a document's imports.

    Args:
        file: the file or address; the profile's name for a profile.
        prefix: the namespace that its types are imported into; empty for none.
        is_elsewhere: whether it is in a repository or a profile.
    """

    file: str = ""
    prefix: str = ""
    is_elsewhere: bool = False

    @property
    def namespace(self) -> str:
        """The namespace of the types in the file; empty without one."""
        return self.prefix

    @property
    def target(self) -> str:
        """The file or address; of a file that is named from the root, the path from there."""
        return self.file.removeprefix("/")

    @property
    def is_rooted(self) -> bool:
        """Whether it is named from the root of its repository."""
        return self.file.startswith("/")

    @property
    def is_remote(self) -> bool:
        """Whether it names something that is not looked for in the folder."""
        return self.is_elsewhere or ("://" in self.file and not self.file.startswith("file:"))

    @property
    def defines_types_only(self) -> bool:
        """Imports declare no inputs and no node templates."""
        return True


def tosca_imports_of(blueprint: Blueprint) -> Iterator[ToscaImport]:
    """The imports of a document, in the order of the text; what is no import is left out."""
    for number, document in enumerate(blueprint.documents):
        entries = document.get(IMPORTS) if isinstance(document, dict) else None
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            location = EntryLocation(blueprint, (IMPORTS, index), number)
            is_definition = isinstance(entry, dict) and not entry.keys().isdisjoint((*_FILE, "profile"))
            for each in entry.values() if isinstance(entry, dict) and not is_definition else (entry,):
                found = _import(each, location)
                if found is not None:
                    yield found


def _import(entry: object, location: EntryLocation) -> ToscaImport | None:
    if isinstance(entry, str):
        return ToscaImport(entry, None, location, entry)
    if not isinstance(entry, dict):
        return None
    name = _text(entry, (*_FILE, "profile"))
    return ToscaImport(
        name, None, location, name, _text(entry, _NAMESPACE), any(key in entry for key in _ELSEWHERE)
    )


def _text(entry: Mapping[Any, Any], keys: tuple[str, ...]) -> str:
    return next((entry[key] for key in keys if isinstance(entry.get(key), str)), "")


def imported_types(
    imported: Iterable[tuple[Blueprint, str]], dialect: Dialect, budget: Budget
) -> Iterator[dict[str, Any]]:
    """The types that imports bring, as documents.

    Args:
        imported: the files, each with the whole namespace that it is imported into.
        dialect: the language of the main document.
        budget: what the run may spend.
    """
    for blueprint, namespace in imported:
        for document in blueprint.documents:
            # Defaults of another version's types would be read in the wrong language.
            if isinstance(document, dict) and dialect_of(document, dialect) is dialect:
                budget.spend()
                types = {section: document.get(section) for section in _TYPES}
                yield _Namespace(namespace, dialect, budget).types(types) if namespace else types


class _Namespace:
    """The names that types of a file have for those who import it into a namespace.

    Args:
        name: the whole namespace.
        dialect: the language.
        budget: what the run may spend.
    """

    def __init__(self, name: str, dialect: Dialect, budget: Budget) -> None:
        self._name = name
        self._dialect = dialect
        self._budget = budget

    def types(self, sections: Mapping[str, Any]) -> dict[str, Any]:
        """The types of a file, named and referred to by these names."""
        return {
            section: {self._named(name): self._type(entry) for name, entry in entries.items()}
            for section, entries in sections.items()
            if isinstance(entries, dict)
        }

    def _named(self, name: object) -> object:
        if not isinstance(name, str) or name.startswith(_NORMATIVE):
            return name
        if name in self._dialect.types:
            return name
        inner, _, own = name.rpartition(":")
        return f"{self._name}{NAMESPACE_DELIMITER}{inner}:{own}" if inner else f"{self._name}:{own}"

    def _type(self, entry: object) -> object:
        if not isinstance(entry, dict):
            return entry
        self._budget.spend(1 + len(entry))
        parts = {part: self._parts(entry[part]) for part in ("properties", "capabilities") if part in entry}
        return self._referring(entry, "derived_from") | parts

    def _parts(self, parts: object) -> object:
        if not isinstance(parts, dict):
            return parts
        self._budget.spend(1 + len(parts))
        return {
            name: self._referring(part, "type") if isinstance(part, dict) else self._named(part)
            for name, part in parts.items()
        }

    def _referring(self, entry: dict[Any, Any], key: str) -> dict[Any, Any]:
        return {**entry, key: self._named(entry[key])} if key in entry else entry
