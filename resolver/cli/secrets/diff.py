"""`resolver secrets diff`: which secrets two tenants have, and what is known of them without values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.known_names import complete_tenants
from resolver.cli.output import OutputFormat, put_answer, put_table, say
from resolver.cli.secrets.options import as_json
from resolver.core.query import Listing
from resolver.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPARED = (
    *("visibility", "hidden", "owner", "schema", "expires_at", "rotate_after"),
    *("provider", "description", "protected"),
)
"""What may differ on purpose or by mistake; numbers of versions and times of changes always do."""


@click.command
@click.argument("tenant", shell_complete=complete_tenants)
@click.argument("other", shell_complete=complete_tenants)
@format_option
@common_options
def diff(app: App, *, tenant: str, other: str, output_format: OutputFormat) -> None:
    """Compare the secrets of two tenants, without values.

    Compares which keys there are, and what is known of each.
    """
    if tenant == other:
        raise UsageError("a tenant differs in nothing from itself", hint="name two tenants")
    first, second = _metadata(app, tenant), _metadata(app, other)
    rows: list[tuple[str, str, object, object]] = []
    for key in sorted(first.keys() | second.keys()):
        one, two = first.get(key), second.get(key)
        if one is None or two is None:
            rows.append((key, "exists", one is not None, two is not None))
        else:
            rows += [(key, name, one[name], two[name]) for name in _COMPARED if one[name] != two[name]]

    def put_rows() -> None:
        if rows:
            put_table(["KEY", "FIELD", tenant, other], rows)
        else:
            say("no differences")

    names = ("key", "field", "first", "second")
    put_answer(output_format, [dict(zip(names, row, strict=True)) for row in rows], put_rows)


def _metadata(app: App, tenant: str) -> Mapping[str, Mapping[str, object]]:
    """What is known of the secrets that live in a tenant, by key; of those that the caller may see."""
    page = app.service.secrets.list(app.caller, tenant, Listing(size=None))
    return {
        # Global secrets of other tenants are listed, too, and are not this one's.
        one.key: as_json(one) | {"protected": one.protected_at is not None}
        for one in page.items
        if one.tenant.name == tenant
    }
