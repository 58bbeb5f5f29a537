"""Signing in by a provider over HTTP: cookies, other browsers and other sites, and how often."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import asdict

from resolver.rest.options import ServerOptions
from tests.people import openid_provider
from tests.rest.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.databases import World
    from tests.people import OpenIdProvider
    from tests.rest.conftest import Live

OWN = "/api/v1/resolver"
START, FINISH, SESSION = f"{OWN}/sign-in", f"{OWN}/sign-in/finish", f"{OWN}/session"
COMMAND_FINISH = f"{OWN}/sign-in/command/finish"
COOKIE = "resolver-sign-in"


@pytest.fixture
def provider(world: World) -> Iterator[OpenIdProvider]:
    """A provider that people sign in by to the world behind `live`; it comes before that."""
    with openid_provider(world) as made:
        yield made


@pytest.fixture
def at(provider: OpenIdProvider, world: World) -> Iterator[Live]:
    """A server of that world."""
    assert provider.url
    with serving(world) as live:
        yield live


def _begin(live: Live, purpose: str = "open", **headers: str) -> httpx.Response:
    body = {"provider": "example", "purpose": purpose}
    return live.http.post(START, json=body, headers=headers)


def _answer(
    live: Live, provider: OpenIdProvider, purpose: str = "open", subject: str = "sub-una"
) -> dict[str, str]:
    begin = _begin(live, purpose)
    assert begin.status_code == 200, begin.text
    return asdict(provider.agree(begin.json()["url"], subject))


def test_the_whole_trip(provider: OpenIdProvider, at: Live) -> None:
    """The session that is opened is like any other, and signing out ends it here."""
    told = at.http.get(START).json()
    one = {"name": "example", "label": "Example", "device": False, "loopback": False}
    assert told == {"providers": [one], "passwords": True}
    answer = _answer(at, provider)
    done = at.http.post(FINISH, json=answer)
    assert done.status_code == 200, done.text
    assert (done.json()["purpose"], done.json()["session"]["username"]) == ("open", "una")
    headers = {"X-CSRF-Token": done.json()["session"]["csrf_token"]}
    assert at.http.get(f"{OWN}/whoami", headers=headers).json()["username"] == "una"
    assert at.http.get(f"{OWN}/whoami").status_code == 403
    assert at.http.delete(SESSION, headers=headers).status_code == 204
    assert at.http.get(SESSION).status_code == 401
    assert at.http.post(FINISH, json=answer).status_code == 401  # the cookie went with the sign-in


def test_the_cookie(at: Live) -> None:
    """Scripts can't read it, it goes with requests of one's own pages alone, and over TLS has its prefix."""
    plain = _begin(at).headers["Set-Cookie"].lower()
    for word in (f"{COOKIE}=", "httponly", "samesite=strict", "path=/", "max-age=600"):
        assert word in plain
    assert "domain" not in plain
    assert "secure" not in plain
    host = at.url.removeprefix("http://")
    safe = _begin(at, Origin=f"https://{host}").headers["Set-Cookie"]
    assert safe.startswith("__Host-resolver-sign-in=")
    assert "secure" in safe.lower()


def test_over_tls_a_plain_cookie_is_none(provider: OpenIdProvider, at: Live) -> None:
    """Whoever may set cookies for plain HTTP can't put a sign-in of their own under it."""
    answer = _answer(at, provider)
    host = at.url.removeprefix("http://")
    refused = at.http.post(FINISH, json=answer, headers={"Origin": f"https://{host}"})
    assert (refused.status_code, refused.json()["message"]) == (401, "this browser has begun no sign-in")


def test_swapped_cookies(provider: OpenIdProvider, at: Live) -> None:
    """An answer that was made in one browser is worth nothing in another; neither opens a session."""
    answer = _answer(at, provider)
    at.http.cookies.clear()
    assert at.http.post(FINISH, json=answer).status_code == 401
    _answer(at, provider, subject="sub-other")
    refused = at.http.post(FINISH, json=answer)
    assert (refused.status_code, refused.json()["message"]) == (401, "the sign-in was refused")
    assert "Set-Cookie" not in refused.headers
    assert at.world.execute("SELECT * FROM console_session") == []


def test_other_sites_can_neither_begin_nor_end_it(provider: OpenIdProvider, at: Live) -> None:
    """A browser says who caused a request."""
    answer = _answer(at, provider)
    for headers in ({"Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}):
        assert at.http.post(FINISH, json=answer, headers=headers).status_code == 403
        assert _begin(at, **headers).status_code == 403
    assert at.http.post(FINISH, json=answer).status_code == 200


def test_confirming(provider: OpenIdProvider, at: Live) -> None:
    """A session may make a token once its own person has signed in anew for it."""
    done = at.http.post(FINISH, json=_answer(at, provider))
    headers = {"X-CSRF-Token": done.json()["session"]["csrf_token"]}
    make = {"description": "mine"}
    refused = at.http.post(f"{OWN}/tokens", json=make, headers=headers)
    assert (refused.status_code, refused.json()["kind"]) == (403, "Unconfirmed")
    other = at.http.post(FINISH, json=_answer(at, provider, "confirm", "sub-other"))
    assert (other.status_code, other.json()["message"]) == (401, "the session is another person's")
    assert at.http.post(f"{OWN}/tokens", json=make, headers=headers).status_code == 403
    confirmed = at.http.post(FINISH, json=_answer(at, provider, "confirm"))
    assert (confirmed.status_code, confirmed.json()["purpose"]) == (200, "confirm")
    assert confirmed.json()["session"]["csrf_token"] == headers["X-CSRF-Token"]
    assert at.http.post(f"{OWN}/tokens", json=make, headers=headers).status_code == 200
    at.world.clock.now = "2030-01-01T00:05:01.000Z"
    assert at.http.post(f"{OWN}/tokens", json=make, headers=headers).status_code == 403


def test_confirming_needs_a_session(provider: OpenIdProvider, at: Live) -> None:
    """Without one it opens none."""
    answer = at.http.post(FINISH, json=_answer(at, provider, "confirm"))
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_a_commands_sign_in_is_none_of_a_browser(provider: OpenIdProvider, at: Live) -> None:
    """It can't be begun here, nor ended, whatever the cookie is."""
    assert _begin(at, "loopback").status_code == 400
    assert provider.granted == []


def test_they_are_begun_at_a_bounded_rate(provider: OpenIdProvider, world: World) -> None:
    """Beyond that one is told to wait; nothing is stored for those that were begun."""
    assert provider.url
    with serving(world, ServerOptions(address_rate=1000, user_rate=0)) as live:
        answers = [_begin(live) for _ in range(30)]
    refused = [one for one in answers if one.status_code == 429]
    assert len(refused) >= 15
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert world.execute("SELECT * FROM jwt_exchange") == []


def test_they_are_ended_at_a_bounded_rate(provider: OpenIdProvider, world: World) -> None:
    """A secret that somebody makes up has the server ask the provider: not as often as that one likes."""
    secret = f"example.open.0.{int(provider.now())}.made-up"
    state = hmac.new(secret.encode(), b"sign-in state", hashlib.sha256).hexdigest()
    command = {"secret": secret, "state": state, "code": "x"}
    with serving(world, ServerOptions(address_rate=1000, user_rate=0)) as live:
        live.http.cookies[COOKIE] = secret
        for where, body in ((FINISH, {"state": state, "code": "x"}), (COMMAND_FINISH, command)):
            statuses = [live.http.post(where, json=body).status_code for _ in range(40)]
            assert 429 in statuses
    assert len(provider.granted) < 80


def test_unknown_providers_and_fields(at: Live) -> None:
    """They are refused as such."""
    assert at.http.post(START, json={"provider": "other"}).status_code == 404
    assert at.http.post(START, json={"provider": "example", "redirect_uri": "https://x"}).status_code == 400
    assert at.http.post(FINISH, json={"state": "x", "id_token": "y"}).status_code == 400


def test_without_providers(shared: Live) -> None:
    """There is nothing to sign in by, and passwords are taken."""
    assert shared.http.get(START).json() == {"providers": [], "passwords": True}
    assert _begin(shared).status_code == 404
