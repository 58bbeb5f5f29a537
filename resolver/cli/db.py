"""`resolver db`: the database's schema, and the MACs of its rows."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, confirm, format_option, local_options
from resolver.cli.output import OutputFormat, count, put, put_answer, put_done, put_fields, put_table, say
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from resolver.core.results import SchemaStatus
    from resolver.service.enforcement import Vouched


@click.group
def db() -> None:
    """Show and upgrade the schema of the database, or shrink it."""


@db.command
@format_option
@local_options
def status(app: App, *, output_format: OutputFormat) -> None:
    """Show the schema of the database, and what an upgrade would do.

    It changes nothing, and needs no login, as `resolver init` does not.
    """
    from resolver.bootstrap.embedded import open_store  # noqa: PLC0415 - not for a page of help

    with contextlib.closing(open_store(app.settings).managed) as store:
        found = store.schema_status()
    enforced = None if found.due else app.store.enforcement.is_on()
    put_answer(
        output_format,
        encode(found) | {"rows_enforced": enforced},
        lambda: _put_status(found, enforced=enforced),
    )


def _put_status(found: SchemaStatus, *, enforced: bool | None) -> None:
    put_fields({"database": found.place, "schema": found.schema, "needed": found.needed})
    if found.due:
        put("")
        put_table(["DUE", "WHAT IT DOES"], ([one.revision, one.what] for one in found.due))
        say("note: back the store up, then `resolver db upgrade` does this")
    elif not enforced:
        say("note: `resolver db upgrade --finish` has rows refused that were changed by hand")


@db.command
@click.option("--finish", is_flag=True, help="Also refuse rows that were changed by hand, from now on.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@local_options
def upgrade(app: App, *, finish: bool, yes: bool) -> None:
    """Bring the schema up to date.

    With --finish, also end the upgrade of a store that an older release made. Rows that decide who may do
    what carry a MAC, and a store from before 0.2.0 has none: stop all servers, look at what is printed,
    and confirm that these users, roles, tokens and destinations are meant to be there. Servers of older
    releases can't work with the store afterwards. It needs no login, as `resolver init` does not: root
    key and database are enough.
    """
    from resolver.bootstrap.embedded import open_store  # noqa: PLC0415 - not for a page of help

    with contextlib.closing(open_store(app.settings).managed) as store:
        store.schema_status()  # of a database with no store: one has no key, no user, and maybe other tables
        store.initialise()
    if not finish:
        put("the schema is up to date")
        if not app.store.enforcement.is_on():
            say("note: `resolver db upgrade --finish` has rows refused that were changed by hand")
        return
    enforcement = app.store.enforcement
    if enforcement.is_on():
        put("rows that were changed by hand are refused already")
        return
    vouched = enforcement.vouched()
    _put_vouched(vouched)
    confirm("Is all of this meant to be there?", yes=yes, doing="whether this is meant to be there")
    put(
        f"{count(enforcement.finish(vouched), 'row')} vouched for; rows without a genuine MAC are refused now"
    )


@db.command
@format_option
@local_options
def vacuum(app: App, *, output_format: OutputFormat) -> None:
    """Give back the room that deleted secrets took in SQLite's file.

    A file that 0.2.0 made gives it back by itself; one of an older release does so after the first vacuum.
    Others wait meanwhile. The disk needs room for a second copy. It needs no login, as `resolver init` does
    not.
    """
    from resolver.bootstrap.embedded import open_store  # noqa: PLC0415 - not for a page of help

    file = app.settings.database_file
    if file is not None:
        os.environ["SQLITE_TMPDIR"] = str(file.parent)
    with contextlib.closing(open_store(app.settings).managed) as store:
        store.check_schema()
        sizes = store.vacuum()
    if sizes is None:
        text = "nothing to do: PostgreSQL uses such room again by itself"
        put_done(output_format, text, {"before": None, "after": None})
        return
    before, after = sizes
    put_done(output_format, f"{before:,} bytes before, {after:,} now", {"before": before, "after": after})


def _put_vouched(vouched: Vouched) -> None:
    put_table(["SYS_ADMIN"], ([name] for name in vouched.sys_admins))
    put("")
    put_table(["MEMBER", "TENANT", "ROLE"], ([one.username, one.tenant, one.role] for one in vouched.members))
    put("")
    put_table(
        ["TOKEN", "USER", "CREATED", "EXPIRES", "NARROWED", "DESCRIPTION"],
        (
            [
                token.id,
                token.username,
                token.created_at,
                token.expires_at or "never",
                "yes" if token.narrowed else "no",
                token.description or "-",
            ]
            for token in vouched.tokens
        ),
    )
    put("")
    put_table(
        ["PROVIDER", "TENANT", "DESTINATION"],
        ([one.name, one.tenant, one.destination or "-"] for one in vouched.providers),
    )
    put("")
    if vouched.trusts:
        put_table(
            ["TRUST", "ISSUER", "USER", "ENABLED"],
            ([one.name, one.issuer, one.username, one.enabled] for one in vouched.trusts),
        )
        put("")
