"""Make one document of a blueprint and its imports, by the rules of Cloudify's parser.

The rules are those of `dsl_parser.elements.imports` in cloudify-common 7.0.5: the main blueprint comes first,
then its imports, breadth first. What is left to the manager, and what is imported into a namespace without
being merged, stays listed under `imports`.
"""

from __future__ import annotations

import functools
import operator
import posixpath
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec
from msgspec.structs import replace

from resolver.blueprint.imports import IMPORTS, VERSION
from resolver.blueprint.namespaces import NamespacedBlueprint, prefixed
from resolver.blueprint.positions import EntryLocation, Finding, problems_of
from resolver.blueprint.sections import (
    NODE_TEMPLATES,
    RULES,
    SHARED_FROM,
    VERSIONS,
    SectionRule,
    has_plugin_properties,
    is_data,
    is_types_file,
    merged_entry,
)
from resolver.blueprint.tosca_imports import imported_types
from resolver.dsl.budget import Budget
from resolver.dsl.definitions import NAMESPACE_DELIMITER, OWN_PREFIX
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.source import Tagged
from resolver.dsl.walk import rebuild

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from resolver.blueprint.import_tree import AnyBlueprint, Branch, ImportTree
    from resolver.core.location import Path

_MAX_NAMES: Final = 3
"""How many names a note repeats."""


class Merge(msgspec.Struct, frozen=True):
    """The result of merging a blueprint with its imports.

    Args:
        document: the one document; its calls are the same objects as in the files. It is of no use when there
            are problems.
        problems: what keeps the files from being merged.
        notes: what is not the same for the parser as it was before.
    """

    document: dict[Any, Any]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def merge(tree: ImportTree, replaced: Mapping[AnyBlueprint, Any] | None = None) -> Merge:
    """Merge a blueprint with those of its imports that are to be merged.

    Args:
        tree: the blueprint with its imports.
        replaced: documents to take for those of some files.
    """
    return _Merger(tree, replaced or {}).run()


def copy_shared_calls(
    blueprint: AnyBlueprint, calls: Iterable[int], paths: Iterable[Path]
) -> tuple[Any, dict[Path, dict[Any, Any]]]:
    """Copy a shared call for each of some paths, so that each can have a result of its own.

    Args:
        blueprint: a blueprint of one document.
        calls: the `id()` of the calls that have one result, which stay the same objects.
        paths: the paths at which a call has a result of its own.

    Returns:
        The new document, and the call at each of the paths.
    """
    document = blueprint.documents[0]
    copies: dict[Path, dict[Any, Any]] = {
        path: dict(functools.reduce(operator.getitem, path, document)) for path in paths
    }
    same = {node_id: blueprint.call(node_id) for node_id in calls}
    return rebuild(document, same, copies), copies


class _Merger:
    def __init__(self, tree: ImportTree, replaced: Mapping[AnyBlueprint, Any]) -> None:
        self._tree = tree
        self._replaced = replaced
        self._version = -1
        self._document: dict[Any, Any] = {}
        self._imports: dict[str, Any] = {}
        self._last_deferred = ""
        self._defined_at: dict[tuple[object, ...], EntryLocation] = {}
        self._in_namespace: dict[tuple[object, object], bool] = {}
        self._findings: list[Finding] = []
        self._problems: list[Problem] = []
        self._reordered: dict[tuple[str, str], list[str]] = {}

    def run(self) -> Merge:
        main = self._tree.main
        root = self._root_of(main)
        if root is not None:
            self._check_version(main, root)
            self._add(main, root)
            for branch in self._tree.branches:
                self._add_branch(branch)
        head = {} if root is None else {VERSION: root.get(VERSION)}
        if self._imports:
            head[IMPORTS] = list(self._imports.values())
        problems = (*problems_of(self._findings), *self._problems)
        notes = tuple(_note(*files, names) for files, names in self._reordered.items())
        return Merge({**head, **self._document}, problems, notes)

    def _root_of(self, source: AnyBlueprint) -> dict[Any, Any] | None:
        """The document of a file; None when it is not one that can be merged."""
        whole = entry_of(source, ())
        if len(source.documents) != 1:
            self._refuse(whole, "a text of several documents can't be merged with another one")
            return None
        root = self._replaced.get(source, source.documents[0])
        if not is_data(root):
            self._refuse(whole, "only a document that is a mapping of sections can be merged")
            return None
        for path in _tagged(root):
            self._refuse(
                entry_of(source, path), "a document with custom tags can't be merged and written anew"
            )
        return root

    def _check_version(self, source: AnyBlueprint, root: dict[Any, Any]) -> None:
        """Take the main blueprint's version, or compare an imported file's with it."""
        version = root.get(VERSION)
        if source is self._tree.main:
            if version in VERSIONS:
                self._version = VERSIONS.index(version)
                return
            hint = f"how imports are merged depends on it; it is one of {', '.join(VERSIONS)}"
            message = f"merging needs a blueprint that states its {VERSION}"
            self._refuse(entry_of(source, (VERSION,)), message, hint=hint)
        elif version is None or self._version < 0:
            return
        elif version not in VERSIONS or VERSIONS.index(version) > self._version:
            self._refuse(
                entry_of(source, (VERSION,)),
                f"the {VERSION} of an imported file must not be later than {VERSIONS[self._version]}, "
                "that of the blueprint",
            )

    def _add_branch(self, branch: Branch) -> None:
        source, entry = branch.source, branch.entry
        if source is None or not branch.is_merged:
            if branch.is_merged or not branch.outer:  # else it comes with the file that imports it
                self._defer(branch)
            return
        if NAMESPACE_DELIMITER in entry.namespace or (entry.namespace and not branch.namespace):
            why = "holds '--'" if branch.namespace else "is not for Cloudify's own types"
            self._refuse(entry.location, f"the import {entry.name!r} has a namespace that {why}")
            return
        root = self._root_of(source)
        if root is None:
            return
        if entry.properties is not None and has_plugin_properties(root):
            self._refuse(
                entry.location,
                f"the import {entry.name!r} sets properties of plugins, and so can't be merged",
                hint="give the properties their values in the imported file",
            )
            return
        if branch.renamed is not None:
            self._problems += branch.renamed.problems
        self._check_version(source, root)
        self._add(source, root, replaces=is_types_file(root))

    def _defer(self, branch: Branch) -> None:
        """List an import in the merged document, for the manager to follow."""
        entry = branch.entry
        name = entry.name
        if branch.path:  # a local file, which the main blueprint has to name from where it stands
            name = prefixed(entry.namespace, posixpath.relpath(branch.path, self._tree.folder))
        elif branch.outer and entry.namespace:
            message = (
                f"the import {name!r} has a namespace within {branch.outer!r}, which one file can't express"
            )
            self._refuse(entry.location, message)
            return
        elif branch.outer and not entry.names_base_types:
            name = prefixed(branch.outer, name)
        self._last_deferred = name
        self._imports.setdefault(name, name if entry.properties is None else {name: entry.properties})

    def _add(self, source: AnyBlueprint, root: dict[Any, Any], *, replaces: bool = False) -> None:
        """Add one file's sections.

        Args:
            source: the file.
            root: its document.
            replaces: it holds Cloudify's own types, so its definitions replace earlier ones.
        """
        for section, entries in root.items():
            rule = RULES.get(section, SectionRule.ONE_FILE)
            if rule is SectionRule.DROPPED:
                continue
            if section in self._document:
                self._add_again(source, section, entries, rule, replaces=replaces)
                continue
            self._document[section] = entries
            location = self._defined_at[(section,)] = entry_of(source, (section,))
            if rule is SectionRule.FIRST_WINS:
                self._note_reordered(location, section)
            for name in entries if isinstance(entries, dict) else ():
                self._define(source, section, name, replaces=replaces)

    def _add_again(
        self,
        source: AnyBlueprint,
        section: object,
        entries: object,
        rule: SectionRule,
        *,
        replaces: bool,
    ) -> None:
        """Add a section that an earlier file has as well."""
        hint = ""
        match rule:
            case SectionRule.DROPPED | SectionRule.FIRST_WINS:
                return
            case SectionRule.ENTRIES:
                self._merge_section(source, section, entries, replaces=replaces)
                return
            case SectionRule.ENTRIES_FROM_1_3 | SectionRule.FIRST_ENTRIES_FROM_1_3:
                if self._version >= SHARED_FROM:
                    self._merge_section(source, section, entries, replaces=replaces)
                    return
                hint = f"from {VERSIONS[SHARED_FROM]} on, this section may be in several files"
            case SectionRule.ONE_FILE:
                pass
            case _:
                assert_never(rule)
        message = f"the section {section!r} can't be merged: it may be in one file only"
        self._refuse(entry_of(source, (section,)), message, self._defined_at[(section,)], hint=hint)

    def _merge_section(
        self,
        source: AnyBlueprint,
        section: object,
        entries: object,
        *,
        replaces: bool,
    ) -> None:
        earlier = self._document[section]
        if not is_data(earlier) or not is_data(entries):
            message = f"the section {section!r} can't be merged: it is not a mapping in both files"
            self._refuse(entry_of(source, (section,)), message, self._defined_at[(section,)])
            return
        merged = dict(earlier)
        for name, entry in entries.items():
            own = replaces or (isinstance(name, str) and name.startswith(OWN_PREFIX))
            if name not in merged or own:
                merged[name] = entry
                self._define(source, section, name, replaces=replaces)
                continue
            if RULES[section] is SectionRule.FIRST_ENTRIES_FROM_1_3:
                continue
            both = merged_entry(section, merged[name], entry)
            first = self._defined_at[section, name]
            is_added = both is not None and section == NODE_TEMPLATES and not _is_namespaced(source)
            if is_added and self._in_namespace[section, name]:
                # The parser would rename the targets of what is added to a list in a namespace.
                message = f"{name!r} is in a namespace, and can't be added to from a file that has none"
                self._refuse(entry_of(source, (section, name)), message, first)
            elif both is None:
                message = f"{name!r} in the section {section!r} is defined in two files"
                self._refuse(entry_of(source, (section, name)), message, first)
            else:
                merged[name] = both
        self._document[section] = merged

    def _define(self, source: AnyBlueprint, section: object, name: object, *, replaces: bool) -> None:
        """Remember where a definition stands."""
        self._in_namespace[section, name] = _is_namespaced(source)
        location = self._defined_at[section, name] = entry_of(source, (section, name))
        if replaces or str(name).startswith(OWN_PREFIX):
            self._note_reordered(location, name)

    def _note_reordered(self, location: EntryLocation, name: object) -> None:
        """Note a definition that came after an import and now comes before it, which may define the same."""
        if self._last_deferred:
            names = self._reordered.setdefault((location.blueprint.name, self._last_deferred), [])
            names.append(str(name))

    def _refuse(
        self, location: EntryLocation, message: str, first: EntryLocation | None = None, *, hint: str = ""
    ) -> None:
        self._findings.append(Finding(location, Reason.IMPORT_REFUSED, message, first, hint))


def _is_namespaced(source: AnyBlueprint) -> bool:
    return isinstance(source, NamespacedBlueprint)


def entry_of(source: AnyBlueprint, path: tuple[Any, ...]) -> EntryLocation:
    """The entry of a file at a path of its document."""
    return source.entry(path) if isinstance(source, NamespacedBlueprint) else EntryLocation(source, path)


def _note(file: str, deferred: str, names: list[str]) -> str:
    """The note about a file's definitions that now come before an import that the manager follows."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    shown = ", ".join(names[:_MAX_NAMES]) + more
    return f"{file}: merged into the blueprint, its {shown} now comes before {deferred}, not after it"


def _tagged(root: object) -> Iterator[Path]:
    """The paths of nodes with custom tags."""
    seen: set[int] = set()
    pending: list[tuple[Path, Any]] = [((), root)]
    while pending:
        here, node = pending.pop()
        if isinstance(node, Tagged):
            yield here
        elif isinstance(node, (dict, list, tuple)) and id(node) not in seen:
            seen.add(id(node))
            items = node.items() if isinstance(node, dict) else enumerate(node)
            pending.extend(((*here, step), item) for step, item in items)


def definitions_of(tree: ImportTree, budget: Budget | None = None) -> list[Any]:
    """The documents that define what calls in a tree refer to, the one that counts first.

    All files are in them but those that can't be renamed. Where the others can't be merged, the first one
    that defines a name counts.

    Args:
        tree: the blueprint with its imports.
        budget: what the run may spend.
    """
    if tree.dialect.template:
        files = [(each.blueprint, each.namespace) for each in tree.branches if each.blueprint is not None]
        return [*tree.main.documents, *imported_types(files, tree.dialect, budget or Budget())]
    branches = [branch for branch in tree.branches if branch.renamed is None or not branch.renamed.problems]
    whole = replace(tree, branches=tuple(replace(branch, is_merged=True) for branch in branches))
    merged = merge(whole)
    return (
        [root for source in whole.merged for root in source.documents]
        if merged.problems
        else [merged.document]
    )
