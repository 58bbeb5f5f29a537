"""The console on the wire: its files, its sessions, and that a cookie alone is worth nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from resolver.core.account_changes import NewPassword, NewToken, UserChange
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.rest.proxies import TrustedProxies
from resolver.rest.sessions import PROOF_HEADER
from tests.rest.conftest import basic, refusal

if TYPE_CHECKING:
    from tests.rest.conftest import Live

OWN = "/api/v1/resolver"
SESSION = f"{OWN}/session"
LIST = "/api/v3.1/secrets"
JSON = {"Content-Type": "application/json"}


class Anything(dict[str, str]):
    """Something for each parameter of a path."""

    def __missing__(self, key: str) -> str:
        """A name."""
        return "x"


class Browser:
    """Keeps cookies, and the proof that a page keeps."""

    def __init__(self, live: Live) -> None:
        self.http = httpx.Client(base_url=live.url, timeout=200, trust_env=False)
        self.proof = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sign_in(self, body: dict[str, str], **headers: str) -> httpx.Response:
        """Ask for a session."""
        answer = self.http.post(SESSION, json=body, headers=headers)
        if answer.status_code == 200:
            self.proof = answer.json()["csrf_token"]
        return answer

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:  # noqa: ANN401
        """Ask as a page does."""
        sent = {PROOF_HEADER: self.proof, "Tenant": "home", **headers}
        return self.http.request(method, path, json=body, headers=sent)


ADMIN = {"username": "admin", "password": "admin password"}


def test_a_session_works_like_other_credentials(live: Live) -> None:
    """Sign in, ask, change, sign out; then neither cookie nor proof is worth anything."""
    with Browser(live) as browser:
        answer = browser.sign_in(ADMIN)
        assert answer.json() == {
            "username": "admin",
            "csrf_token": browser.proof,
            "idle_seconds": 29 * 60,
            "seconds_left": 12 * 3600,
            "password_length": 12,
        }
        cookie = answer.headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
            assert part in cookie
        assert "Domain" not in cookie
        assert browser.ask("GET", LIST).status_code == 200
        assert browser.ask("PUT", f"{LIST}/k", {"value": "v"}).status_code == 200
        assert browser.ask("GET", SESSION).json() == answer.json()
        kept = dict(browser.http.cookies)
        assert browser.ask("DELETE", SESSION).status_code == 204
        assert dict(browser.http.cookies) == {}
        browser.http.cookies.update(kept)
        refused = browser.ask("GET", LIST)
        assert refusal(refused)[::2] == (401, "the session has ended")


def test_a_cookie_without_its_proof_does_nothing(live: Live) -> None:
    """Reading as well as changing needs the proof of this very session; the log-out, too."""
    with Browser(live) as browser, Browser(live) as other:
        browser.sign_in(ADMIN)
        other.sign_in(ADMIN)
        for proof in ("", "x", other.proof, "0" * 64):
            for method, path in (("GET", LIST), ("DELETE", f"{LIST}/k"), ("DELETE", SESSION)):
                answer = browser.ask(method, path, **{PROOF_HEADER: proof})
                assert answer.status_code == 403, (proof, method)
                assert answer.json()["message"] == "a session needs its proof in the header X-CSRF-Token"
        assert browser.ask("GET", LIST).status_code == 200


@pytest.mark.parametrize(
    "foreign",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_get_nothing(live: Live, foreign: dict[str, str]) -> None:
    """Not even the name of who is signed in, and they can't sign anybody in."""
    with Browser(live) as browser:
        assert browser.sign_in(ADMIN, **foreign).status_code == 403
        browser.sign_in(ADMIN)
        for method, path in (("GET", SESSION), ("GET", LIST), ("DELETE", SESSION)):
            answer = browser.ask(method, path, **foreign)
            assert answer.status_code == 403
            assert "page of another site" in answer.json()["message"]
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_form_can_not_sign_in(live: Live, kind: str) -> None:
    """A body that does not say that it is JSON is refused: forms can't say so."""
    with Browser(live) as browser:
        body, headers = json.dumps(ADMIN).encode(), {"Content-Type": kind} if kind else {}
        answer = browser.http.post(SESSION, content=body, headers=headers)
        assert answer.status_code == 415
        assert "Set-Cookie" not in answer.headers
        assert browser.http.post(SESSION, content=b"{", headers=JSON).status_code == 400


def test_no_route_takes_a_cookie_alone(live: Live) -> None:
    """All that ask who is there refuse a session without its proof, whatever they do."""
    with Browser(live) as browser:
        browser.sign_in(ADMIN)
        asked = 0
        for path, methods in live.http.get("/openapi.json").json()["paths"].items():
            for method, route in methods.items():
                if route["security"]:
                    answer = browser.ask(method.upper(), path.format_map(Anything()), **{PROOF_HEADER: ""})
                    assert answer.status_code == 403, (method, path)
                    assert answer.json()["message"] == "a session needs its proof in the header X-CSRF-Token"
                    asked += 1
        assert asked > 50


@pytest.mark.parametrize("by_proxy", [True, False])
def test_the_cookie_over_tls(live: Live, by_proxy: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """It is secure and bound to the host: by the word of the proxy, or of the page where it says nothing."""
    live.app.state.server.trusted = TrustedProxies(["127.0.0.1"])
    own = f"https://{live.http.base_url.netloc.decode()}"
    headers = {"X-Forwarded-Proto": "https"} if by_proxy else {"Origin": own}
    with Browser(live) as browser:
        cookie = browser.sign_in(ADMIN, **headers).headers["Set-Cookie"]
        assert cookie.startswith("__Host-resolver-session=")
        for part in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
            assert part in cookie.split("; ")
        assert "Domain" not in cookie
        secret = cookie.partition("=")[2].partition(";")[0]
        kept = {"Cookie": f"__Host-resolver-session={secret}"}
        assert browser.ask("GET", LIST, **kept, **headers).status_code == 200
        assert browser.ask("GET", LIST, **kept).status_code == 200  # browsers name no origin here
        planted = browser.ask("GET", LIST, Cookie=f"resolver-session={secret}", **headers)
        assert planted.status_code == 401
        dropped = browser.ask("DELETE", SESSION, **kept, **headers)
        assert dropped.status_code == 204
        assert dropped.headers["Set-Cookie"].startswith('__Host-resolver-session=""; ')
        assert "Secure" in dropped.headers["Set-Cookie"]
        assert browser.ask("GET", LIST, **kept, **headers).status_code == 401


def test_what_changes_under_a_session(live: Live) -> None:
    """A role that is lost, a new password and a deactivation count at the next request."""
    users, admin = live.world.service.users, live.world.admin
    live.user("u", home=TenantRole.USER)
    with Browser(live) as browser, Browser(live) as other:
        users.set_password(admin, "u", NewPassword(SecretValue("password of u")))
        browser.sign_in({"username": "u", "password": "password of u"})
        assert browser.ask("PUT", f"{LIST}/k", {"value": "v"}).status_code == 200
        live.world.service.tenants.remove_member(admin, "home", "u")
        assert browser.ask("GET", f"{LIST}/k").status_code == 403
        users.set_password(admin, "u", NewPassword(SecretValue("another password")))
        assert browser.ask("GET", SESSION).status_code == 401
        other.sign_in({"username": "u", "password": "another password"})
        assert other.ask("GET", SESSION).status_code == 200
        users.update(admin, "u", UserChange(active=False))
        assert other.ask("GET", SESSION).status_code == 401


def test_no_answer_is_kept(live: Live) -> None:
    """Values, lists, refusals and the session's proof: neither the browser nor a proxy may store them."""
    live.world.secret("k")
    with Browser(live) as browser:
        assert browser.sign_in(ADMIN).headers["Cache-Control"] == "no-store"
        for method, path in (
            ("GET", f"{OWN}/secrets/k"),
            ("GET", f"{OWN}/secrets/nothing"),
            ("GET", f"{OWN}/secrets"),
            ("GET", SESSION),
            ("POST", f"{OWN}/sealed-export"),
        ):
            answer = browser.ask(method, path, {"passphrase": "long enough"} if method == "POST" else None)
            assert answer.headers["Cache-Control"] == "no-store", path
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"username": "admin", "password": "wrong"}, 401, "the user name or the password is wrong"),
        ({"username": "nobody", "password": "wrong"}, 401, "the user name or the password is wrong"),
        ({"token": "nonsense"}, 401, "the access token is malformed"),
        ({}, 400, "give either a user name and a password, or a token"),
        ({"username": "a", "token": "b"}, 400, "give either a user name and a password, or a token"),
    ],
)
def test_credentials_that_are_refused(live: Live, body: dict[str, str], status: int, message: str) -> None:
    """No cookie is set, and nothing that was sent is repeated."""
    with Browser(live) as browser:
        answer = browser.sign_in(body)
        assert (answer.status_code, answer.json()["message"]) == (status, message)
        assert "Set-Cookie" not in answer.headers


def test_a_token_signs_in_unless_it_is_narrowed(live: Live) -> None:
    """The session of a user of a tenant may do what the user may."""
    live.user("u", home=TenantRole.VIEWER)
    made = live.world.service.tokens.create(live.world.admin, NewToken(username="u")).token
    with Browser(live) as browser:
        assert browser.sign_in({"token": made}).json()["username"] == "u"
        assert browser.ask("GET", LIST).status_code == 200
        assert browser.ask("PUT", f"{LIST}/k", {"value": "v"}).status_code == 403


def test_signing_in_again_ends_the_session_before(live: Live) -> None:
    """A session that was planted in a browser is not the one that is used after a login."""
    with Browser(live) as browser:
        browser.sign_in(ADMIN)
        before = dict(browser.http.cookies)
        browser.sign_in(ADMIN)
        assert dict(browser.http.cookies) != before
        assert len(live.world.execute("SELECT * FROM console_session")) == 1


def test_the_files_of_the_console(live: Live) -> None:
    """They come with a policy that lets nothing in from elsewhere; a known one is not sent twice."""
    page = live.http.get("/console", follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, "/console/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    again = live.http.get("/console/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/console/../rest/app.py", "/console/%2e%2e/__init__.py", "/console/__init__.py", "/console/x"]
)
def test_no_other_file_is_served(live: Live, path: str) -> None:
    """Each file has a route, and there are no others."""
    assert live.http.get(path).status_code == 404


def test_a_session_is_confirmed_before_it_makes_a_token(live: Live) -> None:
    """Five minutes after the password a session makes no token until the password is given again."""
    body = {"description": "mine"}
    with Browser(live) as browser:
        browser.sign_in(ADMIN)
        assert browser.ask("POST", f"{OWN}/tokens", body).status_code == 200
        live.world.clock.now = "2030-01-01T00:05:00.000Z"
        for path in (f"{OWN}/tokens", "/api/v3.1/tokens"):
            answer = browser.ask("POST", path, body)
            assert (answer.status_code, answer.json()["kind"]) == (403, "Unconfirmed")
        assert browser.ask("POST", f"{SESSION}/confirm", {"password": "wrong"}).status_code == 401
        assert browser.http.post(f"{SESSION}/confirm", json={"password": "admin password"}).status_code == 403
        assert browser.ask("POST", f"{OWN}/tokens", body).status_code == 403
        assert browser.ask("POST", f"{SESSION}/confirm", {"password": "admin password"}).status_code == 204
        assert browser.ask("POST", f"{OWN}/tokens", body).status_code == 200


def test_the_own_password_is_changed_and_the_answer_says_so(live: Live) -> None:
    """Though the session that asked, or the login by the old password, has ended with it."""
    path = "/api/v3.1/users/admin"
    with Browser(live) as browser:
        browser.sign_in(ADMIN)
        answer = browser.ask("POST", path, {"password": "another password"})
        assert (answer.status_code, answer.json()["username"]) == (200, "admin")
        assert browser.ask("GET", LIST).status_code == 401
    headers = {"Authorization": basic("admin", "another password")}
    answer = live.http.post(path, json={"password": "the third password"}, headers=headers)
    assert (answer.status_code, answer.json()["username"]) == (200, "admin")
