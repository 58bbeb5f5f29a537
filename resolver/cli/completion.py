"""`resolver completion`: what shells need, and how a process answers that a shell asks."""

from __future__ import annotations

import enum
import os
import signal

import click

from resolver.cli.streams import write_stdout

VARIABLES = {program: f"_{program.upper()}_COMPLETE" for program in ("resolver", "resolve")}
"""What a shell sets to ask for completions, by program."""

_SECONDS = 2.0
"""How long a shell waits for a slow server; then it gets nothing."""


class Shell(enum.StrEnum):
    """Shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@click.command
@click.argument("shell", type=click.Choice([one.value for one in Shell]))
def completion(shell: str) -> None:
    """Print what a shell needs to complete commands, options, keys and tenants.

    In bash: `eval "$(resolver completion bash)"` in ~/.bashrc, and zsh in ~/.zshrc alike. In fish:
    `resolver completion fish | source`.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - for a shell only

    known = get_completion_class(shell)
    if known is None:
        raise click.UsageError(f"no such shell {shell!r}")
    for program, variable in VARIABLES.items():
        asks = known(click.Command(program), {}, program, variable)
        # Without `env`, whose arguments others could see: they hold what was typed so far.
        text = asks.source_template % asks.source_vars()
        write_stdout(text.replace("env ", "", 1).strip() + "\n")


def be_quiet_and_quick() -> None:
    """Say nothing on stderr, which is the prompt that somebody types at, and end when it takes long."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
