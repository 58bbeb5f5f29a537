"""The plan of one run: which calls there are, which keys they need now, and what is put in their places.

A caller drives it in rounds, because a key may be computed from another secret's value::

    plan = Plan(sources, inputs)
    while uses := plan.advance():
        plan.supply(values_of(uses))
    results = [plan.results(source) for source in sources]

Nothing is placed unless everything is known and there is no problem.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from resolver.core.location import Location, format_path
from resolver.core.provenance import WRITTEN
from resolver.dsl.calls import GET_SECRET, GetSecret, holds_call
from resolver.dsl.context import DeploymentContext
from resolver.dsl.definitions import Definitions
from resolver.dsl.evaluate import Evaluator
from resolver.dsl.input_types import check_inputs, match_none, named_secrets
from resolver.dsl.problems import Fault, Problem, Reason
from resolver.dsl.values import Need, Needed, Substitution, Values
from resolver.dsl.walk import find_calls, find_occurrences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.location import Path
    from resolver.core.model import SecretValue
    from resolver.core.provenance import Provenance
    from resolver.dsl.input_types import MatchAll
    from resolver.dsl.source import Source
    from resolver.dsl.values import GivenInput


MAX_PLACED = 64 * 1024 * 1024
"""Most characters that one run puts into blueprints: a short text may ask for a long value very often."""


@dataclass(slots=True)
class KeyUse:
    """One key that a round needs, and the calls that need it.

    Args:
        key: the secret's key.
        provenance: what the key was computed from.
        calls: the calls, in the order of the text.
        needs_value: whether its value is wanted; not when an input only names it.
    """

    key: str = field(repr=False)
    provenance: Provenance
    calls: list[Call] = field(default_factory=list)
    needs_value: bool = True

    @property
    def shown(self) -> str:
        """The key as a message or a record may show it, quoted when it stands in the blueprint."""
        return self.provenance.show(self.key)

    @property
    def calls_total(self) -> int:
        """How many calls need it."""
        return len(self.calls)

    @property
    def sources(self) -> frozenset[str]:
        """The names of the blueprints that need it."""
        return frozenset(call.source.name for call in self.calls)

    def locations(self, most: int) -> list[Location]:
        """Where its first calls stand; only theirs are worked out."""
        return [call.location() for call in self.calls[:most]]


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of one call before any value is there.

    Args:
        location: where it stands; the path is that of the outermost call around it.
        key: the key it asks for; None when it can't be told.
        provenance: what the key was computed from.
        value_path: the path into the value as it may be shown; empty when there is none.
        depends_on_value: whether the key depends on the value of a secret, which is not there.
        deferred: whether the call is kept, because its argument is not known before deployment.
    """

    location: Location
    key: str | None = field(repr=False)
    provenance: Provenance = field(repr=False)
    value_path: str
    depends_on_value: bool = False
    deferred: bool = False


@dataclass(slots=True)
class Call:
    """A call in a blueprint; its place is worked out when someone asks for it.

    Args:
        source: the blueprint.
        path: the place of the outermost call that it stands in.
        node: the mapping that is the call.
    """

    source: Source
    path: Path
    node: Mapping[Any, Any]

    def location(self) -> Location:
        """Where it stands."""
        return Location(self.source.name, self.source.position_of(self.node), self.path)


@dataclass(frozen=True, slots=True)
class Results:
    """What is put in the places of a blueprint's calls.

    Args:
        by_node: by `id()` of the mapping that is the call.
        by_path: for calls whose result is not the same at all of their places; those of their places that are
            in neither keep the call.
    """

    by_node: dict[int, Substitution]
    by_path: dict[Path, Substitution]


@dataclass(slots=True)
class _PlannedCall(Call):
    """One place of a call that the plan sees to, with what is known of it.

    Args:
        evaluator: evaluates it.
        above: how many steps of its path lead to its document.
    """

    evaluator: Evaluator
    above: int
    asked: GetSecret | None = field(default=None, repr=False)  # its key may have come out of a secret
    substitution: Substitution | None = None
    done: bool = False
    deferred: bool = False
    refused: bool = False

    @property
    def here(self) -> Path:
        """Its path within its document, which says what SELF, SOURCE and TARGET mean."""
        return self.path[self.above :]


class Plan:
    """All calls of one run over one or several blueprints.

    Args:
        sources: the blueprints.
        inputs: values given for inputs, by name.
        context: facts about the deployment.
        partial: keep calls whose argument is not known before deployment, rather than refuse them.
        evaluate: evaluate the other functions too, where all their arguments are known.
        definitions: by `id()` of a document, the documents that define what its calls refer to, when that is
            not the document alone.
        match_all: matches the patterns that inputs have to fit, in bounded time.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        inputs: Mapping[str, GivenInput] | None = None,
        context: DeploymentContext | None = None,
        *,
        partial: bool = False,
        evaluate: bool = False,
        definitions: Mapping[int, Sequence[object]] | None = None,
        match_all: MatchAll = match_none,
    ) -> None:
        self._partial = partial
        self._evaluate = evaluate
        self._values = Values()
        self._calls: list[_PlannedCall] = []
        self._named: list[KeyUse] = []
        self._room = MAX_PLACED
        self._extents: dict[int, int] = {}
        self.problems: list[Problem] = []
        self.deferred = 0
        given = inputs or {}
        checked: set[tuple[int, ...]] = set()
        for source in sources:
            several = len(source.documents) > 1
            for number, document in enumerate(source.documents):
                documents = (definitions or {}).get(id(document), [document])
                defining = Definitions(documents)
                evaluator = Evaluator(defining, given, self._values, context or DeploymentContext())
                prefix: Path = (f"document {number + 1}",) if several else ()
                self._calls += _planned(source, document, prefix, evaluator, every=evaluate)
                tree = tuple(map(id, documents))
                if tree not in checked:  # all files of one tree have the same inputs
                    checked.add(tree)
                    self._check_inputs(source, prefix, defining, given, match_all)

    def _check_inputs(
        self,
        source: Source,
        prefix: Path,
        definitions: Definitions,
        given: Mapping[str, GivenInput],
        match_all: MatchAll,
    ) -> None:
        """Report values that don't fit their inputs, and note the secrets that inputs name."""
        self.problems += [
            replace(problem, source=source.name, path=(*prefix, *problem.path))
            for problem in check_inputs(definitions, given, match_all)
        ]
        for named in named_secrets(definitions, given):
            call = Call(source, (*prefix, "inputs", named.name), definitions.input(named.name) or {})
            self._named.append(KeyUse(named.key, named.provenance, [call], needs_value=False))

    @property
    def size(self) -> int:
        """How many calls were found, the kept ones included."""
        return len(self._calls)

    def advance(self) -> list[KeyUse]:
        """Evaluate what can be evaluated now.

        Returns:
            The keys whose values are needed to go on, in the order of the text, each with its calls; the
            first time also those that inputs only name. Empty when there is nothing left to do.
        """
        uses: dict[str | tuple[str, Provenance], KeyUse] = {}
        pending = [site for site in self._calls if not site.done]
        for site in pending:  # grows, where a call is kept and those in its argument are looked at
            try:
                needs = self._advance(site)
            except Fault as fault:
                site.done = True
                if fault.later and GET_SECRET not in site.node:
                    inner = self._within(site)
                    self._calls += inner
                    pending += inner
                elif fault.reason is not Reason.NOT_KNOWN_YET:
                    self._report(site, fault)
                elif self._partial:
                    self.deferred += 1
                    site.deferred = True
                elif site.here[:1] == ("dsl_definitions",) and _is_relative(site.node):
                    pass  # a template: SELF gets its meaning, and the call its value, where it is merged in
                else:
                    self._report(site, fault)
                continue
            for need in needs:
                # A key that is written in one call and came out of a secret in another is two uses: put
                # together, the written one would tell what the secret holds.
                mark = need.key if need.provenance is WRITTEN else (need.key, need.provenance)
                use = uses.get(mark)
                if use is None:
                    use = uses[mark] = KeyUse(need.key, need.provenance)
                use.calls.append(site if need.node is site.node else Call(site.source, site.path, need.node))
        wanted = {use.key for use in uses.values()}
        named, self._named = self._named, []
        return [*uses.values(), *(use for use in named if use.key not in wanted)]

    def _advance(self, site: _PlannedCall) -> Sequence[Need]:
        """Evaluate one call as far as it goes; what it needs to go on, or nothing when it is done."""
        if GET_SECRET not in site.node:
            return self._advance_other(site)
        asked = site.asked
        if asked is None:
            read = site.evaluator.read(site.node, site.here)
            if isinstance(read, Needed):
                return read.needs
            asked = site.asked = read
        key, provenance = asked.key, asked.key_provenance
        if key not in self._values:
            return (Need(key, provenance, site.node),)
        taken = self._values.look_up(asked)
        if provenance is not WRITTEN or asked.path_provenance is not WRITTEN or taken.label != key:
            used = taken.used | provenance.used | asked.path_provenance.used
            taken = Substitution(taken.value, provenance.label(key), used)
        value = taken.value
        extent = len(value) if isinstance(value, str) else self._extents.get(id(value))
        if extent is None:  # a part of a secret's JSON, which is held as long as this plan
            extent = self._extents[id(value)] = _extent(value)
        self._substitute(site, taken, extent)
        return ()

    def _substitute(self, site: _PlannedCall, substitution: Substitution, extent: int) -> None:
        """Put a value in the place of a call, if there is room for so many characters."""
        self._room -= extent
        if self._room < 0:
            raise Fault(
                Reason.TOO_LARGE,
                f"with this value, those that the run places have more than {MAX_PLACED} characters in all",
                "resolve fewer blueprints at once, or use long values less often",
            )
        site.substitution = substitution
        site.done = True

    def _advance_other(self, site: _PlannedCall) -> Sequence[Need]:
        """The same for a call of another function."""
        outcome = site.evaluator.evaluate(site.node, site.here)
        if isinstance(outcome, Needed):
            return outcome.needs
        if holds_call(outcome.value):
            raise Fault(
                Reason.VALUE_HOLDS_CALL,
                "the result would put a function call into the blueprint",
                "what inputs, context and secrets hold is data: rename the key there",
            )
        label = ", ".join(sorted(outcome.provenance.secrets))
        self._substitute(
            site, Substitution(outcome.value, label, outcome.provenance.used), _extent(outcome.value)
        )
        return ()

    @staticmethod
    def _within(site: _PlannedCall) -> list[_PlannedCall]:
        """The calls within the argument of a call that is kept."""
        return [
            _PlannedCall(site.source, path, node, site.evaluator, site.above)
            for name, argument in site.node.items()
            for path, node in find_calls(argument, (*site.path, name), every=True)
        ]

    def supply(self, values: Mapping[str, SecretValue]) -> None:
        """Take the values that `advance` asked for."""
        self._values.add(values)

    def refuse(self, use: KeyUse, reason: Reason, message: str, hint: str = "") -> None:
        """Report a key that may not be had, once at each call that needs it."""
        key = use.provenance.bare(use.key)
        self.problems += [_problem(call, reason, message, key=key, hint=hint) for call in use.calls]

    def survey(self) -> list[Survey]:
        """What is known of each `get_secret` call, refused and kept ones included, those in arguments too."""
        found: list[Survey] = []
        for site in self._calls:
            where = site.location()
            if site.asked is not None:
                found.append(_survey(where, site.asked))
                continue
            if GET_SECRET in site.node and (site.deferred or site.refused or not site.done):
                found.append(
                    Survey(where, None, WRITTEN, "", depends_on_value=not site.done, deferred=site.deferred)
                )
            if not site.done:
                found += self._survey_within(site)
        return found

    def _survey_within(self, site: _PlannedCall) -> list[Survey]:
        """The calls that a call waits for."""
        found: list[Survey] = []
        for need in self._advance(site):
            where = Call(site.source, site.path, need.node).location()
            asked = GetSecret(need.key, key_provenance=need.provenance)
            with contextlib.suppress(Fault):  # it stands elsewhere, where SELF has another meaning
                read = site.evaluator.read(need.node, site.here)
                asked = asked if isinstance(read, Needed) else read
            found.append(_survey(where, asked))
        return found

    def substitutions(self) -> list[Substitution]:
        """What was taken out of secrets, and what is placed that was made of it."""
        made = [site.substitution for site in self._calls if site.substitution and site.substitution.used]
        return [*self._values.taken.values(), *made]

    def results(self, source: Source) -> Results:
        """What is put in the places of one blueprint's calls."""
        places: dict[int, list[_PlannedCall]] = {}
        for site in self._calls:
            if site.source is source:
                places.setdefault(id(site.node), []).append(site)
        by_node: dict[int, Substitution] = {}
        by_path: dict[Path, Substitution] = {}
        for node, calls in places.items():
            placed = [(site.path, site.substitution) for site in calls if site.substitution is not None]
            if len(placed) == len(calls) and all(_are_equal(placed[0][1], other) for _, other in placed[1:]):
                by_node[node] = placed[0][1]
            else:
                by_path.update(placed)
        return Results(by_node, by_path)

    def _report(self, site: _PlannedCall, fault: Fault) -> None:
        site.refused = True
        self.problems.append(
            _problem(site, fault.reason, fault.message, key=fault.key, hint=fault.hint),
        )


_RELATIVE = frozenset({"SELF", "SOURCE", "TARGET"})
"""Words whose meaning depends on the place of the call."""


def _planned(
    source: Source,
    document: object,
    prefix: Path,
    evaluator: Evaluator,
    *,
    every: bool,
) -> list[_PlannedCall]:
    """The calls of a document; those that depend on their place once for each of their places."""
    calls = list(find_calls(document, prefix, every=every))
    relative = {id(node): node for _, node in calls if _is_relative(node)}
    planned = [
        _PlannedCall(source, path, node, evaluator, len(prefix))
        for path, node in calls
        if id(node) not in relative
    ]
    if relative:
        planned += [
            _PlannedCall(source, path, relative[mark], evaluator, len(prefix))
            for path, mark in find_occurrences(document, relative, prefix)
        ]
    return planned


def _is_relative(node: Mapping[Any, Any]) -> bool:
    pending: list[Any] = list(node.values())
    while pending:
        item = pending.pop()
        if isinstance(item, str) and item in _RELATIVE:
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def _extent(value: object) -> int:
    """How many characters a value takes, about."""
    extent = 0
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple)):
            pending += item
        extent += len(item) if isinstance(item, str) else 1
    return extent


def _are_equal(one: Substitution, other: Substitution) -> bool:
    """Whether two results are the same, types included: True is not 1."""
    return type(one.value) is type(other.value) and repr(one.value) == repr(other.value)


def _problem(call: Call, reason: Reason, message: str, *, key: str, hint: str) -> Problem:
    where = call.location()
    return Problem(
        reason,
        message,
        source=where.source,
        position=where.position,
        path=where.path,
        key=key,
        hint=hint,
        line_text=call.source.line_at(where.position) if where.position else "",
    )


def _survey(where: Location, asked: GetSecret) -> Survey:
    return Survey(where, asked.key, asked.key_provenance, _show_steps(asked))


def _show_steps(asked: GetSecret) -> str:
    if asked.path_provenance is WRITTEN:
        return format_path(asked.path) if asked.path else ""
    return asked.path_provenance.show("")
