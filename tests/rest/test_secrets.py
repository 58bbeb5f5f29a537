"""`/secrets` as Cloudify's client knows it, without what must not be copied from there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import Permission, TenantRole
from resolver.core.secret_changes import NewSecret
from tests.rest.conftest import SECRETS

if TYPE_CHECKING:
    from tests.rest.conftest import Client, Live

SEARCH = "/api/v3.1/searches/secrets"
OWN = "/api/v1/resolver"
OBJECT = {
    "key",
    "value",
    "created_at",
    "updated_at",
    "visibility",
    "tenant_name",
    "created_by",
    "is_hidden_value",
    "schema",
    "provider_name",
    "provider_options",
    "resource_availability",
    "private_resource",
}


def keys(answer: dict[str, Any]) -> list[str]:
    """The keys of a page."""
    return [item["key"] for item in answer["items"]]


def test_a_secrets_life(each: Live) -> None:
    """Created, shown, changed, listed, deleted; only the answer to a GET of one has the value."""
    eve = each.user("eve", TenantRole.USER)
    made = eve.does("PUT", f"{SECRETS}/one", {"value": "first", "visibility": "private"})
    assert set(made) == OBJECT
    assert (made["value"], made["created_by"], made["private_resource"]) == ("", "eve", True)
    assert made["created_at"] == made["updated_at"]
    assert eve.gets(f"{SECRETS}/one")["value"] == "first"
    assert eve.gets("/api/v3/secrets/one")["value"] == "first"
    assert eve.refused("PUT", f"{SECRETS}/one", {"value": "x"})[:2] == (409, "conflict_error")
    assert eve.does("PUT", f"{SECRETS}/one", {"value": "2nd", "update_if_exists": "TRUE"})["value"] == ""
    assert eve.does("PATCH", f"{SECRETS}/one", {"value": "third", "provider_options": {}})["value"] == ""
    assert eve.gets(f"{SECRETS}/one")["value"] == "third"
    assert eve.gets(f"{SECRETS}/one?_skip_value=true")["value"] == ""
    assert eve.gets(f"{SECRETS}/one?_include=key,visibility") == {"key": "one", "visibility": "private"}
    page = eve.gets(SECRETS)
    assert set(page["items"][0]) == OBJECT - {"value", "schema", "provider_options", "private_resource"}
    assert page["metadata"] == {"pagination": {"total": 1, "size": 1000, "offset": 0}, "filtered": None}
    eve.does("DELETE", f"{SECRETS}/one", status=204)
    message = "secret 'one' was not found in tenant 'home'"
    assert eve.refused("GET", f"{SECRETS}/one") == (404, "not_found_error", message)
    assert eve.refused("DELETE", f"{SECRETS}/one") == (404, "not_found_error", message)


def test_a_value_with_a_schema_is_json(live: Live) -> None:
    """It comes and goes as JSON; one that breaks the schema is a conflict, as with Cloudify."""
    admin = live.client()
    schema = {"type": "object", "required": ["a"]}
    made = admin.does("PUT", f"{SECRETS}/one", {"value": {"a": 1}, "schema": schema})
    assert made["schema"] == schema
    assert admin.gets(f"{SECRETS}/one")["value"] == {"a": 1}
    admin.does("PATCH", f"{SECRETS}/one", {"value": {"a": "ü"}})
    assert admin.gets(f"{SECRETS}/one")["value"] == {"a": "ü"}
    admin.does("PUT", f"{SECRETS}/one", {"value": {"a": 5}, "update_if_exists": True})
    status, code, message = admin.refused("PATCH", f"{SECRETS}/one", {"value": {"telling": 1}})
    assert (status, code) == (409, "conflict_error")
    assert "telling" not in message
    status, code, _ = admin.refused("PUT", f"{SECRETS}/two", {"value": 5, "schema": {"type": "no such"}})
    assert (status, code) == (400, "bad_parameters_error")
    admin.does("PUT", f"{SECRETS}/zero", {"value": 0, "schema": {"type": "integer"}})
    assert admin.gets(f"{SECRETS}/zero")["value"] == 0
    assert admin.refused("PATCH", f"{SECRETS}/one", {"value": 5})[0] == 409
    live.world.service.secrets.create(
        live.world.admin, "home", "large", NewSecret(value=SecretValue("1e999"), schema='{"type": "number"}')
    )
    assert admin.gets(f"{SECRETS}/large")["value"] == "1e999"


def test_the_same_value_again(live: Live) -> None:
    """Our API says that it is unchanged to who may be shown it and nobody else, Cloudify's to nobody."""
    admin = live.client()
    scope = frozenset({Permission.SECRET_CREATE, Permission.SECRET_UPDATE})
    blind = live.client(permissions=scope)
    own = f"{OWN}/secrets/one"
    assert admin.does("PUT", own, {"value": "a"})["unchanged"] is False
    for client, method, body, expected in (
        (admin, "PATCH", {"value": "a"}, (1, True)),
        (admin, "PUT", {"value": "a", "update_if_exists": True}, (1, True)),
        (admin, "PATCH", {"value": "a", "rotated": True}, (2, False)),
        (admin, "PUT", {"value": "a", "update_if_exists": True, "rotated": True}, (3, False)),
        (blind, "PATCH", {"value": "a"}, (4, False)),
        (blind, "PATCH", {"value": "b"}, (5, False)),
        (blind, "PUT", {"value": "b", "update_if_exists": True}, (6, False)),
        (blind, "PUT", {"value": "c", "update_if_exists": True}, (7, False)),
    ):
        answer = client(method, own, body)
        told = answer.json()
        assert (told["version"], told["unchanged"]) == expected, (method, body)
        assert answer.headers["ETag"] == f'"{expected[0]}"'
    assert admin.refused("PATCH", own, {"description": "x", "rotated": True})[0] == 400
    live.world.clock.now = "2031-01-01T00:00:00.000Z"
    entries = [{"key": "one", "value": "c", "tenant_name": "home", "visibility": "tenant"}]
    for method, path, body in (
        ("PATCH", f"{SECRETS}/one", {"value": "c"}),
        ("PUT", f"{SECRETS}/one", {"value": "c", "update_if_exists": True}),
        ("POST", f"{SECRETS}/share/import", _cloudify_import(entries)),
    ):
        before = admin.gets(own)
        assert "unchanged" not in admin.does(method, path, body)
        after = admin.gets(own)
        assert (after["version"], after["updated_at"]) == (before["version"] + 1, live.world.clock.now)


def _cloudify_import(entries: list[dict[str, Any]]) -> dict[str, Any]:
    whole = {"is_hidden_value": False, "encrypted": False, "provider": None, "provider_options": None}
    return {"secrets_list": [whole | one for one in entries], "override_collisions": True}


def test_changes_that_make_no_sense(live: Live) -> None:
    """Nothing, a narrower visibility, a global one from elsewhere: each is an illegal action."""
    admin = live.client()
    live.world.secret("one", visibility=Visibility.GLOBAL)
    live.world.secret("two")
    assert admin.refused("PATCH", f"{SECRETS}/two", {}) == (
        400,
        "illegal_action_error",
        "nothing to change was given",
    )
    assert admin.does("PATCH", f"{SECRETS}/two", {"unknown": 1})["key"] == "two"
    assert admin.refused("PATCH", f"{SECRETS}/two", {"visibility": None})[:2] == (400, "bad_parameters_error")
    illegal = (400, "illegal_action_error")
    assert admin.refused("PATCH", f"{SECRETS}/two", {"visibility": "private"})[:2] == illegal
    assert admin.refused("PATCH", f"{SECRETS}/one/set-visibility", {"visibility": "tenant"})[:2] == illegal
    admin.tenant = "none"
    missing = (403, "forbidden_error", "tenant 'none' does not exist")
    assert admin.refused("GET", f"{SECRETS}/two") == missing
    admin.tenant = "away"
    assert admin.gets(f"{SECRETS}/one")["tenant_name"] == "home"
    assert admin.refused("PATCH", f"{SECRETS}/one", {"value": "x"})[:2] == illegal
    assert admin.refused("DELETE", f"{SECRETS}/one")[:2] == illegal


def test_visibility_is_widened(live: Live) -> None:
    """By sys_admins to global; when another tenant has the key it stays what it was."""
    admin, eve = live.client(), live.user("eve", TenantRole.USER)
    live.world.secret("one")
    path = f"{SECRETS}/one/set-visibility"
    assert eve.refused("PATCH", path, {"visibility": "global"})[:2] == (403, "forbidden_error")
    assert eve.refused("PATCH", path, {"visibility": "private"})[:2] == (400, "bad_parameters_error")
    assert eve.refused("PATCH", path, {})[:2] == (400, "bad_parameters_error")
    live.world.secret("one", tenant="away")
    assert admin.refused("PATCH", path, {"visibility": "global"})[:2] == (409, "conflict_error")
    assert admin.refused("PATCH", f"{SECRETS}/one", {"visibility": "global"})[:2] == (409, "conflict_error")
    assert admin.gets(f"{SECRETS}/one")["visibility"] == "tenant"
    live.world.service.secrets.delete(live.world.admin, "away", "one")
    assert admin.does("PATCH", path, {"visibility": "global"})["visibility"] == "global"


def test_hidden_values_of_others(live: Live) -> None:
    """They are listed, not shown, and not changed by any way that Cloudify forgot."""
    live.world.secret("one", "value one", hidden=True)
    eve = live.user("eve", TenantRole.USER)
    assert eve.gets(f"{SECRETS}/one")["value"] == ""
    forbidden = (403, "forbidden_error")
    for method, path, body in (
        ("PUT", f"{SECRETS}/one", {"value": "x", "update_if_exists": True}),
        ("PATCH", f"{SECRETS}/one", {"value": "x"}),
        ("PATCH", f"{SECRETS}/one", {"is_hidden_value": False}),
        ("PATCH", f"{SECRETS}/one/set-visibility", {"visibility": "tenant"}),
        ("DELETE", f"{SECRETS}/one", None),
        ("PATCH", f"{SECRETS}/one", {"creator": "eve"}),
    ):
        assert eve.refused(method, path, body)[:2] == forbidden
    assert live.user("boss", TenantRole.MANAGER).gets(f"{SECRETS}/one")["value"] == "value one"
    assert eve.does("POST", SEARCH, {})["items"][0]["value"] == ""


def test_a_new_owner(live: Live) -> None:
    """A sys_admin gives a secret away; an unknown user is 404 and changes nothing."""
    live.world.secret("one")
    live.user("eve", TenantRole.USER)
    admin = live.client()
    assert admin.does("PATCH", f"{SECRETS}/one", {"creator": "eve"})["created_by"] == "eve"
    assert (
        admin.refused("PATCH", f"{SECRETS}/one", {"creator": "nobody"})[2] == "user 'nobody' does not exist"
    )


def test_lists_are_sorted_searched_filtered_and_cut(each: Live) -> None:
    """By the parameters of Cloudify's client, Python's words for booleans among them."""
    for key in ("b_1", "a_1", "c_2"):
        each.world.secret(key, hidden=key == "c_2")
    admin = each.client()
    assert keys(admin.gets(f"{SECRETS}?_sort=-key")) == ["c_2", "b_1", "a_1"]
    assert keys(admin.gets(f"{SECRETS}?_sort=%2Bkey&_size=1&_offset=1")) == ["b_1"]
    assert admin.gets(f"{SECRETS}?_size=0")["metadata"]["pagination"]["total"] == 3
    assert keys(admin.gets(f"{SECRETS}?_size=1&_get_all_results=True&_sort=key")) == ["a_1", "b_1", "c_2"]
    assert keys(admin.gets(f"{SECRETS}?_search=_1&_sort=key")) == ["a_1", "b_1"]
    assert keys(admin.gets(f"{SECRETS}?_search=%25")) == []
    assert keys(admin.gets(f"{SECRETS}?key=a_1&key=c_2&is_hidden_value=TRUE")) == ["c_2"]
    assert admin.gets(f"{SECRETS}?_include=key&_sort=key&_size=1")["items"] == [{"key": "a_1"}]
    wrong = ("_size=-1", "_size=x", "_offset=-1", "_sort=value", "_sort=id", "nonsense=1", "_all_tenants=2")
    for query in wrong:
        assert admin.refused("GET", f"{SECRETS}?{query}")[:2] == (400, "bad_parameters_error"), query


def test_fields_that_are_not_there_are_not_included(shared: Live) -> None:
    """Whether or not there is anything to include them of; no value is decrypted, and no export recorded."""
    admin = shared.client()
    refused = (400, "no_such_include_field_error")
    before = admin.gets("/api/v1/resolver/audit?tenant=home")
    for query in ("_include=value&key=none", "_include=nonsense&key=none"):
        assert admin.refused("GET", f"{SECRETS}?{query}")[:2] == refused
    assert admin.refused("GET", f"{SECRETS}/none?_include=x")[:2] == refused
    assert admin.refused("POST", f"{SEARCH}?_include=x&_size=0", {})[:2] == refused
    assert admin.refused("GET", f"{SECRETS}/share/export?_include=creator&key=none")[:2] == refused
    for group in ("users", "tenants", "tokens", "secrets-providers"):
        for query in ("_size=0", "_search=none-of-them"):
            assert admin.refused("GET", f"/api/v3.1/{group}?{query}&_include=x")[:2] == refused
    assert admin.gets("/api/v1/resolver/audit?tenant=home") == before


def test_all_tenants_are_judged_one_by_one(live: Live) -> None:
    """A manager of one tenant who is a user of another lists and exports no private one of others there."""
    live.world.secret("mine_home", visibility=Visibility.PRIVATE)
    live.world.secret("mine_away", "value of away", tenant="away", visibility=Visibility.PRIVATE)
    live.world.secret("shared_away", tenant="away")
    eve = live.user("eve", TenantRole.MANAGER, away=TenantRole.USER)
    assert sorted(keys(eve.gets(f"{SECRETS}?_all_tenants=True"))) == ["mine_home", "shared_away"]
    exported = eve.gets(f"{SECRETS}/share/export?_all_tenants=True")
    assert sorted(entry["key"] for entry in exported) == ["mine_home", "shared_away"]


BAD = (400, "bad_parameters_error")

RULE = {"key": "key", "values": ["b_1"], "operator": "any_of", "type": "attribute"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (None, ["a_1", "b_1", "c_2"]),
        ({}, ["a_1", "b_1", "c_2"]),
        ({"filter_rules": [RULE]}, ["b_1"]),
        ({"filter_rules": [RULE | {"operator": "not_any_of"}]}, ["a_1", "c_2"]),
        ({"filter_rules": [RULE | {"operator": "starts_with", "values": ["B", "c"]}]}, ["b_1", "c_2"]),
        ({"filter_rules": [RULE | {"operator": "is_not_empty", "values": []}]}, ["a_1", "b_1", "c_2"]),
        ({"filter_rules": [RULE | {"key": "provider_name"}]}, []),
        ({"constraints": {"valid_values": ["a_1", "none"]}}, ["a_1"]),
        ({"constraints": {"name_pattern": {"ends_with": "_1"}}}, ["a_1", "b_1"]),
        ({"constraints": {"tenants": ["away"]}}, []),
    ],
)
def test_searches(live: Live, body: dict[str, Any] | None, found: list[str]) -> None:
    """Rules and constraints select by key; no value is in the answer."""
    for key in ("b_1", "a_1", "c_2"):
        live.world.secret(key, "the value itself")
    answer = live.client().does("POST", f"{SEARCH}?_sort=key", body)
    assert keys(answer) == found
    assert "the value itself" not in json.dumps(answer)
    if body and "filter_rules" in body:
        assert answer["metadata"]["filtered"] == 3 - len(found)


@pytest.mark.parametrize(
    "rule",
    [
        RULE | {"type": "label"},
        RULE | {"key": "value"},
        RULE | {"operator": "matches"},
        RULE | {"operator": "contains", "values": ["_1"]},
        RULE | {"operator": "is_not_empty"},
        RULE | {"values": []},
        RULE | {"values": "b_1"},
        RULE | {"values": [1]},
        RULE | {"key": None},
        RULE | {"more": 1},
        {name: RULE[name] for name in ("key", "values", "operator")},
        {},
        [],
        "key",
        None,
    ],
)
def test_malformed_rules_are_told(shared: Live, rule: Any) -> None:  # noqa: ANN401 - JSON data
    """With the rule as it came, and the reason."""
    answer = shared.client()("POST", SEARCH, {"filter_rules": [rule]})
    told = answer.json()
    assert (answer.status_code, told["error_code"]) == (400, "invalid_filter_rule")
    assert told["err_filter_rule"] == rule
    assert told["err_reason"]


def test_searches_are_bounded(each: Live) -> None:
    """As many values as databases take are searched for; more are a bad parameter, and no error of theirs."""
    each.world.secret("b_1")
    admin = each.client()
    many = [f"b_{number}" for number in range(70_000)]
    for operator in ("any_of", "starts_with", "contains"):
        rules = [RULE | {"operator": operator, "values": many[:500]}]
        assert keys(admin.does("POST", SEARCH, {"filter_rules": rules})) == ["b_1"]
        assert admin.refused("POST", SEARCH, {"filter_rules": [*rules, RULE]})[:2] == BAD
    assert admin.refused("POST", SEARCH, {"filter_rules": [RULE] * 501})[:2] == BAD
    assert keys(admin.does("POST", SEARCH, {"constraints": {"valid_values": many[:10_000]}})) == ["b_1"]
    for name in ("valid_values", "tenants"):
        assert admin.refused("POST", SEARCH, {"constraints": {name: many}})[:2] == BAD


def test_export_and_import(live: Live) -> None:
    """What leaves encrypted comes back whole elsewhere; the hidden of others stays where it is."""
    live.world.secret("one", "value one")
    live.world.secret("two", "value two", hidden=True)
    eve = live.user("eve", TenantRole.USER, away=TenantRole.USER)
    entries = eve.gets(f"{SECRETS}/share/export?_passphrase=long+enough")
    assert [entry["key"] for entry in entries] == ["one"]
    assert eve.gets(f"{SECRETS}/share/export?key=one&visibility=global") == []
    assert len(eve.gets(f"{SECRETS}/share/export?key=one&key=none&visibility=tenant")) == 1
    assert entries[0]["encrypted"] is True
    assert "value one" not in json.dumps(entries)
    body = {
        "secrets_list": [*entries, {"key": "broken"}, 5],
        "override_collisions": False,
        "tenant_map": {"home": "away"},
        "passphrase": "long enough",
    }
    told = eve.does("POST", f"{SECRETS}/share/import", body)
    assert told["colliding_secrets"] == {}
    assert told["secrets_errors"]["1"]["missing secret fields"][:2] == ["is_hidden_value", "visibility"]
    assert "2" in told["secrets_errors"]
    assert eve.does("POST", f"{SECRETS}/share/import", body)["colliding_secrets"] == {"away": ["one"]}
    eve.tenant = "away"
    assert eve.gets(f"{SECRETS}/one")["value"] == "value one"
    wrong = body | {"passphrase": "another one", "override_collisions": True}
    told = eve.does("POST", f"{SECRETS}/share/import", wrong)
    assert told["secrets_errors"]["0"] == {"value": "The value can't be decrypted with this passphrase"}
    assert eve.gets(f"{SECRETS}/one")["value"] == "value one"


def test_exports_and_imports_that_are_refused(live: Live) -> None:
    """A short passphrase, a body of another shape, a tenant that is not there, one who may only use."""
    admin = live.client()
    export = f"{SECRETS}/share/export"
    unknown = (400, "bad_parameters_error", "a parameter is no field that secrets can be filtered by")
    assert admin.refused("GET", f"{export}?no_such_field=one") == unknown
    status, code, message = admin.refused("GET", f"{export}?_passphrase=short")
    assert (status, code) == (400, "bad_parameters_error")
    assert message == "the passphrase is too short: it needs 8 characters at least"
    path = f"{SECRETS}/share/import"
    body: dict[str, Any] = {"secrets_list": [], "override_collisions": True}
    for wrong in ({"override_collisions": "true"}, {"secrets_list": {}}, {"tenant_map": {"a": "none"}}):
        assert admin.refused("POST", path, body | wrong)[:2] == (400, "bad_parameters_error")
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    assert pipeline.refused("GET", f"{SECRETS}/share/export")[:2] == (403, "forbidden_error")
    assert pipeline.refused("POST", path, body)[:2] == (403, "forbidden_error")


def test_a_narrowed_token_lists_and_exports_its_keys_alone(live: Live) -> None:
    """The patterns hold for every way to learn of a key."""
    for key in ("shop_a", "bank_a"):
        live.world.secret(key)
    client = live.client(keys=("shop_*",))
    assert keys(client.gets(SECRETS)) == ["shop_a"]
    assert keys(client.does("POST", SEARCH, {})) == ["shop_a"]
    assert [entry["key"] for entry in client.gets(f"{SECRETS}/share/export")] == ["shop_a"]
    assert client.refused("GET", f"{SECRETS}/bank_a")[0] == 403
    assert client.refused("GET", f"{SECRETS}/bank_none")[0] == 403


def own(client: Client, method: str, path: str, body: Any = None, status: int = 200) -> Any:  # noqa: ANN401
    """Ask one of our own routes."""
    return client.does(method, f"{OWN}{path}", body, status)


def test_our_own_routes_tell_everything(live: Live) -> None:
    """Versions, times and schemas; compare-and-set; history and rollback."""
    admin = live.client()
    made = own(admin, "PUT", "/secrets/one", {"value": "first", "expires_at": "2031-01-01T00:00:00.000Z"})
    assert (made["version"], made["expires_at"]) == (1, "2031-01-01T00:00:00.000Z")
    assert "value" not in made
    assert own(admin, "PATCH", "/secrets/one", {"value": "second", "if_version": 1})["version"] == 2
    assert admin.refused("PATCH", f"{OWN}/secrets/one", {"value": "x", "if_version": 1})[:2] == (
        409,
        "conflict_error",
    )
    assert own(admin, "PATCH", "/secrets/one", {"expires_at": None})["expires_at"] is None
    history = own(admin, "GET", "/secrets/one/history")["versions"]
    assert [(entry["number"], entry["current"]) for entry in history] == [(1, False), (2, True)]
    assert own(admin, "POST", "/secrets/one/rollback", {"version": 1})["version"] == 3
    assert own(admin, "GET", "/secrets/one")["value"] == "first"
    assert [item["key"] for item in own(admin, "GET", "/secrets?_sort=-key")["items"]] == ["one"]
    moved = own(admin, "POST", "/export", {"tenant": "home", "all_versions": True})["secrets"][0]
    assert [version["value"] for version in moved["versions"]] == ["first", "second", "first"]
    entry = {"key": "one", "tenant": "away", "versions": moved["versions"], "whole": True}
    assert own(admin, "POST", "/import", {"tenant": "away", "entries": [entry]})["stored"] == 1
    assert admin.refused("DELETE", f"{OWN}/secrets/one?if_version=1")[:2] == (409, "conflict_error")
    own(admin, "DELETE", "/secrets/one?if_version=3", status=204)


def test_secrets_by_their_keys(live: Live) -> None:
    """Without their values; a key is no part of one, and who may not know of a secret finds nothing."""
    for key in ("one", "two", "one_more"):
        live.world.secret(key)
    live.world.secret("mine", visibility=Visibility.PRIVATE)
    live.world.secret("one", tenant="away", visibility=Visibility.PRIVATE)
    admin, pipeline = live.client(), live.user("pipeline", TenantRole.OPERATIONS)
    for client, query, keys in (
        (admin, "key=one", ["one"]),
        (admin, "key=two&key=mine&key=none&_sort=key", ["mine", "two"]),
        (admin, "key=two&visibility=private", []),
        (admin, "key=one&_all_tenants=true", ["one", "one"]),
        (pipeline, "key=one&key=mine", ["one"]),
    ):
        items = own(client, "GET", f"/secrets?{query}")["items"]
        assert [item["key"] for item in items] == keys
        assert not any("value" in item for item in items)


def test_our_own_routes_keep_the_same_rules(live: Live) -> None:
    """A hidden value is null, an operator changes nothing and exports nothing."""
    live.world.secret("one", "value one", hidden=True)
    pipeline = live.user("pipeline", TenantRole.OPERATIONS)
    assert own(pipeline, "GET", "/secrets/one")["value"] is None
    for method, path, body in (
        ("PUT", "/secrets/two", {"value": "x"}),
        ("PATCH", "/secrets/one", {"value": "x"}),
        ("DELETE", "/secrets/one", None),
        ("POST", "/secrets/one/rollback", {"version": 1}),
        ("POST", "/export", {"tenant": "home"}),
        ("POST", "/import", {"tenant": "home", "entries": []}),
        ("GET", "/audit?tenant=home", None),
        ("GET", "/audit/verify?tenant=home", None),
        ("GET", "/audit", None),
    ):
        assert pipeline.refused(method, f"{OWN}{path}", body)[:2] == (403, "forbidden_error")


def test_the_trail_and_the_caller(live: Live) -> None:
    """A manager reads the own tenant's trail; everyone hears who they are."""
    live.world.secret("one")
    boss = live.user("boss", TenantRole.MANAGER)
    records = own(boss, "GET", "/audit?tenant=home")["records"]
    assert records[-1]["action"] == "secret:create"
    assert records[-1]["key"] == "one"
    assert own(boss, "GET", "/audit?tenant=home&size=1&key=on*&newest_first=true")["records"] == records[-1:]
    head = own(boss, "GET", "/audit/head?tenant=home")
    assert head["number"] == len(records)
    exported = boss("GET", f"{OWN}/audit/export?tenant=home").text.splitlines()
    assert json.loads(exported[-1]) == {"head": head}
    assert json.loads(json.loads(exported[-2])["body"])["key"] == "one"
    kept = f"{head['number']}:{'0' * 64}"
    assert own(boss, "GET", f"/audit/verify?tenant=home&head={kept}")["kept_differs"]
    verified = own(boss, "GET", "/audit/verify?tenant=home")
    assert (verified["number"], verified["broken"]) == (len(records), None)
    me = own(boss, "GET", "/whoami")
    assert (me["username"], me["roles"], me["system_role"]) == ("boss", {"home": "manager"}, "default")
    assert "secret:export" in me["permissions"]["home"]
