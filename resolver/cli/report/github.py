"""Problems as workflow commands, which GitHub Actions shows as annotations."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.cli.report.items import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.cli.report.items import Found


def workflow_commands(found: Found) -> Iterator[str]:
    """What is to be reported of a run as workflow commands, one a line.

    The format is that of GitHub Actions, which reads stdout and stderr of a step, and others have taken over.
    """
    is_known_file = cache(is_file)  # a run may have very many problems, in few files
    for level, problem in found.levelled:
        fields = {"title": str(problem.reason)}
        if is_known_file(problem.source):
            fields["file"] = Path(problem.source).as_posix()
            if problem.position:
                fields |= {"line": str(problem.position.line), "col": str(problem.position.column)}
            message = problem.message
        else:
            message = f"{problem.source}: {problem.message}" if problem.source else problem.message
        yield _annotation(level, fields, message, problem.hint)
    for failure in found.failures:
        yield _annotation("error", {}, failure.message, failure.hint)
    for note in found.notes:
        yield _annotation("notice", {}, note, "")


def _annotation(level: str, fields: dict[str, str], message: str, hint: str) -> str:
    properties = ",".join(
        f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in fields.items()
    )
    text = f"{message}\nhint: {hint}" if hint else message
    return f"::{level}{' ' if properties else ''}{properties}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
