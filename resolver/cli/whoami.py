"""`resolver whoami` and `resolver status`: the caller's identity and rights, and the state of the store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.output import OutputFormat, put, put_answer, put_fields, put_words, say
from resolver.config.filesystems import sqlite_warning
from resolver.core.permissions import Permission
from resolver.errors import UsageError

if TYPE_CHECKING:
    from resolver.core.results import Identity


def _about(app: App, identity: Identity) -> dict[str, Any]:
    scope = identity.scope
    return {
        "user": identity.username,
        "system_role": identity.system_role.value,
        "token": identity.token_id or None,
        "mode": app.service.mode,
        "store": app.service.place,
        "tenant": _default_tenant(app),
        "narrowed_to_permissions": _sorted(scope.permissions),
        "narrowed_to_tenants": _sorted(scope.tenants),
        "narrowed_to_keys": None if scope.keys is None else list(scope.keys),
        "narrowed_to_networks": None if scope.networks is None else list(scope.networks),
    }


def _default_tenant(app: App) -> str | None:
    """The tenant that commands work in when none is named; None where nothing says which."""
    with contextlib.suppress(UsageError):
        return app.settings.tenant(None)
    return None


def _sorted(words: frozenset[str] | None) -> list[str] | None:
    return None if words is None else sorted(map(str, words))


@click.command
@format_option
@common_options
def whoami(app: App, *, output_format: OutputFormat) -> None:
    """Show who you are, where, which mode is on, and what you may do in each tenant."""
    identity = app.service.users.whoami(app.caller)
    fields = _about(app, identity)
    tenants = {
        name: {
            "role": role.value if (role := identity.roles.get(name)) else None,
            "permissions": sorted(permission.value for permission in permissions),
        }
        for name, permissions in sorted(identity.permissions.items())
    }
    system = sorted(permission.value for permission in identity.system_permissions)

    def put_identity() -> None:
        put_fields({name: value for name, value in fields.items() if value is not None})
        _put_rights(identity)

    put_answer(output_format, fields | {"tenants": tenants, "system_permissions": system}, put_identity)


def _put_rights(identity: Identity) -> None:
    """The caller's rights, those that are the same in several tenants once."""
    system = identity.system_permissions
    alike: dict[tuple[str, frozenset[Permission]], list[str]] = {}
    for tenant, permissions in sorted(identity.permissions.items()):
        named = identity.roles.get(tenant)
        alike.setdefault((f" ({named})" if named else "", permissions), []).append(tenant)
    if system >= frozenset(Permission):
        put("in the whole system: everything")
    elif system:
        put_words("in the whole system", sorted(system))
    for (role, permissions), tenants in alike.items():
        where = f"in tenant {tenants[0]}" if len(tenants) == 1 else f"in {len(tenants)} tenants"
        if permissions >= frozenset(Permission):
            put(f"{where}{role}: everything")
        else:
            put_words(f"{where}{role}", sorted(permissions))
        if len(tenants) > 1:
            first = tenants[:_MAX_TENANTS]
            more = len(tenants) - len(first)
            put_words("  which are", [*first, *([f"and {more} more"] if more else [])])


_MAX_TENANTS = 50
"""Most tenants that are named, of those in which the rights are the same."""


@click.command
@format_option
@common_options
def status(app: App, *, output_format: OutputFormat) -> None:
    """Show whether the store works: mode, place, schema, root keys, and who you are in it."""
    facts = app.service.status()
    identity = app.service.users.whoami(app.caller)
    fields: dict[str, Any] = {"status": "ok", "mode": app.service.mode, "store": facts.place}
    if facts.root_keys:  # no server shows them
        fields |= {
            "state_directory": str(app.settings.home),
            "root_key_that_wraps": facts.wrapping_root_key,
            "root_keys_at_hand": list(facts.root_keys),
        }
    fields |= {
        "user": identity.username,
        "system_role": identity.system_role.value,
        "tenants": len(identity.permissions),
    }
    put_answer(output_format, fields, lambda: put_fields(fields))
    if facts.root_keys and (warning := sqlite_warning(app.settings.database_file)):
        say(f"warning: {warning}")
    if not facts.rows_enforced:
        say(
            "warning: an older release made this store, and rows changed by hand are not refused yet; "
            "`resolver db upgrade --finish`, run where the root key is, ends its upgrade"
        )
