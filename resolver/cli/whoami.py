"""`resolver whoami`: who the credentials stand for."""

from __future__ import annotations

import click

from resolver.cli.app import App, common_options, format_option, pass_app
from resolver.cli.output import put, put_fields, put_json


@click.command
@format_option
@common_options
@pass_app
def whoami(app: App, *, output_format: str) -> None:
    """Show who you are, which mode is on, and what you may do in each tenant."""
    identity = app.service.users.whoami(app.caller)
    narrowing = identity.narrowing
    fields = {
        "user": identity.username,
        "system_role": identity.system_role.value,
        "token": identity.token_id or None,
        "mode": "embedded: this process holds the root key and the database",
        "narrowed_to_keys": list(narrowing.keys) if narrowing.keys is not None else None,
        "tenants": {
            name: {
                "role": role.value if (role := identity.roles.get(name)) else None,
                "permissions": sorted(permission.value for permission in permissions),
            }
            for name, permissions in sorted(identity.permissions.items())
        },
    }
    if output_format == "json":
        put_json(fields)
        return
    tenants = fields.pop("tenants")
    put_fields({name: value for name, value in fields.items() if value is not None})
    for name, facts in tenants.items() if isinstance(tenants, dict) else ():
        permissions = ", ".join(facts["permissions"] or [])
        put(f"in tenant {name} ({facts['role'] or 'no role there'}): {permissions}")
