"""Events reach real receivers on loopback: signed, in order, at least once, and never with a value."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from resolver.core.account_changes import NewToken
from resolver.core.audit import SYSTEM_CHAIN
from resolver.core.events import KIND_OF, MAX_GROUPS, SILENT, EventKind
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.times import later
from resolver.core.transfer import ImportEntry, ImportRequest, VersionWithValue
from resolver.core.webhooks import NewWebhook, WebhookChange
from resolver.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    TamperedRowError,
    UnconfirmedError,
)
from resolver.service.base import Rules
from resolver.service.event_delivery import BACKOFF_SECONDS, LEASE_SECONDS, MOST_ANSWERED
from tests.peer import answer, serving
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.core.model import Caller
    from resolver.service import Service
    from tests.databases import World
    from tests.peer import Peer


class Receiver:
    """A receiver on loopback.

    Attributes:
        replies: what it answers, one after the other; the last one again and again.
    """

    def __init__(self) -> None:
        self.replies = [answer(204)]
        self.peer: Peer

    def reply(self, _head: str) -> bytes:
        """The next answer."""
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.peer.url}/events"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What came, in order."""
        return [json.loads(body) for body in self.peer.bodies]

    @property
    def kinds(self) -> list[str]:
        """The kinds of what came."""
        return [event["type"] for event in self.events]

    def header(self, name: str, number: int = -1) -> str:
        """A header of a request that came."""
        found = re.search(rf"(?im)^{name}: *(.*?)\r?$", self.peer.seen[number])
        assert found is not None
        return found[1]

    def verifies(self, secret: str, number: int = -1) -> bool:
        """Whether a request is signed with a secret: the recipe of the documentation, in its own words."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join(
            (
                self.header("webhook-id", number).encode(),
                self.header("webhook-timestamp", number).encode(),
                self.peer.bodies[number],
            )
        )
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        signatures = self.header("webhook-signature", number).split(" ")
        return any(hmac.compare_digest(f"v1,{expected}", one) for one in signatures)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    made = Receiver()
    with serving(made.reply) as made.peer:
        yield made


def hooked(world: World, receiver: Receiver, *events: EventKind, tenants: list[str] | None = None) -> str:
    """A webhook `h` to the receiver; its secret."""
    new = NewWebhook(url=receiver.url, events=list(events) or None, tenants=tenants)
    return world.service.webhooks.create(world.admin, "h", new).secret


def records(world: World, action: str) -> list[dict[str, Any]]:
    """The records of the system's trail about one action."""
    found = world.service.trail.records(world.admin)
    return [json.loads(record.body) for record in found if record.action == action]


def passing(world: World, seconds: float) -> None:
    """Let time pass."""
    world.clock.now = later(world.clock.now, seconds)


@pytest.mark.two_databases
def test_a_change_is_told_signed_and_without_its_value(world: World, receiver: Receiver) -> None:
    """What was created, updated and deleted comes in order; the secret verifies, and another does not."""
    secret = hooked(world, receiver)
    world.secret("k", "marked value")
    change = SecretChange(value=SecretValue("other marked"), description="marked text")
    world.service.secrets.update(world.admin, "home", "k", change)
    world.service.secrets.delete(world.admin, "home", "k")
    world.user("u", home=TenantRole.VIEWER)
    assert world.service.delivery.round()
    assert receiver.kinds == [
        "secret.created",
        "secret.updated",
        "secret.deleted",
        "webhook.changed",
        "user.created",
        "membership.changed",
        "token.created",
    ]
    first = receiver.events[0]
    assert first["timestamp"] == world.clock.now
    assert {name: first["data"][name] for name in ("key", "tenant", "caller", "version")} == {
        "key": "k",
        "tenant": "home",
        "caller": "admin",
        "version": 1,
    }
    assert first["data"]["record"]["number"] == 1
    assert all(receiver.verifies(secret, number) for number in range(7))
    assert not receiver.verifies(f"whsec_{base64.b64encode(bytes(32)).decode()}")
    assert len({receiver.header("webhook-id", number) for number in range(7)}) == 7
    assert not re.search(b"marked|whsec", b"".join(receiver.peer.bodies))
    info = world.service.webhooks.get(world.admin, "h")
    assert (info.pending, info.last_status, info.last_error) == (0, 204, "")
    assert {one.state for one in world.service.webhooks.deliveries(world.admin, "h")} == {"delivered"}
    assert world.service.delivery.round()
    assert len(receiver.events) == 7, "nothing is told twice"


def test_what_was_before_a_webhook_is_not_told(embedded: World, receiver: Receiver) -> None:
    """Events count from the making of the first webhook, and of each later one, on."""
    embedded.secret("before")
    hooked(embedded, receiver, EventKind.SECRET_CREATED)
    embedded.secret("k")
    passing(embedded, 1)
    second = NewWebhook(url=receiver.url, events=[EventKind.SECRET_CREATED])
    embedded.service.webhooks.create(embedded.admin, "second", second)
    embedded.service.delivery.round()
    assert [event["data"]["key"] for event in receiver.events] == ["k"]


def test_only_the_kinds_and_tenants_that_were_asked_for_come(embedded: World, receiver: Receiver) -> None:
    """A webhook of one tenant has what that one's trail tells, and who became a member of it."""
    hooked(embedded, receiver, tenants=["away"])
    embedded.secret("here")
    embedded.secret("there", tenant="away")
    embedded.user("u", home=TenantRole.USER, away=TenantRole.VIEWER)
    embedded.service.delivery.round()
    assert [(event["type"], event["data"]["tenant"]) for event in receiver.events] == [
        ("secret.created", "away"),
        ("membership.changed", "away"),
    ]
    info = embedded.service.webhooks.update(
        embedded.admin, "h", WebhookChange(events=[EventKind.SECRET_DELETED], tenants=None)
    )
    assert (info.events, info.tenants) == ([EventKind.SECRET_DELETED], None)
    embedded.service.secrets.delete(embedded.admin, "home", "here")
    embedded.secret("again")
    embedded.service.delivery.round()
    assert receiver.kinds[2:] == ["secret.deleted"]


def test_an_import_is_one_event(embedded: World, receiver: Receiver) -> None:
    """It names keys, not values, and says how many there are."""
    hooked(embedded, receiver, EventKind.SECRET_UPDATED)
    entries = [
        ImportEntry(
            f"k{n}", "home", [VersionWithValue(1, SecretValue("marked"))], Visibility.TENANT, hidden=False
        )
        for n in range(3)
    ]
    embedded.service.transfer.import_(embedded.admin, ImportRequest("home", entries))
    embedded.service.delivery.round()
    (event,) = receiver.events
    assert (event["data"]["count"], event["data"]["keys"]) == (3, ["k0", "k1", "k2"])
    assert b"marked" not in receiver.peer.bodies[0]


def test_refusals_are_counted_not_flooded(embedded: World, receiver: Receiver) -> None:
    """A thousand refusals of one caller make one event a minute, with their number and some of the keys."""
    hooked(embedded, receiver, EventKind.ACCESS_REFUSED)
    viewer = embedded.user("viewer", home=TenantRole.VIEWER)
    uses = [key_use(f"k{number}") for number in range(25)]
    for _ in range(40):
        with pytest.raises(NotPermittedError):
            embedded.service.use.use(viewer, "home", uses, DIGESTS)
    embedded.service.use.use(embedded.admin, "home", [key_use("missing")], DIGESTS)
    embedded.service.delivery.round()
    assert receiver.events == []
    passing(embedded, 61)
    embedded.service.delivery.round()
    told = {event["data"]["caller"]: event["data"] for event in receiver.events}
    assert len(receiver.events) == len(told) == 2
    assert (told["viewer"]["count"], told["viewer"]["reasons"]) == (
        40 * 25,
        {"role_does_not_permit": 40 * 20},
    )
    assert (told["viewer"]["action"], len(told["viewer"]["keys"])) == ("secret:use", 10)
    assert (told["admin"]["reasons"], told["admin"]["keys"]) == ({"does_not_exist": 1}, ["missing"])
    embedded.service.delivery.round()
    assert len(receiver.events) == 2


def test_refusals_of_many_callers_are_bounded(embedded: World, receiver: Receiver) -> None:
    """Beyond so many callers the refusals of all others are one number."""
    hooked(embedded, receiver, EventKind.ACCESS_REFUSED)
    for number in range(MAX_GROUPS + 5):
        caller = replace(embedded.admin, token_id=f"t{number}")
        entry = embedded.service.trail.entry(caller, None, "secret:use", reason="role")
        embedded.service.trail.commit(SYSTEM_CHAIN, [entry])
    embedded.service.delivery.round()
    passing(embedded, 61)
    embedded.service.delivery.round()
    assert len(receiver.events) == MAX_GROUPS + 1
    assert receiver.events[-1]["data"] == {
        "count": 5,
        "others": True,
        "first_at": later(embedded.clock.now, -61),
    }


def test_a_receiver_that_fails_is_tried_again(world: World, receiver: Receiver) -> None:
    """After a 500 it is left alone for a while, then gets the same event before the next one."""
    receiver.replies = [answer(500), answer(500), answer(200)]
    hooked(world, receiver, EventKind.SECRET_CREATED)
    world.secret("a")
    world.secret("b")
    for pause, came in (
        (0, 1),
        (0, 1),
        (BACKOFF_SECONDS[0], 2),
        (BACKOFF_SECONDS[0], 2),
        (BACKOFF_SECONDS[1], 4),
    ):
        passing(world, pause)
        world.service.delivery.round()
        assert len(receiver.events) == came
    assert [event["data"]["key"] for event in receiver.events] == ["a", "a", "a", "b"]
    assert len({event["id"] for event in receiver.events}) == 2
    newest, oldest = world.service.webhooks.deliveries(world.admin, "h")
    assert (oldest.attempts, oldest.state, newest.attempts) == (3, "delivered", 1)


def test_a_receiver_that_never_takes_an_event_loses_it_alone(embedded: World, receiver: Receiver) -> None:
    """An event that is refused again and again is given up, recorded, and the next one comes."""
    receiver.replies = [answer(422)] * MOST_ANSWERED + [answer(200)]
    hooked(embedded, receiver, EventKind.SECRET_CREATED)
    embedded.secret("poison")
    embedded.secret("good")
    for _ in range(MOST_ANSWERED + 1):
        passing(embedded, BACKOFF_SECONDS[-1])
        embedded.service.delivery.round()
    states = [one.state for one in embedded.service.webhooks.deliveries(embedded.admin, "h")]
    assert states == ["delivered", "dropped"]
    dropped = records(embedded, "webhook:dropped")
    assert [(one["object"], one["count"]) for one in dropped] == [("h", 1)]


def test_a_dead_receiver_fills_nothing(embedded: World) -> None:
    """No more than so many events wait, and none longer than it may: what was given up is on record."""
    embedded.rules = Rules(events_per_webhook=3)
    service = embedded.reopened()
    with serving(lambda _: b"") as gone:
        url = gone.url
    service.webhooks.create(embedded.admin, "h", NewWebhook(url=url, events=[EventKind.SECRET_CREATED]))
    counted: list[str] = []
    service.delivery.count = counted.append
    for number in range(3):
        embedded.secret(f"k{number}")
        service.delivery.round()
    for number in range(3, 6):
        embedded.secret(f"k{number}")
    passing(embedded, 61)
    service.delivery.round()
    info = service.webhooks.get(embedded.admin, "h")
    assert (info.pending, info.last_status) == (3, None)
    assert info.last_error == "it can't be reached: Connection refused"
    passing(embedded, 73 * 3600)
    service.delivery.round()
    assert service.webhooks.get(embedded.admin, "h").pending == 0
    assert [one["count"] for one in records(embedded, "webhook:dropped")] == [3, 3]
    assert counted.count("dropped") == 6


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (
            answer(302, Location="http://127.0.0.1:1/elsewhere"),
            "it answered with a redirect, which is not followed",
        ),
        (answer(200, b"x" * 70_000), "it gave no proper answer: it is too large"),
        (b"nonsense\r\n\r\n", "it gave no proper answer: it is not HTTP"),
    ],
)
def test_what_a_receiver_answers_is_bounded(
    embedded: World, receiver: Receiver, reply: bytes, error: str
) -> None:
    """A redirect is not followed, and no long answer is read."""
    receiver.replies = [reply]
    hooked(embedded, receiver)
    outcome = embedded.service.webhooks.test(embedded.admin, "h")
    assert (outcome.delivered, outcome.error) == (False, error)
    assert len(receiver.peer.seen) == 1


def test_a_destination_is_judged_at_each_delivery(embedded: World, receiver: Receiver) -> None:
    """One that was allowed when the webhook was made, and is not any more, gets nothing."""
    hooked(embedded, receiver, EventKind.SECRET_CREATED)
    embedded.receivers = ["hooks.example"]
    embedded.secret("k")
    embedded.service.delivery.round()
    assert receiver.events == []
    error = embedded.service.webhooks.get(embedded.admin, "h").last_error
    assert error == "its destination is not among the `webhook_destinations` of config.yaml"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://hooks.example/x", "URL is plain HTTP to another machine"),
        ("https://user:pw@hooks.example", "URL is malformed"),
        ("unix:/run/x", "a webhook leads to no unix socket"),
        ("https://hooks.example/?token=x", "URL is malformed"),
        ("https://169.254.169.254/", "the destination 169.254.169.254:443 is not allowed"),
        ("https://hooks.example/", "the destination hooks.example:443 is not allowed"),
    ],
)
def test_where_nothing_may_be_sent_no_webhook_leads(embedded: World, url: str, error: str) -> None:
    """Plain HTTP, credentials in the URL, sockets, and what the list does not have."""
    with pytest.raises((InvalidRequestError, NotPermittedError)) as caught:
        embedded.service.webhooks.create(embedded.admin, "h", NewWebhook(url=url))
    assert caught.value.message == error
    assert "provider_destinations" not in (caught.value.hint or "")
    assert embedded.service.webhooks.list(embedded.admin) == []


def test_a_process_that_was_killed_loses_nothing(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed and not looked through, or found and not sent, is sent by the next process."""
    hooked(world, receiver, EventKind.SECRET_CREATED)
    world.secret("a")
    killed = world.reopened()
    monkeypatch.setattr(killed.delivery, "_send_all", lambda: None)  # it ends here
    killed.delivery.round()
    world.secret("b")
    next_one = world.reopened()
    assert not next_one.delivery.round(), "the other one's lease holds"
    passing(world, LEASE_SECONDS + 1)
    assert next_one.delivery.round()
    assert [event["data"]["key"] for event in receiver.events] == ["a", "b"]


def test_two_servers_send_each_event_once(world: World, receiver: Receiver) -> None:
    """One delivers; the other takes over at once when that one is stopped in good order."""
    hooked(world, receiver, EventKind.SECRET_CREATED)
    first, second = world.reopened(), world.reopened()
    for number in range(3):
        world.secret(f"k{number}")
        assert [first.delivery.round(), second.delivery.round()] == [True, False]
    first.delivery.release()
    world.secret("last")
    assert [second.delivery.round(), first.delivery.round()] == [True, False]
    assert [event["data"]["key"] for event in receiver.events] == ["k0", "k1", "k2", "last"]


def test_two_that_believe_to_deliver_store_nothing_twice(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was suspended and goes on has lost the lease when it writes."""
    hooked(world, receiver, EventKind.SECRET_CREATED)
    slow, quick = world.reopened(), world.reopened()
    slow.delivery.round()
    world.secret("k")
    passing(world, LEASE_SECONDS + 1)
    assert quick.delivery.round()
    world.secret("l")
    monkeypatch.setattr(slow.delivery, "_hold", lambda: True)
    with contextlib.suppress(Exception):
        slow.delivery.round()
    assert quick.delivery.round()
    assert [event["data"]["key"] for event in receiver.events] == ["k", "l"]


def test_a_secret_is_rotated_with_an_overlap(embedded: World, receiver: Receiver) -> None:
    """For the overlap both secrets verify, then the new one alone."""
    old = hooked(embedded, receiver)
    new = embedded.service.webhooks.rotate_secret(embedded.admin, "h", "2h").secret
    embedded.service.webhooks.test(embedded.admin, "h")
    assert (receiver.verifies(old), receiver.verifies(new)) == (True, True)
    passing(embedded, 2 * 3600 + 1)
    embedded.service.webhooks.test(embedded.admin, "h")
    assert (receiver.verifies(old), receiver.verifies(new)) == (False, True)
    newest = embedded.service.webhooks.rotate_secret(embedded.admin, "h", "0m").secret
    embedded.service.webhooks.test(embedded.admin, "h")
    assert (receiver.verifies(new), receiver.verifies(newest)) == (False, True)
    with pytest.raises(InvalidRequestError, match="longer than 30 days"):
        embedded.service.webhooks.rotate_secret(embedded.admin, "h", "31d")


def test_what_ends_soon_is_told_once(embedded: World, receiver: Receiver) -> None:
    """Secrets and tokens: those that end within 14 days, and those that are changed so later."""
    service, admin = embedded.service, embedded.admin
    now = embedded.clock.now
    hooked(embedded, receiver, EventKind.SECRET_EXPIRING, EventKind.TOKEN_EXPIRING)
    for key, days in (("near", 3), ("later", 15), ("far", 300)):
        new = NewSecret(value=SecretValue("marked"), expires_at=later(now, days * 86400))
        service.secrets.create(admin, "home", key, new)
    service.tokens.create(admin, NewToken(expires_at=later(now, 5 * 86400)))
    service.delivery.round()
    assert [event["data"].get("key", event["data"].get("object")) for event in receiver.events] == [
        "near",
        "admin",
    ]
    assert receiver.events[0]["data"]["expires_at"] == later(now, 3 * 86400)
    passing(embedded, 61)
    service.delivery.round()
    assert len(receiver.events) == 2
    change = SecretChange(expires_at=later(now, 7 * 86400))
    service.secrets.update(admin, "home", "far", change)
    passing(embedded, 61)
    service.delivery.round()
    passing(embedded, 2 * 86400)
    service.delivery.round()
    assert [event["data"].get("key") for event in receiver.events[2:]] == ["far", "later"]
    assert b"marked" not in b"".join(receiver.peer.bodies)


@pytest.mark.two_databases
def test_a_trail_that_was_cut_is_told(world: World, receiver: Receiver) -> None:
    """A record that was changed by hand, or taken away with the head, is an event of its own, once."""
    hooked(world, receiver, EventKind.AUDIT_BROKEN, EventKind.SECRET_CREATED)
    world.secret("a")
    world.service.delivery.round()
    world.secret("forged")
    changed = "UPDATE audit_record SET hash = :hash WHERE action = 'secret:create' AND number = 2"
    world.execute(changed, hash="0" * 64)
    world.service.delivery.round()
    world.service.delivery.round()
    assert receiver.kinds == ["secret.created", "audit.broken"]
    assert receiver.events[-1]["data"]["number"] == 2


def test_forged_rows_are_not_sent(world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event, a webhook or a position that no resolver wrote is refused, and that is recorded."""
    hooked(world, receiver, EventKind.SECRET_CREATED)
    world.secret("k")
    monkeypatch.setattr(world.service.delivery, "_send_all", lambda: None)  # until it was forged
    world.service.delivery.round()
    world.service.delivery.release()
    world.execute("UPDATE webhook_event SET body = '{}'")
    assert world.reopened().delivery.round()
    assert receiver.events == []
    world.execute("UPDATE webhook SET url = :url", url=f"{receiver.peer.url}/other")
    passing(world, LEASE_SECONDS + 1)
    assert not world.reopened().delivery.round()
    assert receiver.events == []
    assert {one["kind"] for one in records(world, "row:tampered")} == {"event", "webhook"}


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE webhook SET url = 'http://127.0.0.1:1/' WHERE name = 'forged'",
        "UPDATE tenant SET name = 'renamed' WHERE name = 'away'",
    ],
)
def test_a_forged_row_stops_its_own_webhook(
    embedded: World, receiver: Receiver, caplog: pytest.LogCaptureFixture, forged: str
) -> None:
    """The others get theirs, with the news of it, and the log has it; another can be made."""
    new = NewWebhook(url=f"{receiver.url}/forged", tenants=["away"])
    embedded.service.webhooks.create(embedded.admin, "forged", new)
    hooked(embedded, receiver, EventKind.SECRET_CREATED, EventKind.STORE_TAMPERED)
    embedded.execute(forged)
    embedded.secret("k")
    service = embedded.reopened()
    assert service.delivery.round()
    service.delivery.round()
    assert sorted(receiver.kinds) == ["secret.created", "store.tampered"]
    assert "is refused" in caplog.text
    with pytest.raises(TamperedRowError):
        service.webhooks.get(embedded.admin, "forged")


def test_a_state_that_is_none_stops_no_delivery(embedded: World, receiver: Receiver) -> None:
    """No MAC is on when a receiver is tried again: SQLite takes anything there."""
    hooked(embedded, receiver, EventKind.SECRET_CREATED)
    embedded.execute(
        "INSERT INTO webhook_state (webhook_id, last_error, failures, next_at) "
        "SELECT id, '', 0, x'00' FROM webhook"
    )
    embedded.secret("k")
    assert embedded.service.delivery.round()
    embedded.service.delivery.round()
    assert receiver.kinds == ["secret.created"]


def narrowed(world: World) -> Caller:
    """A sys_admin's token that holds the permission with all it leads to, and no more."""
    permissions = frozenset({Permission.WEBHOOK_MANAGE, Permission.AUDIT_READ, Permission.ALL_TENANTS})
    return world.caller("admin", Scope(permissions=permissions))


def test_webhooks_are_a_sys_admins(embedded: World, receiver: Receiver) -> None:
    """No other role sees or touches one; a narrowed token of a sys_admin may look, and change nothing."""
    hooked(embedded, receiver)
    service = embedded.service
    new = NewWebhook(url=receiver.url)
    attempts = {
        "create": lambda who: service.webhooks.create(who, "other", new),
        "list": service.webhooks.list,
        "get": lambda who: service.webhooks.get(who, "h"),
        "deliveries": lambda who: service.webhooks.deliveries(who, "h"),
        "update": lambda who: service.webhooks.update(who, "h", WebhookChange(active=False)),
        "rotate": lambda who: service.webhooks.rotate_secret(who, "h"),
        "test": lambda who: service.webhooks.test(who, "h"),
        "delete": lambda who: service.webhooks.delete(who, "h"),
    }
    for role in TenantRole:
        member = embedded.user(f"the_{role}", home=role)
        for attempt in attempts.values():
            with pytest.raises(NotPermittedError):
                attempt(member)
    scoped = narrowed(embedded)
    for name in ("create", "update", "rotate"):
        with pytest.raises(NotPermittedError, match="a narrowed token can't"):
            attempts[name](scoped)
    ending = embedded.caller("admin", expires_at="2031-01-01")
    for name in ("create", "update", "rotate"):
        with pytest.raises(UnconfirmedError):
            attempts[name](ending)
    assert receiver.peer.seen == []
    assert [info.name for info in service.webhooks.list(scoped)] == ["h"]
    other = embedded.user("other_admin", system_role=SystemRole.SYS_ADMIN)
    service.webhooks.delete(other, "h")
    with pytest.raises(NotFoundError):
        service.webhooks.get(embedded.admin, "h")


def test_names_and_numbers_of_webhooks_are_bounded(embedded: World, receiver: Receiver) -> None:
    """A name once, and no more webhooks than the setting says."""
    hooked(embedded, receiver)
    new = NewWebhook(url=receiver.url)
    with pytest.raises(ConflictError, match="webhook 'h' already exists"):
        embedded.service.webhooks.create(embedded.admin, "h", new)
    embedded.rules = Rules(webhooks_per_store=1)
    service = embedded.reopened()
    with pytest.raises(ConflictError, match="the store has 1 webhooks"):
        service.webhooks.create(embedded.admin, "other", new)
    with pytest.raises(NotFoundError, match="tenant 'nowhere' does not exist"):
        embedded.service.webhooks.create(embedded.admin, "other", replace(new, tenants=["nowhere"]))


def test_a_use_costs_no_statement_more(embedded: World, receiver: Receiver) -> None:
    """Webhooks read the trail: the statements of a use, allowed or refused, are those without any."""

    def used() -> list[str]:
        with embedded.statements() as seen:
            embedded.service.use.use(embedded.admin, "home", [key_use("k")], DIGESTS)
            embedded.service.use.use(embedded.admin, "home", [key_use("missing")], DIGESTS)
        return seen

    embedded.secret("k")
    used()
    before = used()
    hooked(embedded, receiver)
    embedded.service.delivery.round()
    assert used() == before
    embedded.service.webhooks.delete(embedded.admin, "h")
    with embedded.statements() as seen:
        assert not embedded.service.delivery.round()
    assert len(seen) == 1, "without a webhook one look is all"


def test_the_secret_is_stored_encrypted_and_goes_with_its_key(world: World, receiver: Receiver) -> None:
    """It is nowhere in the row, and verifies after a rotation of the system's key."""
    secret = hooked(world, receiver)
    ((stored,),) = world.execute("SELECT signing FROM webhook")
    assert secret.removeprefix("whsec_") not in stored
    world.service.keys.rotate_data(world.admin, "", lambda _doing, _more: None)
    assert world.service.webhooks.test(world.admin, "h").delivered
    assert receiver.verifies(secret)
    assert "whsec" not in repr(world.service.webhooks.rotate_secret(world.admin, "h"))


def test_every_action_is_sorted_out() -> None:
    """Each action that the program records is told by an event, or named among those that are not."""
    folder = Path(__file__).parents[2] / "resolver" / "service"
    written = {
        action
        for path in folder.glob("*.py")
        for action in re.findall(r'"([a-z_]+:[a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    known = {*KIND_OF, *SILENT}
    assert written <= known
    assert not KIND_OF.keys() & SILENT
    unknown = known - written - {permission.value for permission in Permission}
    assert unknown == {"provider:set_owner"}


def test_every_kind_is_on_the_page() -> None:
    """The documentation has each kind of event, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    table = page.partition("| kind | when |")[2].partition("\n\n")[0]
    named = {
        kind for line in table.splitlines() for kind in re.findall(r"`(\w+\.\w+)`", line.split(" | ")[0])
    }
    assert named == set(EventKind)


def test_a_stopped_watch_lets_another_process_deliver(embedded: World, receiver: Receiver) -> None:
    """The loop of a server: it delivers until told to stop, and gives up the lease."""
    hooked(embedded, receiver, EventKind.SECRET_CREATED)
    embedded.secret("k")
    service: Service = embedded.reopened()
    waits: list[float] = []
    counted: list[str] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 2

    service.delivery.watch(wait, lambda: False, counted.append)
    assert (receiver.kinds, counted, waits) == (["secret.created"], ["delivered"], [2.0, 2.0])
    assert embedded.reopened().delivery.round()
