"""Webhooks and the events that wait for them, as a store keeps them, and what sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.events import Event
    from resolver.core.webhooks import (
        DeliveryState,
        EventSource,
        Expiring,
        Outcome,
        QueuedEvent,
        StoredWebhook,
        WebhookDelivery,
        WebhookState,
    )


class WebhookSession(Protocol):
    """The part of a transaction about webhooks."""

    def webhooks(self) -> Sequence[StoredWebhook]:
        """All webhooks, by name."""

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
