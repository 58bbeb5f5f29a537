"""Problems as GitLab's Code Quality report, which merge requests show beside their changes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.cli.report.items import Level, is_file
from resolver.core.location import format_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.cli.report.items import Found
    from resolver.resolution import BlueprintText

SEVERITIES = {Level.ERROR: "major", Level.WARNING: "minor"}
"""What GitLab calls the levels."""


def code_quality(
    found: Found, texts: Sequence[BlueprintText], not_shown: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The report of one run: problems, warnings, and what else went wrong.

    Each entry needs a file and a line. What has none stands at the beginning of the first blueprint.

    Args:
        found: what is reported; notes are left out, which are no lack of quality.
        texts: the blueprints.
        not_shown: what is said of problems and warnings beyond the most that are reported.
    """
    somewhere = next((text.name for text in texts if is_file(text.name)), ".")
    seen: dict[str, int] = {}
    entries: list[dict[str, Any]] = []

    def add(level: Level, reason: str, message: str, hint: str, at: tuple[str, int, str]) -> None:
        source, line, path = at
        name = _relative(source or somewhere)
        # Not of the line: an entry is the same one after lines were added above it.
        same = f"{reason}\0{name}\0{path}\0{message}"
        seen[same] = seen.get(same, 0) + 1
        entries.append(
            {
                "description": f"{message}; {hint}" if hint else message,
                "check_name": reason,
                "fingerprint": hashlib.sha256(f"{same}\0{seen[same]}".encode()).hexdigest(),
                "severity": SEVERITIES[level],
                "location": {"path": name, "lines": {"begin": line}},
            }
        )

    for level, problem in found.levelled:
        line = problem.position.line if problem.position else 1
        where = (problem.source, line, format_path(problem.path))
        add(level, str(problem.reason), problem.message, problem.hint, where)
    for failure in found.failures:
        add(Level.ERROR, "failure", failure.message, failure.hint, ("", 1, ""))
    for text in not_shown:
        add(Level.WARNING, "not_shown", text, "", ("", 1, ""))
    return entries


def _relative(source: str) -> str:
    """A file's path as GitLab compares it: from the folder of the run, without `./` before it."""
    path = Path(source)
    if not path.is_absolute():
        return path.as_posix()
    folder = Path.cwd()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()
