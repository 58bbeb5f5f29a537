"""The plan of one run: which calls there are, which keys they need now, and what is put in their places.

A caller drives it in rounds, because a key may be computed from another secret's value::

    plan = Plan(sources, inputs)
    while uses := plan.advance():
        plan.supply(values_of(uses))
    results = plan.results()

Nothing is placed unless everything is known and there is no problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolver.core.evaluate import Evaluator, Fault, Known, Needed, Values
from resolver.core.problems import Problem, Reason
from resolver.core.walk import find_calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.document import Path, Position, Source
    from resolver.core.evaluate import GivenInput
    from resolver.core.intrinsic import Origin
    from resolver.core.model import SecretValue


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where a call stands: what a plan, a report and an audit record say of it."""

    source: str
    position: Position | None
    path: Path


@dataclass(slots=True)
class KeyUse:
    """One key that a round needs, and the calls that need it.

    Args:
        key: the secret's key.
        origin: what the key was computed from.
        sites: the calls, in the order of the text.
    """

    key: str
    origin: Origin
    sites: list[CallSite] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The key as a message or a record may show it, quoted when it stands in the blueprint."""
        return self.origin.show(self.key)


@dataclass(frozen=True, slots=True)
class Placement:
    """What is put in the place of one call.

    Args:
        value: text or JSON data; secret.
        label: the key as it may be shown, for what is masked.
        used: keys of the secrets that went into it.
    """

    value: Any = field(repr=False)
    label: str
    used: frozenset[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of one call before any value is there.

    Args:
        site: where it stands.
        key: the key it asks for; None when that depends on the value of a secret.
        shown: the key as it may be shown.
        steps: the path as it may be shown; empty when there is none.
    """

    site: CallSite
    key: str | None
    shown: str
    steps: str


@dataclass(slots=True)
class _Site:
    source: Source
    evaluator: Evaluator
    path: Path
    node: Mapping[Any, Any]
    done: bool = False


class Plan:
    """All calls of one run over one or several blueprints.

    Args:
        sources: the blueprints.
        inputs: values given for inputs, by name.
        partial: keep calls whose argument is not known before deployment, rather than refuse them.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        inputs: Mapping[str, GivenInput] | None = None,
        *,
        partial: bool = False,
    ) -> None:
        self._partial = partial
        self._values = Values()
        self._sites: list[_Site] = []
        self._placements: dict[int, Placement] = {}
        self._lines = {source.name: source.line_at for source in sources}
        self.problems: list[Problem] = []
        self.kept = 0
        given = inputs or {}
        for source in sources:
            several = len(source.documents) > 1
            for number, document in enumerate(source.documents):
                evaluator = Evaluator(document, given, self._values)
                prefix: Path = (f"document {number + 1}",) if several else ()
                self._sites += [
                    _Site(source, evaluator, path, node) for path, node in find_calls(document, prefix)
                ]

    @property
    def size(self) -> int:
        """How many calls were found, the kept ones included."""
        return len(self._sites)

    def advance(self) -> list[KeyUse]:
        """Evaluate what can be evaluated now.

        Returns:
            The keys whose values are needed to go on, in the order of the text, each with its calls; empty
            when there is nothing left to do.
        """
        uses: dict[tuple[str, Origin], KeyUse] = {}
        for site in self._sites:
            if site.done:
                continue
            try:
                outcome = site.evaluator.secret(site.node)
            except Fault as fault:
                site.done = True
                if fault.reason is Reason.NOT_KNOWN_YET and self._partial:
                    self.kept += 1
                else:
                    self._report(site, fault)
                continue
            if isinstance(outcome, Known):
                site.done = True
                self._placements[id(site.node)] = _placement(outcome)
                continue
            for need in outcome.needs:
                # A key that is written in one call and came out of a secret in another is two uses: put
                # together, the written one would tell what the secret holds.
                use = uses.get((need.key, need.origin))
                if use is None:
                    use = uses[need.key, need.origin] = KeyUse(need.key, need.origin)
                use.sites.append(self._call_site(site, need.node))
        return list(uses.values())

    def supply(self, values: Mapping[str, SecretValue]) -> None:
        """Take the values that `advance` asked for."""
        self._values.add(values)

    def refuse(self, use: KeyUse, reason: Reason, message: str, hint: str = "") -> None:
        """Report a key that may not be had, once at each call that needs it."""
        for where in use.sites:
            self.problems.append(
                Problem(
                    reason,
                    message,
                    source=where.source,
                    position=where.position,
                    path=where.path,
                    key=use.shown,
                    hint=hint,
                    line_text=self._line(where),
                ),
            )

    def survey(self) -> list[Survey]:
        """What is known of each call that is not refused or kept, in the order of the text."""
        return [self._survey(site) for site in self._sites if not site.done]

    def _survey(self, site: _Site) -> Survey:
        where = self._call_site(site, site.node)
        asked = site.evaluator.read(site.node)
        if isinstance(asked, Needed):
            return Survey(where, None, "", "")
        steps = asked.steps_origin.show(list(asked.steps)) if asked.steps else ""
        return Survey(where, asked.key, asked.key_origin.label(asked.key), steps)

    def results_of(self, source: Source) -> dict[int, Placement]:
        """The results that stand in one blueprint."""
        mine = (id(site.node) for site in self._sites if site.source is source)
        return {node: self._placements[node] for node in mine if node in self._placements}

    def results(self) -> dict[int, Placement]:
        """What is put in the place of each call, by `id()` of the mapping that is the call."""
        return self._placements

    def _call_site(self, site: _Site, node: Mapping[Any, Any]) -> CallSite:
        position = site.source.position_of(node) or site.source.position_of(site.node)
        return CallSite(site.source.name, position, site.path)

    def _line(self, where: CallSite) -> str:
        return self._lines[where.source](where.position) if where.position is not None else ""

    def _report(self, site: _Site, fault: Fault) -> None:
        where = self._call_site(site, site.node)
        self.problems.append(
            Problem(
                fault.reason,
                fault.message,
                source=where.source,
                position=where.position,
                path=where.path,
                key=fault.key,
                hint=fault.hint,
                line_text=self._line(where),
            ),
        )


def _placement(outcome: Known) -> Placement:
    return Placement(outcome.value, outcome.label, outcome.origin.used)
