"""Results of a check: each call with what it would use, and what a deployment would still need."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from resolver.blueprint import Blueprint
from resolver.core.location import Location
from resolver.core.model import Secret
from resolver.core.policy import Verdict
from resolver.dsl.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resolver.core.results import KeyStatus
    from resolver.dsl.plan import Survey


class CheckedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What a check reports of one call.

    Args:
        location: where it stands.
        key: the key as it may be shown; empty when it is not known.
        value_path: the path into the value as it may be shown; empty when there is none.
        depends_on_value: whether the key depends on the value of a secret, which a check does not decrypt.
        deferred: whether the call would be left for run time.
        exists: whether there is such a secret for the caller; None when that is not known.
        usable: whether the caller may use it; None when that is not known.
        secret: the secret that would be used, without its value; None when it is not known or not found.
        expired: whether it has expired.
        due: whether its value is older than it should get.
        problems: what is wrong with this call.
    """

    location: Location
    key: str
    value_path: str
    depends_on_value: bool
    deferred: bool
    exists: bool | None
    usable: bool | None
    secret: Secret | None
    expired: bool
    due: bool
    problems: tuple[Problem, ...]


class Requirement(NamedTuple):
    """Something that a deployment still needs: an import left to the manager, or an input without a value.

    Args:
        source: the blueprint's name as the user gave it.
        name: what it names.
    """

    source: str
    name: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What `--check` finds.

    Args:
        calls: every call, in the order of the texts.
        problems: what keeps calls from being resolved, the calls' own problems included.
        imports: imports that are left to the manager.
        inputs: required inputs without a default and without a given value.
        deferred: how many calls would be left for run time, as their argument is not known before deployment.
        warnings: what is most likely not meant as it is written, with its place.
        notes: what the reader should know, without any value.
        blueprints: what was read, to find where calls end.
        imported: the digests of the files that they import.
    """

    calls: tuple[CheckedCall, ...]
    problems: tuple[Problem, ...]
    imports: tuple[Requirement, ...]
    inputs: tuple[Requirement, ...]
    deferred: int
    warnings: tuple[Problem, ...]
    notes: tuple[str, ...]
    blueprints: tuple[Blueprint, ...]
    imported: frozenset[str] = frozenset()


def check_calls(
    surveys: Iterable[Survey],
    statuses: Mapping[str, KeyStatus],
    problems: Iterable[Problem],
) -> tuple[CheckedCall, ...]:
    """Join what the text, the store and the problems say of each call.

    Args:
        surveys: the calls, in the order they are reported in.
        statuses: what the store says, by key; empty when none was asked.
        problems: all problems of the run.
    """
    by_location: dict[Location, list[Problem]] = {}
    for problem in problems:
        # A location is compared as a whole: calls within one another share a path, but not a position.
        by_location.setdefault(Location(problem.source, problem.position, problem.path), []).append(problem)
    return tuple(
        _checked(survey, statuses, tuple(by_location.get(survey.location, ()))) for survey in surveys
    )


def _checked(survey: Survey, statuses: Mapping[str, KeyStatus], problems: tuple[Problem, ...]) -> CheckedCall:
    status = None if survey.key is None else statuses.get(survey.key)
    secret = None if status is None else status.secret
    absent = status is not None and status.refusal is not None and status.refusal.verdict is Verdict.ABSENT
    return CheckedCall(
        location=survey.location,
        key=_shown_key(survey, found=secret is not None),
        value_path=survey.value_path,
        depends_on_value=survey.depends_on_value,
        deferred=survey.deferred,
        exists=True if secret is not None else False if absent else None,
        usable=None if status is None else status.refusal is None,
        secret=secret,
        expired=status is not None and status.expired,
        due=status is not None and status.due,
        problems=problems,
    )


def _shown_key(survey: Survey, *, found: bool) -> str:
    """A key as a report may show it: words of an input or the context that name no secret may be anything."""
    key, provenance = survey.key, survey.provenance
    if key is None:
        return ""
    given = bool(provenance.inputs) or provenance.context
    return provenance.show(key) if provenance.secrets or (given and not found) else key
