"""`resolver recover`: a way back in for whoever has root key and database."""

from __future__ import annotations

import os

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.output import OutputFormat, put_done, say


@click.command
@click.option("--user", "username", default="", metavar="NAME", help="The sys_admin, if there are several.")
@format_option
@common_options
def recover(app: App, *, username: str, output_format: OutputFormat) -> None:
    """Make a new token for a sys_admin, and a profile with it, where nobody can log in any more.

    It needs no login: root key and database are enough, as they are after a restore. The audit trail says so.
    """
    from resolver.bootstrap.recover import recover as make  # noqa: PLC0415 - not for a page of help

    name = make(app.settings, app.store, username)
    profile = app.settings.profile_path
    put_done(
        output_format,
        f"token for {name} made; the system's audit trail tells of it as store:recover\n"
        f"profile in {profile}: the following commands run as {name}",
        {"user": name, "profile": str(profile)},
    )
    if "RESOLVER_TOKEN" in os.environ:
        say("note: RESOLVER_TOKEN is set, and goes before the profile")
