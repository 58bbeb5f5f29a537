"""Provider type `vault`: parameters, options, one read for each entry, and a real OpenBao."""

from __future__ import annotations

import pytest

from resolver.core.providers import FetchFailure, ProviderRequest
from resolver.errors import InvalidRequestError
from resolver.providers import make_types
from resolver.providers.allow_list import parse_allow_list
from tests.openbao import OpenBao, openbao
from tests.peer import answer, serving
from tests.providers.fetching import (
    TOKEN,
    entry,
    fetched,
    provider_type,
    vault_parameters,
)


def test_several_keys_of_one_entry_are_read_once() -> None:
    """One request for each path; each key its own field, a number or a mapping as JSON text."""
    with serving(
        lambda head: entry(a="1", b={"x": 1}, void="", nil=None) if "/team " in head else entry(c="3")
    ) as peer:
        got = fetched(
            "vault",
            vault_parameters(peer, namespace="ns/one"),
            ProviderRequest("a", {}),
            ProviderRequest("b", {}),
            ProviderRequest("zz", {"key": "a"}),
            ProviderRequest("c", {"path": "deep/er"}),
            ProviderRequest("gone", {}),
            ProviderRequest("void", {}),
            ProviderRequest("nil", {}),
        )
    assert got == [
        "1",
        '{"x": 1}',
        "1",
        "3",
        "the entry has no such key",
        "its value there is empty, and a secret's is not",
        "its value there is null, and a secret's is text",
    ]
    lines = sorted(head.partition(" HTTP")[0] for head in peer.seen)
    assert lines == ["GET /v1/secret/data/team", "GET /v1/secret/data/team/deep/er"]
    assert all(f"X-Vault-Token: {TOKEN}" in head for head in peer.seen)
    assert all("X-Vault-Namespace: ns/one" in head for head in peer.seen)


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (answer(404), "there is no entry at this path"),
        (answer(403, b"denied"), "it refused its credentials, or this path"),
        (answer(500, b"SECRET"), "it answered with status 500"),
        (answer(302, Location="http://127.0.0.1:1/"), "it answered with status 302"),
        (answer(200, b"SECRET"), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b'{"data": {"data": ["SECRET"]}}'), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b"[" * 100_000), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b'{"data": {"data": {"a": NaN}}}'), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b'{"data": {"data": {"a": 1e999}}}'), "its answer is no entry of a KV version 2 engine"),
        (b"SECRET\r\n\r\n", "it gave no proper answer: it is not HTTP"),
    ],
)
def test_a_vault_that_fails(sent: bytes, cause: str) -> None:
    """A few words that say why, and nothing of what was answered."""
    with serving(lambda _: sent) as peer:
        assert fetched("vault", vault_parameters(peer), ProviderRequest("a", {})) == [cause]


@pytest.mark.parametrize(
    "options",
    [
        {"path": ".."},
        {"path": "a/../b"},
        {"path": "a/./b"},
        {"path": "%2e%2e/b"},
        {"path": "a%2fb"},
        {"path": "a//b"},
        {"path": "a?version=1"},
        {"path": "a#b"},
        {"path": "a\\b"},
        {"path": "a b"},
        {"path": "ä"},
        {"path": ""},
        {"url": "http://evil"},
        {"token": "x"},
    ],
)
def test_vault_options_stay_below_the_prefix(options: dict[str, str]) -> None:
    """No step that leads up or out, however it is decoded, and no other parameter."""
    with pytest.raises(InvalidRequestError):
        provider_type("vault").check_options(options)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"url": "http://127.0.0.1", "token": "t"}, "parameter 'path' is missing"),
        ({"url": "http://127.0.0.1", "token": "t", "path": "a", "x": "y"}, "parameter 'x' is not known"),
        ({"url": "http://127.0.0.1", "token": "", "path": "a"}, "parameter 'token' must be text"),
        ({"url": "http://u:p@127.0.0.1", "token": "t", "path": "a"}, "parameter 'url' is malformed"),
        (
            {"url": "http://127.0.0.1", "token": "t\r\nX: y", "path": "a"},
            "parameter 'token' must be printable",
        ),
        ({"url": "http://127.0.0.1", "token": "t", "path": "../sys"}, "parameter 'path' must be a path"),
        (
            {"url": "http://127.0.0.1", "token": "t", "path": "a", "mount": ".."},
            "parameter 'mount' must be a path",
        ),
        (
            {"url": "https://127.0.0.1", "token": "t", "path": "a", "ca_cert": "/etc/passwd"},
            "parameter 'ca_cert' must be certificates in PEM",
        ),
    ],
)
def test_vault_parameters_are_checked(parameters: dict[str, str], message: str) -> None:
    """What is wrong, by name; a certificate is text, never a file of the server's."""
    with pytest.raises(InvalidRequestError, match=message):
        provider_type("vault").check(parameters)


@pytest.fixture(scope="module")
def server() -> OpenBao:
    """A server with two entries below `team`, and one that is not for the team."""
    started = openbao()
    for path, fields in (
        ("team/shop", {"db": "value of db", "port": 5432, "nested": {"a": [1, None]}}),
        ("team/queue/main", {"queue": "value of queue"}),
        ("other/shop", {"db": "not for the team"}),
    ):
        assert started.ask("POST", f"secret/data/{path}", {"data": fields})[0] == 200
    return started


def test_values_come_from_their_entries(server: OpenBao) -> None:
    """A number and a mapping as JSON text; each that is missing has its cause; the token's policy holds."""
    token = server.token("team", 'path "secret/data/team/*" { capabilities = ["read"] }')
    vault = make_types(parse_allow_list(["127.0.0.0/8"]))["vault"]
    parameters = vault.check({"url": server.url, "token": token, "path": "team"})
    wanted = {
        "db": ProviderRequest("db", {"path": "shop"}),
        "renamed": ProviderRequest("renamed", {"path": "shop", "key": "port"}),
        "nested": ProviderRequest("nested", {"path": "shop"}),
        "queue": ProviderRequest("queue", {"path": "queue/main"}),
        "no_key": ProviderRequest("no_key", {"path": "shop"}),
        "no_entry": ProviderRequest("no_entry", {"path": "nowhere"}),
    }
    got = vault.fetch(parameters, wanted, 0)
    assert {
        name: one.cause if isinstance(one, FetchFailure) else one.reveal() for name, one in got.items()
    } == {
        "db": "value of db",
        "renamed": "5432",
        "nested": '{"a": [1, null]}',
        "queue": "value of queue",
        "no_key": "the entry has no such key",
        "no_entry": "there is no entry at this path",
    }
    others = vault.check({**parameters, "path": "other"})
    refused = FetchFailure("it refused its credentials, or this path")
    assert vault.fetch(others, {"db": wanted["db"]}, 0) == {"db": refused}
    # An entry that was deleted is answered with 404 and a body that has its metadata.
    assert server.ask("POST", "secret/data/team/gone", {"data": {"k": "v"}})[0] == 200
    assert server.ask("DELETE", "secret/data/team/gone")[0] == 204
    gone = vault.fetch(parameters, {"k": ProviderRequest("k", {"path": "gone"})}, 0)
    assert gone == {"k": FetchFailure("there is no entry at this path", is_missing=True)}


def test_a_test_accepts_a_good_token(server: OpenBao) -> None:
    """It needs no rights but to look at itself; one that was revoked is none any more."""
    status, made = server.ask("POST", "auth/token/create", {"policies": ["default"]})
    assert status == 200
    token = made["auth"]["client_token"]
    vault = make_types(parse_allow_list(["127.0.0.0/8"]))["vault"]
    parameters = vault.check({"url": server.url, "token": token, "path": "team"})
    assert vault.test(parameters)
    assert server.ask("POST", "auth/token/revoke", {"token": token})[0] == 204
    assert not vault.test(parameters)
