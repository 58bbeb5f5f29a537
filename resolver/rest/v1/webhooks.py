"""Webhooks, for `resolver webhooks` in remote mode and for programs."""

from __future__ import annotations

from starlette.responses import Response

from resolver.core.account_changes import RotationRequest
from resolver.core.query import Part
from resolver.core.webhooks import (
    DeliveryList,
    MadeWebhook,
    NewWebhook,
    Outcome,
    WebhookChange,
    WebhookInfo,
)
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import OWN, ApiCall, Group

GROUP = Group("webhooks", OWN)


@GROUP.route("GET", "/webhooks", Part[WebhookInfo])
def list_webhooks(call: ApiCall) -> Response:
    """All webhooks, by name."""
    found = call.service.webhooks.list(call.caller)
    return Answer(Part(found, len(found)))


@GROUP.route("GET", "/webhooks/{name}", WebhookInfo)
def get_webhook(call: ApiCall, name: str) -> Response:
    """One webhook, and how its last delivery went."""
    return Answer(call.service.webhooks.get(call.caller, name))


@GROUP.route("PUT", "/webhooks/{name}", MadeWebhook)
def create_webhook(call: ApiCall, name: str, body: NewWebhook) -> Response:
    """Make a webhook; this answer alone shows its secret."""
    return Answer(call.service.webhooks.create(call.caller, name, body))


@GROUP.route("PATCH", "/webhooks/{name}", WebhookInfo)
def update_webhook(call: ApiCall, name: str, body: WebhookChange) -> Response:
    """Change where a webhook leads, what it tells of, or whether anything is sent."""
    return Answer(call.service.webhooks.update(call.caller, name, body))


@GROUP.route("DELETE", "/webhooks/{name}", status=204)
def delete_webhook(call: ApiCall, name: str) -> Response:
    """Delete a webhook; what waits for it is not sent."""
    call.service.webhooks.delete(call.caller, name)
    return nothing()


@GROUP.route("POST", "/webhooks/{name}/rotate-secret", MadeWebhook)
def rotate_webhook_secret(call: ApiCall, name: str, body: RotationRequest) -> Response:
    """Give a webhook another secret, which this answer alone shows; the old one signs too for a while."""
    return Answer(call.service.webhooks.rotate_secret(call.caller, name, body.overlap))


@GROUP.route("POST", "/webhooks/{name}/test", Outcome)
def test_webhook(call: ApiCall, name: str) -> Response:
    """Send an event of the kind `webhook.test`, and say what became of it."""
    return Answer(call.service.webhooks.test(call.caller, name))


@GROUP.route("GET", "/webhooks/{name}/deliveries", DeliveryList)
def list_deliveries(call: ApiCall, name: str) -> Response:
    """The latest events of a webhook: those that wait, were sent, or were given up."""
    return Answer(DeliveryList(call.service.webhooks.deliveries(call.caller, name)))
