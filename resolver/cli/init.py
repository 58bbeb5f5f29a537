"""`resolver init`: makes the store on this machine."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, format_option, local_options
from resolver.cli.files import read_password
from resolver.cli.output import OutputFormat, put_done, say
from resolver.config.filesystems import sqlite_warning

if TYPE_CHECKING:
    from resolver.bootstrap.initialise import Initialised
    from resolver.config.settings import Settings


@click.command
@click.option(
    "--sample", is_flag=True, help="Add the secrets that sample_blueprints/ need, to a new store only."
)
@click.option("--no-profile", is_flag=True, help="Write no profile: admin comes in by the password.")
@click.option("--password-file", metavar="FILE|-", help="The password of user admin.")
@format_option
@local_options
def init(
    app: App, *, sample: bool, no_profile: bool, password_file: str | None, output_format: OutputFormat
) -> None:
    """Make a store on this machine: database, root key, tenant default_tenant, user admin, and a profile.

    Running it again changes nothing. A database of an older release is left to `resolver db upgrade`.
    """
    from resolver.bootstrap.initialise import ADMIN, initialise  # noqa: PLC0415 - slow to load
    from resolver.cli.samples import SAMPLE_SECRETS  # noqa: PLC0415

    generated = ""

    def password() -> str | None:
        nonlocal generated
        if password_file is not None:
            return read_password(password_file)
        if sys.stderr.isatty():
            generated = secrets.token_urlsafe(18)
            return generated
        return None

    done = initialise(
        app.settings,
        password=password,
        profile=not no_profile,
        secrets=SAMPLE_SECRETS if sample else None,
    )
    has_password = password_file is not None
    _put_result(output_format, done, app.settings, sample=sample, has_password=has_password)
    if warning := sqlite_warning(app.settings.database_file):
        say(f"warning: {warning}")
    if generated and done.made:
        say(f"password of {ADMIN}, shown this once: {generated}")
    elif done.made and password_file is None:
        say(f"note: {ADMIN} has no password; `resolver users set-password {ADMIN}` gives one")


def _put_result(
    output_format: OutputFormat, done: Initialised, settings: Settings, *, sample: bool, has_password: bool
) -> None:
    from resolver.bootstrap.initialise import ADMIN, FIRST_TENANT  # noqa: PLC0415
    from resolver.cli.samples import SAMPLE_SECRETS  # noqa: PLC0415

    place = settings.home if settings.uses_embedded_database else done.place
    facts = {
        "made": done.made,
        "place": str(place),
        "root_key": None if done.key_path is None else str(done.key_path),
        "tenant": FIRST_TENANT,
        "user": ADMIN,
        "profile": str(settings.profile_path) if done.has_profile else None,
        "secrets": len(SAMPLE_SECRETS) if sample and done.made else 0,
    }
    if not done.made:
        put_done(output_format, f"a store is there already in {place}; nothing was changed", facts)
        if sample:
            say("note: --sample adds secrets to a new store only")
        if has_password:
            say(
                "note: --password-file is for a new store only; "
                f"`resolver users set-password {ADMIN}` changes the password"
            )
        return
    lines = [f"store made in {place}"]
    if done.key_path is not None:
        lines.append(f"root key in {done.key_path}: keep a copy, apart from the database's backup")
    lines.append(f"tenant {FIRST_TENANT}, user {ADMIN}")
    if done.has_profile:
        lines.append(f"profile in {settings.profile_path}: the following commands run as {ADMIN}")
    if sample:
        lines.append(f"{len(SAMPLE_SECRETS)} sample secrets added")
    put_done(output_format, "\n".join(lines), facts)
