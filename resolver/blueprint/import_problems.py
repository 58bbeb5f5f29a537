"""What is wrong in several files, gathered first and given its place afterwards: each text is read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver.blueprint.positions import find_positions
from resolver.dsl.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.blueprint.document import Blueprint
    from resolver.core.location import Path
    from resolver.dsl.problems import Reason


@dataclass(frozen=True, slots=True)
class EntryLocation:
    """An entry of a blueprint: of a mapping, by its key, or of a list.

    Args:
        blueprint: the blueprint that was read.
        path: the entry's path in the document; empty for the document itself.
        document: the document's number, from 0.
    """

    blueprint: Blueprint
    path: Path
    document: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong at a place, before anyone asked where that is.

    Args:
        place: where.
        reason: the stable code.
        message: one sentence; where `first` is gets added to it.
        first: where the same was defined first.
        hint: what to do about it.
    """

    place: EntryLocation
    reason: Reason
    message: str
    first: EntryLocation | None = None
    hint: str = ""


def problems_of(findings: Iterable[Finding]) -> list[Problem]:
    """The problems that findings are."""
    findings = list(findings)
    wanted: dict[Blueprint, dict[tuple[int, Path], None]] = {}
    for finding in findings:
        for place in (finding.place, finding.first):
            if place is not None:
                wanted.setdefault(place.blueprint, {})[place.document, place.path] = None
    found = {
        blueprint: dict(zip(places, find_positions(blueprint, list(places)), strict=True))
        for blueprint, places in wanted.items()
    }
    problems = []
    for finding in findings:
        place, message = finding.place, finding.message
        if finding.first is not None:
            first = found[finding.first.blueprint][finding.first.document, finding.first.path]
            message += f", first defined at {finding.first.blueprint.name}:{first.line}:{first.column}"
        position = found[place.blueprint][place.document, place.path]
        problems.append(
            Problem(
                finding.reason,
                message,
                source=place.blueprint.name,
                position=position,
                path=place.path,
                hint=finding.hint,
                line_text=place.blueprint.line_at(position),
            )
        )
    return problems
