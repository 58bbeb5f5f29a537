"""One run over one or several blueprints: read, plan, obtain, place. Where text, plan and service meet."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.blueprint import (
    DEFAULT_LIMITS,
    Blueprint,
    Tree,
    copied_calls,
    definitions_of,
    held_calls,
    merge,
    read,
    read_tree,
)
from resolver.blueprint.places import with_places
from resolver.blueprint.strict import strict_problems
from resolver.checking import Check, Named, check_calls
from resolver.core.context import Context
from resolver.core.definitions import Definitions
from resolver.core.input_types import undeclared
from resolver.core.near import Suggestions
from resolver.core.policy import Verdict
from resolver.core.problems import Problem, Reason
from resolver.core.providers import ASK_PROVIDER
from resolver.core.resolve import Plan
from resolver.errors import BlueprintError, NotPermittedError, ResolverError, UnavailableError, UsageError
from resolver.patterns import match_all
from resolver.private import why_unreadable
from resolver.resolved import ResolvedBlueprint, Use
from resolver.variables import VARIABLES, Variables

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from resolver.core.answers import KeyStatus, Refusal, UsedSecret
    from resolver.core.document import Source
    from resolver.core.model import Caller, SecretValue
    from resolver.core.resolve import CallSite, KeyUse
    from resolver.core.values import GivenInput, Placement
    from resolver.opening import AnyService


@dataclass(frozen=True, slots=True)
class BlueprintText:
    """A blueprint to be read.

    Args:
        name: what to call it in messages.
        data: its bytes.
        base: the folder that its local imports are looked up in; None when it came without one.
    """

    name: str
    data: bytes = field(repr=False)
    base: Path | None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> BlueprintText:
        """Read a file, no further than a blueprint may be long.

        Raises:
            UsageError: it can't be read.
        """
        name = os.fspath(path)
        try:
            with Path(name).open("rb") as file:
                if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
                    raise IsADirectoryError(0, "Is a directory")
                return cls(name, file.read(DEFAULT_LIMITS.size + 1), Path(name).parent)
        except (OSError, ValueError) as error:
            raise UsageError(f"blueprint {name!r} can't be read: {why_unreadable(error)}") from None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one run yields.

    Args:
        blueprints: the resolved blueprints, in the order given.
        uses: the secrets used, by key; a key that came out of a secret is left out.
        kept: how many calls were kept because their argument is not known before deployment.
        notes: what the reader should know, without any value.
        secrets: the values used, by key; those under keys that came out of a secret, too.
        placed: what was taken out of secrets, and what was made of it, each with its key as it may be shown.
        environment: the values for the variables that were asked for, by name.
    """

    blueprints: tuple[ResolvedBlueprint, ...]
    uses: tuple[Use, ...]
    kept: int
    notes: tuple[str, ...]
    secrets: Mapping[str, SecretValue] = field(default_factory=dict, repr=False)
    placed: tuple[Placement, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Options:
    """How blueprints are resolved.

    Args:
        inputs: values given for inputs, by name.
        context: facts about the deployment.
        partial: keep calls whose argument is not known before deployment, rather than refuse them.
        evaluate: evaluate the other functions too, where all their arguments are known.
        merge_imports: make one document of each blueprint and the files that it imports.
        strict: also check the blueprints against the schema of the DSL.
        environment: keys of secrets that are wanted as they are, by the name of a variable.
    """

    inputs: Mapping[str, GivenInput] = field(default_factory=dict, repr=False)
    context: Context = field(default_factory=Context, repr=False)
    partial: bool = False
    evaluate: bool = False
    merge_imports: bool = False
    strict: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class _Run:
    """The blueprints of one run, read, with all problems found so far."""

    def __init__(self, texts: Sequence[BlueprintText], options: Options) -> None:
        self.blueprints: list[Blueprint] = []
        self.notes: list[str] = []
        self.imports: list[Named] = []
        self._problems: list[Problem] = []
        self._trees: dict[Blueprint, Tree] = {}
        self._merging = options.merge_imports
        self._open: list[str] = []
        self.definitions: dict[int, Sequence[Any]] = {}
        sources: list[Blueprint] = []
        for text in texts:
            try:
                blueprint = read(text.data, text.name)
            except BlueprintError as error:
                self._problems += error.problems
                continue
            self.notes += [warning.message for warning in blueprint.warnings]
            if options.strict:
                self._problems += strict_problems(blueprint)
            sources += self._follow(blueprint, text.base)
            self.blueprints.append(blueprint)
        self.variables = Variables(options.environment)
        asking: list[Source] = [*sources, self.variables]
        self.plan = Plan(
            asking,
            options.inputs,
            options.context,
            partial=options.partial,
            evaluate=options.evaluate,
            definitions=self.definitions,
            match_all=match_all,
        )
        self._sources = sources
        self._check_names(options.inputs)
        self._order = {source.name: number for number, source in enumerate(sources)}
        self.digests = {source.name: source.digest for source in asking}

    def _follow(self, blueprint: Blueprint, base: Path | None) -> Sequence[Blueprint]:
        """Read what a blueprint imports; which blueprints are to be resolved for it."""
        tree = read_tree(blueprint, base)
        self._problems += (*tree.problems, *held_calls(tree, merging=self._merging))
        if tree.kept:
            self.imports += [Named(blueprint.name, name) for name in tree.kept]
            self.notes.append(f"{blueprint.name}: imports left to the manager: {', '.join(tree.kept)}")
            self._open += [name for name in tree.kept if _may_declare_inputs(name)]
        sources = tree.merged if self._merging else (blueprint,)
        if tree.imported:
            defining = definitions_of(tree)
            self.definitions |= {id(root): defining for source in sources for root in source.documents}
        if len(sources) > 1:
            merged = merge(tree)
            self._problems += merged.problems
            self.notes += merged.notes
            self._trees[blueprint] = tree
        return sources

    def _check_names(self, given: Mapping[str, GivenInput]) -> None:
        """Refuse given inputs that nothing declares, where all that may declare inputs was read."""
        roots = [root for blueprint in self.blueprints for root in blueprint.documents]
        are_whole = all(isinstance(root, dict) and "tosca_definitions_version" in root for root in roots)
        if roots and are_whole and not self._open and not self._problems:
            defining = [Definitions(self.definitions.get(id(root), [root])) for root in roots]
            self._problems += undeclared(defining, given)

    def resolved(
        self, blueprint: Blueprint, showable: frozenset[str], uses: Sequence[Use]
    ) -> ResolvedBlueprint:
        """A blueprint with its results, once all is known and there is no problem."""
        placements, document = self._placed(blueprint)
        used = frozenset[str]().union(*(placement.used for placement in placements.values()))
        own = tuple(use for use in uses if use.key in used)
        return ResolvedBlueprint(blueprint, placements, showable, document, own)

    def _placed(self, blueprint: Blueprint) -> tuple[dict[int, Placement], Any]:
        """What is placed in a blueprint, and the document that is written anew, if one is."""
        tree = self._trees.get(blueprint)
        if tree is None:
            return self._placed_alone(blueprint)
        placements: dict[int, Placement] = {}
        replaced: dict[Blueprint, Any] = {}
        for source in tree.merged:
            results = self.plan.results(source)
            placements |= results.by_node
            if results.by_path:
                replaced[source], copies = copied_calls(source, results.by_node, results.by_path)
                placements |= {id(copies[path]): placement for path, placement in results.by_path.items()}
        return placements, merge(tree, replaced).document

    def _placed_alone(self, blueprint: Blueprint) -> tuple[dict[int, Placement], Any]:
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
        document, copies = copied_calls(blueprint, results.by_node, results.by_path)
        placements = results.by_node | {id(copies[path]): item for path, item in results.by_path.items()}
        self.notes.append(
            f"{blueprint.name}: a call that several nodes share has another result in each of them, "
            "so the document is written anew and its comments are gone",
        )
        return placements, document

    @property
    def problems(self) -> list[Problem]:
        """All problems so far, in the order of the texts and of the places in each."""
        found = with_places([*self._problems, *self.plan.problems], self._sources)
        return sorted(found, key=self.place)

    def place(self, item: Problem | CallSite) -> tuple[int, int, int]:
        """Where something stands, for sorting."""
        at = item.position
        return self._order.get(item.source, -1), at.line if at else 0, at.column if at else 0

    def inputs_without_value(self, given: Container[str]) -> Iterator[Named]:
        """The required inputs that have no default and were not given."""
        for blueprint in self.blueprints:
            for root in blueprint.documents:
                for name, declared in Definitions(self.definitions.get(id(root), [root])).inputs():
                    required = declared.get("default") is None and declared.get("required") is not False
                    if required and name not in given:
                        yield Named(blueprint.name, name)

    def raise_problems(self) -> None:
        """Raise BlueprintError with all problems, if there are any."""
        if problems := self.problems:
            raise BlueprintError(problems)

    def add(self, reason: Reason, message: str, hint: str) -> None:
        """Add a problem that is not about one place."""
        self._problems.append(Problem(reason, message, hint=hint))


def resolve(
    service: AnyService,
    caller: Caller,
    tenant: str,
    texts: Sequence[BlueprintText],
    options: Options | None = None,
) -> Resolution:
    """Resolve blueprints, all of them or none.

    Args:
        service: where the secrets are.
        caller: who asks.
        tenant: the name of the tenant to ask in.
        texts: the blueprints.
        options: how.

    Raises:
        BlueprintError: anything kept a call from being resolved; all problems together.
        NotPermittedError: the caller may not use secrets in this tenant, and nothing else is wrong.
        UnavailableError: the store or a key is not available, and nothing else is wrong.
    """
    run = _Run(texts, options or Options())
    used: dict[str, UsedSecret] = {}
    told: dict[str, Use] = {}
    wanted = run.plan.advance()
    if not wanted:
        service.gate.confirm(caller)
    while wanted:
        if run.problems:
            _learn_the_rest(service, caller, tenant, run, wanted)
            break
        answer = service.use.use(caller, tenant, wanted, run.digests)
        if answer.refusals:
            _refuse(run.plan, wanted, answer.refusals, _Keys(service, caller, tenant))
            break
        used |= answer.secrets
        told |= {
            use.key: Use(use.key, used[use.key].version)
            for use in wanted
            if use.placed and not use.origin.secrets
        }
        for use in wanted:
            if use.placed and (at := used[use.key].expired_at) is not None:
                run.notes.append(f"secret {use.shown} has expired, at {at}")
        run.plan.supply({key: secret.value for key, secret in answer.secrets.items()})
        wanted = run.plan.advance()
    run.raise_problems()
    showable = frozenset(key for key, secret in used.items() if secret.may_show)
    uses = tuple(told[key] for key in sorted(told))
    return Resolution(
        tuple(run.resolved(blueprint, showable, uses) for blueprint in run.blueprints),
        uses,
        run.plan.kept,
        tuple(run.notes),
        {key: secret.value for key, secret in used.items()},
        tuple(run.plan.placed()),
        run.variables.values(run.plan),
    )


def resolve_good(
    service: AnyService,
    caller: Caller,
    tenant: str,
    texts: Sequence[BlueprintText],
    options: Options | None = None,
) -> tuple[Resolution, tuple[Problem, ...]]:
    """Resolve those blueprints that can be resolved, and leave out the others.

    Each attempt is a run of its own: all of its blueprints or none, with its own audit records.

    Args:
        service: where the secrets are.
        caller: who asks.
        tenant: the name of the tenant to ask in.
        texts: the blueprints.
        options: how.

    Returns:
        What the good ones came to, and the problems of the others.

    Raises:
        BlueprintError: none can be resolved, it can't be told which of them is at fault, or a variable can't
            be had.
        NotPermittedError: the caller may not use secrets in this tenant.
        UnavailableError: the store or a key is not available.
    """
    left = texts
    problems: list[Problem] = []
    while True:
        try:
            return resolve(service, caller, tenant, left, options), tuple(problems)
        except BlueprintError as error:
            problems += error.problems
            at_fault = {problem.source for problem in error.problems}
            if VARIABLES in at_fault:
                raise BlueprintError(problems) from None
            named = {text.name for text in left}
            # A problem of an imported file names that file; whose import it is shows when each is looked at.
            if not at_fault <= named:
                at_fault |= {
                    text.name
                    for text in left
                    if text.name not in at_fault and check(service, caller, tenant, [text], options).problems
                }
            good = [text for text in left if text.name not in at_fault]
            if not good or len(good) == len(left):
                raise BlueprintError(problems) from None
            left = good


def check(
    service: AnyService | None,
    caller: Caller | None,
    tenant: str,
    texts: Sequence[BlueprintText],
    options: Options | None = None,
) -> Check:
    """Say what resolving would use, and what is wrong, without decrypting or using anything.

    Args:
        service: where the secrets are; None checks the texts alone.
        caller: who asks; None with no service.
        tenant: the name of the tenant to ask in.
        texts: the blueprints.
        options: how.

    Raises:
        NotPermittedError: the caller may neither list nor use secrets in this tenant, and nothing else is
            wrong.
        UnavailableError: the store is not available, and nothing else is wrong.
    """
    options = options or Options()
    run = _Run(texts, options)
    uses = run.plan.advance()
    statuses: Mapping[str, KeyStatus] = {}
    if service is not None and caller is not None:
        if uses:
            statuses = _learn_the_rest(service, caller, tenant, run, uses)
        else:
            service.gate.confirm(caller)
    problems = run.problems
    surveys = sorted(run.plan.survey(), key=lambda survey: run.place(survey.site))
    return Check(
        check_calls(surveys, statuses, problems),
        tuple(problems),
        tuple(run.imports),
        tuple(run.inputs_without_value(options.inputs)),
        run.plan.kept,
        tuple(run.notes),
        tuple(run.blueprints),
    )


def _may_declare_inputs(name: str) -> bool:
    """Whether an import that is left to the manager may declare inputs; plugins and base types don't."""
    return not name.startswith("plugin:") and not name.endswith("types.yaml")


def _learn_the_rest(
    service: AnyService,
    caller: Caller,
    tenant: str,
    run: _Run,
    uses: Sequence[KeyUse],
) -> Mapping[str, KeyStatus]:
    """Add the problems that the store would have raised; nothing is used or decrypted for it."""
    try:
        statuses = service.use.check(caller, tenant, [use.key for use in uses])
    except NotPermittedError as error:
        if not run.problems:
            raise
        run.add(Reason.NOT_PERMITTED, error.message, error.hint)
        return {}
    except UnavailableError as error:
        if not run.problems:
            raise
        run.add(Reason.UNAVAILABLE, error.message, error.hint)
        return {}
    refusals = {key: status.refusal for key, status in statuses.items() if status.refusal}
    _refuse(run.plan, uses, refusals, _Keys(service, caller, tenant))
    return statuses


class _Keys:
    """The keys that a caller may list in a tenant, asked for when a missing one makes them of use."""

    def __init__(self, service: AnyService, caller: Caller, tenant: str) -> None:
        self.tenant = tenant
        self._service = service
        self._caller = caller
        self._near = Suggestions(self._seen)

    def _seen(self) -> Sequence[str]:
        try:
            return [secret.key for secret in self._service.secrets.list(self._caller, self.tenant).items]
        except ResolverError:  # one who may use but not list; or the store is gone, as the run will tell
            return ()

    def suggest(self, key: str) -> str:
        """A question that offers keys close to a missing one; empty without any."""
        return self._near.question(key)


def _refuse(plan: Plan, uses: Sequence[KeyUse], refusals: Mapping[str, Refusal], keys: _Keys) -> None:
    for use in uses:
        refusal = refusals.get(use.key)
        if refusal is None:
            continue
        match refusal.verdict:
            case Verdict.ABSENT | Verdict.INVISIBLE:
                message = f"secret {use.shown} was not found in tenant {keys.tenant!r}"
                plan.refuse(use, Reason.NOT_FOUND, message, _advice(use, keys))
            case Verdict.EXPIRED:
                message = f"secret {use.shown} of tenant {keys.tenant!r} has expired"
                plan.refuse(use, Reason.EXPIRED, message, "give it a new value and time, or another secret")
            case Verdict.UNAVAILABLE:
                # Where a computed key leads is as secret as the key.
                cause = "its provider failed" if use.origin.secrets else refusal.cause
                message = f"secret {use.shown} of tenant {keys.tenant!r} is kept elsewhere: {cause}"
                plan.refuse(use, Reason.UNAVAILABLE, message, ASK_PROVIDER)
            case _:
                plan.refuse(
                    use,
                    Reason.NOT_PERMITTED,
                    f"secret {use.shown} may not be used in tenant {keys.tenant!r} by this user and token",
                    "`resolver whoami` shows what they may do",
                )


def _advice(use: KeyUse, keys: _Keys) -> str:
    """What to do about a missing key. One that was not written in the blueprint is compared with nothing."""
    origin = use.origin
    if origin.inputs and not origin.secrets:
        return "check the value given for the input"
    listing = f"`resolver secrets list -t {keys.tenant}` shows what there is"
    if origin.secrets or origin.context:
        return listing
    return f"{keys.suggest(use.key)} {listing}".lstrip()
