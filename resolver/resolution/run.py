"""The blueprints of one run: what they are read from, what they import, and the problems found in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from resolver.blueprint import (
    DEFAULT_LIMITS,
    AnyBlueprint,
    Blueprint,
    DuplicateKeys,
    ImportTree,
    copy_shared_calls,
    definitions_of,
    ignored_calls,
    merge,
    read,
    read_tree,
)
from resolver.blueprint.folder import Folder
from resolver.blueprint.imports import VERSION_PREFIX
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.blueprint.near_misses import near_misses
from resolver.blueprint.positions import EntryLocation, Finding, problems_of, with_positions
from resolver.config.files import unreadable
from resolver.core.formats import DialectName
from resolver.core.redacted import Redacted
from resolver.dsl.budget import Budget
from resolver.dsl.context import DeploymentContext
from resolver.dsl.definitions import Definitions
from resolver.dsl.dialects import DIALECTS, VERSION, dialect_of, is_unknown, version_of
from resolver.dsl.input_types import undeclared
from resolver.dsl.plan import Plan
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.typed_places import misfits
from resolver.dsl.values import GivenInput
from resolver.errors import BlueprintError, BudgetError
from resolver.resolution.check import Requirement
from resolver.resolution.resolved import ResolvedBlueprint, Use
from resolver.resolution.undeclared_inputs import undeclared_inputs
from resolver.resolution.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from resolver.core.location import Location
    from resolver.dsl.input_types import Match
    from resolver.dsl.key_use import KeyUse
    from resolver.dsl.source import Source
    from resolver.dsl.values import Substitution


class ValueTimes(NamedTuple):
    """Since when a secret has expired, and its value is due for rotation; None where that is not so."""

    expired_at: str | None
    due_at: str | None


NO_TIMES = ValueTimes(None, None)


MAY_BE_USED = "calls whose key is not known yet may use some of the secrets named as unused"


def unused(keys: Iterable[str], used: Container[str | None], tenant: str, hint: str) -> Iterator[Problem]:
    """Warnings of secrets that no call of some blueprints asks for.

    Args:
        keys: the keys that are there.
        used: those that are asked for.
        tenant: the name of their tenant.
        hint: what to do with such a secret.
    """
    for key in keys:
        if key not in used:
            message = f"secret {key!r} of tenant {tenant!r} is asked for by none of these blueprints"
            yield Problem(Reason.UNUSED, message, key=key, hint=hint)


class BlueprintText(Redacted, frozen=True):
    """A blueprint to be read.

    Args:
        name: what to call it in messages.
        data: its bytes.
        base: the folder that its local imports are looked up in; None when it came without one.
        root: a folder around that one, within which imports may lead out of it; None for none.
        files: what it imports, by the paths from the root of its tree, where nothing is read from a disk;
            then `base` and `root` are paths in that tree.

    Raises:
        UsageError: `base` is not within `root`.
    """

    name: str
    data: bytes
    base: Path | None
    root: Path | None = None
    files: Mapping[str, bytes] | None = None

    def __post_init__(self) -> None:
        if self.root is not None and self.files is None:
            Folder(self.base, root=self.root).close()

    @classmethod
    def read(cls, path: str | os.PathLike[str], root: Path | None = None) -> BlueprintText:
        """Read a file, no further than a blueprint may be long.

        Args:
            path: its path.
            root: a folder around the file's, within which imports may lead out of that; None for none.

        Raises:
            UsageError: it can't be read, or is not within `root`.
        """
        name = os.fspath(path)
        try:
            with Path(name).open("rb") as file:
                if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
                    raise IsADirectoryError(0, "Is a directory")
                return cls(name, file.read(DEFAULT_LIMITS.size + 1), Path(name).parent, root)
        except (OSError, ValueError) as error:
            raise unreadable(f"blueprint {name!r}", name, error) from None


class Options(Redacted, frozen=True):
    """How blueprints are resolved.

    Args:
        inputs: values given for inputs, by name.
        context: facts about the deployment.
        partial: defer calls whose argument is not known before deployment, rather than refuse them.
        evaluate: evaluate the other functions too, where all their arguments are known.
        merge_imports: make one document of each blueprint and the files that it imports.
        strict: also check the blueprints against the schema and the rules of the DSL.
        fail_on: reasons of warnings that are errors in this run.
        dialect: what documents are read as whose version leaves it open.
        allow_duplicate_keys: let the last of a key's values count where it stands twice in one mapping.
        environment: keys of secrets that are wanted as they are, by the name of a variable.
        budget: what the run may spend; None for what any run may.
    """

    inputs: Mapping[str, GivenInput] = msgspec.field(default_factory=dict)
    context: DeploymentContext = msgspec.field(default_factory=DeploymentContext)
    partial: bool = False
    evaluate: bool = False
    merge_imports: bool = False
    strict: bool = False
    fail_on: frozenset[Reason] = frozenset()
    dialect: DialectName | None = None
    allow_duplicate_keys: bool = False
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    budget: Budget | None = None

    @property
    def duplicate_keys(self) -> DuplicateKeys:
        """What becomes of keys that stand twice in one mapping."""
        return DuplicateKeys.ALLOWED if self.allow_duplicate_keys else DuplicateKeys.HARMLESS


class BlueprintRun:
    """The blueprints of one run, read, with all problems found so far."""

    def __init__(self, texts: Sequence[BlueprintText], options: Options) -> None:
        self.budget = options.budget or Budget()
        self.blueprints: list[Blueprint] = []
        self.notes: list[str] = []
        self.imports: list[Requirement] = []
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self.fail_on = options.fail_on | ({Reason.TEXT_FOR_TYPE} if options.strict else frozenset())
        self._duplicate_keys = options.duplicate_keys
        self._trees: dict[Blueprint, ImportTree] = {}
        self._read: dict[str, Blueprint] = {}
        self._checked: list[tuple[ImportTree, BlueprintText]] = []
        self._merging = options.merge_imports
        self._dialect = None if options.dialect is None else DIALECTS[options.dialect]
        self.definitions: dict[int, Definitions] = {}
        sources: list[AnyBlueprint] = []
        for text in texts:
            try:
                blueprint = read(
                    text.data, text.name, budget=self.budget, duplicate_keys=options.duplicate_keys
                )
            except BudgetError:
                raise
            except BlueprintError as error:
                self._problems += error.problems
                continue
            self._refuse_unknown(blueprint)
            sources += self._follow(blueprint, text)
            self.blueprints.append(blueprint)
        if options.strict:
            self._check_strictly()
        self.variables = Variables(options.environment)
        asking: list[Source] = [*sources, self.variables]
        self.plan = Plan(
            asking,
            options.inputs,
            options.context,
            partial=options.partial,
            evaluate=options.evaluate,
            definitions=self.definitions,
            match_all=self._match_all,
            budget=self.budget,
        )
        self._sources = sources
        self._check_names(options.inputs)
        self._order = {name: number for number, name in enumerate(self._read)}
        self.digests = {source.name: source.digest for source in asking}

    def _match_all(self, pairs: Sequence[tuple[str, str]]) -> Sequence[Match]:
        from resolver.validation.regex import match_all  # noqa: PLC0415 - few blueprints have patterns

        return match_all(pairs, self.budget)

    def begin(self) -> list[KeyUse]:
        """Evaluate what can be evaluated without any value, and warn of what is known by then.

        Returns:
            The keys whose values are needed, as `Plan.advance` gives them.
        """
        uses = self.plan.advance()
        for source in self._sources:
            self._warn(islice(self._texts_for_types(source), MAX_PROBLEMS))
        return uses

    def _texts_for_types(self, source: AnyBlueprint) -> Iterator[Problem]:
        """A warning for each place where a key alone gives text, and its type takes none."""
        texts = self.plan.texts(source)
        several = len(source.documents) > 1
        for number, document in enumerate(source.documents if texts else ()):
            definitions = self.definitions[id(document)]
            for path, call, wanted in misfits(document, definitions, texts):
                location = texts[id(call)].location()
                yield Problem(
                    Reason.TEXT_FOR_TYPE,
                    f"a key alone gives text, where the type takes {wanted}",
                    source.name,
                    location.position,
                    (f"document {number + 1}", *path) if several else path,
                    hint="store JSON under the key, and give steps that lead to the value: "
                    f"{{ {definitions.dialect.get_secret}: [KEY, STEP] }}",
                    line_text=source.line_at(location.position) if location.position else "",
                )

    def warn_of_times(self, uses: Sequence[KeyUse], times: Mapping[str, ValueTimes]) -> None:
        """Warn of secrets that have expired, or whose value is older than it should get, at their calls."""
        for use in uses:
            expired_at, due_at = times.get(use.key, NO_TIMES)
            if expired_at is not None:
                message = f"secret {use.shown} has expired, at {expired_at}"
                hint = "a new value and a new time end this: `resolver secrets update KEY --expires TIME`"
                self._warn(self.plan.at_calls(use, Reason.EXPIRED, message, hint))
            if due_at is not None:
                message = f"the value of secret {use.shown} should have been replaced by {due_at}"
                hint = "who may update it stores a new one: `resolver secrets update KEY`"
                self._warn(self.plan.at_calls(use, Reason.DUE, message, hint))

    def warn_of_unused(self, tenant: str, keys: Iterable[str]) -> None:
        """Warn of secrets that no call of these blueprints asks for."""
        used = {survey.key for survey in self.plan.survey()}  # None for one that is not known yet
        hint = "delete it, or check the blueprints that use it together with these"
        self._warn(unused(keys, used, tenant, hint))
        if None in used:
            self.notes.append(MAY_BE_USED)

    @property
    def trees(self) -> Sequence[tuple[ImportTree, BlueprintText]]:
        """The blueprints with what they import, and the texts that they were read from."""
        return self._checked

    @property
    def imported(self) -> Mapping[str, tuple[Blueprint, Blueprint]]:
        """The files that blueprints of the run import, by their digests, with one that imports each."""
        return {
            file.digest: (file, tree.main)
            for tree, _ in self._checked
            for file in tree.imported
            if file.digest != tree.main.digest
        }

    def _check_strictly(self) -> None:
        """Check all files, each once: what a blueprint of the run imports as an import of it."""
        from resolver.blueprint.dsl_schema import strict_problems  # noqa: PLC0415 - only where it is wanted

        includes = self.imported
        trees = [(tree, text) for tree, text in self._checked if tree.main.digest not in includes]
        for tree, _ in trees:
            self._check_schema(tree.main)
        for file, main in includes.values():
            if not dialect_of(main.documents[0], self._dialect).template:
                self._problems += strict_problems(file, self.budget, included_by=main)
        for tree, text in trees:
            self._check_rules(tree, text)

    def _check_schema(self, blueprint: Blueprint) -> None:
        """Check a blueprint against the schema of the DSL; there is none of TOSCA."""
        from resolver.blueprint.dsl_schema import strict_problems  # noqa: PLC0415 - only where it is wanted

        findings = [
            Finding(
                EntryLocation(blueprint, (VERSION,), number),
                Reason.SCHEMA,
                f"there is no schema of {version_of(root) or dialect_of(root, self._dialect).name} "
                "to check with",
                hint="leave out --strict",
            )
            for number, root in enumerate(blueprint.documents)
            if dialect_of(root, self._dialect).template
        ]
        self._problems += problems_of(findings, self.budget) or strict_problems(blueprint, self.budget)

    def _check_rules(self, tree: ImportTree, text: BlueprintText) -> None:
        """Check what names and values of a blueprint in Cloudify's DSL must fulfil, beyond its schema."""
        from resolver.blueprint.dsl_semantics import semantic_problems  # noqa: PLC0415 - only where it is wanted

        self._problems += semantic_problems(tree, text.base, self._problems, self.budget, text.root)

    def _refuse_unknown(self, blueprint: Blueprint) -> None:
        """Refuse documents of a version of TOSCA that is not known, unless the user said what it is."""
        findings = [
            Finding(
                EntryLocation(blueprint, (VERSION,), number),
                Reason.UNKNOWN_VERSION,
                f"the {VERSION} {version_of(root)!r} is not known",
                hint=f"--dialect says what it is read as: {', '.join(DIALECTS)}",
            )
            for number, root in enumerate(blueprint.documents)
            if self._dialect is None and is_unknown(version_of(root))
        ]
        self._problems += problems_of(findings, self.budget)

    def _follow(self, blueprint: Blueprint, text: BlueprintText) -> Sequence[AnyBlueprint]:
        """Read what a blueprint imports; which files are to be resolved for it."""
        dialect = dialect_of(blueprint.documents[0], self._dialect)
        tree = read_tree(
            blueprint,
            text.base,
            root=text.root,
            files=text.files,
            budget=self.budget,
            dialect=dialect,
            duplicate_keys=self._duplicate_keys,
        )
        merging = self._merging and not dialect.template
        if self._merging and not merging and tree.imported:
            self.add(
                Reason.IMPORT_REFUSED,
                f"{blueprint.name}: imports of TOSCA can't be merged",
                "leave out --merge-imports; the orchestrator reads the files",
            )
        for each in (blueprint, *tree.imported):
            self._read[each.name] = each
            self._warn(each.warnings)
            self._warn(near_misses(each, self.budget, dialect_of(each.documents[0], dialect)))
        self._problems += (*tree.problems, *(() if merging else ignored_calls(tree)))
        self._checked.append((tree, text))
        if tree.deferred:
            self.imports += [Requirement(blueprint.name, name) for name in tree.deferred]
            self.notes.append(f"{blueprint.name}: imports left to the manager: {', '.join(tree.deferred)}")
        sources = tree.merged if merging else (blueprint,)
        open_imports = tree.open_imports
        if tree.imported:
            defining = Definitions(definitions_of(tree, self.budget), self.budget, open_imports, dialect)
            self.definitions |= {id(root): defining for source in sources for root in source.documents}
        else:
            for root in blueprint.documents:
                self.definitions[id(root)] = Definitions(
                    [root], self.budget, open_imports, dialect_of(root, self._dialect)
                )
        if not tree.problems:  # else a file that may declare inputs was not read
            for each in (file for file in tree.merged if isinstance(file, Blueprint)):
                self._warn(undeclared_inputs(each, partial(self._defining, blueprint)))
        if len(sources) > 1:
            merged = merge(tree)
            self._problems += merged.problems
            self.notes += merged.notes
            self._trees[blueprint] = tree
        return sources

    def _defining(self, main: Blueprint, document: object) -> Definitions | None:
        """What is defined for a document of a blueprint or an import; None for what is not the DSL."""
        root = main.documents[0] if len(main.documents) == 1 else document
        found = self.definitions.get(id(root))
        if found is None or not found.is_whole:
            return None
        is_dsl = found.dialect.template or version_of(root).startswith(VERSION_PREFIX)
        return found if is_dsl else None

    def _check_names(self, given: Mapping[str, GivenInput]) -> None:
        """Refuse given inputs that nothing declares, where all that may declare inputs was read."""
        roots = [root for blueprint in self.blueprints for root in blueprint.documents]
        are_whole = all(isinstance(root, dict) and VERSION in root for root in roots)
        if roots and are_whole and not self._problems:
            self._problems += undeclared([self.definitions[id(root)] for root in roots], given)

    def resolved(
        self, blueprint: Blueprint, showable: frozenset[str], uses: Sequence[Use]
    ) -> ResolvedBlueprint:
        """A blueprint with its results, once all is known and there is no problem."""
        substitutions, document = self._substitutions(blueprint)
        used = frozenset[str]().union(*(substitution.used for substitution in substitutions.values()))
        own = tuple(use for use in uses if use.key in used)
        tree = next(tree for tree, _ in self._checked if tree.main is blueprint)
        files = {blueprint.name, *(file.name for file in tree.imported)}
        warnings = tuple(each for each in self.warnings if each.source in files)
        return ResolvedBlueprint(blueprint, substitutions, showable, document, own, warnings)

    def _substitutions(self, blueprint: Blueprint) -> tuple[dict[int, Substitution], Any]:
        """What is substituted in a blueprint, and the document that is written anew, if one is."""
        tree = self._trees.get(blueprint)
        if tree is None:
            return self._substitutions_alone(blueprint)
        substitutions: dict[int, Substitution] = {}
        replaced: dict[AnyBlueprint, Any] = {}
        for source in tree.merged:
            results = self.plan.results(source)
            substitutions |= results.by_node
            if results.by_path:
                replaced[source], copies = copy_shared_calls(source, results.by_node, results.by_path)
                substitutions |= {
                    id(copies[path]): substitution for path, substitution in results.by_path.items()
                }
        return substitutions, merge(tree, replaced).document

    def _substitutions_alone(self, blueprint: Blueprint) -> tuple[dict[int, Substitution], Any]:
        results = self.plan.results(blueprint)
        if not results.by_path:
            return results.by_node, None
        if len(blueprint.documents) > 1:
            self.add(
                Reason.NOT_KNOWN_YET,
                f"{blueprint.name}: a call that several nodes share has another result in each of them",
                "write it out in each node, or give the documents one by one",
            )
            self.raise_problems()
        document, copies = copy_shared_calls(blueprint, results.by_node, results.by_path)
        substitutions = results.by_node | {id(copies[path]): item for path, item in results.by_path.items()}
        self.notes.append(
            f"{blueprint.name}: a call that several nodes share has another result in each of them, "
            "so the document is written anew and its comments are gone",
        )
        return substitutions, document

    def _warn(self, warnings: Iterable[Problem]) -> None:
        """Add warnings, or problems where this run fails on them."""
        for warning in warnings:
            (self._problems if warning.reason in self.fail_on else self._warnings).append(warning)

    @property
    def warnings(self) -> list[Problem]:
        """All warnings so far, in the order of the texts and of the positions in each."""
        refused = {
            (each.source, each.path[:-1]) for each in self._problems if each.reason is Reason.BAD_DEFINITION
        }
        left = [
            each
            for each in self._warnings
            if each.reason is not Reason.UNDECLARED_INPUT or (each.source, each.path) not in refused
        ]
        return sorted(with_positions(left, list(self._read.values()), self.budget), key=self.order_of)

    @property
    def problems(self) -> list[Problem]:
        """All problems so far, in the order of the texts and of the positions in each."""
        found = with_positions([*self._problems, *self.plan.problems], list(self._read.values()), self.budget)
        return sorted(found, key=self.order_of)

    def order_of(self, item: Problem | Location) -> tuple[int, int, int]:
        """A key to sort by where things stand: the text, line and column."""
        at = item.position
        return self._order.get(item.source, -1), at.line if at else 0, at.column if at else 0

    def inputs_without_value(self, given: Container[str]) -> Iterator[Requirement]:
        """The required inputs that have no default and were not given."""
        for blueprint in self.blueprints:
            for root in blueprint.documents:
                for name, declared in self.definitions[id(root)].inputs():
                    required = declared.get("default") is None and declared.get("required") is not False
                    if required and name not in given:
                        yield Requirement(blueprint.name, name)

    def raise_problems(self) -> None:
        """Raise BlueprintError with all problems, if there are any."""
        if problems := self.problems:
            raise BlueprintError(problems, self.warnings)

    def add(self, reason: Reason, message: str, hint: str) -> None:
        """Add a problem that is not about one location."""
        self._problems.append(Problem(reason, message, hint=hint))
