"""What a run has to say, in the form that the reader asked for: text, JSON, SARIF or CI annotations.

The sentences, hints and reason codes are the same in all of them, and none holds a value. Text is said as it
comes up. The other forms are one piece, written at the end of the run, also when nothing is wrong: on stderr,
because nothing but the resolved text may be on stdout, or on stdout for `--check`, whose output it is.
"""

from __future__ import annotations

import enum
import json
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.cli.output import count, printable, put, say, width
from resolver.cli.streams import write_stderr, write_stdout
from resolver.core.location import format_path
from resolver.errors import BlueprintError, ResolverError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.dsl.problems import Problem
    from resolver.resolution import BlueprintText

LINE_WIDTH = 100
"""Widest piece of a source line that a problem shows, in characters."""


MAX_REPORTED = 10_000
"""A run with more problems than this says how many more there are; its exit code is that of them all."""


class Form(enum.StrEnum):
    """The forms of what a run has to say."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class Failure(NamedTuple):
    """What went wrong with a run, other than problems of its blueprints."""

    message: str
    hint: str


class ToldError(Exception):
    """A run failed, and its report says so already.

    Args:
        error: what it failed with.
    """

    def __init__(self, error: ResolverError) -> None:
        super().__init__("told")
        self.error = error


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


def cut_short(problems: Sequence[Problem]) -> tuple[Sequence[Problem], str]:
    """The problems that a report shows, and what it says of the others; nothing when there are none."""
    others = len(problems) - MAX_REPORTED
    return problems[:MAX_REPORTED], f"{count(others, 'more problem')} not shown" if others > 0 else ""


def say_problems(problems: Sequence[Problem]) -> None:
    """Write problems to stderr, each with message, place, source line with a caret, hint."""
    shown, others = cut_short(problems)
    for problem in shown:
        for line in problem_lines(problem):
            say(line)
    if others:
        say(f"note: {others}")


def problem_lines(problem: Problem) -> Iterator[str]:
    """One problem as text: message, place, source line with a caret, hint."""
    yield f"error: {problem.message} [{problem.reason}]"
    if problem.source:
        path = f"  {format_path(problem.path)}" if problem.path else ""
        yield f"  --> {place_of(problem)}{path}"
        if problem.position and problem.line_text:
            yield from _source_line(problem.position.line, problem.position.column, problem.line_text)
    if problem.hint:
        yield f"  hint: {problem.hint}"


def place_of(item: Any) -> str:  # noqa: ANN401 - a Problem or a CallSite
    """Where something stands, `FILE:LINE:COLUMN`, or as much of it as is known."""
    at = item.position
    return f"{item.source}:{at.line}:{at.column}" if at else str(item.source)


def _source_line(line: int, column: int, text: str) -> Iterator[str]:
    start = max(0, min(column - 1 - LINE_WIDTH // 2, len(text) - LINE_WIDTH))
    piece = text[start : start + LINE_WIDTH]
    before = printable(piece[: column - 1 - start].replace("\t", " "))
    after = printable(piece[column - 1 - start :].replace("\t", " "))
    margin = " " * len(str(line))
    yield f"{line} | {before}{after}".rstrip()
    yield f"{margin} | {' ' * width(before)}^"


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


def workflow_commands(
    problems: Sequence[Problem], failures: Sequence[Failure], notes: Sequence[str]
) -> Iterator[str]:
    """What a run has to say as workflow commands, one a line.

    The format is that of GitHub Actions, which reads stdout and stderr of a step, and others have taken over.
    """
    is_known_file = cache(is_file)  # a run may have very many problems, in few files
    for problem in problems:
        fields = {"title": str(problem.reason)}
        if is_known_file(problem.source):
            fields["file"] = Path(problem.source).as_posix()
            if problem.position:
                fields |= {"line": str(problem.position.line), "col": str(problem.position.column)}
            message = problem.message
        else:
            message = f"{problem.source}: {problem.message}" if problem.source else problem.message
        yield _annotation("error", fields, message, problem.hint)
    for failure in failures:
        yield _annotation("error", {}, failure.message, failure.hint)
    for note in notes:
        yield _annotation("notice", {}, note, "")


def _annotation(level: str, fields: dict[str, str], message: str, hint: str) -> str:
    properties = ",".join(
        f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in fields.items()
    )
    text = f"{message}\nhint: {hint}" if hint else message
    return f"::{level}{' ' if properties else ''}{properties}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def is_file(source: str) -> bool:
    """Whether a source is a file that a viewer can open, and not stdin or the name of something else."""
    try:
        return Path(source).is_file()
    except (OSError, ValueError):
        return False
