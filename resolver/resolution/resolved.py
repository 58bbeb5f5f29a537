"""A resolved blueprint: what a run yields for one blueprint, in memory, until it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from resolver.blueprint import Blueprint, Masked, Rendered, dump, join, render, to_json
from resolver.core.closing import Closing
from resolver.core.formats import DocumentFormat
from resolver.dsl.budget import Budget
from resolver.dsl.walk import rebuild
from resolver.errors import UsageError, bare_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.location import Position
    from resolver.dsl.problems import Problem
    from resolver.dsl.values import Substitution


class Use(msgspec.Struct, frozen=True):
    """A secret that a run used."""

    key: str
    version: int


class ResolvedBlueprint(Closing):
    """A blueprint with its calls replaced by values, in memory. Its repr shows no value.

    In a `with` statement it drops the values at the end of the block; what was taken out of it by then is the
    taker's. It may be read by several threads at once.

    Args:
        blueprint: the blueprint as it was read.
        substitutions: the values that replace the calls.
        showable: the keys whose values the caller may also see.
        merged: the one document that the blueprint and its imports make; None when they are not merged.
        uses: the secrets that this blueprint used.
        warnings: what is most likely not meant as it is written, in it and in what it imports.
    """

    __slots__ = ("_blueprint", "_merged", "_rendered", "_showable", "_substitutions", "uses", "warnings")

    def __init__(
        self,
        blueprint: Blueprint,
        substitutions: Mapping[int, Substitution],
        showable: frozenset[str],
        merged: Any = None,  # noqa: ANN401 - documents are plain data
        uses: tuple[Use, ...] = (),
        warnings: tuple[Problem, ...] = (),
    ) -> None:
        self._blueprint = blueprint
        self._merged = merged
        self._substitutions: Mapping[int, Substitution] | None = substitutions
        self._showable = showable
        self._rendered: Rendered | None = None
        self.uses = uses
        """The secrets that this blueprint used, by key, with their versions. Keys that came out of another
        secret's value are left out."""
        self.warnings = warnings
        """What is most likely not meant as it is written, each with its place; no value is in it."""

    def __reduce__(self) -> Any:  # noqa: ANN401 - the signature is the protocol's
        raise TypeError("a resolved blueprint can't be pickled: it holds secret values")

    def __repr__(self) -> str:
        substitutions = self._substitutions
        held = "closed" if substitutions is None else f"calls={len(substitutions)}"
        return f"ResolvedBlueprint({self.name!r}, {held})"

    def close(self) -> None:
        """Drop the values. Asking for them afterwards is an error; closing twice is not."""
        self._substitutions = None
        self._rendered = None
        self._merged = None

    def _parts(self) -> tuple[Any, Mapping[int, Substitution]]:
        """The merged document and the substitutions, as long as they are held."""
        merged = self._merged  # read first: `close` drops it last
        substitutions = self._substitutions
        if substitutions is None:
            raise UsageError(f"the resolved blueprint {self.name!r} was closed, and holds no values any more")
        return merged, substitutions

    @property
    def name(self) -> str:
        """The blueprint's name as it was given."""
        return self._blueprint.name

    @property
    @bare_errors
    def documents(self) -> list[Any]:
        """The documents of the text as plain data, with the values substituted."""
        merged, substitutions = self._parts()
        documents = self._blueprint.documents if merged is None else [merged]
        values = _values(substitutions)
        return [rebuild(document, values) for document in documents]

    @property
    @bare_errors
    def data(self) -> Any:  # noqa: ANN401 - documents are plain data
        """The document as plain data, with the values substituted; a list of them when the text has several.

        It is made anew each time, so that changing it changes nothing here.
        """
        documents = self.documents
        return documents[0] if len(documents) == 1 else documents

    @bare_errors
    def text(self) -> str:
        """The blueprint's own text, or the merged document's, with the values in place of the calls."""
        return self.render(Budget()).text

    def render(self, budget: Budget) -> Rendered:
        """The same, with where the text had to be changed outside a call.

        Args:
            budget: what writing it may cost.
        """
        rendered = self._rendered
        if rendered is None:
            merged, substitutions = self._parts()
            rendered = self._write(merged, _values(substitutions), budget)
            if self._substitutions is not None:  # another thread may have closed it by now
                self._rendered = rendered
        return rendered

    def _write(self, merged: object, results: Mapping[int, Any], budget: Budget) -> Rendered:
        if merged is None:
            return render(self._blueprint, results, budget)
        return Rendered(dump(merged, results, self.name, budget), ())

    @bare_errors
    def redacted(self, *, show: bool = False) -> str:
        """The text with each substituted value as `!masked KEY`.

        Args:
            show: write out those values that the caller may see.
        """
        merged, substitutions = self._parts()
        results = {
            node: substitution.value
            if self._may_show(substitution, show=show)
            else Masked(substitution.label)
            for node, substitution in substitutions.items()
        }
        return self._write(merged, results, Budget()).text

    def _may_show(self, substitution: Substitution, *, show: bool) -> bool:
        """Whether a value may stand before a person's eyes: no secret went into it, or they may see those."""
        return not substitution.used or (show and substitution.used <= self._showable)

    @property
    @bare_errors
    def written_out(self) -> tuple[Position, ...]:
        """Where the text had to be changed outside a call, because an alias lost its anchor."""
        return self.render(Budget()).written_out

    @property
    def hidden_labels(self) -> list[str]:
        """The keys, as they may be shown, of substituted values that the caller may not see."""
        labels = {p.label for p in self._parts()[1].values() if not p.used <= self._showable}
        return sorted(labels)


def _values(substitutions: Mapping[int, Substitution]) -> dict[int, Any]:
    return {node: substitution.value for node, substitution in substitutions.items()}


def joined_text(
    blueprints: Sequence[ResolvedBlueprint], output_format: DocumentFormat, budget: Budget | None = None
) -> str:
    """The text of all blueprints of a run, with the values in their places.

    Args:
        blueprints: the blueprints, one or more.
        output_format: the format of the text.
        budget: what is left for writing of what the run may spend.
    """
    budget = budget or Budget()
    match output_format:
        case DocumentFormat.YAML:
            if len(blueprints) == 1:
                return blueprints[0].render(budget).text
            return join([(each.name, each.render(budget).text) for each in blueprints], budget)
        case DocumentFormat.JSON:
            documents = [
                (blueprint.name, document) for blueprint in blueprints for document in blueprint.documents
            ]
            if len(documents) == 1:
                return to_json(documents[0][1], budget=budget) + "\n"
            items = [{"source": name, "document": document} for name, document in documents]
            return to_json(items, budget=budget) + "\n"
        case _:
            assert_never(output_format)
