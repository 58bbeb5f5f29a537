"""`resolver audit`: read and verify the audit trail."""

from __future__ import annotations

import json

import click

from resolver.cli.app import App, common_options, format_option, pass_app
from resolver.cli.output import put, put_json, put_table, say
from resolver.errors import StoreError

_TENANT = click.option(
    "-t", "--tenant", default="", metavar="TENANT", help="The tenant's trail; else the system's."
)


@click.group
def audit() -> None:
    """Read and verify the audit trail."""


@audit.command(name="list")
@_TENANT
@format_option
@common_options
@pass_app
def list_(app: App, *, tenant: str, output_format: str) -> None:
    """List the records, oldest first. No record holds a value."""
    records = app.service.trail.records(app.caller, tenant)
    if output_format == "json":
        put_json(
            [{"number": record.number, "hash": record.hash} | json.loads(record.body) for record in records]
        )
        return
    rows = []
    for record in records:
        fields = json.loads(record.body)
        about = fields.get("key") or fields.get("object") or "-"
        rows.append([record.number, record.at, fields["caller"], record.action, about, fields["reason"]])
    put_table(["NUMBER", "AT", "CALLER", "ACTION", "ABOUT", "DECISION"], rows)


@audit.command
@_TENANT
@common_options
@pass_app
def head(app: App, *, tenant: str) -> None:
    """Print the trail's end, to be kept elsewhere.

    A later trail that does not contain it was cut, or is an older copy.
    """
    found, _ = app.service.trail.verify(app.caller, tenant)
    put(f"{found.number}:{found.hash}")


@audit.command
@_TENANT
@common_options
@pass_app
def verify(app: App, *, tenant: str) -> None:
    """Check that the trail was not changed by hand.

    Finds records that were changed, removed, swapped or added.
    """
    found, broken = app.service.trail.verify(app.caller, tenant)
    if broken is not None:
        raise StoreError(
            f"the audit trail is broken: record {broken} of {found.number} is the first that does not fit",
            hint="compare the database with a backup",
        )
    put(f"{found.number} records, unbroken")
    say("note: without a head kept elsewhere this can't tell whether the whole database is an older copy")
