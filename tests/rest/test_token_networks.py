"""Tokens over HTTP: from where they are taken, by the peer's address or a trusted proxy's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from resolver.core.account_changes import NewToken
from resolver.rest.app import create_app
from resolver.rest.options import ServerOptions
from tests.databases import made_world
from tests.rest.conftest import running

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = "/api/v1/resolver/tokens"
UNKNOWN = {"Authentication-Token": f"ctok-{'a' * 10}-{'b' * 40}"}


@pytest.mark.parametrize(
    ("network", "proxies", "forwarded", "status"),
    [
        ("127.0.0.0/8", (), "", 200),
        ("127.0.0.0/8", (), "10.1.2.3", 200),
        ("10.0.0.0/8", (), "10.1.2.3", 401),
        ("10.0.0.0/8", ("127.0.0.1",), "10.1.2.3", 200),
        ("10.0.0.0/8", ("127.0.0.1",), "10.1.2.3, 192.0.2.1", 401),
        ("127.0.0.0/8", ("127.0.0.1",), "10.1.2.3", 401),
    ],
)
def test_where_a_request_comes_from(
    tmp_path: Path, network: str, proxies: tuple[str, ...], forwarded: str, status: int
) -> None:
    """Whoever is no trusted proxy can write what they like into `X-Forwarded-For`."""
    world = made_world("sqlite", tmp_path)
    token = world.service.tokens.create(world.admin, NewToken(networks=(network,))).token
    app = create_app(world.service, ServerOptions(trusted_proxies=proxies))
    headers = {"Authentication-Token": token} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    with running(app) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
        answer = http.get("/api/v1/resolver/whoami")
        assert answer.status_code == status
        unknown = http.get("/api/v1/resolver/whoami", headers=UNKNOWN)
        if status != 200:
            assert answer.json()["message"] == unknown.json()["message"]


def test_tokens_are_rotated_and_listed(tmp_path: Path) -> None:
    """By a session's password, given as Basic credentials; an unknown field and a bad time are refused."""
    world = made_world("sqlite", tmp_path)
    old = world.service.tokens.create(world.admin, NewToken(networks=("127.0.0.1",)))
    with (
        running(create_app(world.service)) as url,
        httpx.Client(base_url=url, auth=("admin", "admin password"), trust_env=False) as http,
    ):
        path = f"{TOKENS}/{old.info.id}/rotate"
        assert http.post(path, json={"overlaps": "1h"}).status_code == 400
        answer = http.post(path, json={"overlap": "1h"}).json()
        assert answer["info"]["narrowing"]["networks"] == ["127.0.0.1/32"]
        shown = http.get(f"{TOKENS}/{old.info.id}").json()
        assert shown["replaced_by"] == answer["info"]["id"]
        assert http.post(path, json={}).status_code == 409
        assert http.get(TOKENS, params={"unused": "1d"}).json()["total"] == 0
        assert http.get(TOKENS, params={"unused": "x"}).status_code == 400
