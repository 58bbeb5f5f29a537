"""What a report is made of: its formats, what it holds, and how many problems it shows."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.cli.output import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.dsl.problems import Problem
    from resolver.errors import ResolverError


MAX_REPORTED = 10_000
"""A run with more problems than this says how many more there are; its exit code is that of them all."""


class ReportFormat(enum.StrEnum):
    """The formats of a report."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    GITLAB = "gitlab"


class Level(enum.StrEnum):
    """How bad something is that a report shows with its place."""

    ERROR = "error"
    WARNING = "warning"


class RunFailure(NamedTuple):
    """What went wrong with a run, other than problems of its blueprints."""

    message: str
    hint: str


class Found(NamedTuple):
    """What a report shows of a run.

    Args:
        problems: what is wrong with the blueprints.
        warnings: what is most likely not meant as it is written.
        failures: what else went wrong.
        notes: what the reader should know although nothing is wrong.
    """

    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    failures: Sequence[RunFailure] = ()
    notes: Sequence[str] = ()

    @property
    def levelled(self) -> Iterator[tuple[Level, Problem]]:
        """Problems and warnings, each with its level."""
        yield from ((Level.ERROR, problem) for problem in self.problems)
        yield from ((Level.WARNING, warning) for warning in self.warnings)


class ReportedError(Exception):
    """A run failed, and its report says so already.

    Args:
        error: what it failed with.
    """

    def __init__(self, error: ResolverError) -> None:
        super().__init__("reported")
        self.error = error


def cut_short(problems: Sequence[Problem], level: Level = Level.ERROR) -> tuple[Sequence[Problem], str]:
    """The problems that a report shows, and what it says of the others; nothing when there are none."""
    others = len(problems) - MAX_REPORTED
    what = "more problem" if level is Level.ERROR else "more warning"
    return problems[:MAX_REPORTED], f"{count(others, what)} not shown" if others > 0 else ""


def location_of(item: Any) -> str:  # noqa: ANN401 - a Problem or a Location
    """Where something is, `FILE:LINE:COLUMN`, or as much of it as is known."""
    at = item.position
    return f"{item.source}:{at.line}:{at.column}" if at else str(item.source)


def is_file(source: str) -> bool:
    """Whether a source is a file that a viewer can open, and not stdin or the name of something else."""
    try:
        return Path(source).is_file()
    except (OSError, ValueError):
        return False
