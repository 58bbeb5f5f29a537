"""`resolver secrets get`, `list` and `history`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, common_options, format_option, tenant_option
from resolver.cli.output import OutputFormat, count, put_answer, put_fields, put_records, put_table, say
from resolver.cli.secrets.options import fields, key_argument, rare_fields
from resolver.core.query import Listing, Order

if TYPE_CHECKING:
    from resolver.core.query import Page
    from resolver.core.results import Version


@click.command
@key_argument
@click.option(
    "--allow-plaintext-file", is_flag=True, help="Show the value even though stdout is a regular file."
)
@click.option("--allow-log", is_flag=True, help="Show the value even though stdout is a log.")
@format_option
@tenant_option
@common_options
def get(
    app: App,
    *,
    key: str,
    allow_plaintext_file: bool,
    allow_log: bool,
    output_format: OutputFormat,
    tenant: str | None,
) -> None:
    """Show a secret with its value. A hidden value is left out for those who may not see it."""
    from resolver.delivery.stdout_policy import check_stdout  # noqa: PLC0415

    check_stdout(1, 2, os.environ, allow_plaintext_file=allow_plaintext_file, allow_log=allow_log)
    secret, value = app.service.secrets.show(app.caller, app.settings.tenant(tenant), key)
    shown = fields(secret) | rare_fields(secret) | {"value": "" if value is None else value.reveal()}
    lines = {name: word for name, word in (shown | {"schema": secret.schema}).items() if word is not None}
    put_answer(output_format, shown, lambda: put_fields(lines))
    if value is None:
        say("note: the value is hidden; you may use it in blueprints, but not see it")


@click.command(name="list")
@click.option(
    "--sort-by",
    "orders",
    multiple=True,
    metavar="[+|-]FIELD",
    help="Sort by a field, downwards with -. Repeatable, the first one first. Oldest first without it.",
)
@click.option("--descending", is_flag=True, help="Turn the order of every --sort-by around.")
@click.option("--search", default="", metavar="TEXT", help="Only secrets found by this text, in any case.")
@click.option("-a", "--all-tenants", is_flag=True, help="List those of all tenants in which you may list.")
@click.option(
    "-o",
    "--pagination-offset",
    "offset",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Leave out the first N.",
)
@click.option(
    "-s",
    "--pagination-size",
    "size",
    type=click.IntRange(min=0),
    metavar="N",
    help="List N at most; by default all.",
)
@format_option
@tenant_option
@common_options
def list_(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    orders: tuple[str, ...],
    descending: bool,
    search: str,
    all_tenants: bool,
    offset: int,
    size: int | None,
    output_format: OutputFormat,
    tenant: str | None,
) -> None:
    """List the secrets that you may see, without values."""
    order = [Order.parse(text) for text in orders]
    if descending:
        order = [Order(one.field, not one.descending) for one in order or [Order.parse("created_at")]]
    page = app.service.secrets.list(
        app.caller,
        tenant or "" if all_tenants else app.settings.tenant(tenant),
        Listing(search, order, offset, size),
        all_tenants=all_tenants,
    )
    put_answer(
        output_format,
        [fields(secret) | rare_fields(secret) for secret in page.items],
        lambda: _put_secrets(page, app.service.now()),
    )
    if len(page.items) < page.total:
        say(f"note: {len(page.items)} of {count(page.total, 'secret')} shown")


def _put_secrets(page: Page, now: str) -> None:
    if not page.items:
        if not page.total:
            say("no secrets")
        return
    rows = []
    for secret in page.items:
        expired, due = secret.is_expired(now), secret.is_due(now)
        row = {name.upper(): cell for name, cell in fields(secret).items()}
        row["EXPIRES_AT"] = f"{secret.expires_at or '-'}{' (expired)' if expired else ''}"
        row["ROTATE_AT"] = f"{secret.rotate_at or '-'}{' (due)' if due else ''}"
        row["PROVIDER"] = secret.provider or "-"
        rows.append(row)
    # Few secrets have these; where none has, their columns would only make lines longer.
    unused = {
        name for name in ("EXPIRES_AT", "ROTATE_AT", "PROVIDER") if all(row[name] == "-" for row in rows)
    }
    headers = [name for name in rows[0] if name not in unused]
    put_table(headers, [[row[name] for name in headers] for row in rows])


@click.command
@key_argument
@format_option
@tenant_option
@common_options
def history(app: App, *, key: str, output_format: OutputFormat, tenant: str | None) -> None:
    """Show who gave a secret which version, and when; no values."""
    versions = app.service.secrets.history(app.caller, app.settings.tenant(tenant), key)
    rows = [version_fields(version) for version in versions]
    put_answer(output_format, rows, lambda: put_records(rows))


def version_fields(version: Version) -> dict[str, object]:
    """What is known of one version, for a table or JSON."""
    return {
        "version": version.number,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "current": version.current,
    }
