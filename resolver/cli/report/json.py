"""Problems as JSON; `schemas/diagnostics.schema.json` describes the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.cli.report.items import Found
    from resolver.dsl.problems import Problem


def make_document(found: Found, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The report of one run.

    Args:
        found: what is reported.
        extra: more members, which `--check` has.
    """
    return {
        "problems": [problem_as_json(problem) for problem in found.problems],
        "warnings": [problem_as_json(warning) for warning in found.warnings],
        "failures": [failure._asdict() for failure in found.failures],
        "notes": found.notes,
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
