"""Webhooks in both modes: the same calls of the service and of its client, with the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from resolver.client import open_client
from resolver.core.account_changes import NewToken
from resolver.core.events import EventKind
from resolver.core.webhooks import NewWebhook, WebhookChange
from resolver.errors import ConflictError, NotFoundError, NotPermittedError
from resolver.rest.app import create_app
from tests.databases import made_world
from tests.peer import answer, serving
from tests.rest.conftest import running

if TYPE_CHECKING:
    from pathlib import Path

    from resolver.core.ports.service import AnyService


def test_both_modes_answer_alike(tmp_path: Path) -> None:
    """One webhook is made, shown, changed, tested and deleted by each; who may not is refused alike."""
    world = made_world("sqlite", tmp_path)
    world.user("viewer")
    token = world.token or ""
    with serving(lambda _head: answer(200)) as peer, running(create_app(world.service)) as url:
        seen = []
        services: list[AnyService] = [world.service, open_client(url)]
        for service in services:
            caller = service.gate.authenticate_token(token)
            hooks = service.webhooks
            new = NewWebhook(url=f"{peer.url}/x", events=[EventKind.SECRET_CREATED], tenants=["home"])
            made = hooks.create(caller, "h", new)
            assert made.secret.startswith("whsec_")
            world.secret(f"k{len(seen)}")
            world.service.delivery.round()
            (delivery,) = hooks.deliveries(caller, "h")
            changed = hooks.update(caller, "h", WebhookChange(events=None))
            with pytest.raises(ConflictError, match="webhook 'h' already exists"):
                hooks.create(caller, "h", new)
            assert hooks.rotate_secret(caller, "h", "1h").secret != made.secret
            shown = hooks.get(caller, "h")
            assert list(hooks.list(caller)) == [shown]
            outcome = hooks.test(caller, "h")
            hooks.delete(caller, "h")
            with pytest.raises(NotFoundError, match="webhook 'h' does not exist"):
                hooks.get(caller, "h")
            seen.append((made.info, replace(delivery, event_id=""), changed, shown, outcome))
        assert seen[0] == seen[1]
        assert len(peer.bodies) == 4
        client = open_client(url)
        theirs = world.service.tokens.create(world.admin, NewToken(username="viewer")).token
        with pytest.raises(NotPermittedError):
            client.webhooks.list(client.gate.authenticate_token(theirs))
    world.service.close()
