"""Resolving and checking: plan, ask the service, substitute; all of the blueprints or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from resolver.core.model import SecretValue
from resolver.core.redacted import Redacted
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.values import Substitution
from resolver.errors import BlueprintError, BudgetError, NotPermittedError, UnavailableError
from resolver.resolution.check import Check, check_calls
from resolver.resolution.refusals import KeySuggestions, refuse
from resolver.resolution.resolved import ResolvedBlueprint, Use
from resolver.resolution.run import BlueprintRun, BlueprintText, Options, ValueTimes
from resolver.resolution.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller
    from resolver.core.ports.service import ResolvingService
    from resolver.core.results import KeyStatus, UsedSecret
    from resolver.dsl.key_use import KeyUse


class Resolution(Redacted, frozen=True):
    """What one run yields.

    Args:
        blueprints: the resolved blueprints, in the order given.
        uses: the secrets used, by key; a key that came out of a secret is left out.
        deferred: how many calls are left for run time, as their argument is not known before deployment.
        warnings: what is most likely not meant as it is written, with its place.
        notes: what the reader should know, without any value.
        secrets: the values used, by key; those under keys that came out of a secret, too.
        substitutions: what was taken out of secrets or made of that, each with its key as it may be shown.
        environment: the values for the variables that were asked for, by name.
    """

    blueprints: tuple[ResolvedBlueprint, ...]
    uses: tuple[Use, ...]
    deferred: int
    warnings: tuple[Problem, ...]
    notes: tuple[str, ...]
    secrets: Mapping[str, SecretValue] = msgspec.field(default_factory=dict)
    substitutions: tuple[Substitution, ...] = ()
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def told(self) -> list[str]:
        """Warnings and notes as lines, each with its place; without any value."""
        return [
            *map(warning_note, self.warnings),
            *self.notes,
            *(
                f"{blueprint.name}:{position.line}:{position.column}: alias written out"
                for blueprint in self.blueprints
                for position in blueprint.written_out
            ),
        ]


def warning_note(warning: Problem) -> str:
    """A warning as a note, with its place and its reason."""
    at = warning.position
    place = f"{warning.source}:{at.line}:{at.column}" if at else warning.source
    return f"{place}: {warning.message} [{warning.reason}]"


def resolve(
    service: ResolvingService,
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
        BlueprintError: a call could not be resolved; all problems together.
        NotPermittedError: the caller may not use secrets in this tenant, and nothing else is wrong.
        UnavailableError: the store or a key is not available, and nothing else is wrong.
    """
    run = BlueprintRun(texts, options or Options())
    used: dict[str, UsedSecret] = {}
    reported: dict[str, Use] = {}
    wanted = run.begin()
    if not wanted:
        service.gate.confirm(caller)
    while wanted:
        if run.problems:
            _check_keys(service, caller, tenant, run, wanted)
            break
        if run.fail_on & TIMES:  # before anything is decrypted
            statuses = _check_keys(service, caller, tenant, run, wanted)
            run.warn_of_times(wanted, _times_of(statuses))
            if run.problems:
                break
        answer = service.use.use(caller, tenant, wanted, run.digests)
        if answer.refusals:
            refuse(run.plan, wanted, answer.refusals, KeySuggestions(service, caller, tenant))
            break
        used |= answer.secrets
        reported |= {
            use.key: Use(use.key, used[use.key].version)
            for use in wanted
            if use.needs_value and not use.provenance.secrets
        }
        if not run.fail_on & TIMES:
            run.warn_of_times(
                [use for use in wanted if use.needs_value],
                {key: ValueTimes(one.expired_at, one.due_at) for key, one in answer.secrets.items()},
            )
        run.plan.supply({key: secret.value for key, secret in answer.secrets.items()})
        wanted = run.plan.advance()
    run.raise_problems()
    showable = frozenset(key for key, secret in used.items() if secret.may_show)
    uses = tuple(reported[key] for key in sorted(reported))
    return Resolution(
        tuple(run.resolved(blueprint, showable, uses) for blueprint in run.blueprints),
        uses,
        run.plan.deferred,
        tuple(run.warnings),
        tuple(run.notes),
        {key: secret.value for key, secret in used.items()},
        tuple(run.plan.substitutions()),
        run.variables.values(run.plan),
    )


def resolve_good(
    service: ResolvingService,
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
        BudgetError: all attempts together take more than one run may.
        BlueprintError: none can be resolved, which of them is at fault is not known, or a variable can't
            be had.
        NotPermittedError: the caller may not use secrets in this tenant.
        UnavailableError: the store or a key is not available.
    """
    left = texts
    options = options or Options()
    if options.budget is None:  # one for all attempts
        options = msgspec.structs.replace(options, budget=Budget())
    problems: list[Problem] = []
    while True:
        try:
            return resolve(service, caller, tenant, left, options), tuple(problems)
        except BudgetError:
            raise
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
    service: ResolvingService | None,
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
    run = BlueprintRun(texts, options)
    uses = run.begin()
    statuses: Mapping[str, KeyStatus] = {}
    if service is not None and caller is not None:
        if uses:
            statuses = _check_keys(service, caller, tenant, run, uses)
            run.warn_of_times(uses, _times_of(statuses))
        else:
            service.gate.confirm(caller)
        if Reason.UNUSED in options.fail_on:
            listed = service.secrets.list(caller, tenant).items
            run.warn_of_unused(tenant, [one.key for one in listed if one.tenant.name == tenant])
    problems, warnings = run.problems, run.warnings
    surveys = sorted(run.plan.survey(), key=lambda survey: run.order_of(survey.location))
    return Check(
        calls=check_calls(surveys, statuses, problems),
        problems=tuple(problems),
        imports=tuple(run.imports),
        inputs=tuple(run.inputs_without_value(options.inputs)),
        deferred=run.plan.deferred,
        warnings=tuple(sorted([*warnings, *run.plan.left], key=run.order_of)),
        notes=tuple(run.notes),
        blueprints=tuple(run.blueprints),
        imported=frozenset(run.imported),
    )


TIMES = frozenset({Reason.EXPIRED, Reason.DUE})
"""The reasons of warnings about a secret's times."""


def _times_of(statuses: Mapping[str, KeyStatus]) -> Mapping[str, ValueTimes]:
    """The times that are over, of secrets that may be used."""
    return {
        key: ValueTimes(
            status.secret.expires_at if status.expired else None,
            status.secret.rotate_at if status.due else None,
        )
        for key, status in statuses.items()
        if status.secret is not None and status.refusal is None
    }


def _check_keys(
    service: ResolvingService,
    caller: Caller,
    tenant: str,
    run: BlueprintRun,
    uses: Sequence[KeyUse],
) -> Mapping[str, KeyStatus]:
    """Ask for the status of keys without using them, and add what is refused to the run's problems."""
    try:
        statuses = service.use.check(caller, tenant, [use.key for use in uses])
    except (NotPermittedError, UnavailableError) as error:
        if not run.problems:
            raise
        is_refused = isinstance(error, NotPermittedError)
        run.add(Reason.NOT_PERMITTED if is_refused else Reason.UNAVAILABLE, error.message, error.hint)
        return {}
    refusals = {key: status.refusal for key, status in statuses.items() if status.refusal}
    refuse(run.plan, uses, refusals, KeySuggestions(service, caller, tenant))
    return statuses
