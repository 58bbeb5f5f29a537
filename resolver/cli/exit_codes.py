"""Runs a command and turns what it raises into words and an exit code."""

from __future__ import annotations

import enum
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.output import say
from resolver.cli.report.items import ReportedError
from resolver.cli.report.text import say_failure, say_problems
from resolver.cli.streams import OutputError, ReaderGoneError, flush_stdout, forget_stdout, lost
from resolver.dsl.reasons import Reason
from resolver.errors import (
    AccessError,
    BlueprintError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ResolverError,
    SinkRefusedError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import ModuleType

    from resolver.dsl.problems import Problem


class ExitCode(enum.IntEnum):
    """What the commands exit with."""

    DONE = 0
    INTERNAL_ERROR = 1
    USAGE = 2
    INVALID_BLUEPRINT = 3
    NOT_PERMITTED = 4
    NOT_FOUND = 5
    UNAVAILABLE = 6
    SINK_REFUSED = 7
    CONFLICT = 8
    CHANGED = 10
    """Something has changed, which is what was asked."""
    EXEC_FAILURE = 125
    """What `exec` exits with when the failure is its own, so that the command's codes stay the command's."""
    INTERRUPTED = 130
    READER_GONE = 141
    """As shells tell of a command that SIGPIPE ended."""


EXIT_CODES: dict[type[ResolverError], ExitCode] = {
    UsageError: ExitCode.USAGE,
    InvalidRequestError: ExitCode.USAGE,
    BlueprintError: ExitCode.INVALID_BLUEPRINT,
    AccessError: ExitCode.NOT_PERMITTED,
    NotFoundError: ExitCode.NOT_FOUND,
    UnavailableError: ExitCode.UNAVAILABLE,
    SinkRefusedError: ExitCode.SINK_REFUSED,
    ConflictError: ExitCode.CONFLICT,
}
"""The exit code of each branch of the errors."""

REASON_EXIT_CODES: dict[Reason, ExitCode] = {
    Reason.NOT_PERMITTED: ExitCode.NOT_PERMITTED,
    Reason.APPROVAL_NEEDED: ExitCode.NOT_PERMITTED,
    Reason.EXPIRED: ExitCode.NOT_PERMITTED,
    Reason.NOT_FOUND: ExitCode.NOT_FOUND,
    Reason.NOT_AT_PROVIDER: ExitCode.NOT_FOUND,
    Reason.PROVIDER: ExitCode.UNAVAILABLE,
    Reason.UNREADABLE: ExitCode.UNAVAILABLE,
    Reason.UNAVAILABLE: ExitCode.UNAVAILABLE,
}
"""The exit code of the problems that are not about the blueprint itself."""


def exit_code(error: ResolverError) -> ExitCode:
    """The exit code of an error: its own class's or the nearest base's; of several problems, the lowest.

    One of no branch, which only a plugin can raise, is an internal error.
    """
    if isinstance(error, BlueprintError):
        return problems_exit_code(error.problems)
    codes = (EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)
    return next(codes, ExitCode.INTERNAL_ERROR)


def problems_exit_code(problems: Iterable[Problem]) -> ExitCode:
    """The exit code of problems: the lowest of theirs, 0 without any."""
    codes = (REASON_EXIT_CODES.get(problem.reason, ExitCode.INVALID_BLUEPRINT) for problem in problems)
    return min(codes, default=ExitCode.DONE)


def run(command: click.Command, arguments: Sequence[str], failure: int | None = None) -> int:
    """Run a command; everything that goes wrong becomes a sentence on stderr and an exit code.

    Args:
        command: the command.
        arguments: its arguments.
        failure: the one exit code for all failures; None for the code of each error.

    Returns:
        The exit code: the command's own result when that is a number.
    """
    code, failed = _run(command, list(arguments))
    return failure if failed and failure is not None else code


def _run(command: click.Command, given: list[str]) -> tuple[int, bool]:
    """The exit code, and whether something went wrong."""
    own = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in own
    try:
        result = _main(command, given)
        flush_stdout()
    except click.exceptions.Exit as stop:
        return stop.exit_code, False
    except click.ClickException as error:
        _say_usage(error)
        return ExitCode.USAGE, True
    except (click.Abort, KeyboardInterrupt):
        say("error: interrupted")
        return ExitCode.INTERRUPTED, True
    except (ResolverError, ReportedError) as raised:
        cause = raised.error if isinstance(raised, ReportedError) else raised
        if cause is raised:
            _say_error(cause)
        if debug:
            _say_frames(cause)
        return exit_code(cause), True
    except OutputError as error:
        return _say_lost(error, command), True
    except Exception as error:  # noqa: BLE001 - the outermost layer
        return _say_internal(error, command, debug=debug), True
    return (result if isinstance(result, int) else ExitCode.DONE), False


def _main(command: click.Command, given: list[str]) -> object:
    """Run a command, which raises what goes wrong.

    click exits by itself when the reader of a page of help went away, with another stdout in place.
    """
    stdout = sys.stdout
    try:
        return command.main(given, prog_name=command.name, standalone_mode=False)
    except SystemExit:
        if sys.stdout is stdout:
            raise  # the server's library, when it can't start
        sys.stdout = stdout
        raise lost(BrokenPipeError()) from None


def _say_lost(error: OutputError, command: click.Command) -> int:
    is_gone = isinstance(error, ReaderGoneError)
    # `list | head` is no failure; a deployment that got half a blueprint is one.
    if not is_gone or command.name == "resolve":
        say(f"error: {error}")
    forget_stdout()
    return ExitCode.READER_GONE if is_gone else ExitCode.INTERNAL_ERROR


def _is_raised_by(package: ModuleType, error: BaseException) -> bool:
    """Whether an error was raised in a package's own code, or by what that called in the interpreter."""
    import traceback  # noqa: PLC0415 - few runs need it

    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__")).startswith(f"{package.__name__}.")


def _say_internal(error: Exception, command: click.Command, *, debug: bool) -> int:
    if isinstance(error, OSError) and _is_raised_by(click, error):
        return _say_lost(lost(error), command)  # it writes pages of help, and reads or writes nothing else
    # Never the message: it is not ours, so it may hold anything.
    say(f"error: internal error: {type(error).__name__}")
    say("  hint: run again with --debug to see where, and report it")
    if debug:
        _say_frames(error)
    return ExitCode.INTERNAL_ERROR


def _say_error(error: ResolverError) -> None:
    if isinstance(error, BlueprintError):
        say_problems(error.problems)
    say_failure(error.message, error.hint)


def _say_usage(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # A page of ours, with line breaks that are meant: nothing in it comes from the command line.
        click.echo(error.message, err=True)
        return
    message = _usage_message(error)
    say(f"error: {message[:1].lower()}{message[1:].rstrip('.')}")
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        say(f"  hint: {_usage_advice(error, context)}`{context.command_path} --help` shows what it takes")


def _usage_advice(error: click.ClickException, context: click.Context) -> str:
    """What was probably meant, where a word is too many or missing, or an option is another command's."""
    is_option = isinstance(error, click.NoSuchOption)
    if context.command.name == "exec" and is_option and "--" not in getattr(context.obj, "arguments", ["--"]):
        return "put `--` before the command that is to be run, as in `-- COMMAND ARGS {}`; "
    is_extra = "extra argument" in error.format_message()
    if context.command_path in _WITH_VALUE and (
        is_extra or getattr(error, "option_name", "") in _VALUE_OPTIONS
    ):
        return "a value comes from stdin, from -f FILE or from -s VALUE; "
    words = {
        one.human_readable_name.lower() for one in context.command.params if one.param_type_name == "argument"
    }
    is_argument = is_option and getattr(error, "option_name", "").removeprefix("--") in words
    if is_extra or is_argument or isinstance(getattr(error, "param", None), click.Argument):
        pieces = " ".join(context.command.collect_usage_pieces(context))
        return f"it is written `{context.command_path} {pieces}`; "
    return ""


_WITH_VALUE = frozenset({"resolver secrets create", "resolver secrets update"})
"""Commands that many give a secret's value as a word or by an option that there is not."""

_VALUE_OPTIONS = frozenset({"--data", "--secret", "--text", "--value"})
"""Options by which other programs take a value."""

_SYNONYMS: Mapping[str, Sequence[str]] = {
    "add": ("create", "add-user"),
    "cat": ("get",),
    "disable": ("deactivate",),
    "edit": ("update",),
    "enable": ("activate",),
    "grant": ("add-user",),
    "invite": ("add-user",),
    "ls": ("list",),
    "members": ("get",),
    "new": ("create",),
    "passwd": ("set-password",),
    "password": ("set-password",),
    "put": ("create", "update"),
    "read": ("get",),
    "remove": ("delete", "remove-user"),
    "rm": ("delete",),
    "set": ("create", "update"),
    "show": ("get",),
    "users": ("get",),
    "view": ("get",),
}
"""What commands are called elsewhere, and what they are here."""


_NO_COMMAND = re.compile(r"No such command '([^']*)'\.")
"""How click says so, which has an error of its own for it since 8.4 only."""


_NO_CHOICE = re.compile(r"'([^']*)' is not one of ")
"""How click says what was given in place of a choice. It is compared, and never repeated."""


def _question(names: Sequence[str], given: str) -> str:
    """Which of the names was probably meant; empty when none is close."""
    from resolver.core.suggestions import Suggestions  # noqa: PLC0415 - for a mistake only

    return Suggestions(lambda: names).question(given)


def _no_such_command(error: click.UsageError, name: str) -> str:
    group = error.ctx.command if error.ctx is not None else None
    names = group.list_commands(error.ctx) if isinstance(group, click.Group) and error.ctx is not None else []
    meant = [known for known in _SYNONYMS.get(name, ()) if known in names]
    asked = f"did you mean {' or '.join(map(repr, meant))}?" if meant else ""
    question = asked or _question(names, name)
    return f"no such command {name!r}{question and f', {question}'}"


_LIKE_AN_OPTION = re.compile(r"-[a-zA-Z]|--[a-z]{1,12}(-[a-z]{1,12}){0,3}")
"""What is repeated of a command line: words with a dash before them. A value may stand there, too."""


def _usage_message(error: click.ClickException) -> str:
    """What is wrong with a command line, without repeating it: people type values in wrong places."""
    match error:
        case click.BadParameter(param=click.Parameter() as parameter) if not isinstance(
            error, click.MissingParameter
        ):
            choices = ", ".join(map(str, getattr(parameter.type, "choices", ())))
            name = parameter.get_error_hint(error.ctx) if error.ctx is not None else parameter.name
            if choices:
                given = _NO_CHOICE.match(error.message)
                question = _question(choices.split(", "), given[1]) if given else ""
                return f"invalid value for {name}, choose from {choices}{question and f'; {question}'}"
            return f"invalid value for {name}{_number_wanted(parameter.type)}"
        case click.NoSuchOption(possibilities=possible):
            name = f" {error.option_name}" if _LIKE_AN_OPTION.fullmatch(error.option_name) else ""
            return f"no such option{name}" + (
                f", did you mean {', '.join(sorted(possible))}" if possible else ""
            )
        case click.MissingParameter(param=click.Parameter(type=click.Choice() as choice) as parameter):
            name = parameter.get_error_hint(error.ctx) if error.ctx is not None else parameter.name
            return f"missing {name}, choose from {', '.join(map(str, choice.choices))}"
    message = error.format_message()
    if isinstance(error, click.UsageError) and (missing := _NO_COMMAND.match(message)):
        return _no_such_command(error, missing[1])
    return "too many arguments were given" if "extra argument" in message else message


def _number_wanted(kind: click.ParamType[Any]) -> str:
    """Which numbers a type takes; empty for other types."""
    match kind:
        case click.IntRange(min=low, max=high) | click.FloatRange(min=low, max=high):
            bounds = [f"{word} {bound}" for word, bound in (("from", low), ("to", high)) if bound is not None]
            return f", it takes a number {' '.join(bounds)}".rstrip()
    return ""


def _say_frames(error: BaseException) -> None:
    """Where an error came from: files and lines only, never messages or variables."""
    import traceback  # noqa: PLC0415 - few runs need it

    for frame in traceback.extract_tb(error.__traceback__):
        say(f"  at {frame.filename}:{frame.lineno} in {frame.name}")
    say(f"  {type(error).__name__}")
