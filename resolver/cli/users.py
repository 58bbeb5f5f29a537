"""`resolver users`: who there is."""

from __future__ import annotations

import sys

import click

from resolver.cli.app import App, common_options, format_option, pass_app
from resolver.cli.init import read_password
from resolver.cli.output import put, put_json, put_table
from resolver.core.permissions import SystemRole

_ROLE = click.Choice([role.value for role in SystemRole])
_PASSWORD_FILE = click.option("--password-file", metavar="FILE|-", help="The password; - is stdin.")


@click.group
def users() -> None:
    """Manage users."""


@users.command
@click.argument("name")
@_PASSWORD_FILE
@click.option(
    "-r",
    "--security-role",
    "--role",
    "role",
    type=_ROLE,
    default=SystemRole.DEFAULT.value,
    show_default=True,
    help="The role in the whole system.",
)
@common_options
@pass_app
def create(app: App, *, name: str, password_file: str | None, role: str) -> None:
    """Make a user. One without a password can only use tokens."""
    password = None if password_file is None else read_password(password_file)
    app.service.users.create(app.caller, name, password, SystemRole(role))
    put(f"User `{name}` created with `{role}` security role")


@users.command(name="list")
@format_option
@common_options
@pass_app
def list_(app: App, *, output_format: str) -> None:
    """List all users."""
    rows = [
        {
            "name": user.name,
            "role": user.system_role.value,
            "active": user.active,
            "created_at": user.created_at,
        }
        for user in app.service.users.list(app.caller)
    ]
    if output_format == "json":
        put_json(rows)
    else:
        put_table(["NAME", "ROLE", "ACTIVE", "CREATED"], [list(row.values()) for row in rows])


@users.command(name="set-role")
@click.argument("name")
@click.option(
    "-r", "--security-role", "--role", "role", type=_ROLE, required=True, help="The role in the system."
)
@common_options
@pass_app
def set_role(app: App, *, name: str, role: str) -> None:
    """Give a user another system role. The last sys_admin keeps it."""
    app.service.users.set_role(app.caller, name, SystemRole(role))
    put(f"User `{name}` has `{role}` security role")


@users.command(name="set-password")
@click.argument("name")
@_PASSWORD_FILE
@common_options
@pass_app
def set_password(app: App, *, name: str, password_file: str | None) -> None:
    """Give yourself or another user a new password.

    Only a sys_admin changes that of others. Without a file, asks on a terminal, or reads stdin.
    """
    if password_file is None and sys.stdin.isatty():
        password = str(click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        password = read_password(password_file or "-")
    app.service.users.set_password(app.caller, name, password)
    put(f"Password of user `{name}` changed")
