"""The exchange of JWTs over HTTP: before login, bounded, and without a word of why it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.times import read_time
from resolver.rest.options import ServerOptions
from tests.databases import made_world
from tests.issuer import claims_of, issuing
from tests.rest.conftest import Live, refusal, serving
from tests.trusting import ISSUER, jwt, trusting

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

TRUSTS = "/api/v1/resolver/trusts"
EXCHANGE = f"{TRUSTS}/exchange"


def exchange(live: Live, text: str, **more: str) -> httpx.Response:
    """Show a JWT."""
    return live.http.post(EXCHANGE, json={"jwt": text, **more})


def test_a_jwt_is_exchanged(live: Live) -> None:
    """Without other credentials; the answer is not kept by anybody."""
    trusting(live.world)
    answer = exchange(live, jwt(live.world))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json().keys() == {"token", "expires_at", "username", "trust"}
    headers = {"Authentication-Token": answer.json()["token"]}
    told = live.http.get("/api/v1/resolver/whoami", headers=headers).json()
    assert told["username"] == "robot"
    for path in ("/api/v1/resolver/session", "/api/v1/resolver/tokens"):
        made = live.http.post(path, json={"token": answer.json()["token"]}, headers=headers)
        assert made.status_code in (400, 401, 403)


def test_all_refusals_look_alike(live: Live) -> None:
    """Whether there is such an issuer, trust or key, and whatever does not fit."""
    trusting(live.world)
    taken = jwt(live.world)
    exchange(live, taken)
    texts = [taken, "", "abc", jwt(live.world, sub="x"), jwt(live.world, iss="https://nobody.example")]
    answers = [exchange(live, text) for text in texts] + [exchange(live, jwt(live.world), trust="none")]
    assert {refusal(answer) for answer in answers} == {
        (401, "unauthorized_error", "the identity was refused")
    }
    assert len({answer.content for answer in answers}) == 1


def test_an_address_exchanges_so_often(tmp_path: Path) -> None:
    """Beyond its rate nothing is looked at: a JWT that fits is still good once the time is over."""
    world = made_world("sqlite", tmp_path)
    trusting(world)
    with serving(world, ServerOptions(address_rate=0.2, user_rate=0)) as live:
        text = jwt(world)
        assert exchange(live, "no JWT").status_code == 401
        limited = exchange(live, text)
        assert (limited.status_code, int(limited.headers["Retry-After"])) == (429, pytest.approx(5, abs=1))
        assert world.execute("SELECT count(*) FROM jwt_exchange")[0][0] == 0
        world.service.trusts.exchange(text)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"grant_type=x", 415),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"jwt": 1}', 400),
        (b'{"jwt": "a", "more": 1}', 400),
        (b'{"jwt": "a", "jwt": "b"}', 400),
        (b'{"jwt": "' + b"x" * 30_000 + b'"}', 413),
    ],
)
def test_a_body_that_is_none(shared: Live, body: bytes, status: int) -> None:
    """Nobody who says not who they are sends much."""
    kind = "application/x-www-form-urlencoded" if status == 415 else "application/json"
    assert shared.http.post(EXCHANGE, content=body, headers={"Content-Type": kind}).status_code == status


def test_a_request_waits_for_the_keys_of_an_issuer(live: Live) -> None:
    """The first one that needs them; the metric shows when they came."""
    with issuing() as issuer:
        trusting(live.world, issuer=issuer.url, jwks=None)
        now = read_time(live.world.clock()).timestamp()
        text = issuer.keys[0].jwt(claims_of(issuer.url, now=now))
        assert exchange(live, text).status_code == 200
        shown = live.client()("GET", "/metrics").text
        assert f'resolver_issuer_keys_fetched_timestamp_seconds{{issuer="{issuer.url}"}}' in shown


def test_trusts_are_managed(live: Live) -> None:
    """Made, shown, changed, tried and deleted; a field that is null takes away what was there."""
    trusting(live.world)
    admin = live.client()
    shown = admin.gets(f"{TRUSTS}/shop")
    assert admin.gets(TRUSTS) == {"items": [shown], "total": 1}
    assert (shown["issuer"], shown["username"], shown["claims"]) == (
        ISSUER,
        "robot",
        [{"claim": "sub", "value": "somebody", "contains": False}],
    )
    made = {name: shown[name] for name in shown if name not in ("name", "enabled", "created_by")}
    made = {name: value for name, value in made.items() if not name.endswith("_at")}
    assert admin.does("PUT", f"{TRUSTS}/other", made)["name"] == "other"
    assert admin.does("PATCH", f"{TRUSTS}/other", {"enabled": False})["enabled"] is False
    assert admin.refused("PATCH", f"{TRUSTS}/other", {"jwks": None})[0] == 403  # nor may its keys be fetched
    tried = admin.does("POST", f"{TRUSTS}/shop/test", {"jwt": jwt(live.world, sub="x")})
    assert (tried["fits"], tried["key_ids"]) == (False, ["one"])
    assert admin("DELETE", f"{TRUSTS}/other").status_code == 204
    member = live.user("member")
    assert member.gets(TRUSTS)["items"] == []
    assert member.refused("DELETE", f"{TRUSTS}/shop")[0] == 404
    assert member.refused("PUT", f"{TRUSTS}/more", made)[0] == 403
    assert member.refused("POST", f"{TRUSTS}/shop/test", {})[0] == 404
