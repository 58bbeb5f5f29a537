"""Who is let in, from where, and with what kind of request; all else is refused in JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.permissions import TenantRole
from resolver.rest.app import create_app
from resolver.rest.options import ServerOptions
from tests.databases import World, made_world
from tests.rest.conftest import SECRETS, USE, SlowPasswords, basic, refusal, serving
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rest.conftest import Live

JSON = {"Content-type": "application/json"}


def test_a_token_and_a_password_let_in(live: Live) -> None:
    """By the header of Cloudify's client, as a bearer token, or by Basic with the name in any case."""
    token = live.client().token
    for headers in (
        {"Authentication-Token": token},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": basic("admin", "admin password")},
        {"Authorization": basic("ADMIN", "admin password")},
    ):
        assert live.http.get(SECRETS, headers=headers | {"Tenant": "home"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "no authentication info provided"),
        ({"Authentication-Token": ""}, "the access token is empty"),
        ({"Authentication-Token": "ctok-1-2"}, "the access token is malformed"),
        ({"Authentication-Token": f"ctok-{'a' * 10}-{'b' * 40}"}, "the access token is not valid"),
        ({"Authorization": "Bearer"}, "the access token is empty"),
        ({"Authorization": "Digest x"}, "this authentication scheme is not supported"),
        ({"Authorization": "Basic !!!"}, "the Basic credentials are malformed"),
        ({"Authorization": basic("", "x")}, "the Basic credentials are malformed"),
        ({"Authorization": basic("admin", "wrong one")}, "the user name or the password is wrong"),
        ({"Authorization": basic("nobody", "wrong one")}, "the user name or the password is wrong"),
        (
            {"Authorization": basic("admin", "admin password"), "Authentication-Token": "x"},
            "more than one kind of credentials was given",
        ),
    ],
)
def test_other_credentials_do_not(shared: Live, headers: dict[str, str], message: str) -> None:
    """What is missing, malformed or wrong is 401; no challenge is one that a browser answers by itself."""
    answer = shared.http.get(SECRETS, headers=headers | {"Tenant": "home"})
    assert refusal(answer) == (401, "unauthorized_error", message)
    assert not answer.headers["WWW-Authenticate"].lower().startswith("basic")


def test_rights_are_read_at_each_request(live: Live) -> None:
    """A membership that ends, and a token that is revoked, act on the next request."""
    live.world.secret("one")
    eve = live.user("eve", TenantRole.USER)
    eve.gets(f"{SECRETS}/one")
    live.world.service.tenants.remove_member(live.world.admin, "home", "eve")
    message = "user 'eve' is not permitted to see secrets in tenant 'home'"
    assert eve.refused("GET", f"{SECRETS}/one") == (403, "forbidden_error", message)
    live.world.service.tokens.revoke(live.world.admin, eve.token.split("-")[1])
    assert eve.refused("GET", f"{SECRETS}/one")[0] == 401


def test_a_narrowed_token_stays_narrowed(live: Live) -> None:
    """What a token was narrowed to holds here as anywhere; an expired one is no one's."""
    live.world.secret("one")
    live.world.clock.now = "2030-01-01T00:00:00.000Z"
    client = live.client(expires_at="2030-01-01T01:00:00.000Z")
    client.gets(f"{SECRETS}/one")
    live.world.clock.now = "2030-01-01T01:00:00.000Z"
    assert client.refused("GET", f"{SECRETS}/one")[0] == 401


def test_a_stranger_learns_nothing_of_tenants(live: Live) -> None:
    """The same status and words whether or not the tenant, or the key in it, exists."""
    live.world.secret("one")
    eve = live.user("eve")
    answers = set()
    for tenant in ("home", "none"):
        for key in ("one", "absent"):
            eve.tenant = tenant
            status, code, message = eve.refused("GET", f"{SECRETS}/{key}")
            answers.add((status, code, message.replace(tenant, "*")))
    assert answers == {(403, "forbidden_error", "user 'eve' is not permitted to see secrets in tenant '*'")}


def test_the_tenant_is_named_in_a_header(shared: Live) -> None:
    """Without one there is nothing to ask in."""
    client = shared.client()
    client.tenant = ""
    assert client.refused("GET", SECRETS) == (403, "forbidden_error", "no tenant was named")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_another_sites_page_can_not_use_basic_credentials(
    shared: Live, headers: dict[str, str], method: str
) -> None:
    """A browser would send them along unasked. It is refused before the password is even looked at."""
    sent = {"Authorization": basic("admin", "admin password"), "Tenant": "home"} | headers | JSON
    before = shared.world.passwords.compared
    answer = shared.http.request(method, f"{SECRETS}/one", headers=sent)
    message = "Basic credentials and sessions are not taken from a page of another site"
    assert refusal(answer) == (403, "forbidden_error", message)
    assert shared.world.passwords.compared == before
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_page_of_the_server_itself_can(shared: Live) -> None:
    """The same origin is not another site."""
    sent = {"Authorization": basic("admin", "admin password")}
    sent |= {"Origin": shared.url, "Sec-Fetch-Site": "same-origin"}
    assert shared.http.get("/api/v3.1/version", headers=sent).status_code == 200


def test_a_preflight_gets_no_permission(shared: Live) -> None:
    """A browser that asks whether another site may send this hears no yes."""
    answer = shared.http.options(SECRETS, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_a_body_says_that_it_is_json(shared: Live, kind: str) -> None:
    """What a form of another site could send is refused by its type."""
    client = shared.client()
    headers = {"Authentication-Token": client.token, "Tenant": "home", "Content-type": kind}
    answer = shared.http.put(f"{SECRETS}/one", content=b'{"value": "v"}', headers=headers)
    assert refusal(answer) == (
        415,
        "unsupported_content_type_error",
        "Content type must be application/json",
    )
    headers["Content-type"] = "application/json; charset=utf-8"
    body = b'{"value": "v", "update_if_exists": true}'
    assert shared.http.put(f"{SECRETS}/one", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the request has no JSON body"),
        (b"{", "the body is not valid JSON"),
        (b'{"value": "\xff"}', "the body is not valid JSON"),
        (b'{"value": NaN}', "the body is not valid JSON"),
        (b'{"value": 1e999}', "the body is not valid JSON"),
        (b"[1]", "the body is not an object"),
        (b"{}", "Missing value in json request body"),
        (b'{"value": 5}', "the value is not text"),
        (b'{"value": ""}', "the value is empty"),
        (b'{"value": "v", "visibility": "most secret"}', "the `visibility` argument is not one of "),
        (
            b'{"value": "v", "is_hidden_value": "most secret"}',
            "the `is_hidden_value` argument is not a boolean",
        ),
        (b'{"value": "v", "update_if_exists": 1}', "the `update_if_exists` argument is not a boolean"),
        (b'{"value": "\\ud800"}', "the body is not valid JSON: a text is not valid UTF-8"),
        (b'{"value": ' + b"[" * 70 + b"]" * 70 + b"}", "the body is nested deeper than 64 levels"),
        (b'{"value": ' + b"[" * 200_000, "the body is nested deeper than 64 levels"),
    ],
)
def test_a_malformed_body_is_a_json_error(shared: Live, body: bytes, message: str) -> None:
    """The answer says what is wrong, and repeats nothing of the body."""
    client = shared.client()
    headers = JSON | {"Authentication-Token": client.token, "Tenant": "home"}
    status, code, told = refusal(shared.http.put(f"{SECRETS}/one", content=body, headers=headers))
    assert (status, code) == (400, "bad_parameters_error")
    assert told.startswith(message)
    assert "most secret" not in told


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({}, "Missing keys.0.key in json request body"),
        ({"key": "one", "calls": [{"line": 1}]}, "Missing keys.0.calls.0.source in json request body"),
        ("secret text", "the `keys.0` argument is not an object"),
    ],
)
def test_a_field_that_is_missing_further_down_is_named(shared: Live, key: object, message: str) -> None:
    """By its whole path: names that the caller chose are left out of it."""
    admin = shared.client()
    assert admin.refused("POST", USE, {"tenant": "home", "keys": [key]}) == (
        400,
        "bad_parameters_error",
        message,
    )


def test_unknown_addresses_and_methods_are_json_errors(shared: Live) -> None:
    """With and without credentials; older versions have no secrets."""
    for path in ("/", "/nope", "/api/v2.1/secrets", f"{SECRETS}/a/b", f"{SECRETS}/a%2Fb", f"{SECRETS}/"):
        assert refusal(shared.http.get(path)) == (404, "not_found_error", "there is nothing at this address")
    expected = (405, "method_not_allowed_error", "this address does not take this method")
    answer = shared.http.post(f"{SECRETS}/one")
    assert refusal(answer) == expected
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert refusal(shared.http.request("TRACE", "/ok")) == expected


@pytest.mark.parametrize("name", ["blueprints", "deployments", "user-groups", "node-instances"])
def test_what_only_a_manager_has_is_said(shared: Live, name: str) -> None:
    """Cloudify's client shows the message, so that it explains itself."""
    told = (404, "not_found_error", f"this server keeps secrets for blueprints: it has no {name}")
    for path in (f"/api/v3.1/{name}", f"/api/v3/{name}/one", f"/api/v3.1/{name}/one/two"):
        assert refusal(shared.http.get(path)) == told


def test_head_is_answered_as_get_is(live: Live) -> None:
    """By the same head and no body, and with the same rights."""
    live.world.secret("one", "most secret")
    admin, eve = live.client(), live.user("eve")
    for path in ("/ok", "/ready", "/openapi.json", SECRETS, f"{SECRETS}/one"):
        whole, head = admin("GET", path), admin("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert eve("HEAD", f"{SECRETS}/one").status_code == 403
    assert live.http.head(SECRETS).status_code == 401


def test_a_compressed_body_is_not_taken(shared: Live) -> None:
    """It would be no JSON, and could be a bomb."""
    admin = shared.client()
    answer = admin("PUT", f"{SECRETS}/one", {"value": "v"}, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert answer.headers["Accept-Encoding"] == "identity"
    assert (
        admin("PUT", f"{SECRETS}/one", {"value": 1}, headers={"Content-Encoding": "identity"}).status_code
        == 400
    )


def test_a_body_that_names_no_tenant_is_told_so(shared: Live) -> None:
    """Rather than that the tenant with an empty name does not exist."""
    refused = shared.client().refused("POST", USE, {"tenant": "", "keys": [{"key": "one"}]})
    assert refused == (403, "forbidden_error", "no tenant was named")


def test_a_body_is_bounded(world: World) -> None:
    """One that is announced too large is not read, one that grows too large is not read on."""
    with serving(world, ServerOptions(max_body=1000, address_rate=0, user_rate=0)) as live:
        client = live.client()
        expected = (413, "request_too_large_error", "the body is over 1000 bytes")
        assert client.refused("PUT", f"{SECRETS}/one", {"value": "v" * 2000}) == expected
        headers = JSON | {"Authentication-Token": client.token, "Tenant": "home"}
        pieces = iter([b'{"value": "', *[b"v" * 100] * 20, b'"}'])
        assert refusal(live.http.put(f"{SECRETS}/one", content=pieces, headers=headers)) == expected
        client.does("PUT", f"{SECRETS}/one", {"value": "v" * 500})


def test_a_strangers_body_is_not_read(shared: Live) -> None:
    """Who does not say who they are is answered before the body has come."""
    host, port = shared.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=100) as connection:
        connection.sendall(
            b"PUT /api/v3.1/secrets/one HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
            b"Content-Type: application/json\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_a_body_that_does_not_come_is_not_waited_for(world: World) -> None:
    """A client that stops sending is told so, and the connection ends."""
    with serving(world, ServerOptions(body_seconds=0.2, address_rate=0, user_rate=0)) as live:
        host, port = live.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=100) as connection:
            token = live.client().token
            connection.sendall(
                f"PUT {SECRETS}/one HTTP/1.1\r\nHost: x\r\nAuthentication-Token: {token}\r\n"
                "Content-Length: 100\r\nContent-Type: application/json\r\n\r\n{".encode()
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_more_requests_than_it_can_bear_are_told_to_come_back(tmp_path: Path) -> None:
    """One that works takes the only place, one that is still being sent takes none; health needs none."""
    slow = SlowPasswords()
    options = ServerOptions(max_requests=1, address_rate=0, user_rate=0)
    world = made_world("sqlite", tmp_path, passwords=slow)
    with serving(world, options) as live, ThreadPoolExecutor(1) as pool:
        client, places = live.client(), live.app.state.server.places
        host, port = live.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=100) as connection:
            connection.sendall(
                f"PUT {SECRETS}/one HTTP/1.1\r\nHost: x\r\nAuthentication-Token: {client.token}\r\n"
                "Tenant: home\r\nContent-Length: 14\r\nContent-Type: application/json\r\n\r\n{".encode()
            )
            until(lambda: slow_bodies(live) == 1)
            until(lambda: places.used == 0)
            assert client("GET", SECRETS).status_code == 200
            headers = {"Authorization": basic("admin", "admin password"), "Tenant": "home"}
            asked = pool.submit(live.http.get, SECRETS, headers=headers, timeout=60)
            until(lambda: places.used == 1)
            answer = client("GET", SECRETS)
            assert refusal(answer) == (503, "service_unavailable_error", "the server is busy")
            assert answer.headers["Retry-After"] == "1"
            assert live.http.get("/ok").status_code == live.http.get("/ready").status_code == 200
            slow.go.set()
            assert asked.result().status_code == 200
            connection.sendall(b'"value": "v"}')
            assert connection.recv(100).startswith(b"HTTP/1.1 200")


def slow_bodies(live: Live) -> int:
    """How many requests wait for their body."""
    return sum(peer.body_comes for peer in live.app.state.server.connections.open)


def test_a_client_that_goes_away_is_no_error(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    """The log has a line of its own for it, and no error."""
    caplog.set_level(logging.INFO)
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=100) as connection:
        connection.sendall(
            f"PUT {SECRETS}/one HTTP/1.1\r\nHost: x\r\nAuthentication-Token: {live.client().token}\r\n"
            "Content-Length: 100\r\nContent-Type: application/json\r\n\r\n{".encode()
        )
        time.sleep(0.3)
    deadline = time.monotonic() + 100
    while not (lines := [r for r in caplog.records if r.name == "resolver.access"]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    assert [(line.levelname, line.fields["status"]) for line in lines] == [("INFO", 499)]  # type: ignore[attr-defined]


def test_an_answer_with_a_value_is_stored_nowhere(live: Live) -> None:
    """Every answer says so, errors too, and says that it is no page."""
    live.world.secret("one")
    for answer in (live.client()("GET", f"{SECRETS}/one"), live.http.get("/nope"), live.http.get("/ok")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert len(answer.headers["X-Request-Id"]) == 32
        assert "Server" not in answer.headers


def test_a_user_is_limited(world: World) -> None:
    """One who asks too often is told when to come back; others are not kept waiting by it."""
    with serving(world, ServerOptions(address_rate=0, user_rate=1)) as live:
        eve, other = live.user("eve", TenantRole.USER), live.user("other", TenantRole.USER)
        answers = [eve("GET", SECRETS) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert refusal(answers[-1]) == (429, "too_many_requests_error", "too many requests")
        assert answers[-1].headers["Retry-After"] == "1"
        assert other("GET", SECRETS).status_code == 200


def test_an_address_is_limited(world: World) -> None:
    """Also without credentials, and before any password is looked at."""
    with serving(world, ServerOptions(address_rate=2, user_rate=0)) as live:
        headers = {"Authorization": basic("admin", "wrong one")}
        statuses = [live.http.get("/api/v3.1/version", headers=headers).status_code for _ in range(8)]
        assert statuses[:4] == [401] * 4
        assert statuses[-1] == 429
        assert world.passwords.compared <= 6


def test_the_numbers_name_no_one(live: Live) -> None:
    """Metrics are by route; keys, tenants and users are no labels. They are for operators only."""
    live.world.secret("telling_key")
    eve = live.user("eve", TenantRole.USER)
    eve.gets(f"{SECRETS}/telling_key")
    eve.does("POST", USE, {"tenant": "home", "keys": [{"key": "telling_key"}]})
    refused = "user 'eve' is not permitted to read the audit trail"
    assert eve.refused("GET", "/metrics") == (403, "forbidden_error", refused)
    text = live.client()("GET", "/metrics").text
    route = f"{SECRETS}/{{key}}"
    assert f'resolver_http_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in text
    assert 'resolver_values_used_total{by="batch"} 1.0' in text
    assert 'resolver_values_used_late_total{state="expired"} 0.0' in text
    for word in ("telling_key", "eve", "home"):
        assert re.search(rf"\b{word}\b", text) is None


def test_ready_and_status_tell_of_the_store(live: Live) -> None:
    """Both say when the root key is not at hand, without saying where anything is."""
    client = live.client()
    assert live.http.get("/ok").json() == "OK"
    assert live.http.get("/ready").json() == {"status": "ready"}
    assert client.gets("/api/v3.1/status")["status"] == "OK"
    live.world.execute("UPDATE root_key SET wraps = false")
    live.world.execute("INSERT INTO root_key (id, wraps, since) VALUES ('another', true, '')")
    live.world.vouch("root key")
    until(lambda: live.http.get("/ready").status_code == 503)  # a second later at most
    assert live.http.get("/ready").json() == {"status": "not ready"}
    status = client.gets("/api/v3.1/status")
    assert (status["status"], status["services"]["Store"]["status"]) == ("Fail", "Inactive")


def test_a_broken_store_tells_clients_nothing_of_itself(live: Live) -> None:
    """Paths and a driver's words are for the log."""
    client = live.client()
    live.world.execute("ALTER TABLE audit_chain RENAME TO gone")
    answer = client("PUT", f"{SECRETS}/one", {"value": "the value itself"})
    assert answer.status_code == 503
    assert answer.json() == {
        "message": "the server's store or root key is not available",
        "error_code": "service_unavailable_error",
        "server_traceback": None,
        "hint": "its log tells more",
        "kind": "Unavailable",
    }


def test_the_document_describes_every_route(shared: Live) -> None:
    """The OpenAPI document is there for all, and its routes are those that answer."""
    document = shared.http.get("/openapi.json").json()
    paths = document["paths"]
    assert {"/ok", "/ready", "/metrics", SECRETS, f"{SECRETS}/{{key}}", USE} <= set(paths)
    assert not [path for path in paths if path.startswith("/api/v3/")]
    assert paths[SECRETS]["get"]["security"] == [{"token": []}, {"bearer": []}, {"basic": []}]
    assert json.dumps(document["components"]["securitySchemes"]).count("Authentication-Token") == 1


def test_a_tenant_is_named_once(shared: Live) -> None:
    """Of two, a proxy in front could have meant the other."""
    headers = [("Authentication-Token", shared.client().token), ("Tenant", "home"), ("Tenant", "away")]
    for path in (SECRETS, "/api/v1/resolver/secrets", "/api/v1/resolver/secrets?_all_tenants=true"):
        answer = shared.http.get(path, headers=headers)
        assert refusal(answer) == (400, "bad_parameters_error", "the header Tenant was given more than once")


def test_a_body_with_two_lengths_is_refused(shared: Live) -> None:
    """What follows it on the connection is nothing that anyone asked: the connection is closed."""
    port = int(shared.url.rpartition(":")[2])
    smuggled = b"0\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\n\r\n"
    lengths = f"Content-Length: {len(smuggled)}\r\nTransfer-Encoding: chunked\r\n"
    head = f"POST /ok HTTP/1.1\r\nHost: x\r\n{lengths}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=200) as peer:
        peer.sendall(head.encode() + smuggled)
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"given in two ways" in answer


def test_a_request_that_the_stop_of_the_server_ends(world: World) -> None:
    """When its time is over, the answer is ours, and no text of the library's."""
    sent: list[Any] = []
    given = {"authentication-token": str(world.token), "content-type": "application/json", "tenant": "home"}
    given |= {"content-length": "10", "host": "x"}
    scope = {
        "type": "http",
        "method": "PUT",
        "path": "/api/v3.1/secrets/late",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }

    async def stop() -> None:
        app = create_app(world.service, ServerOptions(address_rate=0, user_rate=0))
        reached = asyncio.Event()

        async def receive() -> Any:  # noqa: ANN401 - a message
            reached.set()
            await asyncio.Event().wait()

        async def send(message: Any) -> None:  # noqa: ANN401 - a message
            sent.append(message)

        task = asyncio.create_task(app(scope, receive, send))
        await asyncio.wait({task, asyncio.create_task(reached.wait())}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(stop())
    start, body = sent
    assert (start["status"], dict(start["headers"])[b"content-type"]) == (503, b"application/json")
    message = "the server stopped before the request had an end; look what it did"
    assert json.loads(body["body"])["message"] == message
