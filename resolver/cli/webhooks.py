"""`resolver webhooks`: where events are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import UNSET

from resolver.cli.confirmation import confirmed, old_password_option
from resolver.cli.context import App, common_options, confirm_deletion, format_option, overlap_option
from resolver.cli.output import OutputFormat, put_answer, put_done, put_fields, put_table, say
from resolver.core.events import EventKind
from resolver.core.webhooks import NewWebhook, WebhookChange
from resolver.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from resolver.core.webhooks import MadeWebhook, WebhookDelivery, WebhookInfo

_NAME = click.argument("name")
_EVENTS = click.option(
    "--event",
    "events",
    multiple=True,
    metavar="KIND",
    type=click.Choice([kind.value for kind in EventKind]),
    help="Send this kind of event, like secret.updated. Repeatable; all kinds without it.",
)
_TENANTS = click.option(
    "-t",
    "--tenant",
    "tenants",
    multiple=True,
    metavar="TENANT",
    help="Send events of this tenant. Repeatable; of the whole system without it.",
)
_MOST_SHOWN = 60


@click.group
def webhooks() -> None:
    """Send events to other programs: changes, refusals, what ends soon, tampering."""


@webhooks.command
@_NAME
@click.option("--url", required=True, metavar="URL", help="Where events are sent; https, unless it is local.")
@_EVENTS
@_TENANTS
@click.option("--quiet", is_flag=True, help="Print the secret alone.")
@old_password_option
@format_option
@common_options
def create(
    app: App,
    *,
    name: str,
    url: str,
    events: tuple[str, ...],
    tenants: tuple[str, ...],
    quiet: bool,
    old_password_file: str | None,
    output_format: OutputFormat,
) -> None:
    """Make a webhook. Its secret, by which receivers know who sent an event, is shown this once."""
    new = NewWebhook(url=url, events=_kinds(events), tenants=list(tenants) or None)
    made = confirmed(app, old_password_file, lambda caller: app.service.webhooks.create(caller, name, new))
    _put_secret(made, output_format, quiet=quiet)
    if not quiet and app.service.mode.startswith("embedded"):
        say("note: events are sent while `resolver serve` runs on this store")


def _put_secret(made: MadeWebhook, output_format: OutputFormat, *, quiet: bool) -> None:
    put_done(output_format, made.secret, {"secret": made.secret} | webhook_fields(made.info))
    if not quiet:
        say("note: keep it now, it is not shown again; `resolver webhooks rotate-secret` makes another")


def _kinds(events: tuple[str, ...]) -> list[EventKind] | None:
    return [EventKind(kind) for kind in events] or None


def webhook_fields(info: WebhookInfo) -> dict[str, object]:
    """A webhook, for a table or JSON."""
    return {
        "name": info.name,
        "url": info.url,
        "events": None if info.events is None else [kind.value for kind in info.events],
        "tenants": None if info.tenants is None else list(info.tenants),
        "active": info.active,
        "created_at": info.created_at,
        "updated_at": info.updated_at,
        "pending": info.pending,
        "last_at": info.last_at,
        "last_status": info.last_status,
        "last_error": info.last_error,
    }


def _told(info: WebhookInfo) -> dict[str, object]:
    """The same as a person reads it."""
    about = webhook_fields(info)
    for name in ("events", "tenants"):
        words = about[name]
        about[name] = ", ".join(words) if isinstance(words, list) else "all"
    return about | {"last_error": info.last_error or None}


@webhooks.command(name="list")
@format_option
@common_options
def list_(app: App, *, output_format: OutputFormat) -> None:
    """List all webhooks, with how the last delivery went."""
    found = app.service.webhooks.list(app.caller)

    def put_list() -> None:
        headers = ["NAME", "URL", "EVENTS", "TENANTS", "ACTIVE", "PENDING", "LAST SENT", "LAST RESULT"]
        rows = []
        for info in found:
            told = _told(info)
            result = info.last_error[:_MOST_SHOWN] or info.last_status
            names = ("name", "url", "events", "tenants", "active", "pending", "last_at")
            rows.append([*(told[name] for name in names), result])
        if rows:
            put_table(headers, rows, ["TENANTS", "EVENTS", "LAST SENT"])
        else:
            say("no webhooks")

    put_answer(output_format, [webhook_fields(info) for info in found], put_list)


@webhooks.command
@_NAME
@format_option
@common_options
def get(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Show a webhook with its latest events."""
    info = app.service.webhooks.get(app.caller, name)
    sent = app.service.webhooks.deliveries(app.caller, name)

    def put_webhook() -> None:
        put_fields(_told(info))
        if sent:
            put_table(
                ["EVENT", "KIND", "AT", "STATE", "ATTEMPTS", "LAST TRIED", "RESULT"],
                [
                    [
                        one.event_id,
                        one.kind,
                        one.at,
                        one.state,
                        one.attempts,
                        one.tried_at,
                        one.error[:_MOST_SHOWN] or one.status,
                    ]
                    for one in sent
                ],
                ["EVENT", "LAST TRIED"],
            )

    about = webhook_fields(info) | {"deliveries": [_delivery(one) for one in sent]}
    put_answer(output_format, about, put_webhook)


def _delivery(one: WebhookDelivery) -> dict[str, object]:
    return {
        "event_id": one.event_id,
        "kind": one.kind.value,
        "at": one.at,
        "state": one.state.value,
        "attempts": one.attempts,
        "tried_at": one.tried_at,
        "status": one.status,
        "error": one.error,
    }


@webhooks.command
@_NAME
@click.option("--url", metavar="URL", help="Where events are sent from now on.")
@_EVENTS
@click.option("--all-events", is_flag=True, help="Send all kinds of events.")
@_TENANTS
@click.option("--all-tenants", is_flag=True, help="Send events of the whole system.")
@click.option(
    "--enable/--disable",
    "active",
    default=None,
    help="Send events, or none; those of meanwhile are not sent later.",
)
@old_password_option
@format_option
@common_options
def update(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    name: str,
    url: str | None,
    events: tuple[str, ...],
    all_events: bool,
    tenants: tuple[str, ...],
    all_tenants: bool,
    active: bool | None,
    old_password_file: str | None,
    output_format: OutputFormat,
) -> None:
    """Change a webhook; what is not given stays. Its secret stays, too."""
    if (events and all_events) or (tenants and all_tenants):
        raise UsageError("some and all were asked for", hint="give one of the two options")
    wanted = WebhookChange(
        url=UNSET if url is None else url,
        events=None if all_events else _kinds(events) or UNSET,
        tenants=None if all_tenants else list(tenants) or UNSET,
        active=UNSET if active is None else active,
    )
    if wanted == WebhookChange():
        raise UsageError("nothing is to be changed", hint="give an option, such as --url or --disable")
    info = confirmed(app, old_password_file, lambda caller: app.service.webhooks.update(caller, name, wanted))
    put_done(output_format, f"Webhook `{name}` updated", webhook_fields(info))


@webhooks.command(name="rotate-secret")
@_NAME
@overlap_option("How long events are signed with the old secret, too, like 24h or 0m; 30d at most.")
@click.option("--quiet", is_flag=True, help="Print the secret alone.")
@old_password_option
@format_option
@common_options
def rotate_secret(
    app: App,
    *,
    name: str,
    overlap: str,
    quiet: bool,
    old_password_file: str | None,
    output_format: OutputFormat,
) -> None:
    """Give a webhook another secret, shown this once. Meanwhile receivers may know either."""
    made = confirmed(
        app,
        old_password_file,
        lambda caller: app.service.webhooks.rotate_secret(caller, name, overlap),
    )
    _put_secret(made, output_format, quiet=quiet)


@webhooks.command
@_NAME
@format_option
@common_options
def test(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Send an event of the kind `webhook.test` now.

    What the receiver answered is told.
    """
    outcome = app.service.webhooks.test(app.caller, name)
    if not outcome.delivered:
        raise UnavailableError(f"webhook {name!r} did not take the event: {outcome.error}")
    put_done(
        output_format,
        f"Webhook `{name}` took the event, with status {outcome.status}",
        {"name": name, "status": outcome.status},
    )


@webhooks.command
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@common_options
def delete(app: App, *, name: str, yes: bool, output_format: OutputFormat) -> None:
    """Delete a webhook. What waits for it is not sent."""
    confirm_deletion(f"Delete webhook {name!r}?", yes=yes)
    app.service.webhooks.delete(app.caller, name)
    put_done(output_format, f"Webhook `{name}` deleted", {"name": name})
