"""`resolver secrets get`, `list` and `history`."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from resolver.cli.context import App, common_options, format_option, tenant_option
from resolver.cli.known_names import complete_keys
from resolver.cli.output import (
    OutputFormat,
    count,
    put,
    put_answer,
    put_fields,
    put_records,
    put_table,
    say,
)
from resolver.cli.secrets.options import as_json, fields, key_argument, read_time_ahead
from resolver.cli.streams import write_bytes
from resolver.core.location import leads
from resolver.core.query import Listing, Order
from resolver.core.strict_json import read_json
from resolver.errors import InvalidRequestError, NotPermittedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.model import Secret, SecretValue
    from resolver.core.query import Page
    from resolver.core.results import Version


_NUMBER = re.compile(r"-?\d{1,9}")


@click.command
@click.argument("keys", metavar="KEY...", nargs=-1, required=True, shell_complete=complete_keys)
@click.option("--raw", is_flag=True, help="Write the value alone, to a pipe byte for byte.")
@click.option(
    "--path",
    "steps",
    multiple=True,
    metavar="STEP",
    help="Write what a name, or a number in a list, leads to in a JSON value, like --raw. Repeatable.",
)
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
    keys: tuple[str, ...],
    raw: bool,
    steps: tuple[str, ...],
    allow_plaintext_file: bool,
    allow_log: bool,
    output_format: OutputFormat,
    tenant: str | None,
) -> None:
    """Show a secret with its value; several as JSON. A hidden value is left out for who may not see it.

    --raw and --path write one value alone. On a terminal, what that would act on is escaped.
    """
    from resolver.delivery.stdout_policy import StdoutKind, check_stdout  # noqa: PLC0415

    alone = raw or bool(steps)
    if alone and (len(keys) > 1 or output_format is not OutputFormat.TABLE):
        raise UsageError("--raw and --path write one value alone", hint="give one key, and no --format")
    if len(keys) > 1 and output_format is not OutputFormat.JSON:
        raise UsageError("several secrets are shown as JSON only", hint="add --format json")
    kind = check_stdout(
        1, 2, os.environ, allow_plaintext_file=allow_plaintext_file, allow_log=allow_log, instead=_PIPE
    )
    secrets, caller, named = app.service.secrets, app.caller, app.settings.tenant(tenant)
    found = [secrets.show(caller, named, key) for key in keys]
    if alone:
        text = _text_of(keys[0], found[0][1], steps)
        if kind is StdoutKind.TERMINAL:
            for line in text.removesuffix("\n").split("\n"):
                put(line)
        else:
            write_bytes(text.encode())
        return
    shown = [_shown(secret, value) for secret, value in found]
    secret = found[0][0]
    lines = shown[0] | ({} if secret.schema is None else {"schema": secret.schema})
    put_answer(output_format, shown[0] if len(keys) == 1 else shown, lambda: put_fields(_given(lines)))
    if any(value is None for _, value in found):
        say("note: the value is hidden; you may use it in blueprints, but not see it")


_PIPE = "`resolver secrets get KEY --raw | COMMAND` gives the value to a command"


def _shown(secret: Secret, value: SecretValue | None) -> dict[str, Any]:
    return as_json(secret) | {"value": "" if value is None else value.reveal()}


def _given(lines: Mapping[str, Any]) -> dict[str, Any]:
    return {name: word for name, word in lines.items() if word is not None}


def _text_of(key: str, value: SecretValue | None, steps: Sequence[str]) -> str:
    """The value, or what steps lead to in it: text as it is, other data as JSON."""
    if value is None:
        raise NotPermittedError(
            f"the value of secret {key!r} is hidden",
            hint="you may use it in blueprints, but not see it",
        )
    if not steps:
        return value.reveal()
    try:
        data = read_json(value.reveal())
    except (ValueError, RecursionError):
        raise InvalidRequestError(
            f"the value of secret {key!r} is not JSON", hint="leave --path out"
        ) from None
    for number, step in enumerate(steps, 1):
        word = int(step) if isinstance(data, list) and _NUMBER.fullmatch(step) else step
        if not leads(data, word):
            raise InvalidRequestError(
                f"step {number} of the path leads nowhere in the value of secret {key!r}"
            )
        data = data[word]
    return data if isinstance(data, str) else json.dumps(data)


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
@click.option(
    "--expiring",
    metavar="TIME",
    help="Only secrets that expire, or whose value falls due, by a UTC time or within so long (30d).",
)
@click.option(
    "--unused",
    metavar="TIME",
    help="Only secrets that nobody used or was shown for so long (90d). For those who may "
    "read the audit trail.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the keys alone, one in a line.")
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
    expiring: str | None,
    unused: str | None,
    quiet: bool,
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
    if unused is not None and (all_tenants or offset or size is not None):
        raise UsageError("--unused lists all such secrets of one tenant", hint="leave the other options out")
    if quiet and output_format is OutputFormat.JSON:
        raise UsageError("give either --quiet or --format json")
    secrets, caller = app.service.secrets, app.caller  # without these, there is no tenant to speak of
    where = tenant or "" if all_tenants else app.settings.tenant(tenant)
    # Before the list: one who may not know how secrets are used learns no more by a refusal.
    idle = None if unused is None else _unused(app, where, unused)
    page = secrets.list(
        caller,
        where,
        Listing(search, order, offset, size, ends_by=read_time_ahead(expiring, "--expiring") or ""),
        all_tenants=all_tenants,
    )
    if idle is not None:
        # Global secrets of other tenants are not of this one's trail.
        items = [one for one in page.items if one.tenant.name == where and one.key in idle]
        page = replace(page, items=items, total=len(items))
    if quiet:
        for secret in page.items:
            put(secret.key)
        return
    put_answer(
        output_format,
        [as_json(secret) for secret in page.items],
        lambda: _put_secrets(page, app.service.now()),
    )
    if len(page.items) < page.total:
        say(f"note: {len(page.items)} of {count(page.total, 'secret')} shown")


def _unused(app: App, tenant: str, since: str) -> frozenset[str]:
    """The keys of a tenant's secrets that nobody used or was shown since a time."""
    return frozenset(one.name for one in app.service.usage.unused(app.caller, tenant, since).secrets)


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
    others = ["CREATED_AT", "TENANT", "UPDATED_AT", "OWNER", "VERSION", "HIDDEN", "VISIBILITY"]
    if len({row["TENANT"] for row in rows}) > 1:
        others.remove("TENANT")
    put_table(headers, [[row[name] for name in headers] for row in rows], others)


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
