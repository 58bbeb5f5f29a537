"""`resolver tenants`: tenants and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver.cli.context import (
    App,
    choice_option,
    common_options,
    confirm_deletion,
    format_option,
    part_options,
)
from resolver.cli.output import OutputFormat, put, put_answer, put_done, put_fields, put_part, say
from resolver.core.permissions import TenantRole
from resolver.core.query import Choice
from resolver.core.results import count_holdings

if TYPE_CHECKING:
    from resolver.core.results import TenantInfo

_NAME = click.argument("name")
_USERNAME = click.argument("username")
_TENANT = click.option("-t", "--tenant", required=True, metavar="TENANT", help="The tenant.")


@click.group
def tenants() -> None:
    """Manage tenants and their members."""


@tenants.command
@_NAME
@format_option
@common_options
def create(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Make a tenant, with a data key of its own."""
    app.service.tenants.create(app.caller, name)
    put_done(output_format, f"Tenant `{name}` created", {"tenant": name})


def tenant_fields(info: TenantInfo) -> dict[str, object]:
    """A tenant as its members see it, for a table or JSON."""
    return {
        "name": info.tenant.name,
        "role": info.role.value if info.role else None,
        "members": info.members,
    }


@tenants.command(name="list")
@part_options
@format_option
@common_options
def list_(app: App, *, size: int | None, offset: int, output_format: OutputFormat) -> None:
    """List your tenants with your role in each.

    A sys_admin sees all tenants.
    """
    part = app.service.tenants.list(app.caller, Choice(size, offset))
    rows = [tenant_fields(info) for info in part.items]
    cells = [list(row.values()) for row in rows]
    headers = ["NAME", "YOUR ROLE", "MEMBERS"]
    put_answer(output_format, rows, lambda: put_part(headers, cells, offset, part.total, "no tenants"))


@tenants.command
@_NAME
@format_option
@common_options
def get(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Show one tenant. Its managers and sys_admins see who its members are."""
    info = app.service.tenants.get(app.caller, name)
    roles = None if info.roles is None else {user: role.value for user, role in info.roles.items()}

    def put_tenant() -> None:
        put_fields({"name": info.tenant.name, "your role": info.role, "members": info.members})
        for user, role in (roles or {}).items():
            put(f"{user}: {role}")

    put_answer(output_format, tenant_fields(info) | {"roles": roles}, put_tenant)


@tenants.command
@_NAME
@click.option("--purge", is_flag=True, help="Delete the secrets and providers that it holds, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@common_options
def delete(app: App, *, name: str, purge: bool, yes: bool, output_format: OutputFormat) -> None:
    """Delete a tenant and destroy its data keys. Asks on a terminal. Without one, --yes is needed.

    Refused while it holds secrets or providers, unless --purge is given. Its audit trail stays.
    """
    confirm_deletion(f"Delete tenant {name!r}" + (" with all its secrets?" if purge else "?"), yes=yes)
    deleted = app.service.tenants.delete(app.caller, name, purge=purge)
    held = f" with {count_holdings(deleted.held)}" if deleted.held else ""
    put_done(
        output_format,
        f"Tenant `{name}` deleted{held}, its data keys destroyed",
        {"tenant": name, "held": len(deleted.held), "wiped": deleted.wiped},
    )
    if not deleted.wiped:
        say("note: a reader of an older state keeps the database's log from being emptied until it is done")
    say(
        "note: backups, snapshots, replicas and archived logs made before still hold keys and values, "
        "which the root key opens; delete them, or rotate the root key and destroy the old one"
    )


@tenants.command(name="add-user")
@_USERNAME
@_TENANT
@choice_option("-r", "--role", choices=TenantRole, default=TenantRole.USER, help="The user's role there.")
@format_option
@common_options
def add_user(app: App, *, username: str, tenant: str, role: TenantRole, output_format: OutputFormat) -> None:
    """Make a user a member of a tenant, or change the role there."""
    app.service.tenants.add_member(app.caller, tenant, username, TenantRole(role))
    put_done(
        output_format,
        f"User `{username}` is {role} in tenant `{tenant}`",
        {"user": username, "role": role, "tenant": tenant},
    )


@tenants.command(name="remove-user")
@_USERNAME
@_TENANT
@format_option
@common_options
def remove_user(app: App, *, username: str, tenant: str, output_format: OutputFormat) -> None:
    """End a user's membership in a tenant."""
    app.service.tenants.remove_member(app.caller, tenant, username)
    put_done(
        output_format,
        f"User `{username}` removed from tenant `{tenant}`",
        {"user": username, "tenant": tenant},
    )
