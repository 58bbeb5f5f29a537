"""Webhooks and the events that wait for them, as a store keeps them, and what sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from resolver.core.redacted import Redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.events import Event
    from resolver.core.webhooks import DeliveryState, Outcome, WebhookDelivery


class StoredWebhook(Redacted, frozen=True):
    """A webhook as stored.

    Args:
        id: its id.
        name: what it is called.
        url: where events are sent.
        events: the kinds that are sent, as a JSON list; None for all.
        tenants: ids of the tenants whose events are sent, as a JSON list; None for the whole system.
        active: whether anything is sent.
        signing: what events are signed with, encrypted.
        data_key_id: the key that encrypts it.
        created_at: when it was made.
        updated_at: when it was last changed.
    """

    id: str
    name: str
    url: str
    events: str | None
    tenants: str | None
    active: bool
    signing: str
    data_key_id: str
    created_at: str
    updated_at: str


class WebhookState(Struct, frozen=True):
    """How a webhook's deliveries fare.

    Args:
        webhook_id: whose they are.
        failures: how many in a row were not taken.
        next_at: when it is tried next.
        last_at: when something was last sent; None for never.
        last_status: the status that was answered then.
        last_error: why it was not taken then; empty when it was.
    """

    webhook_id: str
    failures: int
    next_at: str
    last_at: str | None = None
    last_status: int | None = None
    last_error: str = ""


class QueuedEvent(Struct, frozen=True):
    """An event that waits to be sent to one webhook.

    Args:
        webhook_id: whose it is.
        number: its place among those of this webhook.
        event_id: the id of the event.
        kind: its kind.
        at: when it happened.
        body: what is sent.
        queued_at: since when it waits.
        attempts: how often it was sent.
        answered: how often that was answered, and not taken.
    """

    webhook_id: str
    number: int
    event_id: str
    kind: str
    at: str
    body: str
    queued_at: str
    attempts: int = 0
    answered: int = 0


EXPIRY = "expiry"
"""The id of the source of events about what ends soon."""


class EventSource(Struct, frozen=True):
    """How far something was looked through for events.

    Args:
        id: the id of an audit chain, or what else events come from.
        number: the last record that was looked at.
        hash: its hash.
        since: when this was noted; or the time up to which was looked, where there are no records.
        refusals: those that were counted since the last event about them, as JSON.
    """

    id: str
    number: int = 0
    hash: str = ""
    since: str | None = None
    refusals: str | None = None


class Expiring(Struct, frozen=True):
    """A secret or token that ends soon, as events tell of it."""

    id: str
    name: str
    owner: str
    expires_at: str
    tenant_id: str = ""
    tenant: str = ""
    version: int | None = None


class WebhookSession(Protocol):
    """The part of a transaction about webhooks."""

    def webhooks(self) -> Sequence[StoredWebhook]:
        """All webhooks, by name."""

    def webhook_ids(self) -> Sequence[str]:
        """The ids of all webhooks, by name, whether or not their rows are genuine."""

    def webhook(self, *, name: str = "", webhook_id: str = "") -> StoredWebhook | None:
        """A webhook by name or id."""

    def add_webhook(self, stored: StoredWebhook) -> None:
        """Store a webhook; ConflictError when the name is taken. Events count from now on."""

    def change_webhook(self, stored: StoredWebhook, since: str) -> None:
        """Change a webhook that was last changed at `since`; ConflictError when another was quicker."""

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with all that waits for it."""

    def webhook_states(self) -> Mapping[str, WebhookState]:
        """How deliveries fare, by the ids of webhooks."""

    def set_webhook_state(self, state: WebhookState) -> None:
        """Note how a webhook's deliveries fare."""

    def pending_events(self) -> Mapping[str, int]:
        """How many events wait, by the ids of webhooks."""

    def next_event(self, webhook_id: str) -> QueuedEvent | None:
        """The event that is sent next."""

    def deliveries(self, webhook_id: str, size: int) -> Sequence[WebhookDelivery]:
        """Events of a webhook, latest first."""

    def queue_events(self, webhook_id: str, events: Sequence[Event], at: str) -> None:
        """Have events wait for a webhook; one that it has already is left alone."""

    def end_event(self, event: QueuedEvent, outcome: Outcome, state: DeliveryState, at: str) -> None:
        """Note what became of an attempt to send an event."""

    def drop_events(self, webhook_id: str, *, most: int, queued_before: str, keep: int) -> int:
        """Give up events that wait for too long, or are too many; how many. Forget old ones that ended.

        Args:
            webhook_id: whose they are.
            most: how many may wait.
            queued_before: those that wait since before then are given up.
            keep: how many that ended are kept.
        """

    def chains_with_news(self) -> Sequence[str]:
        """The audit chains that have records, or refusals, which no event tells of yet."""

    def event_source(self, source_id: str) -> EventSource | None:
        """How far something was looked through."""

    def set_event_source(self, source: EventSource) -> None:
        """Note how far something was looked through."""

    def begin_sources(self, at: str) -> None:
        """Have all that is recorded so far be no event, unless events are looked for already."""

    def end_sources(self) -> None:
        """Look for no events any more."""

    def expiring_secrets(self, after: str, until: str, changed_since: str) -> Iterable[Expiring]:
        """The secrets that end between two times, or were changed of late and end before the second."""

    def expiring_tokens(self, after: str, until: str, changed_since: str) -> Iterable[Expiring]:
        """The same of access tokens."""

    def take_lease(self, holder: str, at: str, until: str) -> bool:
        """Become or stay the process that delivers; whether this is it. Others wait until the commit."""


class SendsEvents(Protocol):
    """Sends requests to receivers."""

    def check(self, url: str) -> None:
        """Refuse a URL that nothing could be sent to.

        Raises:
            InvalidRequestError: it is malformed, or would send events over a network in the clear.
            NotPermittedError: the destination is not allowed.
        """

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one request. No redirect is followed."""
