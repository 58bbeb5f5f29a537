"""`resolver exec`: runs a command that gets the resolved blueprint in memory."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, assert_never

import click
import msgspec

from resolver.cli.context import App, not_hardened
from resolver.cli.exit_codes import ExitCode
from resolver.cli.output import count, say
from resolver.cli.report.report import Report
from resolver.cli.request import request_options, resolved_text, run_request
from resolver.delivery.child import WITHHELD, ChildExit, run
from resolver.delivery.child_input import (
    WHOLE,
    Fifos,
    InputKind,
    MemoryFiles,
    NoInput,
    StdinFile,
    StdinPipe,
    numbers_in,
)
from resolver.delivery.fifo import PrivateFolder, candidate_folders
from resolver.delivery.memfd import why_no_memfd
from resolver.delivery.signals import die_by
from resolver.delivery.stdout_policy import is_terminal_or_log
from resolver.errors import UsageError
from resolver.resolution.variables import parse_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.cli.arguments import ResolveArguments
    from resolver.core.formats import DocumentFormat
    from resolver.delivery.child_input import ChildInput
    from resolver.delivery.child_output import ChildOutput
    from resolver.delivery.masking import Needles
    from resolver.dsl.values import Substitution
    from resolver.resolution import Resolution

    Packer = Callable[[Mapping[int, bytes]], ChildInput]

FOLDER_VARIABLE = "RESOLVED_BLUEPRINT_DIR"

_LONGEST = 255
"""Bytes of a file's name, at most, on usual file systems."""


class _Load(NamedTuple):
    """What a command is started with."""

    child_input: ChildInput
    variables: dict[str, str]
    needles: Needles | None

    def __repr__(self) -> str:
        return "_Load(****)"


@click.command(name="exec")
@click.argument("words", nargs=-1, required=True, metavar="[BLUEPRINT...] -- COMMAND ARGS {}")
@click.option("--stdin", "on_stdin", is_flag=True, help="Give the blueprint to the command's stdin.")
@click.option(
    "--fifo", is_flag=True, help="Give plain paths, each of which can be read once, by one process."
)
@click.option(
    "--name",
    metavar="FILE",
    help="What the path in place of {} ends with, like app.yaml, for programs that go by a file's name. "
    "Implies --fifo.",
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME=KEY",
    help="Also put a secret into the command's environment. All that it starts inherits it, crash reports "
    "and debug logs often show it, other processes of yours can read it: prefer the blueprint. Repeatable.",
)
@click.option(
    "--allow-env",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="Let --env set NAME, which is not called like a credential. Whoever may change the secret may then "
    "decide what a program does that heeds NAME. Repeatable.",
)
@click.option(
    "--mask/--no-mask",
    default=None,
    help="Replace the values in what the command prints, as far as they are recognised: this is best "
    "effort. By default when stdout is a terminal or a log.",
)
@click.option(
    "--keep-identity",
    is_flag=True,
    help="With --identity github, leave COMMAND the variables with which it asks GitHub for identities, for "
    "other servers. It could have one made for this server, too.",
)
@request_options
def execute(  # noqa: PLR0913 - one for each option
    app: App,
    request: ResolveArguments,
    *,
    words: tuple[str, ...],
    on_stdin: bool,
    fifo: bool,
    name: str | None,
    variables: tuple[str, ...],
    allowed: tuple[str, ...],
    mask: bool | None,
    keep_identity: bool,
) -> int:
    """Run COMMAND with the resolved blueprint in memory.

    {} in its arguments, and RESOLVED_BLUEPRINT in its environment, become a path that it can read as often
    as it likes while it runs; nothing is written to disk. Of several blueprints {} is all in one text, {1},
    {2} and so on are each of them. Without a blueprint COMMAND gets the variables of --env only. It never
    starts unless everything resolved.

    Its exit code and signals pass through; 125 is a failure of exec itself, 126 and 127 are as in a shell.
    With --keep-going it gets the good blueprints, and when it ends with 0 while others were left out, exec
    ends with 125.
    """
    blueprints, command = _split(words, app.arguments, need_blueprints=not variables)
    report = Report(request.diagnostics)
    output: ChildOutput | None = None
    with ExitStack() as stack:
        with report.reporting():
            fifo = fifo or name is not None
            if on_stdin and fifo:
                raise UsageError("give either --stdin or --fifo")
            if (on_stdin or fifo) and not blueprints:
                raise UsageError("there is no blueprint that could be given to the command")
            environment = tuple(parse_variables(variables, allowed).items())
            request = msgspec.structs.replace(request, blueprints=blueprints, environment=environment)
            numbers = [WHOLE] if on_stdin else numbers_in(command[1:], len(blueprints))
            names = _names(numbers, name, request.output_format)
            kind = _kind(app, on_stdin=on_stdin, fifo=fifo) if blueprints else InputKind.NOTHING
            pack = _packer(kind, names, stack)
            masked = is_terminal_or_log(1, 2, os.environ) if mask is None else mask
            load = _load(app, request, report, numbers, pack, masked=masked)
        if load.needles:
            from resolver.delivery.child_output import ChildOutput  # noqa: PLC0415 - only masked runs need it

            output = ChildOutput(load.needles)
        withheld = app.withheld(WITHHELD, keep=keep_identity)
        ended = run(
            command,
            load.child_input,
            environ=os.environ,
            more=load.variables,
            supervisor=output,
            withheld=withheld,
        )
    if output is not None and output.count and report.is_text:
        say(f"note: {count(output.count, 'value')} masked in what the command printed; this is best effort")
    return _end(ended, report)


def _end(ended: ChildExit, report: Report) -> int:
    if ended.problem:
        say(f"error: {ended.problem}")
    if ended.signal is not None:
        die_by(ended.signal)
    return ExitCode.EXEC_FAILURE if report.failed and ended.code == 0 else ended.code


def _names(numbers: Sequence[int], name: str | None, output_format: DocumentFormat) -> dict[int, str]:
    """What the files of the texts are called, where they have a name."""
    suffix = f".{output_format.value}"
    names = {number: f"blueprint-{number}{suffix}" if number else f"blueprint{suffix}" for number in numbers}
    if name is None:
        return names
    is_name = Path(name).name == name and name not in ("", "..", *names.values())
    if not is_name or not name.isprintable() or len(name.encode()) > _LONGEST:
        raise UsageError("--name takes a file's name, without a folder", hint="like --name app.yaml")
    return names | {WHOLE: name}


def _kind(app: App, *, on_stdin: bool, fifo: bool) -> InputKind:
    """Choose how the command gets its texts."""
    kind = InputKind.STDIN_FILE if on_stdin else InputKind.FIFOS if fifo else InputKind.MEMORY_FILES
    if not fifo and (lack := why_no_memfd()):
        if app.require_hardening:
            raise not_hardened([lack])
        kind = InputKind.STDIN_PIPE if on_stdin else InputKind.FIFOS
        instead = "its stdin is a pipe" if on_stdin else "the command gets a FIFO, which can be read once"
        say(f"warning: {lack}: {instead}")
    return kind


def _packer(kind: InputKind, names: Mapping[int, str], stack: ExitStack) -> Packer:
    """Make ready what must be there before anything is decrypted."""
    match kind:
        case InputKind.NOTHING:
            return lambda _: NoInput()
        case InputKind.STDIN_PIPE:
            return lambda texts: StdinPipe(texts[WHOLE])
        case InputKind.STDIN_FILE:
            return lambda texts: StdinFile(texts[WHOLE])
        case InputKind.MEMORY_FILES:
            return MemoryFiles
        case InputKind.FIFOS:
            folder = stack.enter_context(PrivateFolder(list(names.values()), candidate_folders(os.environ)))
            return lambda texts: Fifos(folder, texts, names)
        case _:
            assert_never(kind)


def _load(
    app: App, request: ResolveArguments, report: Report, numbers: Sequence[int], pack: Packer, *, masked: bool
) -> _Load:
    """Resolve, and pack what came of it. No name is left to the texts: the one copy is the command's."""
    resolution = run_request(app, request, report)
    app.service.close()
    for name, value in resolution.environment.items():
        if "\0" in value:
            raise UsageError(f"the secret for --env {name} holds a null character, which no variable can")
    needles = _needles(resolution.substitutions, report) if masked else None
    variables = dict(resolution.environment)
    if not request.blueprints:
        return _Load(pack({}), variables, needles)
    variables[FOLDER_VARIABLE] = str(Path(resolution.blueprints[0].name).parent.absolute())
    return _Load(pack(_texts(resolution, request, numbers)), variables, needles)


def _texts(resolution: Resolution, request: ResolveArguments, numbers: Sequence[int]) -> dict[int, bytes]:
    """The texts that the command asks for, by their numbers."""
    left = list(resolution.blueprints)
    texts = {WHOLE: resolved_text(resolution, request.output_format).encode()}
    for number, name in enumerate(request.blueprints, 1):
        if not left or left[0].name != ("<stdin>" if name == "-" else name):
            if number in numbers:
                raise UsageError(f"the command names {{{number}}}, and {name!r} was left out")
            continue
        alone = msgspec.structs.replace(resolution, blueprints=(left.pop(0),))
        if number in numbers:
            texts[number] = resolved_text(alone, request.output_format).encode()
    return texts


def _needles(secrets: Sequence[Substitution], report: Report) -> Needles:
    from resolver.blueprint.flow_style import quote  # noqa: PLC0415 - only masked runs need these
    from resolver.delivery.masking import needles_for, texts_of  # noqa: PLC0415 - as above

    # Data with half a character can't be written, so there is no such text once everything resolved.
    found = [
        (placed.label, placed.value, [quote(text)[1:-1] for text in texts_of(placed.value)])
        for placed in secrets
    ]
    needles, short = needles_for(found)
    if short:
        report.note(f"masking is best effort; too short to be masked is something of: {', '.join(short)}")
    return needles


def _split(
    words: tuple[str, ...], arguments: Sequence[str], *, need_blueprints: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Separate the blueprints from the command, which is all that stood behind the first `--`.

    Raises:
        UsageError: there is no `--`, or nothing on one side of it.
    """
    behind = len(arguments) - arguments.index("--") - 1 if "--" in arguments else 0
    blueprints, command = words[: len(words) - behind], words[len(words) - behind :]
    if (need_blueprints and not blueprints) or not command:
        raise UsageError(
            "exec needs blueprints, or --env, and a command",
            hint="resolver exec BLUEPRINT... -t TENANT -- COMMAND ARGS {}",
        )
    return blueprints, command
