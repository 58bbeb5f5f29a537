"""A blueprint with the files that it imports.

A local import inside the blueprint's folder is read; what belongs to the manager (URLs, plugins, other
blueprints, and files that are not there) is deferred to it. Files are visited in the order in
which Cloudify's parser merges them: breadth first.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path, PurePath

import msgspec

from resolver.blueprint.document import Blueprint
from resolver.blueprint.folder import Folder, RefusedImportError
from resolver.blueprint.imports import Import, imports_of, version_of
from resolver.blueprint.limits import DEFAULT_LIMITS, DuplicateKeys, Limits
from resolver.blueprint.positions import Finding, problems_of
from resolver.blueprint.reader import read
from resolver.dsl.budget import Budget
from resolver.dsl.definitions import NAMESPACE_DELIMITER, OpenImport
from resolver.dsl.dialects import CLOUDIFY, Dialect, dialect_of
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.walk import find_calls
from resolver.errors import BlueprintError, BudgetError


class Branch(msgspec.Struct, frozen=True):
    """One import that was followed, or left to the manager.

    Args:
        entry: the import.
        outer: the namespace that the importing file itself was imported into; empty for none.
        blueprint: what was read; None for an import that is left to the manager.
        path: the file's path from the main blueprint's folder; empty for one that is left to the manager.
    """

    entry: Import
    outer: str
    blueprint: Blueprint | None
    path: str

    @property
    def namespace(self) -> str:
        """The whole namespace that it is imported into; empty for none."""
        return NAMESPACE_DELIMITER.join(filter(None, (self.outer, self.entry.namespace)))


class ImportTree(msgspec.Struct, frozen=True):
    """A blueprint and all that it imports.

    Args:
        main: the blueprint itself.
        branches: the imports of all files, each file once for each namespace.
        problems: imports that may not be read, and what is wrong in those that were.
        dialect: the language of the main blueprint.
    """

    main: Blueprint
    branches: tuple[Branch, ...]
    problems: tuple[Problem, ...]
    dialect: Dialect = CLOUDIFY

    @property
    def imported(self) -> tuple[Blueprint, ...]:
        """The files that were read, each once."""
        return tuple(dict.fromkeys(branch.blueprint for branch in self.branches if branch.blueprint))

    @property
    def merged(self) -> tuple[Blueprint, ...]:
        """What makes one document: the main blueprint, and the files imported without a namespace."""
        plain = (branch.blueprint for branch in self.branches if branch.blueprint and not branch.namespace)
        return tuple(dict.fromkeys((self.main, *plain)))

    @property
    def deferred(self) -> tuple[str, ...]:
        """The imports that are left to the manager, as they are written."""
        return tuple(dict.fromkeys(branch.entry.name for branch in self.branches if not branch.blueprint))

    @property
    def open_imports(self) -> tuple[OpenImport, ...]:
        """The imports that are left to the manager and may define inputs and node templates."""
        return tuple(
            OpenImport(branch.entry.name, branch.namespace)
            for branch in self.branches
            if not branch.blueprint and not branch.entry.defines_types_only
        )


def read_tree(
    main: Blueprint,
    base: Path | None,
    limits: Limits = DEFAULT_LIMITS,
    budget: Budget | None = None,
    dialect: Dialect = CLOUDIFY,
    *,
    duplicate_keys: DuplicateKeys = DuplicateKeys.HARMLESS,
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
    """
    with Folder(base, version_of(main)) as folder:
        tree = _TreeReader(main, folder, limits, budget or Budget(), duplicate_keys).run()
        return msgspec.structs.replace(tree, dialect=dialect)


def ignored_calls(tree: ImportTree, *, merging: bool = False) -> list[Problem]:
    """A problem for each imported file whose `get_secret` calls would be passed over.

    Args:
        tree: the blueprint with its imports.
        merging: the imports become a part of the blueprint, as far as they have no namespace.
    """
    findings: dict[Blueprint, Finding] = {}
    for branch in tree.branches:
        blueprint = branch.blueprint
        if blueprint is None or blueprint in findings or (merging and not branch.namespace):
            continue
        call = next(
            (
                call
                for document in blueprint.documents
                for _, call in find_calls(document, dialect=dialect_of(document, tree.dialect))
            ),
            None,
        )
        if call is None:
            continue
        position = blueprint.position_of(call)
        findings[blueprint] = Finding(
            branch.entry.location,
            Reason.IMPORT_HOLDS_CALLS,
            f"the imported file {blueprint.name!r} holds a get_secret call on line "
            f"{position.line if position else 1}, where none is resolved",
            hint="import it without a namespace: --merge-imports can't merge one that has one"
            if branch.namespace
            else "--merge-imports resolves both as one document",
        )
    return problems_of(findings.values())


class _TreeReader:
    def __init__(
        self,
        main: Blueprint,
        folder: Folder,
        limits: Limits,
        budget: Budget,
        duplicate_keys: DuplicateKeys,
    ) -> None:
        self._main = main
        self._duplicate_keys = duplicate_keys
        self._budget = budget
        self._folder = folder
        self._limits = limits
        self._branches: list[Branch] = []
        self._findings: list[Finding] = []
        self._problems: list[Problem] = []
        self._count = 0
        self._files: dict[Path, Blueprint | None] = {}
        self._seen: set[tuple[Path | str, str]] = set()

    def run(self) -> ImportTree:
        pending = deque([(self._main, self._folder.root, "")])
        while pending:
            importer, beside, outer = pending.popleft()
            for entry in imports_of(importer):
                try:
                    branch = self._follow(entry, beside, outer)
                except RefusedImportError as error:
                    message = f"the import {entry.name!r} is refused: {error}"
                    self._findings.append(Finding(entry.location, Reason.IMPORT_REFUSED, message))
                    continue
                if branch is None:
                    continue
                self._branches.append(branch)
                if branch.blueprint is not None:
                    folder = (self._folder.root / branch.path).parent
                    pending.append((branch.blueprint, folder, branch.namespace))
        problems = (*problems_of(self._findings, self._budget), *self._problems)
        return ImportTree(self._main, tuple(self._branches), problems)

    def _follow(self, entry: Import, beside: Path, outer: str) -> Branch | None:
        """Read one import; None when it was met before, or is broken."""
        path = None if entry.is_remote else self._folder.find(beside, entry.target)
        relative = "" if path is None else path.relative_to(self._folder.root).as_posix()
        branch = Branch(entry, outer, None, relative)
        seen = (path or entry.target, branch.namespace)
        if seen in self._seen:
            return None
        self._seen.add(seen)
        if path is None:
            return branch
        # Counted once for each namespace: a file that imports itself into one does so without an end.
        self._count += 1
        if self._count > self._limits.imports:
            raise RefusedImportError(f"more than {self._limits.imports} files are imported")
        blueprint = self._read(path, relative)
        if blueprint is None or (blueprint.digest == self._main.digest and not branch.namespace):
            return None  # broken, or a circle that leads back to the main blueprint
        return Branch(entry, outer, blueprint, relative)

    def _read(self, path: Path, relative: str) -> Blueprint | None:
        if path not in self._files:
            self._files[path] = None
            data = self._folder.read(PurePath(relative), self._limits.size)
            name = (PurePath(self._main.name).parent / relative).as_posix()
            try:
                self._files[path] = read(
                    data, name, self._limits, self._budget, duplicate_keys=self._duplicate_keys
                )
            except BudgetError:
                raise
            except BlueprintError as error:
                self._problems += error.problems
        return self._files[path]
