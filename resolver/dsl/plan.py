"""The plan of one run: which calls there are, which keys they need now, and what is put in their places.

A caller drives it in rounds, because a key may be computed from another secret's value::

    plan = Plan(sources, inputs)
    while uses := plan.advance():
        plan.supply(values_of(uses))
    results = [plan.results(source) for source in sources]

Nothing is substituted unless everything is known and there is no problem.
"""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.core.location import Location, Path, format_path
from resolver.core.provenance import WRITTEN, Provenance
from resolver.core.redacted import Redacted
from resolver.dsl.arguments import GetSecret
from resolver.dsl.budget import Budget
from resolver.dsl.calls import holds_call
from resolver.dsl.context import DeploymentContext
from resolver.dsl.definitions import Definitions
from resolver.dsl.dialects import CLOUDIFY, Dialect, dialect_of
from resolver.dsl.evaluate import Evaluator
from resolver.dsl.input_types import check_inputs, match_none, named_secrets
from resolver.dsl.key_use import Call, KeyUse
from resolver.dsl.problems import Fault, Problem, Reason
from resolver.dsl.values import Need, Substitution, Values, Waiting
from resolver.dsl.walk import find_calls, find_occurrences
from resolver.dsl.written_out import change_when_written
from resolver.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver.core.model import SecretValue
    from resolver.dsl.input_types import MatchAll
    from resolver.dsl.source import Source
    from resolver.dsl.values import GivenInput


class Survey(Redacted, frozen=True):
    """What is known of one call before any value is there.

    Args:
        location: where it stands; the path is that of the outermost call around it.
        key: the key it asks for; None when it is not known or must not show.
        provenance: what the key was computed from.
        value_path: the path into the value as it may be shown; empty when there is none.
        depends_on_value: whether the key depends on the value of a secret, which is not there.
        deferred: whether the call is left for run time, because its argument is not known before deployment.
    """

    location: Location
    key: str | None
    provenance: Provenance
    value_path: str
    depends_on_value: bool = False
    deferred: bool = False


class Results(Redacted, frozen=True):
    """What is put in the places of a blueprint's calls.

    Args:
        by_node: by `id()` of the mapping that is the call.
        by_path: for calls whose result is not the same wherever they stand, by path; where such a call is in
            neither, it stays.
    """

    by_node: dict[int, Substitution]
    by_path: dict[Path, Substitution]


class _State(enum.Enum):
    """How far the plan got with a call."""

    PENDING = enum.auto()
    SUBSTITUTED = enum.auto()
    DEFERRED = enum.auto()
    """Left for run time, because the caller chose so."""
    REFUSED = enum.auto()
    LEFT = enum.auto()
    """Left as it is: calls within it are planned instead, or the nodes that a template is merged into."""


class _PlannedCall:
    """A call at one of its paths, and how far the plan got with it.

    Args:
        call: the call.
        evaluator: evaluates it.
        above: how many steps of its path lead to its document.
    """

    # Most calls set no more than two of these: defaults of the class make a plan of many calls cheaper.
    state = _State.PENDING
    asked: GetSecret | None = None
    substitution: Substitution | None = None
    reported = ""
    """Why the call around it is left, when it is: that need not be said twice."""

    def __init__(self, call: Call, evaluator: Evaluator, above: int) -> None:
        self.call = call
        self.node = call.node
        self.evaluator = evaluator
        self._above = above
        self.dialect = evaluator.definitions.dialect

    @property
    def here(self) -> Path:
        """Its path within its document, which says what SELF, SOURCE and TARGET mean."""
        return self.call.path[self._above :]

    @property
    def is_get_secret(self) -> bool:
        """Whether it is a call of `get_secret`, or a malformed one."""
        return self.dialect.secret_name(self.node) is not None

    def substitute(self, substitution: Substitution) -> None:
        """Put a value in its place."""
        if self.dialect.prefix:
            written = self.dialect.escaped(substitution.value)
            substitution = msgspec.structs.replace(substitution, value=written)
        self.substitution = substitution
        self.state = _State.SUBSTITUTED

    def within(self) -> list[_PlannedCall]:
        """The calls within the argument of this one."""
        source, path = self.call.source, self.call.path
        return [
            _PlannedCall(Call(source, inner, node), self.evaluator, self._above)
            for name, argument in self.node.items()
            for inner, node in find_calls(argument, (*path, name), every=True, dialect=self.dialect)
        ]


class Plan:
    """All calls of one run over one or several blueprints.

    Args:
        sources: the blueprints.
        inputs: values given for inputs, by name.
        context: facts about the deployment.
        partial: defer calls whose argument is not known before deployment, rather than refuse them.
        evaluate: evaluate the other functions too, where all their arguments are known.
        definitions: by `id()` of a document, what its calls refer to, when the document alone does not
            define that.
        match_all: matches the patterns that inputs have to fit, in bounded time.
        budget: what the run may spend.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        inputs: Mapping[str, GivenInput] | None = None,
        context: DeploymentContext | None = None,
        *,
        partial: bool = False,
        evaluate: bool = False,
        definitions: Mapping[int, Definitions] | None = None,
        match_all: MatchAll = match_none,
        budget: Budget | None = None,
    ) -> None:
        self._partial = partial
        self._calls: list[_PlannedCall] = []
        self._named: list[KeyUse] = []
        self._budget = budget = budget or Budget()
        self._extents: dict[int, int] = {}
        self._values = Values(budget)
        self.problems: list[Problem] = []
        self.left: list[Problem] = []
        """Why calls stay that only lack what is left to the manager: no error, but worth knowing."""
        given = inputs or {}
        checked: set[int] = set()
        for source in sources:
            several = len(source.documents) > 1
            for number, document in enumerate(source.documents):
                defining = (definitions or {}).get(id(document)) or Definitions(
                    [document], budget, dialect=dialect_of(document)
                )
                evaluator = Evaluator(defining, given, self._values, context or DeploymentContext(), budget)
                prefix: Path = (f"document {number + 1}",) if several else ()
                self._calls += [
                    _PlannedCall(Call(source, path, node), evaluator, len(prefix))
                    for path, node in _calls(document, prefix, defining.dialect, every=evaluate)
                ]
                if id(defining) not in checked:  # all files of one tree have the same inputs
                    checked.add(id(defining))
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
            msgspec.structs.replace(
                problem,
                source=source.name,
                path=(*prefix, *definitions.dialect.path("inputs"), *problem.path[1:]),
            )
            for problem in check_inputs(definitions, given, match_all)
        ]
        for named in named_secrets(definitions, given):
            call = Call(
                source,
                (*prefix, *definitions.dialect.path("inputs"), named.name),
                definitions.input(named.name) or {},
            )
            self._named.append(KeyUse(named.key, named.provenance, [call], needs_value=False))

    @property
    def deferred(self) -> int:
        """How many calls are deferred because their argument is not known before deployment."""
        return sum(planned.state is _State.DEFERRED for planned in self._calls)

    def advance(self) -> list[KeyUse]:
        """Evaluate what can be evaluated now.

        Returns:
            The keys whose values are needed to go on, in the order of the text, each with its calls; the
            first time also those that inputs only name. Empty when there is nothing left to do.
        """
        uses: dict[str | tuple[str, Provenance], KeyUse] = {}
        pending = [planned for planned in self._calls if planned.state is _State.PENDING]
        self._budget.spend(len(pending))
        for planned in pending:  # grows, where a call is left and those in its argument are looked at
            needs: Sequence[Need] = ()
            try:
                needs = self._finish(planned)
            except BudgetError as error:
                raise BudgetError([self._at(planned.call, problem) for problem in error.problems]) from None
            except Waiting as waiting:
                needs = waiting.needs
            except Fault as fault:
                inner = self._give_up(planned, fault)
                self._calls += inner
                pending += inner
            for need in needs:
                # A key that is written in one call and came out of a secret in another is two uses: put
                # together, the written one would show what the secret holds.
                mark = need.key if need.provenance is WRITTEN else (need.key, need.provenance)
                use = uses.get(mark)
                if use is None:
                    use = uses[mark] = KeyUse(need.key, need.provenance)
                call = planned.call
                use.calls.append(
                    call if need.node is planned.node else Call(call.source, call.path, need.node)
                )
        wanted = {use.key for use in uses.values()}
        named, self._named = self._named, []
        return [*uses.values(), *(use for use in named if use.key not in wanted)]

    def _give_up(self, planned: _PlannedCall, fault: Fault) -> list[_PlannedCall]:
        """Refuse or leave a call that can't be evaluated; which calls are looked at instead."""
        planned.state = self._state_after(planned, fault)
        if planned.state is _State.REFUSED:
            self._report(planned.call, fault.reason, fault.message, fault.hint, fault.key)
            return []
        if fault.with_manager and fault.message != planned.reported:
            left = Problem(fault.reason, f"the call stays: {fault.message}")
            self.left.append(self._at(planned.call, left))
        if planned.state is not _State.LEFT or planned.is_get_secret:
            return []
        inner = planned.within()
        for each in inner:
            each.reported = fault.message
        return inner

    def _state_after(self, planned: _PlannedCall, fault: Fault) -> _State:
        """What becomes of a call that can't be evaluated."""
        if not planned.is_get_secret and (fault.later or planned.here[:1] in _DECLARATIONS):
            return _State.LEFT
        if fault.reason is not Reason.NOT_KNOWN_YET:
            return _State.REFUSED
        if self._partial:
            return _State.DEFERRED
        # A template: SELF gets its meaning, and the call its value, where it is merged in.
        is_template = planned.here[:1] == ("dsl_definitions",) and _is_relative(planned.node)
        return _State.LEFT if is_template else _State.REFUSED

    def _finish(self, planned: _PlannedCall) -> Sequence[Need]:
        """Evaluate a call to its end, if it needs no value that is not there.

        Returns:
            The value that it asks for itself, when that is not there.

        Raises:
            Waiting: its argument needs the values of secrets.
            Fault: it can't be evaluated.
        """
        node = planned.node
        if not planned.is_get_secret:
            self._finish_other(planned)
            return ()
        asked = planned.asked
        if asked is None:
            asked = planned.asked = planned.evaluator.read(node, planned.here)
        key, provenance = asked.key, asked.key_provenance
        if key not in self._values:
            return (Need(key, provenance, node),)
        taken = self._values.look_up(asked, planned.dialect)
        if provenance is not WRITTEN or asked.path_provenance is not WRITTEN or taken.label != key:
            used = taken.used | provenance.used | asked.path_provenance.used
            taken = Substitution(taken.value, provenance.label(key), used)
        value = taken.value
        extent = len(value) if isinstance(value, str) else self._extents.get(id(value))
        if extent is None:  # a part of a secret's JSON, which is held as long as this plan
            self._extents[id(value)] = self._budget.spend_on(value)
        else:
            self._budget.spend(1, extent)
        planned.substitute(taken)
        return ()

    def _finish_other(self, planned: _PlannedCall) -> None:
        """Evaluate a call of another function to its end."""
        outcome = planned.evaluator.evaluate(planned.node, planned.here)
        self._budget.spend_on(outcome.value)
        if not planned.dialect.prefix and holds_call(outcome.value, dialect=planned.dialect):
            raise Fault(
                Reason.VALUE_HOLDS_CALL,
                "the result would put a function call into the blueprint",
                "what inputs, context and secrets hold is data: rename the key there",
            )
        definitions = planned.evaluator.definitions
        change = change_when_written(definitions, planned.here, outcome.value)
        if change:
            if outcome.provenance.secrets:  # what is in a secret is not said
                change = "the parser would change it"
            message = f"the result can't be written here: {change}"
            raise Fault(Reason.NOT_KNOWN_YET, message, later=True, with_manager=True)
        label = outcome.provenance.keys
        planned.substitute(Substitution(outcome.value, label, outcome.provenance.used))

    def supply(self, values: Mapping[str, SecretValue]) -> None:
        """Take the values that `advance` asked for."""
        self._values.add(values)

    def refuse(self, use: KeyUse, reason: Reason, message: str, hint: str = "") -> None:
        """Report a key that may not be had, once at each call that needs it."""
        self.problems += self.at_calls(use, reason, message, hint)

    def at_calls(self, use: KeyUse, reason: Reason, message: str, hint: str = "") -> Iterator[Problem]:
        """A problem or warning about a key, once at each call that needs it."""
        problem = Problem(reason, message, key=use.provenance.bare(use.key), hint=hint)
        return (self._at(call, problem) for call in use.calls)

    def _report(self, call: Call, reason: Reason, message: str, hint: str, key: str) -> None:
        self.problems.append(self._at(call, Problem(reason, message, key=key, hint=hint)))

    @staticmethod
    def _at(call: Call, problem: Problem) -> Problem:
        """A problem with the place of a call."""
        where = call.location()
        line = call.source.line_at(where.position) if where.position else ""
        return msgspec.structs.replace(
            problem, source=where.source, position=where.position, path=where.path, line_text=line
        )

    def survey(self) -> list[Survey]:
        """What is known of each `get_secret` call, refused and deferred ones and those in arguments too."""
        found: list[Survey] = []
        for planned in self._calls:
            where, state = planned.call.location(), planned.state
            if planned.asked is not None:
                found.append(_survey(where, planned.asked))
                continue
            is_pending = state is _State.PENDING
            if planned.is_get_secret and state is not _State.LEFT:
                is_deferred = state is _State.DEFERRED
                found.append(
                    Survey(where, None, WRITTEN, "", depends_on_value=is_pending, deferred=is_deferred)
                )
            if is_pending:
                found += self._survey_within(planned)
        return found

    def _survey_within(self, planned: _PlannedCall) -> Iterator[Survey]:
        """The calls that a call waits for."""
        try:
            needs = self._finish(planned)
        except Waiting as waiting:
            needs = waiting.needs
        for need in needs:
            where = Call(planned.call.source, planned.call.path, need.node).location()
            asked = GetSecret(need.key, key_provenance=need.provenance)
            # A Fault: it stands elsewhere, where SELF has another meaning.
            with contextlib.suppress(Fault, Waiting):
                asked = planned.evaluator.read(need.node, planned.here)
            yield _survey(where, asked)

    def texts(self, source: Source) -> dict[int, Call]:
        """The calls of a blueprint that give a secret's whole text, as far as is known, by `id()`."""
        return {
            id(planned.node): planned.call
            for planned in self._calls
            if planned.asked is not None and not planned.asked.path and planned.call.source is source
        }

    def substitutions(self) -> list[Substitution]:
        """What was taken out of secrets, and what is substituted that was made of it."""
        made = [planned.substitution for planned in self._calls]
        return [*self._values.taken.values(), *(each for each in made if each is not None and each.used)]

    def results(self, source: Source) -> Results:
        """What is put in the places of one blueprint's calls."""
        by_mapping: dict[int, list[_PlannedCall]] = {}
        for planned in self._calls:
            if planned.call.source is source:
                by_mapping.setdefault(id(planned.node), []).append(planned)
        by_node: dict[int, Substitution] = {}
        by_path: dict[Path, Substitution] = {}
        for node, same in by_mapping.items():
            if len(same) == 1:  # as nearly always
                if same[0].substitution is not None:
                    by_node[node] = same[0].substitution
                continue
            made = [(each.call.path, each.substitution) for each in same if each.substitution is not None]
            values = [substitution.value for _, substitution in made]
            if len(made) == len(same) and all(_are_equal(values[0], other) for other in values[1:]):
                by_node[node] = made[0][1]
            else:
                by_path.update(made)
        return Results(by_node, by_path)


_DECLARATIONS = (("inputs",), ("dsl_definitions",), ("data_types",), ("node_types",), ("relationships",))
"""Sections in which nothing is evaluated before something uses it: what nothing uses may be wrong."""

_RELATIVE = frozenset({"SELF", "SOURCE", "TARGET", "HOST"})
"""Words whose meaning depends on where the call stands."""


def _calls(
    document: object, prefix: Path, dialect: Dialect = CLOUDIFY, *, every: bool
) -> list[tuple[Path, Mapping[Any, Any]]]:
    """The calls of a document; those that depend on where they stand once for each of their paths."""
    calls: list[tuple[Path, Mapping[Any, Any]]] = list(
        find_calls(document, prefix, every=every, dialect=dialect)
    )
    relative = {id(node): node for _, node in calls if _is_relative(node)}
    if not relative:
        return calls
    absolute = [(path, node) for path, node in calls if id(node) not in relative]
    occurrences = find_occurrences(document, relative, prefix)
    return absolute + [(path, relative[mark]) for path, mark in occurrences]


def _is_relative(node: Mapping[Any, Any]) -> bool:
    pending: list[Any] = list(node.values())
    if len(pending) == 1 and type(pending[0]) is str:  # most calls
        return pending[0] in _RELATIVE
    while pending:
        item = pending.pop()
        if isinstance(item, str) and item in _RELATIVE:
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def _are_equal(one: object, other: object) -> bool:
    """Whether two results are the same, types included: True is not 1."""
    pending = [(one, other)]
    while pending:
        first, second = pending.pop()
        if first is second:
            continue
        if type(first) is not type(second):
            return False
        if isinstance(first, dict) and isinstance(second, dict):
            if len(first) != len(second):
                return False
            pending += zip(first, second, strict=True)
            pending += zip(first.values(), second.values(), strict=True)
        elif isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
            if len(first) != len(second):
                return False
            pending += zip(first, second, strict=True)
        elif first != second:
            return False
    return True


def _survey(where: Location, asked: GetSecret) -> Survey:
    if asked.path_provenance is not WRITTEN:
        path = asked.path_provenance.show("")
    else:
        path = format_path(asked.path) if asked.path else ""
    return Survey(where, asked.key, asked.key_provenance, path)
