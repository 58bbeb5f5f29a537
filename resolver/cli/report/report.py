"""The report of one run, in the format that the reader asked for: text, JSON, SARIF or for CI systems.

The sentences, hints and reason codes are the same in all of them, and none holds a value. Text is written as
it comes up. The other formats are one piece, written at the end of the run, also when nothing is wrong. That
is on stderr, because only the resolved text may be on stdout; or on stdout for `--check`, whose output it is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, assert_never

from resolver.cli.output import put, say
from resolver.cli.report.items import Found, Level, ReportedError, ReportFormat, RunFailure, cut_short
from resolver.cli.report.text import problems_lines, say_failure, say_problems
from resolver.cli.streams import write_stderr, write_stdout
from resolver.errors import BlueprintError, ResolverError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.dsl.problems import Problem
    from resolver.resolution import BlueprintText


class Report:
    """Collects what is to be reported of one run.

    Args:
        report_format: the format that the reader asked for.
        on_stdout: whether the report is the output of the run, as it is for `--check`.

    Attributes:
        texts: the blueprints of the run, for regions in bytes.
        extra: more members for the JSON document.
        failed: whether anything was reported that is wrong.
    """

    def __init__(self, report_format: ReportFormat, *, on_stdout: bool = False) -> None:
        self.is_text = report_format is ReportFormat.TEXT
        self.texts: Sequence[BlueprintText] = ()
        self.extra: dict[str, Any] = {}
        self.failed = False
        self._format = report_format
        self._on_stdout = on_stdout
        self._notes: list[str] = []
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._failures: list[RunFailure] = []

    def note(self, text: str) -> None:
        """Add what the reader should know although nothing is wrong."""
        if self.is_text:
            say(f"note: {text}")
        else:
            self._notes.append(text)

    def add(self, problems: Sequence[Problem]) -> None:
        """Add problems that do not end the run."""
        self.failed = self.failed or bool(problems)
        if self.is_text:
            say_problems(problems)
        else:
            self._problems += problems

    def warn(self, warnings: Sequence[Problem]) -> None:
        """Add what is most likely not meant as it is written, with which the run goes on."""
        if self.is_text:
            say_problems(warnings, Level.WARNING)
        else:
            self._warnings += warnings

    def put(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        """Add all that a run found whose output the report is."""
        if self.is_text:
            for line in (*problems_lines(problems), *problems_lines(warnings, Level.WARNING)):
                put(line)
        else:
            self.add(problems)
            self.warn(warnings)

    def fail(self, message: str, hint: str = "") -> None:
        """Add what is wrong with the run and does not end it."""
        self.failed = True
        if self.is_text:
            say_failure(message, hint)
        else:
            self._failures.append(RunFailure(message, hint))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Write the report when the block ends.

        Raises:
            ReportedError: the block raised an error of ours, and it is in the report. As text it is left to
                `resolver.cli.exit_codes`, which has the words for every error.
        """
        try:
            yield
        except ResolverError as error:
            if self.is_text:
                raise
            if isinstance(error, BlueprintError):
                self.add(error.problems)
            else:
                self.fail(error.message, error.hint)
            self._write()
            raise ReportedError(error) from None
        self._write()

    def _write(self) -> None:
        problems, others = cut_short(self._problems)
        warnings, more = cut_short(self._warnings, Level.WARNING)
        not_shown = [text for text in (others, more) if text]
        found = Found(problems, warnings, self._failures, [*self._notes, *not_shown])
        match self._format:
            case ReportFormat.TEXT:
                pass  # it was written as it came up
            case ReportFormat.GITHUB:
                from resolver.cli.report.github import workflow_commands  # noqa: PLC0415 - few runs need it

                for line in workflow_commands(found):
                    (put if self._on_stdout else say)(line)
            case ReportFormat.GITLAB:
                from resolver.cli.report.gitlab import code_quality  # noqa: PLC0415 - few runs need it

                self._write_json(code_quality(found, self.texts, not_shown))
            case ReportFormat.SARIF:
                from resolver.cli.report.sarif import make_log  # noqa: PLC0415 - few runs need it

                self._write_json(make_log(found, self.texts))
            case ReportFormat.JSON:
                from resolver.cli.report.json import make_document  # noqa: PLC0415 - few runs need it

                self._write_json(make_document(found, self.extra))
            case _:
                assert_never(self._format)

    def _write_json(self, document: dict[str, Any] | list[Any]) -> None:
        import json  # noqa: PLC0415 - few runs need it

        # On stderr in one line, which is easily told apart from what else may be there, like a child's words.
        text = json.dumps(document, indent=2 if self._on_stdout else None).replace("\x7f", "\\u007f")
        if self._on_stdout:
            write_stdout(f"{text}\n")
        else:
            write_stderr(text)
