"""`resolver audit`: read, verify and export the audit trail, and see what is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import App, common_options, format_option, options
from resolver.cli.output import OutputFormat, count, put, put_answer, put_done, put_json_line, put_table, say
from resolver.core.audit import AuditQuery, fields_of, name_of, parse_head, told_of
from resolver.core.times import parse_time
from resolver.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.core.audit import AuditRecord, Verification
    from resolver.core.results import Usage

_trail_options = options(
    click.option(
        "-t", "--tenant", metavar="TENANT", help="The tenant's trail; by its id when it was deleted."
    ),
    click.option("--system", is_flag=True, help="The system's trail, of users, tokens and tenants."),
)


def _trail(app: App, tenant: str | None, *, system: bool) -> str:
    """The tenant whose trail is meant; empty for the system's."""
    if not system:
        return app.settings.tenant(tenant)
    if tenant is not None:
        raise UsageError("a tenant and --system were given", hint="give one of them")
    return ""


EXPORT_FORMAT = "blueprint-resolver audit export/1"
"""The first line of an export says so; `docs/verify_audit.py` reads it."""


@click.group
def audit() -> None:
    """Read and verify the audit trail."""


@audit.command(name="list")
@_trail_options
@click.option("--since", metavar="TIME", help="From this UTC time on, or from so long ago (7d).")
@click.option("--until", metavar="TIME", help="Before this UTC time.")
@click.option("--caller", default="", metavar="NAME", help="What this user did.")
@click.option("--key", default="", metavar="KEY", help="About this key, or keys like `prod_*`; or this user.")
@click.option("--action", default="", metavar="ACTION", help="Only `secret:use`, or actions like `token:*`.")
@click.option("--decision", type=click.Choice(["allowed", "refused"]), help="Only what was decided so.")
@click.option(
    "--run", default="", metavar="ID", help="What this run of a workload did, or claims like `sha=ab12`."
)
@click.option("--newest", is_flag=True, help="Newest first.")
@click.option("--after", type=click.IntRange(min=0), metavar="NUMBER", help="Go on after this record.")
@click.option(
    "--size",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    metavar="NUMBER",
    help="List at most so many.",
)
@format_option
@common_options
def list_(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    tenant: str | None,
    system: bool,
    since: str | None,
    until: str | None,
    caller: str,
    key: str,
    action: str,
    decision: str | None,
    run: str,
    newest: bool,
    after: int | None,
    size: int,
    output_format: OutputFormat,
) -> None:
    """List records, oldest first. No record holds a value."""
    now = app.service.now()
    query = AuditQuery(
        since=parse_time(since, now, "--since", ago=True) if since is not None else "",
        until=parse_time(until, now, "--until", ago=True) if until is not None else "",
        caller=caller,
        key=key,
        action=action,
        decision=decision or "",
        run=run,
        after=after,
        newest_first=newest,
        size=size + 1,  # one more tells whether more follow
    )
    found = list(app.service.trail.stream(app.caller, _trail(app, tenant, system=system), query))
    records, more = found[:size], len(found) > size
    put_answer(
        output_format,
        [{"number": record.number, "hash": record.hash} | fields_of(record) for record in records],
        lambda: (
            put_table(
                ["NUMBER", "AT", "CALLER", "ACTION", "ABOUT", "VERSION", "DECISION"],
                (row for record in records for row in _rows(record, query)),
                spare=["VERSION"],
            )
            if records
            else None
        ),
    )
    if not records and output_format is OutputFormat.TABLE:
        say(_no_records(action))
    if more and records:
        say(f"note: more records follow; --after {records[-1].number} shows them")


def _no_records(action: str) -> str:
    """What is said where nothing fits: also that no action is called so, and what was probably meant."""
    from fnmatch import fnmatchcase  # noqa: PLC0415 - for a mistake only

    from resolver.core.events import KIND_OF, SILENT  # noqa: PLC0415 - as above
    from resolver.core.suggestions import Suggestions  # noqa: PLC0415 - as above

    known = sorted({*KIND_OF, *SILENT})
    if not action or any(fnmatchcase(name, action) for name in known):
        return "no records"
    ends = [name for name in known if name.partition(":")[2] == action]
    question = (
        f"did you mean {' or '.join(map(repr, ends))}?"
        if ends
        else Suggestions(lambda: known).question(action)
    )
    return f"no records: no action is called {action!r}{question and f', {question}'}"


_MAX_ROWS = 20
"""Most rows that are named."""


def _rows(record: AuditRecord, query: AuditQuery) -> Iterator[list[object]]:
    """A line for each key that a record tells of, or for the only one; only of those that are wanted."""
    fields = fields_of(record)
    for told in filter(query.wants_told, told_of(fields)):
        yield [
            record.number,
            record.at,
            fields.get("caller", "?"),
            record.action,
            name_of(told) or "-",
            told.get("version", "-"),
            told.get("reason", "?"),
        ]
    left = fields.get("keys_total", 0) - len(fields.get("keys", ()))
    if left > 0:
        yield [
            record.number,
            record.at,
            fields.get("caller", "?"),
            record.action,
            f"and {left} more",
            "-",
            "-",
        ]


@audit.command
@_trail_options
@format_option
@common_options
def head(app: App, *, tenant: str | None, system: bool, output_format: OutputFormat) -> None:
    """Print the trail's end, to be kept elsewhere.

    `audit verify --head` tells whether a later trail still contains it.
    """
    found = app.service.trail.head(app.caller, _trail(app, tenant, system=system))
    put_done(output_format, f"{found.number}:{found.hash}", {"number": found.number, "hash": found.hash})


@audit.command
@_trail_options
@click.option("--head", "kept", metavar="NUMBER:HASH", help="A head that was kept elsewhere.")
@format_option
@common_options
def verify(
    app: App, *, tenant: str | None, system: bool, kept: str | None, output_format: OutputFormat
) -> None:
    """Check that the trail was not changed by hand.

    Finds records that were changed, removed, swapped or added. With a head that was kept, it also finds that
    the end was cut off, or that the whole database is an older copy.
    """
    expected = parse_head(kept) if kept is not None else None
    found = app.service.trail.verify(app.caller, _trail(app, tenant, system=system), expected)
    number = found.head.number
    if found.broken is not None:
        more = f"; {found.kept_differs}" if found.kept_differs else ""
        raise StoreError(
            f"the audit trail is broken: record {found.broken} of {number} is the first that does not fit"
            f"{more}",
            hint="compare the database with a backup",
        )
    if found.kept_differs:
        raise StoreError(
            "the audit trail is not the one that "
            f"{'the head was taken of' if found.kept else 'the server knows'}: {found.kept_differs}",
            hint="compare the database with a backup",
        )
    if found.rows:
        told = ", ".join(f"{row.kind} {row.id} ({row.fault})" for row in found.rows[:_MAX_ROWS])
        more = f" and {len(found.rows) - _MAX_ROWS} more" if len(found.rows) > _MAX_ROWS else ""
        raise StoreError(
            f"the audit trail is unbroken, and the database is not as it tells: {told}{more}",
            hint="compare the database with a backup",
        )
    if found.index_faults:
        raise StoreError(
            f"the index of the audit trail is not what its records say: {_index_faults(found)}",
            hint="the records themselves are whole; `resolver audit reindex` makes the index again",
        )
    contains = "" if found.kept is None else ", containing the kept head"
    facts = {"records": number, "unbroken": True, "contains_head": None if found.kept is None else True}
    put_done(output_format, f"{count(number, 'record')}, unbroken{contains}", facts)
    if found.kept is None:
        say(
            "note: without a head that was kept elsewhere (`audit head`, then --head) this can't see a cut "
            "end or an older copy of the whole database"
        )


def _index_faults(found: Verification) -> str:
    named = [f"{fault.row} of record {fault.number} is {_FAULTS[fault.fault]}" for fault in found.index]
    left = found.index_faults - len(named)
    return ", ".join(named) + (f" and {left} more" if left else "")


_FAULTS = {"missing": "missing", "extra": "too many", "changed": "changed"}


@audit.command
@_trail_options
@format_option
@common_options
def reindex(app: App, *, tenant: str | None, system: bool, output_format: OutputFormat) -> None:
    """Make the index of the trail again.

    Lists by key and user, and reports of uses, are read from it. `audit verify` tells when it does not fit
    the records.
    """
    number = app.service.trail.reindex(app.caller, _trail(app, tenant, system=system))
    put_done(output_format, f"indexed {count(number, 'record')}", {"records": number})


@audit.command
@_trail_options
@common_options
def export(app: App, *, tenant: str | None, system: bool) -> None:
    """Print the whole trail as JSON lines.

    The last line is its head.

    `docs/verify_audit.py` checks such a file without this program.
    """
    where = _trail(app, tenant, system=system)
    end, records = app.service.trail.export(app.caller, where)
    put_json_line({"format": EXPORT_FORMAT, "chain": end.chain, "tenant": where or None})
    for record in records:
        put_json_line(
            {
                "number": record.number,
                "hash": record.hash,
                "body": record.body.decode("ascii", "backslashreplace"),
            }
        )
    put_json_line({"head": {"number": end.number, "hash": end.hash}})


@audit.command
@click.option("-t", "--tenant", metavar="TENANT", help="The tenant.")
@click.option("--since", default="", metavar="TIME", help="Since this UTC time, or so long ago (30d).")
@format_option
@common_options
def unused(app: App, *, tenant: str | None, since: str, output_format: OutputFormat) -> None:
    """Show unused secrets, and roles and tokens wider than their use.

    Showing and exporting count as use. Listing, checking and reading the trail leave no record. Of long
    lists the table has the beginning, JSON all.
    """
    facts = _usage(app.service.usage.unused(app.caller, app.settings.tenant(tenant), since))
    put_answer(output_format, facts, lambda: _put_unused(facts))


def _put_unused(facts: dict[str, Any]) -> None:
    put(f"since {facts['since']}")
    put_table(["UNUSED SECRET"], ([key] for key in facts["secrets"]))
    put("")
    put_table(
        ["SECRET", "VISIBILITY", "ENOUGH WOULD BE"],
        ([row["key"], row["visibility"], row["enough"]] for row in facts["wide_secrets"]),
    )
    put("")
    put_table(
        ["MEMBER", "ROLE", "ENOUGH WOULD BE"],
        ([row["user"], row["role"], row["enough"] or "none"] for row in facts["members"]),
    )
    if facts["tokens"] is not None:
        put("")
        put_table(
            ["TOKEN", "USER", "LAST USED", "USED HERE", "ON KEYS", "NEVER USED HERE"],
            (
                [
                    row["id"],
                    row["user"],
                    row["last_used_at"],
                    *map(_some, (row["used"], row["keys"], row["unused"])),
                ]
                for row in facts["tokens"]
            ),
        )


def _some(words: Sequence[str]) -> str:
    """The first words of a list, and how many there are beside them."""
    more = [f"and {len(words) - _NAMED} more"] if len(words) > _NAMED + 1 else []
    return ", ".join([*(words[:_NAMED] if more else words), *more]) or "-"


_NAMED = 3
"""How many words a cell of a table has of a long list."""


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "since": usage.since,
        "secrets": [holding.name for holding in usage.secrets],
        "wide_secrets": [
            {"key": one.key, "visibility": one.visibility.value, "enough": one.enough.value}
            for one in usage.wide_secrets
        ],
        "members": [
            {
                "user": member.username,
                "role": member.role.value,
                "enough": member.enough.value if member.enough else None,
            }
            for member in usage.members
        ],
        "tokens": None
        if usage.tokens is None
        else [
            {
                "id": token.id,
                "user": token.username,
                "last_used_at": token.last_used_at,
                "used": sorted(permission.value for permission in token.used),
                "keys": list(token.keys),
                "unused": sorted(permission.value for permission in token.unused),
            }
            for token in usage.tokens
        ],
    }
