"""`resolver tenants`: tenants and their members."""

from __future__ import annotations

import click

from resolver.cli.context import (
    App,
    common_options,
    confirm_deletion,
    format_option,
    part_options,
    pass_app,
)
from resolver.cli.output import put, put_fields, put_json, put_table, say, say_part
from resolver.core.permissions import TenantRole
from resolver.core.query import Choice
from resolver.core.results import count_holdings


@click.group
def tenants() -> None:
    """Manage tenants and their members."""


@tenants.command
@click.argument("name")
@common_options
@pass_app
def create(app: App, *, name: str) -> None:
    """Make a tenant, with a data key of its own."""
    app.service.tenants.create(app.caller, name)
    put(f"Tenant `{name}` created")


@tenants.command(name="list")
@part_options
@format_option
@common_options
@pass_app
def list_(app: App, *, size: int | None, offset: int, output_format: str) -> None:
    """List your tenants with your role in each.

    A sys_admin sees all tenants.
    """
    part = app.service.tenants.list(app.caller, Choice(size, offset))
    rows = [
        {
            "name": info.tenant.name,
            "role": info.role.value if info.role else None,
            "members": info.members,
        }
        for info in part.items
    ]
    if output_format == "json":
        put_json(rows)
    elif rows:
        put_table(
            ["NAME", "YOUR ROLE", "MEMBERS"],
            [[row["name"], row["role"] or "-", row["members"]] for row in rows],
        )
        say_part(len(rows), offset, part.total)
    else:
        say("no tenants")


@tenants.command
@click.argument("name")
@format_option
@common_options
@pass_app
def get(app: App, *, name: str, output_format: str) -> None:
    """Show one tenant. Its managers and sys_admins see who its members are."""
    info = app.service.tenants.get(app.caller, name)
    roles = None if info.roles is None else {user: role.value for user, role in info.roles.items()}
    if output_format == "json":
        put_json(
            {
                "name": info.tenant.name,
                "role": info.role.value if info.role else None,
                "members": info.members,
                "roles": roles,
            }
        )
        return
    put_fields({"name": info.tenant.name, "your role": info.role or "-", "members": info.members})
    for user, role in (roles or {}).items():
        put(f"{user}: {role}")


@tenants.command
@click.argument("name")
@click.option("--purge", is_flag=True, help="Delete the secrets and providers that it holds, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_app
def delete(app: App, *, name: str, purge: bool, yes: bool) -> None:
    """Delete a tenant and destroy its data keys. Asks on a terminal. Without one, --yes is needed.

    Refused while it holds secrets or providers, unless --purge is given. Its audit trail stays.
    """
    confirm_deletion(f"Delete tenant {name!r}" + (" with all its secrets?" if purge else "?"), yes=yes)
    deleted = app.service.tenants.delete(app.caller, name, purge=purge)
    held = f" with {count_holdings(deleted.held)}" if deleted.held else ""
    put(f"Tenant `{name}` deleted{held}, its data keys destroyed")
    if not deleted.wiped:
        say("note: a reader of an older state keeps the database's log from being emptied until it is done")
    say(
        "note: backups, snapshots, replicas and archived logs made before still hold keys and values, "
        "which the root key opens; delete them, or rotate the root key and destroy the old one"
    )


@tenants.command(name="add-user")
@click.argument("username")
@click.option("-t", "--tenant", required=True, metavar="TENANT", help="The tenant.")
@click.option(
    "-r",
    "--role",
    type=click.Choice([role.value for role in TenantRole]),
    default=TenantRole.USER.value,
    show_default=True,
    help="The user's role there.",
)
@common_options
@pass_app
def add_user(app: App, *, username: str, tenant: str, role: str) -> None:
    """Make a user a member of a tenant, or change the role there."""
    app.service.tenants.add_member(app.caller, tenant, username, TenantRole(role))
    put(f"User `{username}` is {role} in tenant `{tenant}`")


@tenants.command(name="remove-user")
@click.argument("username")
@click.option("-t", "--tenant", required=True, metavar="TENANT", help="The tenant.")
@common_options
@pass_app
def remove_user(app: App, *, username: str, tenant: str) -> None:
    """End a user's membership in a tenant."""
    app.service.tenants.remove_member(app.caller, tenant, username)
    put(f"User `{username}` removed from tenant `{tenant}`")
