"""Values for blueprints: all or none, recorded as the client's word, hidden ones by these two ways only."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
import pytest

from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import SecretChange
from resolver.errors import BudgetError, InvalidRequestError
from resolver.rest.options import ServerOptions
from tests.rest.conftest import SECRETS, USE, serving
from tests.told import told
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from resolver.core.model import Caller
    from resolver.resolution import Options
    from tests.databases import World
    from tests.rest.conftest import Live

OWN = "/api/v1/resolver"
CHECK = f"{OWN}/check"
RESOLVE = f"{OWN}/resolve"
CHECK_BLUEPRINT = f"{OWN}/check-blueprint"
DIGEST = "ab" * 32


def wanted(*keys: str, tenant: str = "home", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A request for keys, each with one call."""
    call = {"source": "shop.yaml", "line": 3, "column": 7, "path": ["node_templates", "db", 0]}
    return {
        "tenant": tenant,
        "keys": [{"key": key, "calls": [call], "calls_total": 1, **more} for key in keys],
        "digests": {"shop.yaml": DIGEST},
    }


def records(live: Live, tenant: str = "home") -> list[dict[str, Any]]:
    """What the audit trail of a tenant says."""
    return told(live.world.service.trail.records(live.world.admin, tenant))


def test_all_values_come_in_one_answer(each: Live) -> None:
    """A batch answers every value with its version and whether the caller may see it; nothing stores it."""
    each.world.secret("one", "value one")
    each.world.secret("two", "value two", hidden=True)
    answer = each.user("pipeline", TenantRole.OPERATIONS)("POST", USE, wanted("one", "two"))
    assert answer.json() == {
        "secrets": {
            "one": {"value": "value one", "version": 1, "may_show": True, "expired_at": None, "due_at": None},
            "two": {
                "value": "value two",
                "version": 1,
                "may_show": False,
                "expired_at": None,
                "due_at": None,
            },
        },
    }
    assert answer.headers["Cache-Control"] == "no-store"


def test_too_many_keys_are_refused_in_words(live: Live) -> None:
    """It is said how many there may be, and a digest that is none is no lack of text."""
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    for request, message in (
        (wanted(*["one"] * 10_001), "the `keys` argument is too long: 10000 at most"),
        (wanted() | {"digests": {"a": "ab"}}, "the `digests.*` argument is malformed"),
        (wanted() | {"digests": {"a": 1}}, "the `digests.*` argument is not text"),
    ):
        assert pipeline.refused("POST", USE, request) == (400, "bad_parameters_error", message)


def test_values_have_an_end(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one answer may come to is known before anything is recorded or decrypted."""
    monkeypatch.setattr("resolver.service.use.MAX_USED", 10_000)
    for key in ("one", "two"):
        live.world.secret(key, "x" * 6000)
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    assert pipeline.does("POST", USE, wanted("one"))["secrets"]["one"]["value"] == "x" * 6000
    before = len(records(live))
    assert pipeline.refused("POST", USE, wanted("one", "two")) == (
        400,
        "bad_parameters_error",
        "the values of these keys have more than 10000 bytes in all",
    )
    upload = {"tenant": "home", "blueprints": [{"text": "a: {get_secret: one}\nb: {get_secret: two}"}]}
    assert pipeline.refused("POST", RESOLVE, upload)[0] == 400
    named = wanted("one") | {"keys": [{"key": "one"}, {"key": "two", "placed": False}]}
    assert len(records(live)) == before
    assert list(pipeline.does("POST", USE, named)["secrets"]) == ["one"]


def test_one_refused_key_refuses_all(live: Live) -> None:
    """A key that may not be had keeps all others back, and the answer says which and why."""
    live.world.secret("one", "value one")
    live.world.secret("mine", "value of mine", visibility=Visibility.PRIVATE)
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    answer = pipeline("POST", USE, wanted("one", "mine", "absent"))
    assert answer.status_code == 404
    assert answer.json() == {
        "message": "2 keys may not be had, so no value was given out",
        "error_code": "not_found_error",
        "server_traceback": None,
        "refusals": [
            {"key": "mine", "reason": "does_not_exist"},
            {"key": "absent", "reason": "does_not_exist"},
        ],
    }
    assert "value" not in answer.text.replace("no value was", "")


def test_a_narrowed_token_gets_403(live: Live) -> None:
    """A key that the token may not name is not permitted, rather than not found."""
    live.world.user("pipeline", TenantRole.OPERATIONS)
    pipeline = live.client("pipeline", keys=("shop_*",))
    answer = pipeline("POST", USE, wanted("absent"))
    assert answer.status_code == 403
    assert answer.json()["refusals"] == [{"key": "absent", "reason": "token_is_narrowed"}]


def test_a_viewer_and_a_stranger_get_no_value(live: Live) -> None:
    """One who may see but not use, and one who is no member, are not permitted: before any look-up."""
    live.world.secret("one")
    refused = "user 'eve' is not permitted to use secrets in tenant 'home'"
    assert live.user("eve", TenantRole.VIEWER).refused("POST", USE, wanted("one")) == (
        403,
        "forbidden_error",
        refused,
    )
    stranger = live.user("mallory", away=TenantRole.MANAGER)
    texts = {stranger.refused("POST", USE, wanted("one", tenant=name))[2][-6:] for name in ("home", "none")}
    assert texts == {"'home'", "'none'"}


def test_the_record_says_that_it_is_the_clients_word(live: Live) -> None:
    """Digest and call sites of a batch are on record, marked as claimed; those of an upload are not."""
    live.world.secret("one")
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    pipeline.does("POST", USE, wanted("one"))
    text = "db: { get_secret: one }\n"
    pipeline.does("POST", RESOLVE, {"tenant": "home", "blueprints": [{"name": "shop.yaml", "text": text}]})
    claimed, read = [record for record in records(live) if record["action"] == "secret:use"]
    assert claimed["claimed"] is True
    assert claimed["blueprints"] == {"shop.yaml": DIGEST}
    assert claimed["calls"] == [["shop.yaml", 3, 7, "node_templates.db[0]"]]
    assert "claimed" not in read
    assert read["blueprints"] == {"shop.yaml": hashlib.sha256(text.encode()).hexdigest()}
    assert read["calls"] == [["shop.yaml", 1, 5, "db"]]


def test_a_claimed_origin_does_not_hide_which_secret_was_used(live: Live) -> None:
    """Who says that a key came out of a secret keeps the key off the record, but not the secret's id."""
    secret = live.world.secret("one")
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    pipeline.does("POST", USE, wanted("one", origin={"secrets": ["other"]}))
    (record,) = [record for record in records(live) if record["action"] == "secret:use"]
    assert record["key"] == "<from secret other>"
    assert (record["secret_id"], record["version"]) == (secret.id, 1)


def test_a_key_that_is_named_twice_is_one_use(live: Live) -> None:
    """One record has the calls of both; a key that came out of a secret is another use, as in a run."""
    live.world.secret("one")
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    body = wanted("one", "one")
    body["keys"][1]["calls"] = [{"source": "other.yaml", "line": 1}]
    body["keys"].append({"key": "one", "origin": {"secrets": ["other"]}})
    pipeline.does("POST", USE, body)
    written, computed = (record for record in records(live) if record["action"] == "secret:use")
    assert (written["key"], written["calls_total"]) == ("one", 2)
    assert [call[:2] for call in written["calls"]] == [["shop.yaml", 3], ["other.yaml", 1]]
    assert (computed["key"], computed["calls_total"]) == ("<from secret other>", 0)


def test_words_of_a_client_are_cut_in_records(live: Live) -> None:
    """However long the names and however many the calls, a record stays small."""
    live.world.secret("one")
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    calls = [{"source": f"{number}" + "x" * 5000, "path": ["y" * 5000]} for number in range(500)]
    body = wanted("one", origin={"secrets": ["z" * 100_000]}) | {
        "digests": {call["source"]: DIGEST for call in calls},
    }
    body["keys"][0] |= {"calls": calls, "calls_total": 500}
    pipeline.does("POST", USE, body)
    (record,) = [record for record in records(live) if record["action"] == "secret:use"]
    assert len(json.dumps(record)) < 30_000
    assert record["calls_total"] == 500


def test_hidden_values_for_uploads_only(world: World) -> None:
    """With the setting, a batch gives no hidden value to one who may not see it; an upload still uses it."""
    options = ServerOptions(address_rate=0, user_rate=0, hidden_for_uploads_only=True)
    with serving(world, options) as live:
        live.world.secret("two", "value two", hidden=True)
        pipeline = live.user("pipeline", TenantRole.OPERATIONS)
        answer = pipeline("POST", USE, wanted("two"))
        assert answer.status_code == 403
        assert answer.json()["refusals"] == [{"key": "two", "reason": "value_is_hidden"}]
        checked = pipeline.does("POST", CHECK, {"tenant": "home", "keys": ["two"]})["keys"]["two"]
        assert (checked["refusal"], checked["secret"]["hidden"]) == ("value_is_hidden", True)
        upload = {"tenant": "home", "blueprints": [{"text": "db: { get_secret: two }"}]}
        assert pipeline.does("POST", RESOLVE, upload)["text"] == 'db: "value two"'
        manager = live.user("boss", TenantRole.MANAGER)
        assert manager.does("POST", USE, wanted("two"))["secrets"]["two"]["value"] == "value two"
        checked = manager.does("POST", CHECK, {"tenant": "home", "keys": ["two"]})["keys"]["two"]
        assert checked["refusal"] is None


def test_no_other_endpoint_gives_a_hidden_value(live: Live) -> None:
    """What one may use and not see, none of the routes but the two for use shows, whatever one does."""
    live.world.secret("two", "value two", hidden=True)
    live.world.service.secrets.update(
        live.world.admin, "home", "two", SecretChange(value=SecretValue("value two, newer"))
    )
    user = live.user("user", TenantRole.USER)
    assert user.does("POST", USE, wanted("two"))["secrets"]["two"]["value"] == "value two, newer"
    assert user.gets(f"{SECRETS}/two")["value"] == ""
    bodies: dict[str, Any] = {
        f"{OWN}/check": {"tenant": "home", "keys": ["two"]},
        f"{OWN}/export": {"tenant": "home", "all_versions": True},
        f"{OWN}/sealed-export": {"passphrase": "long enough", "format": "cloudify", "all_versions": True},
        f"{OWN}/secrets/two/rollback": {"version": 1},
        f"{SECRETS}/two": {"is_hidden_value": False, "value": "mine", "update_if_exists": True},
        f"{SECRETS}/two/set-visibility": {"visibility": "tenant"},
        f"{OWN}/secrets/two": {"hidden": False, "value": "mine", "update_if_exists": True},
    }
    asked = 0
    for path, methods in live.http.get("/openapi.json").json()["paths"].items():
        for method in methods:
            at = path.replace("{key}", "two").replace("{name}", "user").replace("{token_id}", "x")
            if at in (USE, RESOLVE) or method == "delete":
                continue
            body = None if method == "get" else bodies.get(at, {})
            answer = user(method.upper(), at, body, params={"_get_all_results": "true"})
            assert answer.status_code < 500
            assert "value two" not in answer.text, (method, at)
            asked += 1
    assert asked > 50
    shown = live.world.service.secrets.show(live.world.admin, "home", "two")
    assert (shown[0].hidden, shown[1]) == (True, SecretValue("value two, newer"))


def test_a_check_gives_no_value(live: Live) -> None:
    """A check says of each key whether it could be used; a viewer's says that it could not."""
    secret = live.world.secret("one", "the value itself")
    viewer = live.user("eve", TenantRole.VIEWER)
    found = viewer.does("POST", CHECK, {"tenant": "home", "keys": ["one", "absent"]})["keys"]
    assert found["absent"] == {"secret": None, "refusal": "does_not_exist", "expired": False, "due": False}
    assert found["one"]["refusal"] == "role_does_not_permit"
    assert found["one"]["secret"]["id"] == secret.id
    assert "the value itself" not in json.dumps(found)
    assert not [record for record in records(live) if record["action"] == "secret:use"]


def test_an_expired_secret_is_told(live: Live) -> None:
    """A use says since when, a check that it has, and that another value is due."""
    admin, since = live.client(), "2030-02-01T00:00:00.000Z"
    body = {"value": "value one", "expires_at": since, "rotate_after": 30}
    admin.does("PUT", "/api/v1/resolver/secrets/one", body)
    live.world.clock.now = "2030-03-01T00:00:00.000Z"
    assert admin.does("POST", USE, wanted("one"))["secrets"]["one"]["expired_at"] == since
    checked = admin.does("POST", CHECK, {"tenant": "home", "keys": ["one"]})["keys"]["one"]
    assert (checked["refusal"], checked["expired"], checked["due"]) == (None, True, True)


def test_an_upload_is_resolved(live: Live) -> None:
    """Inputs, context, format, evaluation: the answer is the text with the values, and what to know of it."""
    live.world.secret("shop_password", "p: 1")
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    text = (
        "inputs: { env: {} }\n"
        "a: { get_secret: { concat: [{ get_input: env }, _password] } }  # kept\n"
        "b: { get_label: team }\n"
        "imports: [types.yaml]\n"
        "c: { getSecret: one }\n"
    )
    request = {
        "tenant": "home",
        "blueprints": [{"name": "b.yaml", "text": text}],
        "inputs": {"env": "shop"},
        "context": {"labels": {"team": ["blue"]}},
        "evaluate": True,
    }
    told = pipeline.does("POST", RESOLVE, request)
    assert told["text"].splitlines()[1:3] == ['a: "p: 1"  # kept', 'b: ["blue"]']
    assert told["notes"] == [
        "b.yaml:5:6: 'getSecret' is no function, and nothing is resolved here [near_miss]",
        "b.yaml: imports left to the manager: types.yaml",
    ]
    assert told["uses"] == [{"key": "shop_password", "version": 1}]
    assert told["digests"] == {"b.yaml": hashlib.sha256(text.encode()).hexdigest()}
    assert json.loads(pipeline.does("POST", RESOLVE, request | {"format": "json"})["text"])["a"] == "p: 1"


def test_an_uploads_problems_are_told_together(live: Live) -> None:
    """What keeps an upload from being resolved comes with its places; the status is of the worst kind."""
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    text = "a: { get_secret: absent }\nb: { get_secret: other }\n"
    answer = pipeline("POST", RESOLVE, {"tenant": "home", "blueprints": [{"name": "b.yaml", "text": text}]})
    assert answer.status_code == 404
    found = [
        (p["reason"], p["source"], p["line"], p["column"], p["place"]) for p in answer.json()["problems"]
    ]
    assert found == [
        ("secret_not_found", "b.yaml", 1, 4, "a"),
        ("secret_not_found", "b.yaml", 2, 4, "b"),
    ]
    text += "c: { get_secret: [] }\n"
    broken = {"tenant": "home", "blueprints": [{"name": "b.yaml", "text": text}]}
    assert pipeline.refused("POST", RESOLVE, broken) == (
        400,
        "invalid_blueprint_error",
        "3 problems found, nothing was resolved",
    )


def test_an_upload_reads_nothing_from_the_servers_disk(live: Live, tmp_path: Path) -> None:
    """Imports of an upload are not looked for, wherever they point; those that lead out are refused."""
    (tmp_path / "lib.yaml").write_text("x: { get_secret: one }\n")
    live.world.secret("one")
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)

    def asked(target: str) -> dict[str, Any]:
        return {"tenant": "home", "blueprints": [{"name": "b", "text": f"imports: ['{target}']\n"}]}

    assert pipeline.refused("POST", RESOLVE, asked(f"{tmp_path}/lib.yaml"))[0] == 400
    for target in ("lib.yaml", "README.md", "etc/passwd"):
        told = pipeline.does("POST", RESOLVE, asked(target))
        assert told["notes"] == [f"b: imports left to the manager: {target}"]


def test_two_uploads_of_one_name_are_refused(live: Live) -> None:
    """A record tells texts apart by their names."""
    body = {"tenant": "home", "blueprints": [{"text": "a: 1"}, {"text": "b: 1"}]}
    assert live.client().refused("POST", RESOLVE, body) == (
        400,
        "bad_parameters_error",
        "two blueprints have the same name",
    )


def test_an_upload_is_not_read_for_who_may_not_use_secrets(live: Live) -> None:
    """It is refused and recorded, once and with its digest, before anything in it is looked at."""
    text = "a: {get_secret: one}\nb: [\n"
    body = {"tenant": "home", "blueprints": [{"name": "b.yaml", "text": text}]}
    assert live.user("eve", TenantRole.VIEWER).refused("POST", RESOLVE, body) == (
        403,
        "forbidden_error",
        "user 'eve' is not permitted to use secrets in tenant 'home'",
    )
    (refused,) = [record for record in records(live) if record["decision"] != "allowed"]
    assert refused["blueprints"] == {"b.yaml": hashlib.sha256(text.encode()).hexdigest()}
    assert live.user("pipeline", TenantRole.OPERATIONS).refused("POST", RESOLVE, body)[0] == 400


@pytest.mark.parametrize("path", [RESOLVE, CHECK_BLUEPRINT])
def test_work_for_an_upload_ends_when_its_client_has_gone(
    live: Live, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Whatever the blueprint asks for: its budget says that nobody waits for the answer any more."""
    begun, ended = threading.Event(), threading.Event()

    def endless(
        _service: object, _caller: object, _tenant: str, _texts: object, options: Options
    ) -> NoReturn:
        budget = options.budget
        assert budget is not None
        begun.set()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                budget.look()
            except BudgetError:
                ended.set()
                raise
            time.sleep(0.01)
        raise TimeoutError

    monkeypatch.setattr("resolver.rest.v1.use.resolve", endless)
    monkeypatch.setattr("resolver.rest.v1.blueprints.check", endless)
    client = live.user("pipeline", TenantRole.OPERATIONS)
    upload: dict[str, Any] = {"tenant": "home", "blueprints": [{"text": "a: 1"}]}
    data = json.dumps(upload if path == RESOLVE else {"text": "a: 1"}).encode()
    url = httpx.URL(live.url)
    with socket.create_connection((url.host, url.port or 0), timeout=200) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthentication-Token: {client.token}\r\n"
            f"Tenant: home\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        connection.sendall(head.encode() + data)
        assert begun.wait(200)
        assert not ended.is_set()
    assert ended.wait(200)


@pytest.mark.parametrize("path", [RESOLVE, CHECK_BLUEPRINT])
def test_few_large_uploads_are_worked_at_and_one_of_each_user(
    live: Live, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Many threads that compute would keep the interpreter from everybody else, and take its memory."""
    go_on, at_work = threading.Event(), []

    def slow(_service: object, caller: Caller, *_others: object) -> NoReturn:
        at_work.append(caller.username)
        go_on.wait(60)
        raise InvalidRequestError("done")

    monkeypatch.setattr("resolver.rest.v1.use.resolve", slow)
    monkeypatch.setattr("resolver.rest.v1.blueprints.check", slow)
    large: dict[str, Any] = {"tenant": "home", "blueprints": [{"text": "a: 1" + " " * 100_000}]}
    body = large if path == RESOLVE else large["blueprints"][0]
    users = [live.user(name, TenantRole.OPERATIONS) for name in ("one", "two", "three")]
    live.world.secret("small")
    with ThreadPoolExecutor() as pool:
        try:
            asked = [pool.submit(user, "POST", path, body) for user in users[:1] * 3 + users[1:]]
            until(lambda: len(at_work) == 2 and live.app.state.server.places.used == 5)
            assert len(set(at_work)) == 2
            assert users[0]("POST", USE, wanted("small")).status_code == 200
            assert len(at_work) == 2
        finally:
            go_on.set()
        assert [one.result().status_code for one in asked] == [400] * 5
    assert sorted(at_work) == ["one"] * 3 + ["three", "two"]
