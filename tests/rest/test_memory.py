"""What one request may cost in memory and in time of the event loop, and what no text may do."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from resolver.core.permissions import TenantRole
from resolver.rest import routing
from resolver.rest.options import ServerOptions
from resolver.rest.responses import size_of
from resolver.rest.routing import MOST_BEFORE_LOGIN, MOST_ITEMS, OWN, has_too_many_items
from tests.rest.conftest import SECRETS, USE, serving
from tests.waiting import until

if TYPE_CHECKING:
    from tests.databases import World
    from tests.rest.conftest import Live

SESSION = "/api/v1/resolver/session"
READING = frozenset({"secret:list"})
JSON = {"Content-type": "application/json"}


def test_a_body_before_login_is_small(shared: Live) -> None:
    """Who has not said who they are sends a name and a password, and no more."""
    large = json.dumps({"username": "a" * MOST_BEFORE_LOGIN, "password": "b"})
    answer = shared.http.post(SESSION, content=large, headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["message"] == f"the body is over {MOST_BEFORE_LOGIN} bytes"
    small = json.dumps({"username": "admin", "password": "wrong"})
    assert shared.http.post(SESSION, content=small, headers=JSON).status_code == 401


def test_a_body_is_small_without_the_right_that_its_route_needs(live: Live) -> None:
    """A role that permits something else, or a token that is narrowed to it, is not enough."""
    user = live.user("eve", TenantRole.USER)
    narrowed = live.client("eve", permissions=READING)
    nobody, viewer = live.user("nobody"), live.user("view", TenantRole.VIEWER)
    large = {"value": "v" * 100_000}
    for client in (nobody, viewer, narrowed):
        assert client("PUT", f"{SECRETS}/one", large).status_code == 413
    assert viewer.refused("PUT", f"{SECRETS}/one", {"value": "v"})[0] == 403  # a small one is judged
    assert user("PUT", f"{SECRETS}/one", large).status_code == 200
    away = live.user("away", away=TenantRole.USER)  # where it is asked is told by what was read
    assert away.refused("PUT", f"{SECRETS}/one", large)[0] == 403


def test_routes_that_need_no_large_body_take_none(live: Live) -> None:
    """Whoever asks."""
    admin = live.client()
    for method, path in (("PUT", "/api/v3.1/users"), ("POST", "/api/v3.1/tokens"), ("POST", f"{OWN}/tokens")):
        large = {"username": "eve", "password": "p" * 100_000, "description": "d" * 100_000}
        assert admin(method, path, large).status_code == 413


def test_values_are_counted_before_they_are_made(live: Live) -> None:
    """Sixteen MiB of empty lists would be half a gigabyte; commas within texts are no values."""
    many = b"[" + b"[]," * MOST_ITEMS + b"[]]"
    assert has_too_many_items(many)
    assert not has_too_many_items(json.dumps({"value": "," * 4 * MOST_ITEMS}).encode())
    assert not has_too_many_items(json.dumps({"value": '\\",{[' * MOST_ITEMS}).encode())
    client = live.client()
    headers = JSON | {"Authentication-Token": client.token, "Tenant": "home"}
    answer = live.http.put(f"{SECRETS}/one", content=b'{"value": %s}' % many, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        f"the body holds more than {MOST_ITEMS} values",
    )
    client.does("PUT", f"{SECRETS}/one", {"value": "," * 1_000_000})


def test_a_large_body_is_not_parsed_on_the_loop(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small one is: a thread would cost more than it does."""
    threads: list[str] = []

    def parse(data: bytes) -> object:
        threads.append(threading.current_thread().name)
        return json.loads(data)

    monkeypatch.setattr(routing, "parse", parse)
    client = live.client()
    client.does("PUT", f"{SECRETS}/small", {"value": "v"})
    client.does("PUT", f"{SECRETS}/large", {"value": "v" * 100_000})
    small, large = threads
    assert "worker thread" not in small
    assert "worker thread" in large


def test_a_query_is_bounded(shared: Live) -> None:
    """In parameters, before they are made anything of."""
    client = shared.client()
    answer = client("GET", f"{SECRETS}?{'a&' * 300}")
    assert (answer.status_code, answer.json()["message"]) == (400, "the query has more than 200 parameters")


def test_bytes_of_answers_are_bounded(world: World) -> None:
    """In all, and for one: twelve answers that nobody takes make others come back later, not fall over."""
    options = ServerOptions(address_rate=0, user_rate=0, max_memory=4_000_000, share=0.5)
    with serving(world, options) as live:
        for number in range(3):
            world.secret(f"s{number}", "v" * 900_000)
        client, memory = live.client(), live.app.state.server.memory
        keys = {"tenant": "home", "keys": [{"key": f"s{number}"} for number in range(3)]}
        refused = client.refused("POST", USE, keys)
        assert refused[0] == 413
        assert refused[2].endswith("bytes are more than one may have at once: ask for less")
        assert client("POST", USE, keys | {"keys": keys["keys"][:2]}).status_code == 200
        until(lambda: memory.used == 0)  # it is given back once all is sent
        for name, taken in (("another", 2_000_000), ("more", 1_000_000)):
            assert memory.take([name], taken)
        answer = client("POST", USE, keys | {"keys": keys["keys"][:2]})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert client("GET", SECRETS).status_code == 200  # small ones always get through
        until(lambda: memory.used == 3_000_000)


def test_what_moves_much_counts_as_many_requests(world: World) -> None:
    """A large body and a large answer alike, by the rate of the user, once it is known."""
    with serving(world, ServerOptions(address_rate=0, user_rate=4)) as live:
        client, other = live.client(), live.user("eve", TenantRole.USER)
        assert client("PUT", f"{SECRETS}/one", {"value": "v" * 1_000_000}).status_code == 200
        answer = client("GET", SECRETS)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 1  # after one request it would be 1
        assert other("GET", f"{SECRETS}/one").status_code == 200
        assert other("GET", SECRETS).status_code == 429


def test_bytes_are_counted_before_they_are_written() -> None:
    """About as many as are written then."""
    data = {"text": "v" * 1000, "more": ["é" * 100, 1, None, True, {"a": "b"}]}
    assert len(json.dumps(data)) <= size_of(data) <= 2 * len(json.dumps(data))


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a\udfff"])
def test_no_text_is_an_error_of_the_server(each: Live, text: str) -> None:
    """NUL, which PostgreSQL has no place for, and half characters: wherever they come, they are refused."""
    client = each.client()
    each.world.secret("one")
    quoted = "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))
    own = "/api/v1/resolver"
    statuses = [
        client(method, path, body).status_code
        for method, path, body in [
            ("GET", f"{SECRETS}/{quoted}", None),
            ("GET", f"{SECRETS}?_search={quoted}", None),
            ("GET", f"{SECRETS}?_sort={quoted}", None),
            ("GET", f"/api/v3.1/tenants/{quoted}", None),
            ("GET", f"/api/v3.1/users/{quoted}", None),
            ("GET", f"{own}/secrets?_search={quoted}", None),
            ("GET", f"{own}/audit?tenant={quoted}", None),
            ("GET", f"{own}/audit?tenant=home&key={quoted}", None),
            ("GET", f"{own}/audit?tenant=home&user={quoted}", None),
            ("DELETE", f"{SECRETS}/{quoted}", None),
            ("DELETE", f"/api/v3.1/tokens/{quoted}", None),
        ]
    ]
    assert max(statuses) < 500, statuses
    rule = {"key": "key", "values": [text], "operator": "contains", "type": "attribute"}
    user = {"username": text, "password": "a long password", "role": "default"}
    blueprint = {"text": text, "name": text}
    bodies: list[tuple[str, str, object]] = [
        ("POST", USE, {"tenant": text, "keys": [{"key": "one"}]}),
        ("POST", USE, {"tenant": "home", "keys": [{"key": text}]}),
        ("POST", USE, {"tenant": "home", "keys": [{"key": "one", "calls": [{"source": text}]}]}),
        ("POST", USE, {"tenant": "home", "keys": [{"key": "one"}], "digests": {text: text}}),
        ("PUT", f"{own}/secrets/two", {"value": "v", "description": text}),
        ("PUT", f"{own}/secrets/three", {"value": text}),
        ("PUT", f"{own}/users/eve", {"password": text}),
        ("POST", f"{own}/users/admin/password", {"password": text}),
        ("POST", "/api/v3.1/tokens", {"description": text}),
        ("POST", f"/api/v3.1/tenants/{quoted}", None),
        ("PUT", "/api/v3.1/users", user),
        ("POST", f"{own}/check-blueprint", blueprint),
        ("POST", f"{own}/resolve", {"tenant": "home", "blueprints": [blueprint]}),
        (
            "POST",
            f"{own}/resolve",
            {"tenant": "home", "blueprints": [{"text": "a: b"}], "inputs": {text: text}},
        ),
        ("POST", "/api/v3.1/searches/secrets", {"filter_rules": [rule]}),
    ]
    headers = JSON | {"Authentication-Token": client.token, "Tenant": "home"}
    for method, path, body in bodies:
        answer = each.http.request(method, path, content=json.dumps(body), headers=headers)
        assert answer.status_code < 500, (method, path, body, answer.text)
    strangers: list[tuple[str, bytes]] = [
        ("Authentication-Token", b"\xff\xfe"),
        ("Authorization", b"Basic YQA6Yg=="),
        ("Authorization", b"Bearer \xed\xa0\x80"),
        ("Cookie", b"resolver-session=\xff\xed\xa0\x80"),
    ]
    for name, value in strangers:
        answer = each.http.get(f"{SECRETS}/one", headers={name.encode(): value, b"Tenant": b"\xed\xa0\x80"})
        assert answer.status_code < 500, (name, value)
