"""A blueprint with the files that it imports.

A local import inside the blueprint's folder is read; what belongs to the manager (URLs, plugins, other
blueprints, and files that are not there) is deferred to it. Files are visited in the order in
which Cloudify's parser merges them: breadth first.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec.structs import replace

from resolver.blueprint.document import Blueprint
from resolver.blueprint.folder import Folder, GivenFiles, RefusedImportError
from resolver.blueprint.imports import Import, imports_of, version_of
from resolver.blueprint.limits import DEFAULT_LIMITS, DuplicateKeys, Limits
from resolver.blueprint.namespaces import NamespacedBlueprint
from resolver.blueprint.positions import Finding, problems_of
from resolver.blueprint.reader import read
from resolver.blueprint.sections import is_types_file
from resolver.blueprint.tosca_imports import tosca_imports_of
from resolver.dsl.budget import Budget
from resolver.dsl.definitions import NAMESPACE_DELIMITER, OpenImport
from resolver.dsl.dialects import CLOUDIFY, Dialect, dialect_of
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.walk import find_calls
from resolver.errors import BlueprintError, BudgetError

if TYPE_CHECKING:
    from collections.abc import Mapping

AnyBlueprint: TypeAlias = Blueprint | NamespacedBlueprint
"""A file that was read, or the same in a namespace."""

_Key: TypeAlias = tuple[str, str]
"""A target and the namespace that it is imported into."""


class Branch(msgspec.Struct, frozen=True):
    """One import that was followed, or left to the manager.

    Args:
        entry: the import.
        outer: the namespace that the importing file itself was imported into; empty for none.
        namespace: the whole namespace that it is imported into; empty for none.
        blueprint: what was read; None for an import that is left to the manager.
        path: the file's path from the root of the tree; empty for one that is left to the manager.
        renamed: the same under the names that it has for the main blueprint; None without a namespace.
        is_merged: whether `merge` makes it a part of the one document, or would if it were there. An import
            into a namespace is when it, what it imports, or what imports the same holds `get_secret` calls.
    """

    entry: Import
    outer: str
    namespace: str
    blueprint: Blueprint | None = None
    path: str = ""
    renamed: NamespacedBlueprint | None = None
    is_merged: bool = True

    @property
    def source(self) -> AnyBlueprint | None:
        """What was read, under the names that it has for the main blueprint."""
        return self.renamed or self.blueprint

    @property
    def target(self) -> str:
        """The file's path, or what the manager is asked for."""
        return self.path or self.entry.target

    @property
    def key(self) -> _Key:
        """What is imported, and into which namespace: the same twice is one import."""
        return self.target, self.namespace


class ImportTree(msgspec.Struct, frozen=True):
    """A blueprint and all that it imports.

    Args:
        main: the blueprint itself.
        branches: the imports of all files, each file once for each namespace.
        problems: imports that may not be read, and what is wrong in those that were.
        dialect: the language of the main blueprint.
        folder: the main blueprint's folder, from the root of the tree.
    """

    main: Blueprint
    branches: tuple[Branch, ...]
    problems: tuple[Problem, ...]
    dialect: Dialect = CLOUDIFY
    folder: str = "."

    @property
    def imported(self) -> tuple[Blueprint, ...]:
        """The files that were read, each once."""
        return tuple(dict.fromkeys(branch.blueprint for branch in self.branches if branch.blueprint))

    @property
    def merged(self) -> tuple[AnyBlueprint, ...]:
        """What makes one document: the main blueprint, and the files that are merged into it."""
        sources = (branch.source for branch in self.branches if branch.is_merged and branch.source)
        return tuple(dict.fromkeys((self.main, *sources)))

    @property
    def deferred(self) -> tuple[str, ...]:
        """The imports that are left to the manager, as they are written."""
        return tuple(dict.fromkeys(branch.entry.name for branch in self.branches if not branch.blueprint))

    @property
    def open_imports(self) -> tuple[OpenImport, ...]:
        """The imports that may define inputs and node templates which are not known here.

        They are left to the manager, or can't be renamed.
        """
        return tuple(
            OpenImport(branch.entry.name, branch.namespace)
            for branch in self.branches
            if (branch.renamed.problems if branch.renamed else not branch.blueprint)
            and not branch.entry.defines_types_only
        )


def read_tree(
    main: Blueprint,
    base: Path | None,
    limits: Limits = DEFAULT_LIMITS,
    budget: Budget | None = None,
    dialect: Dialect = CLOUDIFY,
    *,
    duplicate_keys: DuplicateKeys = DuplicateKeys.HARMLESS,
    root: Path | None = None,
    files: Mapping[str, bytes] | None = None,
) -> ImportTree:
    """Read the local imports of a blueprint, and theirs.

    Imported blueprints are named as a user would name them from where the main one was named.

    Args:
        main: the blueprint whose imports are followed.
        base: its folder. Nothing outside it is read; None for no folder, and then nothing is read at all.
        limits: bounds on each file and on the number of files.
        budget: what the run may spend.
        dialect: the language of the main blueprint.
        duplicate_keys: what becomes of keys that stand twice in one mapping.
        root: a folder around `base` that imports may lead to as well; None for none.
        files: all files of the tree, by their paths from its root, where none is read from a disk; then
            `base` and `root` are paths in it.

    Raises:
        UsageError: `base` is not within `root`.
    """
    beside = bool(dialect.template)
    with (
        Folder(base, version_of(main), root, only_beside=beside)
        if files is None
        else GivenFiles(files, str(base), version_of(main), has_tree=root is not None, only_beside=beside)
    ) as folder:
        shown = PurePath(main.name).parent if root is None else root
        return _TreeReader(main, folder, limits, budget or Budget(), dialect, duplicate_keys, shown).run()


def ignored_calls(tree: ImportTree) -> list[Problem]:
    """A problem for each imported file whose `get_secret` calls are passed over without merging it."""
    findings: dict[Blueprint, Finding] = {}
    for branch in tree.branches:
        blueprint = branch.blueprint
        if blueprint is None or blueprint in findings:
            continue
        call = _first_call(blueprint, tree.dialect)
        if call is None:
            continue
        position = blueprint.position_of(call)
        findings[blueprint] = Finding(
            branch.entry.location,
            Reason.IMPORT_HOLDS_CALLS,
            f"the imported file {blueprint.name!r} holds a get_secret call on line "
            f"{position.line if position else 1}, where none is resolved",
            hint="move what holds the calls into the file that is resolved: TOSCA can't be merged"
            if tree.dialect.template
            else "--merge-imports resolves both as one document",
        )
    return problems_of(findings.values())


def _first_call(blueprint: Blueprint, dialect: Dialect) -> dict[Any, Any] | None:
    """The first `get_secret` call of a file that a blueprint of a dialect imports."""
    calls = (
        call
        for document in blueprint.documents
        for _, call in find_calls(document, dialect=dialect_of(document, dialect))
    )
    return next(calls, None)


def _joined(outer: str, entry: Import) -> str:
    """The whole namespace of an import in a file that was imported into one itself."""
    return NAMESPACE_DELIMITER.join(filter(None, (outer, entry.namespace)))


class _TreeReader:
    def __init__(
        self,
        main: Blueprint,
        folder: Folder,
        limits: Limits,
        budget: Budget,
        dialect: Dialect,
        duplicate_keys: DuplicateKeys,
        shown: PurePath,
    ) -> None:
        self._main = main
        self._shown = shown
        self._duplicate_keys = duplicate_keys
        self._dialect = dialect
        self._budget = budget
        self._folder = folder
        self._limits = limits
        self._branches: list[Branch] = []
        self._findings: list[Finding] = []
        self._problems: list[Problem] = []
        self._count = 0
        self._files: dict[Path, Blueprint | None] = {}
        self._seen: set[_Key] = set()
        self._groups: dict[_Key, _Key] = {}

    def run(self) -> ImportTree:
        pending = deque([(self._main, self._folder.base, "", "")])
        while pending:
            importer, beside, path, outer = pending.popleft()
            for entry in tosca_imports_of(importer) if self._dialect.template else imports_of(importer):
                try:
                    branch = self._follow(entry, beside, (path, outer))
                except RefusedImportError as error:
                    message = f"the import {entry.name!r} is refused: {error}"
                    self._findings.append(
                        Finding(entry.location, Reason.IMPORT_REFUSED, message, hint=error.hint)
                    )
                    continue
                if branch is None:
                    continue
                self._branches.append(branch)
                if branch.blueprint is not None:
                    folder = (self._folder.root / branch.path).parent
                    pending.append((branch.blueprint, folder, branch.path, branch.namespace))
        problems = (*problems_of(self._findings, self._budget), *self._problems)
        own = self._folder.base.relative_to(self._folder.root).as_posix()
        return ImportTree(self._main, self._with_merged(), problems, self._dialect, own)

    def _with_merged(self) -> tuple[Branch, ...]:
        """The branches, each with whether it is merged."""
        groups = [
            self._group((branch.target, _joined(branch.outer, branch.entry))) for branch in self._branches
        ]
        holding = {
            group
            for group, branch in zip(groups, self._branches, strict=True)
            if branch.blueprint and _first_call(branch.blueprint, self._dialect) is not None
        }
        return tuple(
            replace(branch, is_merged=not group[1] or group in holding)
            for group, branch in zip(groups, self._branches, strict=True)
        )

    def _group(self, key: _Key) -> _Key:
        """What stands for all imports that are merged together with one."""
        while (above := self._groups.get(key, key)) != key:
            key = above
        return key

    def _join(self, importer: _Key, imported: _Key) -> None:
        """Note that two imports into namespaces are merged together, if at all."""
        if importer[1] and imported[1]:
            one, other = self._group(importer), self._group(imported)
            if one != other:
                self._groups[one] = other

    def _follow(self, entry: Import, beside: Path, importer: _Key) -> Branch | None:
        """Read one import; None when it was met before, or is broken."""
        outer = importer[1]
        namespace = _joined(outer, entry)
        path = None if entry.is_remote else self._find(beside, entry)
        relative = "" if path is None else path.relative_to(self._folder.root).as_posix()
        branch = Branch(entry, outer, namespace, None, relative)
        self._join(importer, branch.key)
        if branch.key in self._seen:
            return None
        self._seen.add(branch.key)
        if path is None:
            return branch
        # Counted once for each namespace: a file that imports itself into one does so without an end.
        self._count += 1
        if self._count > self._limits.imports:
            raise RefusedImportError(f"more than {self._limits.imports} files are imported")
        blueprint = self._read(path, relative)
        if blueprint is None or (blueprint.digest == self._main.digest and not namespace):
            return None  # broken, or a circle that leads back to the main blueprint
        if self._dialect.template:
            return replace(branch, blueprint=blueprint)
        if namespace and any(map(is_types_file, blueprint.documents)):
            # Cloudify's own types have the same names everywhere.
            branch = Branch(entry, outer, "", blueprint, relative)
            if branch.key in self._seen:
                return None
            self._seen.add(branch.key)
            return branch
        renamed = NamespacedBlueprint(blueprint, namespace, self._budget) if namespace else None
        return replace(branch, blueprint=blueprint, renamed=renamed)

    def _find(self, beside: Path, entry: Import) -> Path | None:
        """The file of an import."""
        here = self._folder.root if entry.is_rooted else beside
        return self._folder.find(here, entry.target)

    def _read(self, path: Path, relative: str) -> Blueprint | None:
        if path not in self._files:
            self._files[path] = None
            data = self._folder.read(PurePath(relative), self._limits.size)
            name = (self._shown / relative).as_posix()
            try:
                self._files[path] = read(
                    data,
                    name,
                    self._limits,
                    self._budget,
                    duplicate_keys=self._duplicate_keys,
                    may_be_empty=True,
                )
            except BudgetError:
                raise
            except BlueprintError as error:
                self._problems += error.problems
        return self._files[path]
