"""Secrets that are kept elsewhere, here with another of our servers: this one, asked in another tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.permissions import TenantRole
from tests.rest.conftest import SECRETS, USE

if TYPE_CHECKING:
    from tests.rest.conftest import Client, Live

PROVIDERS = "/api/v3.1/secrets-providers"
SEARCH = "/api/v3.1/searches/secrets"


@pytest.fixture
def near(live: Live) -> Client:
    """The administrator, with a provider `near` in tenant `home` that asks this server in tenant `away`."""
    admin = live.client()
    _add(live, admin, "near", "away")
    live.world.secret("source", "value elsewhere", tenant="away")
    return admin


def _add(live: Live, admin: Client, name: str, tenant: str) -> None:
    parameters: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": int(live.url.rsplit(":", 1)[1]),
        "protocol": "http",
        "tenant": tenant,
        "token": admin.token,
    }
    admin.does("PUT", PROVIDERS, {"name": name, "type": "cloudify", "connection_parameters": parameters})


def test_a_secret_is_kept_with_a_provider(near: Client) -> None:
    """Created without a value, shown, used and resolved with the one that the provider has; listed by it."""
    body = {"value": None, "provider_name": "near", "provider_options": {"name": "source"}}
    assert near.does("PUT", f"{SECRETS}/one", body)["provider_name"] == "near"
    near.does("PUT", f"{SECRETS}/two", {"value": "here"})
    assert near.gets(f"{SECRETS}/one")["value"] == "value elsewhere"
    wanted = {"tenant": "home", "keys": [{"key": "one"}, {"key": "two"}]}
    used = near.does("POST", USE, wanted)["secrets"]
    assert {key: secret["value"] for key, secret in used.items()} == {"one": "value elsewhere", "two": "here"}
    rule = {"key": "provider_name", "values": ["NEA"], "operator": "starts_with", "type": "attribute"}
    found = near.does("POST", SEARCH, {"filter_rules": [rule]})
    assert ([item["key"] for item in found["items"]], found["metadata"]["filtered"]) == (["one"], 1)
    rule["operator"] = "not_contains"
    assert [item["key"] for item in near.does("POST", SEARCH, {"filter_rules": [rule]})["items"]] == [
        "one",
        "two",
    ]
    assert [item["key"] for item in near.gets(f"{SECRETS}?provider_name=near")["items"]] == ["one"]
    assert near.refused("DELETE", f"{PROVIDERS}/near")[:2] == (409, "conflict_error")


def test_a_provider_that_fails_is_told_by_name(near: Client) -> None:
    """Its own secrets can't be had, all in one answer, and nothing that it said is repeated."""
    for key, name in (("one", "source"), ("two", "absent")):
        body = {"value": None, "provider_name": "near", "provider_options": {"name": name}}
        near.does("PUT", f"{SECRETS}/{key}", body)
    status, code, message = near.refused("GET", f"{SECRETS}/two")
    assert (status, code) == (400, "failed_dependency")
    assert "'near'" in message
    answer = near("POST", USE, {"tenant": "home", "keys": [{"key": "one"}, {"key": "two"}]})
    assert answer.status_code == 503
    (refusal,) = answer.json()["refusals"]
    assert (refusal["key"], refusal["reason"]) == ("two", "provider_failed")
    assert refusal["cause"].startswith("provider 'near': ")
    assert "value elsewhere" not in answer.text


def test_a_circle_ends(live: Live, near: Client) -> None:
    """A secret that is kept with itself is asked for a few times, and then no more."""
    _add(live, near, "self", "home")
    near.does("PUT", f"{SECRETS}/round", {"value": None, "provider_name": "self"})
    assert near.refused("GET", f"{SECRETS}/round")[:2] == (400, "failed_dependency")
    text = near("GET", "/metrics").text
    assert f'requests_total{{method="GET",route="{SECRETS}/{{key}}",status="400"}} 4.0' in text


@pytest.mark.parametrize("hops", ["-1", "x", "", "1" * 400])
def test_hops_that_are_no_number_are_refused(near: Client, hops: str) -> None:
    """Who counts them has to count."""
    answer = near("GET", f"{SECRETS}/one", headers={"X-Resolver-Hops": hops})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_parameters_error")


def test_connection_parameters_are_for_sys_admins(live: Live, near: Client) -> None:
    """Others see that there is a provider; who may use nothing sets none up."""
    assert near.gets(f"{PROVIDERS}/near")["connection_parameters"]["token"] == near.token
    boss, viewer = live.user("boss", TenantRole.MANAGER), live.user("eve", TenantRole.VIEWER)
    for client in (boss, viewer):
        assert client.gets(f"{PROVIDERS}/near")["connection_parameters"] is None
        assert near.token not in str(client.gets(PROVIDERS))
    body = {"name": "mine", "type": "local"}
    assert viewer.refused("PUT", PROVIDERS, body)[:2] == (403, "forbidden_error")
    assert near.refused("PUT", PROVIDERS, {"name": "x", "type": "no such"})[:2] == (
        400,
        "bad_parameters_error",
    )
    tried = {"name": "", "type": "vault", "test": True, "connection_parameters": {"url": "http://192.0.2.1"}}
    assert near.refused("PUT", PROVIDERS, tried)[0] in (400, 403)
