"""Provider type `cloudify`: parameters, options, and what a manager answers."""

from __future__ import annotations

import json

import pytest

from resolver.core.providers import MAX_FORWARDS, ProviderRequest
from resolver.errors import InvalidRequestError
from tests.peer import answer, serving
from tests.providers.fetching import (
    fetched,
    manager_parameters,
    provider_type,
)


@pytest.mark.parametrize("name", ["..", "a/b", "%2e", "a?b", "", "1a"])
def test_a_cloudify_name_is_a_key(name: str) -> None:
    """It follows the rule for keys."""
    with pytest.raises(InvalidRequestError):
        provider_type("cloudify").check_options({"name": name})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token": None}, "give either"),
        ({"username": "u"}, "give either"),
        ({"token": None, "username": "u:x", "password": "p"}, "must not have a colon"),
        ({"protocol": "ftp"}, "must be http or https"),
        ({"port": "0"}, "must be a number"),
        ({"port": "99999"}, "'port' must be a number up to 65535"),
        ({"host": "127.0.0.1/x"}, "'host' must be a host alone"),
        ({"host": "u:p@127.0.0.1"}, "'host' must be a host alone"),
        ({"host": "127.0.0.1:1"}, "'host' must be a host alone"),
        ({"host": "https://127.0.0.1"}, "'host' must be a host alone"),
        ({"protocol": "https", "cert": "/etc/passwd"}, "'cert' must be certificates in PEM"),
        ({"tenant": "a\r\nb"}, "tenant name has characters"),
    ],
)
def test_manager_parameters_are_checked(change: dict[str, str | None], message: str) -> None:
    """What is wrong, by name."""
    given = {"host": "127.0.0.1", "tenant": "t", "token": "x", "protocol": "http", **change}
    with pytest.raises(InvalidRequestError, match=message):
        provider_type("cloudify").check({name: text for name, text in given.items() if text is not None})


def test_secrets_of_another_manager() -> None:
    """Read as the client of Cloudify reads them; the request says how many managers it came through."""
    body = json.dumps({"value": "v", "is_hidden_value": False}).encode()
    with serving(lambda _: answer(200, body)) as peer:
        login = {"username": "u", "password": "p", "token": ""}
        given = {name: text for name, text in login.items() if text}
        parameters = provider_type("cloudify").check(
            {"host": "127.0.0.1", "port": str(peer.port), "protocol": "http", "tenant": "t1", **given}
        )
        assert fetched(
            "cloudify", parameters, ProviderRequest("a", {}), ProviderRequest("b", {"name": "a"}), forwards=1
        ) == [
            "v",
            "v",
        ]
    assert len(peer.seen) == 1
    head = peer.seen[0]
    assert head.startswith("GET /api/v3.1/secrets/a HTTP/1.1")
    assert "Tenant: t1\r\n" in head
    assert "Authorization: Basic dTpw\r\n" in head
    assert "X-Resolver-Hops: 2\r\n" in head


def test_a_request_that_goes_in_circles_ends() -> None:
    """At the limit of forwards nobody is asked any more."""
    with serving(lambda _: answer(200)) as peer:
        got = fetched("cloudify", manager_parameters(peer), ProviderRequest("a", {}), forwards=MAX_FORWARDS)
    assert got == [f"the request came through {MAX_FORWARDS} managers already"]
    assert peer.seen == []


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (answer(404), "it has no such secret"),
        (answer(401), "it refused its credentials, or the use of this secret"),
        (answer(200, b'{"value": "", "is_hidden_value": true}'), "the value is hidden from its credentials"),
        (answer(200, b'{"value": null}'), "its value there is null, and a secret's is text"),
        (answer(200, b'{"value": ""}'), "its value there is empty, and a secret's is not"),
        (answer(200, b'["SECRET"]'), "its answer is no secret"),
        (answer(200, b"{"), "its answer is no secret"),
        (answer(200, b'{"value": -Infinity}'), "its answer is no secret"),
        (answer(200, b'{"value": {"a": 1e999}, "schema": {"type": "object"}}'), "its answer is no secret"),
    ],
)
def test_a_manager_that_fails(sent: bytes, cause: str) -> None:
    """A few words that say why, and nothing of what was answered."""
    with serving(lambda _: sent) as peer:
        assert fetched("cloudify", manager_parameters(peer), ProviderRequest("a", {})) == [cause]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"value": "v", "schema": None}, "v"),
        ({"value": "5"}, "5"),
        ({"value": "v", "schema": {"type": "string"}}, '"v"'),
        ({"value": "", "schema": {"type": "string"}}, '""'),
        ({"value": {"a": [1]}, "schema": {"type": "object"}}, '{"a": [1]}'),
        ({"value": None, "schema": {"type": "null"}}, "null"),
        ({"value": 0, "schema": {"type": "integer"}}, "0"),
    ],
)
def test_a_value_with_a_schema_comes_as_it_is_stored_there(body: dict[str, object], value: str) -> None:
    """A manager answers it parsed; what blueprints get is the JSON text, there and here."""
    with serving(lambda _: answer(200, json.dumps(body).encode())) as peer:
        assert fetched("cloudify", manager_parameters(peer), ProviderRequest("a", {})) == [value]
