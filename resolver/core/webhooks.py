"""Webhooks: where events are sent, the records about them, and their signature.

Headers, signature and form of the secret are those of the Standard Webhooks specification
(https://github.com/standard-webhooks/standard-webhooks).
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from resolver.core.events import EventKind
from resolver.core.redacted import Redacted

SECRET_PREFIX = "whsec_"  # noqa: S105 - the format's name
SECRET_BYTES = 32

ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"


class NewWebhook(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A webhook to be made.

    Args:
        url: where events are sent, https unless it is this machine.
        events: the kinds that are sent; None for all.
        tenants: the names of the tenants whose events are sent; None for those of the whole system.
    """

    url: str
    events: Sequence[EventKind] | None = None
    tenants: Sequence[str] | None = None


class WebhookChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be changed of a webhook; each field that is not given stays as it is.

    Args:
        url: where events are sent.
        events: the kinds that are sent; None for all.
        tenants: the names of the tenants whose events are sent; None for those of the whole system.
        active: whether anything is sent; what happens meanwhile is not sent later.
    """

    url: str | UnsetType = UNSET
    events: Sequence[EventKind] | UnsetType | None = UNSET
    tenants: Sequence[str] | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET


class WebhookInfo(Struct, frozen=True):
    """A webhook as a list shows it: never its secret.

    Args:
        name: what it is called.
        url: where events are sent.
        events: the kinds that are sent; None for all.
        tenants: names of the tenants whose events are sent, ids of deleted ones; None for the whole system.
        active: whether anything is sent.
        created_at: when it was made.
        updated_at: when it was last changed.
        pending: how many events wait to be sent.
        last_at: when something was last sent; None for never.
        last_status: the status that was answered then; None without an answer.
        last_error: why it was not taken then; empty when it was.
    """

    name: str
    url: str
    events: Sequence[EventKind] | None
    tenants: Sequence[str] | None
    active: bool
    created_at: str
    updated_at: str
    pending: int = 0
    last_at: str | None = None
    last_status: int | None = None
    last_error: str = ""


class MadeWebhook(Redacted, frozen=True):
    """A webhook with its secret, at the one moment when that can be shown."""

    secret: str
    info: WebhookInfo


class Outcome(Struct, frozen=True):
    """What became of one request to a receiver.

    Args:
        delivered: whether the receiver took it, by a status of 200 to 299.
        status: the status that it answered; None without an answer.
        error: why it was not taken; empty when it was.
    """

    delivered: bool
    status: int | None = None
    error: str = ""


class DeliveryState(enum.StrEnum):
    """Where an event is on its way to a receiver; dropped is one that was given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DROPPED = "dropped"


class WebhookDelivery(Struct, frozen=True):
    """An event on its way to a receiver, or there.

    Args:
        event_id: the id of the event.
        kind: its kind.
        at: when it happened.
        state: what became of it so far.
        attempts: how often it was sent.
        tried_at: when it was last sent; None for never.
        status: the status that was answered then; None without an answer.
        error: why it was not taken then; empty when it was.
    """

    event_id: str
    kind: EventKind
    at: str
    state: DeliveryState
    attempts: int
    tried_at: str | None = None
    status: int | None = None
    error: str = ""


class DeliveryList(Struct, frozen=True):
    """The latest events of a webhook, newest first."""

    items: Sequence[WebhookDelivery]


def sign(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one message: HMAC-SHA-256 over id, time and body, joined by dots.

    Args:
        secret: as it was shown, `whsec_` and Base64.
        event_id: the message's id.
        timestamp: Unix time in seconds.
        body: what is sent.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{event_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def signed_headers(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one message, signed with each of some secrets."""
    return {
        "Content-Type": "application/json",
        ID_HEADER: event_id,
        TIME_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(sign(secret, event_id, timestamp, body) for secret in secrets),
    }
