"""`resolver approvals`: who asks for the use of protected secrets, and who grants it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from resolver.cli.confirmation import confirmed, old_password_option
from resolver.cli.context import App, common_options, format_option, tenant_option
from resolver.cli.output import OutputFormat, count, put_answer, put_done, put_fields, put_table, say
from resolver.cli.report.report import Report
from resolver.cli.request import make_options, read_blueprints, request_options
from resolver.core.approvals import (
    Approval,
    ApprovalGrant,
    ApprovalRequest,
    ApprovalState,
)
from resolver.core.times import read_time, show_time
from resolver.errors import ApprovalNeededError, UnavailableError, UsageError
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from resolver.cli.arguments import ResolveArguments
    from resolver.core.approvals import ApprovalDetails, Bundle, ResolvedBundle

_ID = click.argument("approval_id", metavar="ID")
_COMMENT = click.option("--comment", default="", metavar="TEXT", help="Words for who asked.")
REASON = click.option("--reason", default="", metavar="TEXT", help="What it is for, for who decides.")

_DURATION = re.compile(r"([0-9]{1,6})([smh]?)\Z")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_SPARE = 30
"""Seconds before a token ends at which the identity is exchanged anew."""

_GUARD_RAIL = (
    "note: this store is on this machine: an approval is a guard rail here, and no wall, "
    "since who has its root key can do without"
)


@click.group
def approvals() -> None:
    """Ask for the use of protected secrets, and grant it."""


@approvals.command
@click.argument("blueprints", nargs=-1, metavar="[BLUEPRINT...|-]")
@click.option("--unprotect", metavar="KEY", help="Ask to end the protection of this secret, instead.")
@REASON
@request_options
def request(app: App, arguments: ResolveArguments, *, unprotect: str | None, reason: str) -> None:
    """Ask for an approval of blueprints.

    Blueprints go to the server with the local files that they import, inputs and context. What is granted is
    for all of these as they are now. Prints the id; asking again prints the same one.
    """
    if bool(arguments.blueprints) is (unprotect is not None):
        raise UsageError("name blueprints, or a secret by --unprotect")
    tenant = app.settings.tenant(arguments.tenant)
    report = Report(arguments.diagnostics, on_stdout=False)
    with report.reporting():
        bundle = None if unprotect else bundle_of(app, arguments, report)
        wanted = ApprovalRequest(bundle, unprotect, reason)
        answer = app.service.approvals.request(app.caller, tenant, wanted)
    if answer.state is ApprovalState.NOT_NEEDED:
        say("note: no approval is needed: none of these secrets is protected")
        return
    put_done(OutputFormat.TABLE, answer.id, {})
    _warn_embedded(app)


def bundle_of(app: App, arguments: ResolveArguments, report: Report) -> Bundle:
    """What an approval of these blueprints is about.

    Raises:
        UsageError: an option does not go with an approval.
        BlueprintError: a blueprint can't be read, or something is wrong in it.
    """
    from resolver.resolution.bundles import make_bundle  # noqa: PLC0415 - not for a page of help

    if arguments.keep_going or arguments.fail_on:
        raise UsageError("--keep-going and --fail-on don't go with an approval")
    tenant = app.settings.tenant(arguments.tenant)
    options = make_options(app, arguments, tenant, app.plugins)
    return make_bundle(read_blueprints(arguments, report), options, arguments.output_format)


def resolve_approved(
    app: App, arguments: ResolveArguments, report: Report, wait: float, reason: str
) -> ResolvedBundle | None:
    """Have blueprints resolved by an approval, asked and waited for; None when they need none.

    Args:
        app: the command.
        arguments: the blueprints, and how.
        report: where problems go.
        wait: seconds to wait for somebody to grant it.
        reason: what it is for.

    Raises:
        ApprovalNeededError: it was denied, or nobody granted it in time.
    """
    tenant, service = app.settings.tenant(arguments.tenant), app.service.approvals
    bundle = bundle_of(app, arguments, report)
    answer = service.request(app.caller, tenant, ApprovalRequest(bundle, reason=reason))
    if answer.state is ApprovalState.NOT_NEEDED:
        return None
    _warn_embedded(app)
    if answer.state is ApprovalState.PENDING and wait:
        answer = _waited(app, tenant, answer, wait)
    if answer.state is not ApprovalState.GRANTED:
        raise ApprovalNeededError(
            f"approval {answer.id} is {answer.state}" + (f": {answer.comment}" if answer.comment else ""),
            hint=f"a manager of tenant {tenant!r} decides: `resolver approvals show {answer.id} -t {tenant}`",
        )
    return service.resolve(app.caller, tenant, answer.id, bundle.digest)


def _waited(app: App, tenant: str, answer: Approval, wait: float) -> Approval:
    """A request once it was decided, or the time is over."""
    end, why = datetime.now(UTC).timestamp() + wait, ""
    limit = _last_moment(app)
    if limit is not None and limit < end:
        end, why = limit, ", when this identity ends"
    until = show_time(datetime.fromtimestamp(end, UTC))
    say(f"note: waiting for approval {answer.id} until {until}{why}")
    pause = _FIRST_PAUSE
    while answer.state is ApprovalState.PENDING and (left := end - time.time()) > 0:
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
        if app.identity_source is not None and _ends_within(app.caller.expires_at, _SPARE):
            app.identify_anew()
        try:
            answer = app.service.approvals.get(app.caller, tenant, answer.id)
        except UnavailableError:  # a server that is started again is waited for, too
            continue
    return answer


def _ends_within(expires_at: str | None, seconds: float) -> bool:
    return expires_at is not None and read_time(expires_at).timestamp() - time.time() < seconds


def _last_moment(app: App) -> float | None:
    """Until when this run can say who it is, in seconds since 1970; None where no end is known."""
    source = app.identity_source
    if source is None:
        expires_at = app.caller.expires_at
        return None if expires_at is None else read_time(expires_at).timestamp()
    if not source.holds_jwt:  # which is asked for or read anew
        return None
    return app.settings.identity_end(source)


def wait_seconds(text: str) -> float:
    """A time to wait, like `90s`, `15m` or `2h`; seconds where no unit is given.

    Raises:
        UsageError: it is none.
    """
    found = _DURATION.match(text)
    if found is None:
        raise UsageError("--wait-approval takes a time", hint="like 90s, 15m or 2h; 0 waits for nobody")
    return int(found[1]) * _SECONDS[found[2]]


def _warn_embedded(app: App) -> None:
    if app.service.mode.startswith("embedded"):
        say(_GUARD_RAIL)


@approvals.command(name="list")
@tenant_option
@format_option
@common_options
def list_(app: App, *, tenant: str | None, output_format: OutputFormat) -> None:
    """List requests: all of the tenant for who decides, else your own."""
    found = app.service.approvals.list(app.caller, app.settings.tenant(tenant))

    def put_list() -> None:
        if not found:
            say("no approvals were asked for")
            return
        put_table(
            ["ID", "STATE", "SECRETS", "ASKED BY", "AT", "ENDS", "USES LEFT", "REASON"],
            [
                [
                    one.id,
                    one.state,
                    ", ".join(one.keys) + ("" if one.digest else " (end of protection)"),
                    one.requested_by,
                    one.requested_at,
                    one.ends_at,
                    one.uses_left,
                    one.reason,
                ]
                for one in found
            ],
            ["REASON", "ENDS", "AT"],
        )

    put_answer(output_format, [encode(one) for one in found], put_list)


@approvals.command
@_ID
@tenant_option
@format_option
@common_options
def show(app: App, *, approval_id: str, tenant: str | None, output_format: OutputFormat) -> None:
    """Show a request, with the calls of its blueprints in place.

    With --format json also all texts, and the values of inputs.
    """
    found = app.service.approvals.details(app.caller, app.settings.tenant(tenant), approval_id)
    put_answer(output_format, encode(found), lambda: _put_details(found))


def _put_details(found: ApprovalDetails) -> None:
    about = encode(found.approval) | {"keys": ", ".join(found.approval.keys)}
    bundle = found.bundle
    if bundle is not None:
        about |= {
            "blueprints": ", ".join(one.name for one in bundle.blueprints),
            "imports": count(sum(len(one.files) for one in bundle.blueprints), "file"),
            "inputs": ", ".join(bundle.inputs) or None,
            "context": ", ".join(bundle.context) or None,
        }
    put_fields(about)
    if bundle is None or not found.calls:
        return
    lines = {one.name: one.text.splitlines() for one in bundle.blueprints}
    put_table(
        ["PLACE", "SECRET", "PROTECTED", "TEXT"],
        [
            [
                f"{call.source}:{call.line}:{call.column}",
                call.key,
                "yes" if call.protected else "no",
                next(iter(lines.get(call.source, [])[call.line - 1 : call.line]), "").strip(),
            ]
            for call in found.calls
        ],
        ["TEXT"],
    )


@approvals.command
@_ID
@click.option("--uses", type=click.IntRange(min=1), default=1, show_default=True, help="For so many runs.")
@click.option(
    "--for", "lasts", default="24h", show_default=True, metavar="TIME", help="So long, or until a time."
)
@_COMMENT
@old_password_option
@tenant_option
@format_option
@common_options
def grant(
    app: App,
    *,
    approval_id: str,
    uses: int,
    lasts: str,
    comment: str,
    old_password_file: str | None,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Grant what was asked for.

    It takes your password, and another person than the one who asked.
    """
    wanted, home = ApprovalGrant(uses, lasts, comment), app.settings.tenant(tenant)
    done = confirmed(
        app, old_password_file, lambda caller: app.service.approvals.grant(caller, home, approval_id, wanted)
    )
    put_done(output_format, f"Approval `{done.id}` granted until {done.ends_at}", encode(done))


@approvals.command
@_ID
@_COMMENT
@tenant_option
@format_option
@common_options
def deny(
    app: App, *, approval_id: str, comment: str, tenant: str | None, output_format: OutputFormat
) -> None:
    """Deny what was asked for, or end what was granted.

    Who asked may withdraw it by this, too.
    """
    done = app.service.approvals.deny(app.caller, app.settings.tenant(tenant), approval_id, comment)
    put_done(output_format, f"Approval `{done.id}` denied", encode(done))
