"""`resolver recover`: a way back in for whoever has root key and database."""

from __future__ import annotations

import os

import click

from resolver.cli.context import App, format_option, local_options
from resolver.cli.output import OutputFormat, put_done, say
from resolver.cli.prompts import ask_password


@click.command
@click.option("--user", "username", default="", metavar="NAME", help="The sys_admin, if there are several.")
@click.option(
    "--password",
    "with_password",
    is_flag=True,
    help="Set a new password, too: asked for on a terminal, else read from stdin.",
)
@format_option
@local_options
def recover(app: App, *, username: str, with_password: bool, output_format: OutputFormat) -> None:
    """Make a new token for a sys_admin, and a profile with it, where nobody can log in any more.

    It needs no login: root key and database are enough, as they are after a restore. The audit trail says so.
    With --password a profile that is valid stays as it is.
    """
    from resolver.bootstrap.recover import recover as make  # noqa: PLC0415 - not for a page of help

    service = app.store  # before anything is asked
    password = ask_password("New password", None, twice=True) if with_password else None
    name, made = make(app.settings, service, username, password)
    profile = app.settings.profile_path
    done = [*(["token"] if made else []), *(["new password"] if with_password else [])]
    lines = [f"{' and '.join(done)} for {name} made; the system's audit trail tells of it as store:recover"]
    if made:
        lines.append(f"profile in {profile}: the following commands run as {name}")
    facts = {"user": name, "profile": str(profile) if made else None, "password_set": with_password}
    put_done(output_format, "\n".join(lines), facts)
    if made and "RESOLVER_TOKEN" in os.environ:
        say("note: RESOLVER_TOKEN is set, and goes before the profile")
