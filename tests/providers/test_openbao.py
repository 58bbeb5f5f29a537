"""The type `vault` against a real OpenBao."""

from __future__ import annotations

import pytest

from resolver.core.providers import Missed, Wanted
from resolver.providers import make_types
from resolver.providers.allow_list import parse_allow_list
from tests.openbao import OpenBao, openbao


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
    """A number and a mapping as JSON text; what is missing is told apart; the token's policy holds."""
    token = server.token("team", 'path "secret/data/team/*" { capabilities = ["read"] }')
    vault = make_types(parse_allow_list(["127.0.0.0/8"]))["vault"]
    parameters = vault.check({"url": server.url, "token": token, "path": "team"})
    wanted = {
        "db": Wanted("db", {"path": "shop"}),
        "renamed": Wanted("renamed", {"path": "shop", "key": "port"}),
        "nested": Wanted("nested", {"path": "shop"}),
        "queue": Wanted("queue", {"path": "queue/main"}),
        "no_key": Wanted("no_key", {"path": "shop"}),
        "no_entry": Wanted("no_entry", {"path": "nowhere"}),
    }
    got = vault.fetch(parameters, wanted, 0)
    assert {name: one.cause if isinstance(one, Missed) else one.reveal() for name, one in got.items()} == {
        "db": "value of db",
        "renamed": "5432",
        "nested": '{"a": [1, null]}',
        "queue": "value of queue",
        "no_key": "the entry has no such key",
        "no_entry": "there is no entry at this path",
    }
    others = vault.check({**parameters, "path": "other"})
    refused = Missed("it refused its credentials, or this path")
    assert vault.fetch(others, {"db": wanted["db"]}, 0) == {"db": refused}
    # An entry that was deleted is answered with 404 and a body that has its metadata.
    assert server.ask("POST", "secret/data/team/gone", {"data": {"k": "v"}})[0] == 200
    assert server.ask("DELETE", "secret/data/team/gone")[0] == 204
    gone = vault.fetch(parameters, {"k": Wanted("k", {"path": "gone"})}, 0)
    assert gone == {"k": Missed("there is no entry at this path")}


def test_a_test_tells_a_good_token(server: OpenBao) -> None:
    """It needs no rights but to look at itself; one that was revoked is none any more."""
    status, made = server.ask("POST", "auth/token/create", {"policies": ["default"]})
    assert status == 200
    token = made["auth"]["client_token"]
    vault = make_types(parse_allow_list(["127.0.0.0/8"]))["vault"]
    parameters = vault.check({"url": server.url, "token": token, "path": "team"})
    assert vault.test(parameters)
    assert server.ask("POST", "auth/token/revoke", {"token": token})[0] == 204
    assert not vault.test(parameters)
