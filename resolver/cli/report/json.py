"""Problems as JSON; `schemas/diagnostics.schema.json` describes the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.cli.report.items import RunFailure
    from resolver.dsl.problems import Problem


def make_document(
    problems: Sequence[Problem],
    failures: Sequence[RunFailure],
    notes: Sequence[str],
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    """The report of one run.

    Args:
        problems: what is wrong with the blueprints.
        failures: what else went wrong.
        notes: what the reader should know although nothing is wrong.
        extra: more members, which `--check` has.
    """
    return {
        "problems": [problem_as_json(problem) for problem in problems],
        "failures": [msgspec.structs.asdict(failure) for failure in failures],
        "notes": notes,
        **extra,
    }


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """One problem as the schema describes it."""
    at = problem.position
    return {
        "reason": str(problem.reason),
        "message": problem.message,
        "hint": problem.hint,
        "source": problem.source,
        "line": at.line if at else None,
        "column": at.column if at else None,
        "path": list(problem.path),
        "key": problem.key,
    }
