"""Webhooks that are on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.client.session import Remote, step
from resolver.core.account_changes import DEFAULT_OVERLAP
from resolver.core.model import check_key
from resolver.core.query import Part
from resolver.core.webhooks import DeliveryList, MadeWebhook, Outcome, WebhookInfo
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller
    from resolver.core.webhooks import NewWebhook, WebhookChange, WebhookDelivery


class RemoteWebhooks(Remote):
    """The webhooks."""

    def create(self, caller: Caller, name: str, new: NewWebhook) -> MadeWebhook:
        """Make a webhook; its secret is shown this once."""
        check_key(name, "webhook name")
        return self._server.ask(caller, MadeWebhook, "PUT", _path(name), encode(new))

    def list(self, caller: Caller) -> Sequence[WebhookInfo]:
        """All webhooks, by name."""
        return self._server.ask(caller, Part[WebhookInfo], "GET", "/webhooks").items

    def get(self, caller: Caller, name: str) -> WebhookInfo:
        """One webhook."""
        return self._server.ask(caller, WebhookInfo, "GET", _path(name))

    def deliveries(self, caller: Caller, name: str) -> Sequence[WebhookDelivery]:
        """The latest events of a webhook, newest first."""
        return self._server.ask(caller, DeliveryList, "GET", f"{_path(name)}/deliveries").items

    def update(self, caller: Caller, name: str, wanted: WebhookChange) -> WebhookInfo:
        """Change a webhook; what is not given stays."""
        return self._server.ask(caller, WebhookInfo, "PATCH", _path(name), encode(wanted))

    def rotate_secret(self, caller: Caller, name: str, overlap: str = DEFAULT_OVERLAP) -> MadeWebhook:
        """Give a webhook another secret, shown this once; the old one signs too for a while."""
        about = {"overlap": overlap}
        return self._server.ask(caller, MadeWebhook, "POST", f"{_path(name)}/rotate-secret", about)

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a webhook; what waits for it is not sent."""
        self._server.do(caller, "DELETE", _path(name))

    def test(self, caller: Caller, name: str) -> Outcome:
        """Send an event of the kind `webhook.test`, now."""
        return self._server.ask(caller, Outcome, "POST", f"{_path(name)}/test", {})


def _path(name: str) -> str:
    return f"/webhooks/{step(name, f'webhook {name!r} does not exist')}"
