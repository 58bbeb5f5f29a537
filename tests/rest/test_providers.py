"""Secrets that are kept elsewhere, here with another of our servers, or this one asked in another tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret
from tests import peer
from tests.databases import made_world
from tests.rest.conftest import SECRETS, USE, refusal, serving
from tests.rest.test_serve import free_port, headers_of, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rest.conftest import Client, Live

PROVIDERS = "/api/v3.1/secrets-providers"
SEARCH = "/api/v3.1/searches/secrets"


@pytest.fixture
def near(live: Live) -> Client:
    """The administrator, with a provider `near` in tenant `home` that asks this server in tenant `away`."""
    admin = live.client()
    _add(admin, "near", live, admin.token, "away")
    live.world.secret("source", "value elsewhere", tenant="away")
    return admin


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Live]:
    """Another server, with a store of its own."""
    with serving(made_world("sqlite", tmp_path)) as server:
        yield server


def _parameters(live: Live, token: str, tenant: str = "home") -> dict[str, Any]:
    port = int(live.url.rsplit(":", 1)[1])
    return {"host": "127.0.0.1", "port": port, "protocol": "http", "tenant": tenant, "token": token}


def _add(admin: Client, name: str, live: Live, token: str, tenant: str = "home") -> None:
    body = {"name": name, "type": "cloudify", "connection_parameters": _parameters(live, token, tenant)}
    admin.does("PUT", PROVIDERS, body)


def _keep(admin: Client, key: str, provider: str, name: str | None = None) -> None:
    options = {} if name is None else {"name": name}
    body = {"value": None, "provider_name": provider, "provider_options": options}
    assert admin.does("PUT", f"{SECRETS}/{key}", body)["provider_name"] == provider


def test_a_secret_is_kept_with_a_provider(near: Client) -> None:
    """Created without a value, shown, used and resolved with the one that the provider has; listed by it."""
    _keep(near, "one", "near", "source")
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
    _keep(near, "one", "near", "source")
    _keep(near, "two", "near", "absent")
    status, code, message = near.refused("GET", f"{SECRETS}/two")
    assert (status, code) == (400, "failed_dependency")
    assert "'near'" in message
    answer = near("POST", USE, {"tenant": "home", "keys": [{"key": "one"}, {"key": "two"}]})
    assert answer.status_code == 404
    (refusal,) = answer.json()["refusals"]
    assert (refusal["key"], refusal["reason"], refusal["is_missing"]) == ("two", "provider_failed", True)
    assert refusal["cause"].startswith("provider 'near': ")
    assert "value elsewhere" not in answer.text


def test_another_server(live: Live, there: Live) -> None:
    """Asked with a token of its own, which gets what its user may see there, and one that is hidden not."""
    admin = live.client()
    reader = there.user("reader", TenantRole.OPERATIONS)
    there.world.secret("db", "value there")
    there.world.secret("hidden", "not for readers", hidden=True)
    body = {"name": "", "type": "cloudify", "test": True}
    good = body | {"connection_parameters": _parameters(there, reader.token)}
    assert admin.does("PUT", PROVIDERS, good, status=204) is None
    for bad in (_parameters(there, "wrong"), _parameters(there, reader.token, "away")):
        refused = admin.refused("PUT", PROVIDERS, body | {"connection_parameters": bad})
        assert refused == (400, "failed_dependency", "the provider does not answer, or not as it should")
    _add(admin, "there", there, reader.token)
    _keep(admin, "mine", "there", "db")
    _keep(admin, "hidden", "there")
    assert admin.gets(f"{SECRETS}/mine")["value"] == "value there"
    there.world.service.secrets.create(
        there.world.admin, "home", "json", NewSecret(value=SecretValue('"text"'), schema='{"type": "string"}')
    )
    _keep(admin, "json", "there")
    resolved = {"tenant": "home", "blueprints": [{"text": "a: { get_secret: json }"}]}
    assert admin.does("POST", "/api/v1/resolver/resolve", resolved)["text"] == r'a: "\"text\""'
    used = admin.does("POST", USE, {"tenant": "home", "keys": [{"key": "mine"}]})
    assert used["secrets"]["mine"]["value"] == "value there"
    answer = admin("POST", USE, {"tenant": "home", "keys": [{"key": "mine"}, {"key": "hidden"}]})
    cause = "provider 'there': the value is hidden from its credentials"
    assert answer.json()["refusals"] == [{"key": "hidden", "reason": "provider_failed", "cause": cause}]
    assert "value there" not in answer.text
    there.world.service.tokens.revoke(there.world.admin, reader.token.split("-")[1])
    message = "secret 'mine' is kept with provider 'there', and it refused its credentials, or the use of"
    assert admin.refused("GET", f"{SECRETS}/mine")[2] == f"{message} this secret"


@pytest.mark.usefixtures("near")
def test_credentials_can_not_be_stolen(live: Live) -> None:
    """A user who may change providers can't have stored credentials sent to a place of their own."""
    user = live.user("user", TenantRole.USER)
    with peer.serving(lambda _: peer.answer(200, b'{"items": [], "value": "x"}')) as thief:
        for moved in (
            {"port": thief.port},
            {"host": "127.0.0.2"},
            {"protocol": "https"},
            {"tenant": "home"},
            {"port": thief.port, "username": "u"},
        ):
            change = {"name": "near", "type": "cloudify", "connection_parameters": moved}
            for method, path, body in (
                ("PATCH", f"{PROVIDERS}/near", change),
                ("PATCH", f"{PROVIDERS}/near", {"connection_parameters": moved}),
                ("PUT", PROVIDERS, change | {"test": True}),
                ("PUT", PROVIDERS, {"name": "near", "test": True, "connection_parameters": moved}),
            ):
                status, code, message = user.refused(method, path, body)
                assert (status, code) == (400, "bad_parameters_error")
                assert "needs the credentials again" in message or "give either" in message
        other = {"url": thief.url, "path": "a"}
        body = {"type": "vault", "connection_parameters": other}
        assert user.refused("PATCH", f"{PROVIDERS}/near", body)[2] == "parameter 'token' is missing"
        assert thief.seen == []
        _keep(user, "one", "near", "source")
        assert user.gets(f"{SECRETS}/one")["value"] == "value elsewhere"


@pytest.mark.slow
def test_a_server_without_a_list_of_destinations_connects_nowhere(home: Path) -> None:
    """Neither to loopback nor to any name, which it does not even look up."""
    port = free_port()
    with served(home, "--port", str(port)), peer.serving(lambda _: peer.answer(200)) as vault:
        for url, where in (
            (vault.url, f"127.0.0.1:{vault.port}"),
            ("https://vault.example", "vault.example:443"),
        ):
            given = {"url": url, "token": "t", "path": "a"}
            body = {"name": "v", "type": "vault", "connection_parameters": given}
            for more in ({}, {"name": "", "test": True}):
                answer = httpx.put(
                    f"http://127.0.0.1:{port}{PROVIDERS}",
                    json=body | more,
                    headers=headers_of(home),
                    trust_env=False,
                )
                assert refusal(answer)[::2] == (403, f"the destination {where} is not allowed")
        assert vault.seen == []


def test_a_circle_of_two_servers_ends(live: Live, there: Live) -> None:
    """A secret that each keeps with the other is asked for a few times, and then no more."""
    here, far = live.client(), there.client()
    _add(here, "there", there, far.token)
    _add(far, "back", live, here.token)
    _keep(here, "round", "there")
    _keep(far, "round", "back")
    told = "secret 'round' is kept with provider 'there', and it answered with status 400"
    assert here.refused("GET", f"{SECRETS}/round") == (400, "failed_dependency", told)
    for client in (here, far):
        line = f'requests_total{{method="GET",route="{SECRETS}/{{key}}",status="400"}} 2.0'
        assert line in client("GET", "/metrics").text
    last = far("GET", f"{SECRETS}/round", headers={"X-Resolver-Hops": "3"})
    assert "the request came through 3 managers already" in last.json()["message"]
    wanted = {"tenant": "home", "keys": [{"key": "round"}]}
    answer = here("POST", USE, wanted, headers={"X-Resolver-Hops": "2"})
    assert (answer.status_code, answer.json()["refusals"][0]["reason"]) == (503, "provider_failed")


def test_options_are_for_those_who_may_see_all(live: Live, near: Client) -> None:
    """The secret's creator and administrators, who see them as JSON text; others see that there is one."""
    creator, other = live.user("creator", TenantRole.USER), live.user("other", TenantRole.USER)
    _keep(creator, "one", "near", "source")
    options = '{"name": "source"}'
    told = {
        client.token: client.gets(f"{SECRETS}/one")["provider_options"] for client in (creator, near, other)
    }
    assert list(told.values()) == [options, options, None]
    found = other.does("PATCH", f"{SECRETS}/one", {"provider_options": {"name": "gone"}})
    assert found["provider_options"] is None
    assert creator.refused("GET", f"{SECRETS}/one")[:2] == (400, "failed_dependency")
    known = creator.gets(f"{SECRETS}/one?_skip_value=true")
    assert (known["value"], known["provider_options"]) == ("", '{"name": "gone"}')
    assert other.gets(f"{SECRETS}/one?_skip_value=true")["provider_options"] is None
    near.does("PUT", f"{SECRETS}/here", {"value": "x"})
    assert near.gets(f"{SECRETS}/here")["provider_options"] is None


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
