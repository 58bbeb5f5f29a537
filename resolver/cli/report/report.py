"""What a run has to say, in the form that the reader asked for: text, JSON, SARIF or CI annotations.

The sentences, hints and reason codes are the same in all of them, and none holds a value. Text is said as it
comes up. The other forms are one piece, written at the end of the run, also when nothing is wrong: on stderr,
because nothing but the resolved text may be on stdout, or on stdout for `--check`, whose output it is.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from resolver.cli.output import put, say
from resolver.cli.report.github import workflow_commands
from resolver.cli.report.items import Failure, Form, ToldError, cut_short
from resolver.cli.report.text import say_problems
from resolver.cli.streams import write_stderr, write_stdout
from resolver.errors import BlueprintError, ResolverError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.dsl.problems import Problem
    from resolver.resolution import BlueprintText


class Report:
    """Collects what one run has to say.

    Args:
        form: the form that the reader asked for.
        on_stdout: whether the report is the output of the run, as it is for `--check`.

    Attributes:
        texts: the blueprints of the run, for regions in bytes.
        extra: more members for the JSON document.
        failed: whether anything was reported that is wrong.
    """

    def __init__(self, form: Form, *, on_stdout: bool = False) -> None:
        self.form = form
        self.texts: Sequence[BlueprintText] = ()
        self.extra: dict[str, Any] = {}
        self._on_stdout = on_stdout
        self._notes: list[str] = []
        self._problems: list[Problem] = []
        self._failures: list[Failure] = []
        self.failed = False

    def note(self, text: str) -> None:
        """Take what the reader should know although nothing is wrong."""
        if self.form is Form.TEXT:
            say(f"note: {text}")
        else:
            self._notes.append(text)

    def add(self, problems: Sequence[Problem]) -> None:
        """Take problems that do not end the run."""
        self.failed = self.failed or bool(problems)
        if self.form is Form.TEXT:
            say_problems(problems)
        else:
            self._problems += problems

    def fail(self, message: str, hint: str = "") -> None:
        """Take what is wrong with the run and does not end it."""
        self.failed = True
        if self.form is Form.TEXT:
            say(f"error: {message}")
            if hint:
                say(f"  hint: {hint}")
        else:
            self._failures.append(Failure(message, hint))

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Write the report when the block ends.

        Raises:
            ToldError: the block raised an error of ours, and it is in the report. As text it is left to
                `resolver.cli.exit_codes`, which has the words for every error.
        """
        try:
            yield
        except ResolverError as error:
            if self.form is Form.TEXT:
                raise
            if isinstance(error, BlueprintError):
                self._problems += error.problems
            else:
                self._failures.append(Failure(error.message, error.hint))
            self._write()
            raise ToldError(error) from None
        if self.form is not Form.TEXT:
            self._write()

    def _write(self) -> None:
        problems, others = cut_short(self._problems)
        notes = [*self._notes, others] if others else self._notes
        if self.form is Form.GITHUB:
            for line in workflow_commands(problems, self._failures, notes):
                (put if self._on_stdout else say)(line)
            return
        document: dict[str, Any]
        if self.form is Form.SARIF:
            from resolver.cli.report.sarif import make_log  # noqa: PLC0415 - few runs need it

            document = make_log(problems, self._failures, notes, self.texts)
        else:
            document = {
                "problems": [as_json(problem) for problem in problems],
                "failures": [failure._asdict() for failure in self._failures],
                "notes": notes,
                **self.extra,
            }
        # On stderr in one line, which is easily told apart from what else may be there, like a child's words.
        text = json.dumps(document, indent=2 if self._on_stdout else None).replace("\x7f", "\\u007f")
        if self._on_stdout:
            write_stdout(f"{text}\n")
        else:
            write_stderr(text)


def as_json(problem: Problem) -> dict[str, Any]:
    """One problem as `schemas/diagnostics.schema.json` describes it."""
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
