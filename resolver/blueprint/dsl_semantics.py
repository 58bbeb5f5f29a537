"""Check the names and values of a blueprint together with its imports: what `--check --strict` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from msgspec.structs import replace

from resolver.blueprint.folder import Folder, RefusedImportError
from resolver.blueprint.imports import IMPORTS, VERSION
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.blueprint.merging import entry_of, merge
from resolver.blueprint.positions import EntryLocation, Finding, problems_of
from resolver.blueprint.sections import VERSIONS
from resolver.core.location import follow
from resolver.dsl.definitions import OpenImport
from resolver.dsl.input_types import Match
from resolver.dsl.problems import Reason
from resolver.dsl.semantics.names import Misuse, Outside
from resolver.dsl.semantics.rules import find_misuses
from resolver.validation.regex import match_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path as FilePath

    from resolver.blueprint.document import Blueprint
    from resolver.blueprint.import_tree import AnyBlueprint, ImportTree
    from resolver.core.location import Path
    from resolver.dsl.budget import Budget
    from resolver.dsl.problems import Problem

_WRONG = (Match.INVALID, Match.UNKNOWN)


def semantic_problems(
    tree: ImportTree,
    base: FilePath | None,
    known: Collection[Problem],
    budget: Budget,
    tree_root: FilePath | None = None,
) -> list[Problem]:
    """Check the names and values of a blueprint in Cloudify's DSL together with its imports.

    Args:
        tree: the blueprint with its imports.
        base: the folder of the blueprint, in which its scripts are; None when there is none.
        tree_root: the folder around it that may hold them as well; None for none.
        known: what is wrong with the form; nothing more is said of these places.
        budget: what the run may spend.
    """
    roots = tree.main.documents  # each is taken for a blueprint
    if not any(_is_dsl(root) for root in roots):
        return []
    findings = [found for blueprint in (tree.main, *tree.imported) for found in _foreign(blueprint, budget)]
    told = {(problem.source, problem.path) for problem in known}
    tree = _with_namespaces(tree)
    if len(roots) == 1:
        merged = merge(tree)
        roots = [] if merged.problems else [merged.document]
    homes = _Homes(tree)
    with Folder(base, root=tree_root) as folder:
        has_file = _Files(folder, exists=base is not None).has
        for number, root in enumerate(roots):
            if not _is_dsl(root):
                continue
            left = MAX_PROBLEMS - len(findings)
            found, patterns = find_misuses(root, _outside(tree), has_file, budget, left)
            for misuse in (*found, *_broken_patterns(patterns, budget)):
                location = homes.home_of(misuse.path)
                if len(roots) > 1:
                    location = EntryLocation(tree.main, misuse.path, number)
                if (location.blueprint.name, location.path) not in told:
                    findings.append(
                        Finding(location, Reason.BAD_DEFINITION, misuse.message, hint=misuse.hint)
                    )
    return problems_of(findings[:MAX_PROBLEMS], budget)


def _is_dsl(root: object) -> TypeGuard[dict[Any, Any]]:
    """Whether a document states a version of Cloudify's DSL."""
    return isinstance(root, dict) and root.get(VERSION) in VERSIONS


def _foreign(blueprint: Blueprint, budget: Budget) -> Iterator[Finding]:
    """The first text with letters that Cloudify's parser refuses; those in comments don't matter."""
    if blueprint.text.content.isascii():
        return
    roots = reversed(list(enumerate(blueprint.documents)))
    pending: list[tuple[Path, Any, int]] = [((), root, number) for number, root in roots]
    seen: set[int] = set()
    while pending:
        path, node, number = pending.pop()
        if isinstance(node, str) and not node.isascii():
            location = EntryLocation(blueprint, path, number)
            message = "Cloudify's parser reads ASCII only, and this has other letters"
            yield Finding(location, Reason.BAD_DEFINITION, message)
            return
        if isinstance(node, (dict, list)) and id(node) not in seen:
            seen.add(id(node))
            budget.spend(len(node) + 1)
            steps = list(node.items() if isinstance(node, dict) else enumerate(node))
            for step, each in reversed(steps):
                pending.append(((*path, step), each, number))
                if isinstance(step, str) and not step.isascii():
                    pending.append(((*path, step), step, number))


def _with_namespaces(tree: ImportTree) -> ImportTree:
    """The tree with all that merges into one document, what is in a namespace too."""
    branches = [
        replace(branch, is_merged=branch.renamed is None or not branch.renamed.problems)
        for branch in tree.branches
    ]
    return replace(tree, branches=tuple(branches))


def _outside(tree: ImportTree) -> Outside:
    """What is left to the manager, and what could not be read."""
    unread = [OpenImport("")] if tree.problems or len(tree.main.documents) > 1 else []
    kept = [branch for branch in tree.branches if branch.blueprint and not branch.is_merged]
    unread += [OpenImport(branch.entry.name, branch.namespace) for branch in kept]
    deferred = [
        OpenImport(branch.entry.name, branch.namespace) for branch in tree.branches if not branch.blueprint
    ]
    return Outside((*unread, *deferred), (*unread, *tree.open_imports))


def _broken_patterns(patterns: Sequence[tuple[Path, str]], budget: Budget) -> Iterator[Misuse]:
    if patterns:
        answers = match_all([(pattern, "") for _, pattern in patterns], budget)
        for (path, _), answer in zip(patterns, answers, strict=True):
            if answer in _WRONG:
                yield Misuse(path, f"{str(path[-1])!r} must be a regular expression")


class _Files:
    """Knows which files there are beside a blueprint.

    Args:
        folder: the blueprint's folder.
        exists: whether there is such a folder.
    """

    def __init__(self, folder: Folder, *, exists: bool) -> None:
        self._folder = folder
        self._exists = exists
        self._known: dict[str, bool | None] = {}

    def has(self, name: str) -> bool | None:
        """Whether there is a file; None when it would be outside the folder."""
        if not self._exists:
            return None
        if name not in self._known:
            try:
                path = self._folder.find(self._folder.base, name)
                self._known[name] = path is not None and path.is_file()
            except (RefusedImportError, OSError):
                self._known[name] = None
        return self._known[name]


class _Homes:
    """Knows in which file each entry of a merged document is written.

    Args:
        tree: the blueprint with its imports.
    """

    def __init__(self, tree: ImportTree) -> None:
        self._main = tree.main
        self._files: dict[tuple[Any, Any], list[AnyBlueprint]] = {}
        for source in tree.merged:
            root = source.documents[0] if source.documents else None
            for section, entries in root.items() if isinstance(root, dict) else ():
                for name in entries if isinstance(entries, dict) and section != IMPORTS else ():
                    self._files.setdefault((section, name), []).append(source)

    def home_of(self, path: Path) -> EntryLocation:
        """Where an entry is written: of the files with its name, the one in which its path leads furthest."""
        files = self._files.get((path[0], path[1]), [self._main]) if len(path) > 1 else [self._main]
        return entry_of(max(files, key=lambda source: self._depth(source, path)), path)

    @staticmethod
    def _depth(source: AnyBlueprint, path: Path) -> int:
        stops_at = follow(source.documents[0], path)[1]
        return stops_at or len(path) + 1
