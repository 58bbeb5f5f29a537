"""The console scripts. They harden the process first, and import what a command needs only when it runs."""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import sys
from typing import TYPE_CHECKING, cast

import click

from resolver.cli.context import App
from resolver.cli.exit_codes import ExitCode, run
from resolver.cli.output import say
from resolver.cli.streams import fill_missing
from resolver.delivery.hardening import harden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMANDS: Mapping[str, tuple[str, str]] = {
    "access": ("resolver.cli.access:access", "Show which secrets a user or a token could read."),
    "approvals": ("resolver.cli.approvals:approvals", "Ask for the use of protected secrets, and grant it."),
    "audit": ("resolver.cli.audit:audit", "Read and verify the audit trail."),
    "completion": ("resolver.cli.completion:completion", "Print what a shell completes commands by."),
    "config": ("resolver.cli.config:config", "Show the settings, and where each comes from."),
    "db": ("resolver.cli.db:db", "Show and upgrade the schema of the database."),
    "doctor": ("resolver.cli.doctor:doctor", "Look for what is wrong here, and say what to do."),
    "exec": ("resolver.cli.execute:execute", "Run a command that gets the resolved blueprint in memory."),
    "extract": ("resolver.cli.extract:extract", "Make secrets of credentials that blueprints hold."),
    "init": ("resolver.cli.init:init", "Make a store on this machine."),
    "keys": ("resolver.cli.keys:keys", "Show and rotate the keys that secrets are encrypted with."),
    "lint": ("resolver.cli.lint:lint", "Look at all blueprints of a repository and a tenant's secrets."),
    "login": ("resolver.cli.login:login", "Use a server from now on."),
    "recover": ("resolver.cli.recover:recover", "Let a sys_admin in again, with root key and database."),
    "secrets": ("resolver.cli.secrets:secrets", "Manage secrets."),
    "serve": ("resolver.cli.serve:serve", "Serve the REST API."),
    "stale": ("resolver.cli.stale:stale", "Show which blueprints to deploy again, since secrets changed."),
    "status": ("resolver.cli.whoami:status", "Show whether the store works, and where it is."),
    "tenants": ("resolver.cli.tenants:tenants", "Manage tenants and their members."),
    "tokens": ("resolver.cli.tokens:tokens", "Manage access tokens."),
    "trusts": ("resolver.cli.trusts:trusts", "Manage what workloads' identities are exchanged by."),
    "use": ("resolver.cli.use:use", "Work in another tenant by default."),
    "users": ("resolver.cli.users:users", "Manage users."),
    "webhooks": ("resolver.cli.webhooks:webhooks", "Send events to other programs."),
    "who-can": ("resolver.cli.access:who_can", "Show who could read a secret, and why."),
    "whoami": ("resolver.cli.whoami:whoami", "Show who you are and what you may do."),
}
"""Each command's location and one-line help, so that --help imports none of them."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was named; what is close to it where there is none."""
        name = args[0]
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(context, args)
        from resolver.core.suggestions import Suggestions  # noqa: PLC0415 - for a mistake only

        if name == "resolve":
            raise click.UsageError("no such command 'resolve': it is a program of its own", context)
        question = Suggestions(lambda: COMMANDS).question(name)
        raise click.UsageError(f"no such command {name!r}{question and f', {question}'}", context)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    name="resolver",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`resolve` resolves a blueprint into a pipe; see `resolve --help`.",
)
@click.version_option(package_name="blueprint-resolver", message="%(prog)s %(version)s")
def resolver_group() -> None:
    """Keep secrets per tenant, and put them into blueprints in memory."""


def _start(command: click.Command, arguments: Sequence[str], failure: int | None = None) -> int:
    # One command builds one document, whose size is limited, and ends: collecting cycles only costs time.
    gc.disable()
    fill_missing()
    if any(os.environ.get(f"_{name}_COMPLETE") for name in ("RESOLVER", "RESOLVE")):
        from resolver.cli.completion import be_quiet_and_quick  # noqa: PLC0415 - for a shell only

        be_quiet_and_quick()
    lacks = harden()
    serves = command is resolver_group and arguments[:1] == ["serve"]
    required = "--require-hardening" in itertools.takewhile(lambda word: word != "--", arguments)
    if sys.platform == "linux" and not lacks and (serves or required):
        # What has our memory open since the start sees no secret then. Others save the millisecond.
        from resolver.delivery.private_memory import go_on_in_child  # noqa: PLC0415

        lacks += filter(None, [go_on_in_child(ends_with_parent=serves)])
    for lack in lacks:
        say(f"warning: {lack}")
    command.context_settings["obj"] = App(lacks=lacks, arguments=arguments)
    return run(command, arguments, failure)


def resolver() -> None:
    """The `resolver` command."""
    arguments = sys.argv[1:]
    sys.exit(_start(resolver_group, arguments, ExitCode.EXEC_FAILURE if arguments[:1] == ["exec"] else None))


def resolve() -> None:
    """The `resolve` command."""
    from resolver.cli.resolve import resolve_command  # noqa: PLC0415

    sys.exit(_start(resolve_command, sys.argv[1:]))
