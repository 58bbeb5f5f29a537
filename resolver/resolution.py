"""One run over one or several blueprints: read, plan, obtain, place. Where text, plan and service meet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolver.blueprint import Blueprint, Masked, Rendered, check_imports, read, render
from resolver.core.context import Context
from resolver.core.policy import Verdict
from resolver.core.problems import Problem, Reason
from resolver.core.resolve import Placement, Plan
from resolver.core.walk import rebuild
from resolver.errors import BlueprintError, NotPermittedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from resolver.core.document import Position
    from resolver.core.evaluate import GivenInput
    from resolver.core.model import Caller, Secret
    from resolver.core.resolve import CallSite, KeyUse, Survey
    from resolver.service import Service
    from resolver.service.use import KeyStatus, UsedSecret


@dataclass(frozen=True, slots=True)
class BlueprintText:
    """A blueprint to be read.

    Args:
        name: what to call it in messages.
        data: its bytes.
        base: the folder that its local imports are looked up in.
    """

    name: str
    data: bytes = field(repr=False)
    base: Path


@dataclass(frozen=True, slots=True)
class Use:
    """A secret that a run used."""

    key: str
    version: int


class ResolvedBlueprint:
    """A blueprint with the values in their places, in memory. Its repr shows no value.

    Args:
        blueprint: the blueprint as it was read.
        placements: what was put in the place of each call.
        showable: the keys whose values the caller may also see.
    """

    __slots__ = ("_blueprint", "_placements", "_rendered", "_showable")

    def __init__(
        self,
        blueprint: Blueprint,
        placements: Mapping[int, Placement],
        showable: frozenset[str],
    ) -> None:
        self._blueprint = blueprint
        self._placements = placements
        self._showable = showable
        self._rendered: Rendered | None = None

    def __repr__(self) -> str:
        return f"ResolvedBlueprint({self.name!r}, calls={len(self._placements)})"

    @property
    def name(self) -> str:
        """The blueprint's name as it was given."""
        return self._blueprint.name

    @property
    def documents(self) -> list[Any]:
        """The documents of the text as plain data, with the values placed."""
        values = self._values()
        return [rebuild(document, values) for document in self._blueprint.documents]

    @property
    def data(self) -> Any:  # noqa: ANN401 - documents are plain data
        """The document as plain data, with the values placed; a list of them when the text has several."""
        documents = self.documents
        return documents[0] if len(documents) == 1 else documents

    def text(self) -> str:
        """The blueprint's own text, with the values in the place of the calls."""
        return self._render().text

    def _render(self) -> Rendered:
        if self._rendered is None:
            self._rendered = render(self._blueprint, self._values())
        return self._rendered

    def _values(self) -> dict[int, Any]:
        return {node: placement.value for node, placement in self._placements.items()}

    def redacted(self, *, show: bool = False) -> str:
        """The text with each placed value as `!masked KEY`.

        Args:
            show: write out those values that the caller may see.
        """
        results = {
            node: placement.value if show and placement.used <= self._showable else Masked(placement.label)
            for node, placement in self._placements.items()
        }
        return render(self._blueprint, results).text

    @property
    def written_out(self) -> tuple[Position, ...]:
        """Where the text had to be changed outside a call, because an alias lost its anchor."""
        return self._render().written_out

    @property
    def hidden_labels(self) -> list[str]:
        """The keys, as they may be shown, of placed values that the caller may not see."""
        labels = {p.label for p in self._placements.values() if not p.used <= self._showable}
        return sorted(labels)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one run yields.

    Args:
        blueprints: the resolved blueprints, in the order given.
        uses: the secrets used, by key; a key that came out of a secret is left out.
        kept: how many calls were kept because their argument is not known before deployment.
        notes: what the reader should know, without any value.
    """

    blueprints: tuple[ResolvedBlueprint, ...]
    uses: tuple[Use, ...]
    kept: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """What a check tells of one call.

    Args:
        site: where it stands.
        key: the key as it may be shown.
        steps: the path as it may be shown; empty when there is none.
        secret: the secret that would be used, without its value; None when it is not known or not found.
        depends: whether the key depends on the value of a secret, which a check does not decrypt.
    """

    site: CallSite
    key: str
    steps: str
    secret: Secret | None
    depends: bool


@dataclass(frozen=True, slots=True)
class Check:
    """What `--check` finds: every call, and the notes. Problems are raised, not kept here."""

    calls: tuple[CheckedCall, ...]
    kept: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """How blueprints are resolved.

    Args:
        inputs: values given for inputs, by name.
        context: facts about the deployment.
        partial: keep calls whose argument is not known before deployment, rather than refuse them.
        evaluate: evaluate the other functions too, where all their arguments are known.
    """

    inputs: Mapping[str, GivenInput] = field(default_factory=dict, repr=False)
    context: Context = field(default_factory=Context, repr=False)
    partial: bool = False
    evaluate: bool = False


class _Run:
    """The blueprints of one run, read, with all problems found so far."""

    def __init__(self, texts: Sequence[BlueprintText], options: Options) -> None:
        self.blueprints: list[Blueprint] = []
        self.notes: list[str] = []
        self._problems: list[Problem] = []
        for text in texts:
            try:
                blueprint = read(text.data, text.name)
            except BlueprintError as error:
                self._problems += error.problems
                continue
            imports = check_imports(blueprint, text.base)
            self._problems += imports.problems
            self.notes += [warning.message for warning in blueprint.warnings]
            if imports.kept:
                self.notes.append(f"{text.name}: imports left to the manager: {', '.join(imports.kept)}")
            self.blueprints.append(blueprint)
        self.plan = Plan(
            self.blueprints,
            options.inputs,
            options.context,
            partial=options.partial,
            evaluate=options.evaluate,
        )
        self.digests = {blueprint.name: blueprint.digest for blueprint in self.blueprints}

    @property
    def problems(self) -> list[Problem]:
        """All problems so far, in the order of the texts and of the places in each."""
        order = {blueprint.name: number for number, blueprint in enumerate(self.blueprints)}

        def place(problem: Problem) -> tuple[int, int, int]:
            at = problem.position
            return order.get(problem.source, -1), at.line if at else 0, at.column if at else 0

        return sorted([*self._problems, *self.plan.problems], key=place)

    def raise_problems(self) -> None:
        """Raise BlueprintError with all problems, if there are any."""
        if problems := self.problems:
            raise BlueprintError(problems)

    def add(self, reason: Reason, message: str, hint: str) -> None:
        """Add a problem that is not about one place."""
        self._problems.append(Problem(reason, message, hint=hint))


def resolve(
    service: Service,
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
    while uses := run.plan.advance():
        if run.problems:
            _learn_the_rest(service, caller, tenant, run, uses)
            break
        answer = service.use.use(caller, tenant, uses, run.digests)
        for use in uses:
            refusal = answer.refusals.get(use.key)
            if refusal is not None:
                _refuse(run.plan, use, refusal.verdict, tenant)
        if answer.refusals:
            break
        used |= answer.secrets
        told |= {use.key: Use(use.key, used[use.key].version) for use in uses if not use.origin.secrets}
        run.plan.supply({key: secret.value for key, secret in answer.secrets.items()})
    run.raise_problems()
    showable = frozenset(key for key, secret in used.items() if secret.may_show)
    return Resolution(
        tuple(
            ResolvedBlueprint(blueprint, run.plan.results(blueprint).by_node, showable)
            for blueprint in run.blueprints
        ),
        tuple(told[key] for key in sorted(told)),
        run.plan.kept,
        tuple(run.notes),
    )


def check(
    service: Service | None,
    caller: Caller | None,
    tenant: str,
    texts: Sequence[BlueprintText],
    options: Options | None = None,
) -> Check:
    """Say what resolving would use, without decrypting or using anything.

    Args:
        service: where the secrets are; None checks the texts alone.
        caller: who asks; None with no service.
        tenant: the name of the tenant to ask in.
        texts: the blueprints.
        options: how.

    Raises:
        BlueprintError: anything would keep a call from being resolved; all problems together.
        NotPermittedError: the caller may neither list nor use secrets in this tenant.
    """
    run = _Run(texts, options or Options())
    uses = run.plan.advance()
    statuses: Mapping[str, KeyStatus] = {}
    if service is not None and caller is not None and uses:
        statuses = _learn_the_rest(service, caller, tenant, run, uses)
    run.raise_problems()
    calls = [_checked(survey, statuses) for survey in run.plan.survey()]
    return Check(tuple(calls), run.plan.kept, tuple(run.notes))


def _checked(survey: Survey, statuses: Mapping[str, KeyStatus]) -> CheckedCall:
    status = statuses.get(survey.key) if survey.key is not None else None
    return CheckedCall(
        survey.site,
        survey.shown,
        survey.steps,
        None if status is None else status.secret,
        depends=survey.key is None,
    )


def _learn_the_rest(
    service: Service,
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
    for use in uses:
        refusal = statuses[use.key].refusal
        if refusal is not None:
            _refuse(run.plan, use, refusal.verdict, tenant)
    return statuses


def _refuse(plan: Plan, use: KeyUse, verdict: Verdict, tenant: str) -> None:
    if verdict in (Verdict.ABSENT, Verdict.INVISIBLE):
        named = use.origin.inputs and not use.origin.secrets
        plan.refuse(
            use,
            Reason.NOT_FOUND,
            f"secret {use.shown} was not found in tenant {tenant!r}",
            "check the value given for the input"
            if named
            else f"`resolver secrets list -t {tenant}` shows what there is",
        )
    else:
        plan.refuse(
            use,
            Reason.NOT_PERMITTED,
            f"secret {use.shown} may not be used in tenant {tenant!r} by this user and token",
            "`resolver whoami` shows what they may do",
        )
