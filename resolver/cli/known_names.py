"""The keys and tenants that a shell is told of when TAB is pressed: names alone, and no value is read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

_MOST = 500
"""Most names that are given at once."""


def complete_keys(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The keys in the tenant that begin like this, of secrets that the caller may see."""
    found: list[str] = []
    with contextlib.suppress(Exception), context.scope(cleanup=False):  # there is nothing to complete then
        from resolver.core.query import Listing  # noqa: PLC0415 - for a shell only

        app: Any = context.obj
        tenant = app.settings.tenant(context.params.get("tenant"))
        page = app.service.secrets.list(app.caller, tenant, Listing(incomplete, size=_MOST))
        found = sorted(one.key for one in page.items if _completes(one.key, incomplete))
    return found


def complete_tenants(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The caller's own tenants that begin like this."""
    found: list[str] = []
    with contextlib.suppress(Exception), context.scope(cleanup=False):  # there is nothing to complete then
        from resolver.core.query import Choice  # noqa: PLC0415 - for a shell only

        app: Any = context.obj
        part = app.service.tenants.list(app.caller, Choice(size=_MOST, search=incomplete))
        found = [one.tenant.name for one in part.items if _completes(one.tenant.name, incomplete)]
    return found


def _completes(name: str, incomplete: str) -> bool:
    """Whether a name goes to the command line: a hostile server could answer with commands of a shell."""
    from resolver.core.model import is_key  # noqa: PLC0415 - for a shell only

    return name.startswith(incomplete) and is_key(name)
