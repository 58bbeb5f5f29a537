"""Questions on the terminal, in the form that all messages have."""

from __future__ import annotations

import sys

import click

from resolver.cli.files import read_password
from resolver.cli.output import OutputFormat, say
from resolver.errors import UsageError


def ask(question: str) -> str:
    """Ask for a line."""
    return str(click.prompt(question, err=True))


def ask_hidden(question: str, *, twice: bool = False) -> str:
    """Ask for a line that is not shown.

    Args:
        question: what is asked for.
        twice: ask again until two answers that follow each other are the same.
    """
    while True:
        answer = str(click.prompt(question, hide_input=True, err=True))
        if not twice or click.prompt("Repeat for confirmation", hide_input=True, err=True) == answer:
            return answer
        say("error: the two answers do not match, give both again")


def ask_password(question: str, file: str | None, *, twice: bool = False) -> str:
    """A password from a file, or else from the terminal, or from stdin where that is none."""
    if file is None and sys.stdin.isatty():
        return ask_hidden(question, twice=twice)
    return read_password("-" if file is None else file)


def demand_asked(output_format: OutputFormat) -> None:
    """Refuse to go on where nobody can be shown a plan and asked about it.

    Raises:
        UsageError: there is no terminal to ask on, or the output is for programs.
    """
    if output_format is OutputFormat.JSON or not sys.stdin.isatty():
        raise UsageError("nobody is asked here whether to go on", hint="look with --dry-run, then give --yes")


def demand_yes(question: str) -> None:
    """Ask whether to go on.

    Raises:
        click.Abort: the answer is no.
    """
    while True:
        answer = str(click.prompt(f"{question} [y/N]", default="n", show_default=False, err=True))
        match answer.strip().lower():
            case "y" | "yes":
                return
            case "n" | "no":
                raise click.Abort
        say("error: answer y or n")
