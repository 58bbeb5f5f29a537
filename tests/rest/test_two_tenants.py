"""Two tenants' clients at once on one server: what one is answered is never the other's."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from resolver.core.permissions import TenantRole
from tests.rest.conftest import SECRETS, USE, Client

if TYPE_CHECKING:
    from tests.rest.conftest import Live
import pytest

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("RESOLVER_TEST_HAMMER_SECONDS", "1.5"))
"""How long the clients go on."""

LEAST = 2
"""How many requests each makes, however long they take."""

KEYS = ("shared_name", "other_name")
CLIENTS = 3
RESOLVE = "/api/v1/resolver/resolve"


def _ask(client: Client, number: int, tenant: str) -> str:
    """One request of a kind; all that it was answered, as text."""
    upload = {"tenant": tenant, "blueprints": [{"text": "a: { get_secret: shared_name }"}]}
    batch = {"tenant": tenant, "keys": [{"key": key} for key in KEYS]}
    asked: list[tuple[str, str, Any]] = [
        ("GET", f"{SECRETS}/{KEYS[0]}", None),
        ("POST", USE, batch),
        ("POST", RESOLVE, upload),
        ("GET", f"{SECRETS}?_all_tenants=True", None),
        ("PATCH", f"{SECRETS}/{KEYS[1]}", {"value": f"value of {tenant} {number}"}),
        ("GET", f"{SECRETS}/share/export?_all_tenants=True", None),
        ("POST", USE, batch | {"tenant": "away" if tenant == "home" else "home"}),
    ]
    method, path, body = asked[number % len(asked)]
    answer = client(method, path, body)
    # Two users of one tenant may change the same secret at once: one of them is told to look again.
    expected = {403} if number % len(asked) == len(asked) - 1 else {200, 409} if method == "PATCH" else {200}
    assert answer.status_code in expected, answer.text
    return answer.text.replace("in tenant 'home'", "").replace("in tenant 'away'", "")


@dataclass
class Hammer:
    """Clients that go on until their time is over or one of them was answered what is not its own.

    Args:
        url: the server.
        end: when to stop.
    """

    url: str
    end: float
    failures: list[str] = field(default_factory=list)
    requests: int = 0

    def go_on(self, tenant: str, token: str) -> None:
        """Be one client of a tenant."""
        other = "away" if tenant == "home" else "home"
        number = 0
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as http:
            client = Client(http, token, tenant)
            while (time.monotonic() < self.end or number < LEAST) and not self.failures:
                try:
                    text = _ask(client, number, tenant)
                except Exception as error:  # noqa: BLE001 - told by the test
                    self.failures.append(f"{tenant}: request {number}: {error!r}")
                    return
                if f"value of {other}" in text or f'"{other}"' in text:
                    self.failures.append(f"{tenant}: request {number} was answered {text}")
                number += 1
        self.requests += number


def test_no_client_ever_sees_the_other_tenants_data(each: Live) -> None:
    """They ask for the same keys, in every way there is, all at once."""
    tokens = []
    for tenant in ("home", "away"):
        for key in KEYS:
            each.world.secret(key, f"value of {tenant}", tenant=tenant)
        for number in range(CLIENTS):
            role = {tenant: TenantRole.USER}
            client = each.user(f"{tenant}-{number}", role.get("home"), role.get("away"))
            tokens.append((tenant, client.token))
    hammer = Hammer(each.url, time.monotonic() + SECONDS)
    threads = [threading.Thread(target=hammer.go_on, args=pair) for pair in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{hammer.requests} requests")  # noqa: T201 - for a run by hand
    assert not hammer.failures
    assert hammer.requests > len(threads)
