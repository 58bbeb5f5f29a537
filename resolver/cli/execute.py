"""`resolver exec`: runs a command that gets the resolved blueprint in memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from resolver.cli.app import App, pass_app
from resolver.cli.diagnostics import Form, Report
from resolver.cli.output import say
from resolver.cli.resolve import Request, request_options, resolved_text, run_request
from resolver.cli.run import EXEC_FAILURE
from resolver.delivery.child import Mode, run
from resolver.delivery.memfd import require_memfd
from resolver.delivery.relay import die_by
from resolver.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(name="exec")
@click.argument("words", nargs=-1, required=True, metavar="BLUEPRINT... -- COMMAND ARGS {}")
@click.option("--stdin", "on_stdin", is_flag=True, help="Give the blueprint to the command's stdin.")
@request_options
@pass_app
def execute(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    words: tuple[str, ...],
    on_stdin: bool,
    tenant: str | None,
    inputs: tuple[str, ...],
    context: str | None,
    output_format: str,
    partial: bool,
    evaluate: bool,
    merge_imports: bool,
    diagnostics: str,
    keep_going: bool,
) -> int:
    """Run COMMAND with the resolved blueprint in memory.

    {} in its arguments, and RESOLVED_BLUEPRINT in its environment, become a path that it can read as often
    as it likes while it runs; nothing is written to disk. COMMAND never starts unless everything resolved.
    Its exit code and signals pass through; 125 is a failure of exec itself, 126 and 127 are as in a shell.
    With --keep-going it gets the good blueprints, and when it ends with 0 while others were left out, exec
    ends with 125.
    """
    blueprints, command = _split(words, app.arguments)
    request = Request(
        blueprints,
        tenant,
        inputs,
        context,
        output_format,
        partial,
        evaluate,
        merge_imports,
        diagnostics,
        keep_going,
    )
    report = Report(Form(diagnostics))
    require_memfd()
    # No name here for the text: while the command runs, the one copy shall be the one it can read.
    ending = run(
        command,
        _text(app, request, report),
        mode=Mode.STDIN if on_stdin else Mode.PATH,
        environ=os.environ,
    )
    if ending.problem:
        say(f"error: {ending.problem}")
    if ending.signal is not None:
        die_by(ending.signal)
    return EXEC_FAILURE if report.failed and ending.code == 0 else ending.code


def _text(app: App, request: Request, report: Report) -> bytes:
    with report.telling():
        text = resolved_text(run_request(app, request, report), request.output_format)
    app.service.close()
    return text.encode()


def _split(words: tuple[str, ...], arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the blueprints from the command: all that stood behind the first `--` is the command.

    Raises:
        UsageError: there is no `--`, or nothing on one side of it.
    """
    behind = len(arguments) - arguments.index("--") - 1 if "--" in arguments else 0
    blueprints, command = words[: len(words) - behind], words[len(words) - behind :]
    if not blueprints or not command:
        raise UsageError(
            "exec needs blueprints and a command",
            hint="resolver exec BLUEPRINT... -t TENANT -- COMMAND ARGS {}",
        )
    return blueprints, command
