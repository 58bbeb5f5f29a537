"""Looks at all blueprints of a repository together with a tenant's secrets."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from resolver.dsl.problems import Problem, Reason
from resolver.errors import BlueprintError, NotPermittedError
from resolver.resolution.resolve import check
from resolver.resolution.run import MAY_BE_USED, unused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from resolver.core.location import Location
    from resolver.core.model import Caller
    from resolver.core.ports.service import AnyService
    from resolver.resolution.check import Check
    from resolver.resolution.run import BlueprintText, Options


class Findings(NamedTuple):
    """What was found.

    Args:
        blueprints: how many blueprints were looked at.
        problems: what keeps calls from being resolved.
        warnings: what is most likely not meant.
        notes: what could not be looked at.
    """

    blueprints: int
    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    notes: Sequence[str]


def lint(
    service: AnyService, caller: Caller, tenant: str, texts: Iterable[BlueprintText], options: Options
) -> Findings:
    """Check blueprints one by one, and what they ask for all together.

    A file that another one imports is looked at as its import alone.

    Args:
        service: where the secrets are.
        caller: who asks.
        tenant: the name of the tenant that they are resolved in.
        texts: the blueprints.
        options: how they would be resolved.

    Raises:
        NotPermittedError: the caller may neither list nor use secrets in this tenant.
        UnavailableError: the store is not available.
    """
    problems: list[Problem] = []
    checks: list[Check] = []
    for text in texts:
        try:
            checks.append(check(service, caller, tenant, [text], options))
        except BlueprintError as error:
            problems += error.problems
    imported = frozenset().union(*(one.imported for one in checks))
    checks = [one for one in checks if imported.isdisjoint(file.digest for file in one.blueprints)]
    problems += [problem for one in checks for problem in one.problems]
    warnings = [warning for one in checks for warning in one.warnings]
    notes = list(dict.fromkeys(note for one in checks for note in one.notes))
    used = _calls_by_key(checks)
    warnings += [warning for one in checks for warning in _in_parts(one)]
    try:
        listed = service.secrets.list(caller, tenant).items
    except NotPermittedError:
        notes.append("you may not list secrets here: unused ones and similar keys are not looked for")
    else:
        warnings += _alike([secret.key for secret in listed], used)
        own = [secret.key for secret in listed if secret.tenant.name == tenant]
        warnings += unused(own, used, tenant, "delete it, or look at its uses first")
        if "" in used:
            notes.append(MAY_BE_USED)
    try:
        wide = service.usage.unused(caller, tenant).wide_secrets
    except NotPermittedError:
        notes.append("you may not read the audit trail: secrets that too many may know of are not looked for")
    else:
        warnings += [
            _about(
                Reason.TOO_VISIBLE,
                f"secret {one.key!r} has visibility {one.visibility.value}, and its uses of the last 90 days "
                f"need {one.enough.value} only",
                one.key,
                used,
                "visibility is never narrowed: make it again, if nobody else needs it",
            )
            for one in wide
        ]
    return Findings(len(checks), problems, warnings, notes)


_Calls = dict[str, list["Location"]]


def _calls_by_key(checks: Iterable[Check]) -> _Calls:
    """Where each key is asked for; those that are not known yet have the empty one."""
    used: _Calls = defaultdict(list)
    for one in checks:
        for call in one.calls:
            used["" if call.depends_on_value or call.deferred else call.key].append(call.location)
    return dict(used)


def _about(reason: Reason, message: str, key: str, used: _Calls, hint: str) -> Problem:
    """A problem with a secret, at the first place that asks for it."""
    at = next(iter(used.get(key, ())), None)
    if at is None:
        return Problem(reason, message, key=key, hint=hint)
    return Problem(reason, message, at.source, at.position, at.path, key, hint)


def _folded(key: str) -> str:
    return key.lower().replace("-", "_").replace(".", "_")


def _alike(keys: Iterable[str], used: _Calls) -> Iterator[Problem]:
    """Keys that differ by case or by their signs alone."""
    alike: dict[str, list[str]] = {}
    for key in sorted(set(keys)):
        alike.setdefault(_folded(key), []).append(key)
    for group in alike.values():
        if len(group) > 1:
            first = next((key for key in group if key in used), group[0])
            named = " and ".join(map(repr, group[:_MOST_NAMED]))
            message = f"the keys {named} differ only by case or by `-`, `_` and `.`"
            yield _about(Reason.SIMILAR_KEYS, message, first, used, "keep one of them")


_MOST_NAMED = 4
_LEAST_PARTS = 3


def _in_parts(one: Check) -> Iterator[Problem]:
    """Secrets of a blueprint that are most likely parts of one: at least three whose keys begin alike."""
    parts: dict[str, dict[str, Location]] = {}
    for call in one.calls:
        head, _, tail = _folded(call.key).rpartition("_")
        if head and tail and not call.value_path and not call.depends_on_value:
            parts.setdefault(head, {}).setdefault(call.key, call.location)
    for head, calls in parts.items():
        if len(calls) >= _LEAST_PARTS:
            key, at = next(iter(calls.items()))
            named = ", ".join(map(repr, list(calls)[:_MOST_NAMED]))
            yield Problem(
                Reason.IN_PARTS,
                f"{len(calls)} secrets are asked for that belong together: {named}",
                at.source,
                at.position,
                at.path,
                key,
                f"one secret {head!r} of JSON could have them all, each by a step",
            )
