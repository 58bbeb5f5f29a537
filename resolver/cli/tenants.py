"""`resolver tenants`: tenants and their members."""

from __future__ import annotations

import click

from resolver.cli.app import App, common_options, format_option, pass_app
from resolver.cli.output import put, put_json, put_table, say
from resolver.core.permissions import TenantRole


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
@format_option
@common_options
@pass_app
def list_(app: App, *, output_format: str) -> None:
    """List your tenants with your role in each.

    A sys_admin sees all tenants.
    """
    found = app.service.tenants.list(app.caller)
    rows = [{"name": tenant.name, "role": role.value if role else None} for tenant, role in found]
    if output_format == "json":
        put_json(rows)
    elif rows:
        put_table(["NAME", "YOUR ROLE"], [[row["name"], row["role"] or "-"] for row in rows])
    else:
        say("no tenants")


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
