"""`resolver webhooks`, and the recipe by which receivers verify what they get."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.core.webhooks import signed_headers
from tests.peer import answer, serving
from tests.sessions import blocks

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=\n")
NOTE = (
    "note: keep it now, it is not shown again; `resolver webhooks rotate-secret` makes another\n"
    "note: events are sent while `resolver serve` runs on this store\n"
)


def test_all_events_are_sent_by_one_sender(home: Path) -> None:
    """It bounds how many names are looked up at a time, those included that nobody waits for any more."""
    service = open_service(Settings({}, home))
    sender = service.delivery._event_sender()  # noqa: SLF001 - what each delivery asks for
    assert sender is service.delivery._event_sender()  # noqa: SLF001 - as above
    assert sender is service.webhooks._event_sender()  # noqa: SLF001 - as above
    service.close()


def recipe() -> Any:  # noqa: ANN401 - a function of the page's
    """The function of the documentation."""
    names: dict[str, Any] = {}
    (text,) = blocks(PAGE.read_text(encoding="utf-8"), "python")
    exec(compile(text, str(PAGE), "exec"), names)
    return names["verify"]


def test_the_recipe_of_the_page_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes what is signed with the secret, the second one too; and neither other bodies nor old ones."""
    verify, body = recipe(), b'{"a":1}'
    monkeypatch.setattr("time.time", lambda: 1_900_000_000.0)
    secrets = [f"whsec_{letter * 43}=" for letter in "AE"]
    headers = signed_headers(secrets, "evt_1", 1_900_000_000, body)
    for secret in secrets:
        verify(secret, headers, body)
    for other, why in (
        ((f"whsec_{'I' * 43}=", headers, body), "not signed"),
        ((secrets[0], headers, b'{"a":2}'), "not signed"),
        ((secrets[0], {**headers, "webhook-id": "evt_2"}, body), "not signed"),
        ((secrets[0], {**headers, "webhook-timestamp": "1900000001"}, body), "not signed"),
        ((secrets[0], signed_headers(secrets, "evt_1", 1_899_999_000, body), body), "too old"),
    ):
        with pytest.raises(ValueError, match=why):
            verify(*other)


def test_a_webhook_from_its_making_to_its_end(admin: Cli, home: Path) -> None:
    """Made, tested, listed, changed, given another secret, deleted; what is sent verifies by the recipe."""
    (home / "config.yaml").write_text('webhook_destinations: ["127.0.0.0/8"]\n', encoding="utf-8")
    with serving(lambda _head: answer(204)) as peer:
        made = ("create", "h", "--url", f"{peer.url}/in", "--event", "secret.created", "-t", "default_tenant")
        secret = admin.prints("webhooks", *made, note=NOTE)
        assert SECRET.fullmatch(secret)
        took = "Webhook `h` took the event, with status 204\n"
        assert admin.prints("webhooks", "test", "h") == took
        head = dict(line.split(": ", 1) for line in peer.seen[0].splitlines() if ": " in line)
        recipe()(secret.strip(), head, peer.bodies[0])
        assert json.loads(peer.bodies[0])["type"] == "webhook.test"
        newer = admin.prints("webhooks", "rotate-secret", "h", "--quiet", "--overlap", "0m")
        assert SECRET.fullmatch(newer)
        assert newer != secret
        assert admin.prints("webhooks", "update", "h", "--all-events", "--disable") == "Webhook `h` updated\n"
        (listed,) = json.loads(admin.prints("webhooks", "list", "--format", "json"))
        assert (listed["events"], listed["tenants"], listed["active"]) == (None, ["default_tenant"], False)
        shown = admin.prints("webhooks", "get", "h")
        assert re.search(r"(?m)^events: +all$", shown)
        assert admin.prints("webhooks", "delete", "h", "--yes") == "Webhook `h` deleted\n"
    assert "whsec" not in shown + str(listed)


def test_webhooks_refused(admin: Cli, home: Path) -> None:
    """Destinations that are not listed, unknown names, nothing to change, and everybody but sys_admins."""
    (home / "config.yaml").write_text('webhook_destinations: ["127.0.0.0/8"]\n', encoding="utf-8")
    assert admin.refuses("webhooks", "create", "h", "--url", "https://hooks.example/x") == (
        4,
        (
            "error: the destination hooks.example:443 is not allowed\n"
            '  hint: add to config.yaml, beside all others: webhook_destinations: ["hooks.example:443"]\n'
        ),
    )
    assert admin.refuses("webhooks", "get", "none")[0] == 5
    assert admin.refuses("webhooks", "update", "none")[0] == 2
    assert admin.refuses("webhooks", "update", "none", "--event", "secret.created", "--all-events")[0] == 2
    assert admin.refuses("webhooks", "create", "h", "--url", "http://127.0.0.1:9", "--event", "x")[0] == 2
    user = admin.as_user("eve")
    assert user.refuses("webhooks", "list") == (
        4,
        (
            "error: user 'eve' is not permitted to see or manage webhooks\n"
            "  hint: `resolver whoami` shows what this user and token may do\n"
        ),
    )
    admin.prints("webhooks", "create", "h", "--url", "http://127.0.0.1:9", "--quiet")
    assert admin.refuses("webhooks", "test", "h") == (
        6,
        "error: webhook 'h' did not take the event: it can't be reached: Connection refused\n",
    )
