"""The console on the wire: its files, its sessions, and that a cookie alone is worth nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from resolver.core.permissions import TenantRole
from resolver.rest.cookies import PROOF_HEADER

if TYPE_CHECKING:
    from tests.rest.conftest import Live

SESSION = "/api/v1/resolver/session"
LIST = "/api/v3.1/secrets"
JSON = {"Content-Type": "application/json"}


class Browser:
    """Keeps cookies, and the proof that a page keeps."""

    def __init__(self, live: Live) -> None:
        self.http = httpx.Client(base_url=live.url, timeout=30, trust_env=False)
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
        assert answer.json() == {"username": "admin", "csrf_token": browser.proof}
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
        assert (refused.status_code, refused.json()["message"]) == (401, "the session has ended")


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
    "foreign", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
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


def test_a_form_can_not_sign_in(live: Live) -> None:
    """A body that does not say that it is JSON is refused: forms can't say so."""
    with Browser(live) as browser:
        answer = browser.http.post(SESSION, content=b'{"username": "admin", "password": "admin password"}')
        assert answer.status_code == 415
        assert browser.http.post(SESSION, content=b"{", headers=JSON).status_code == 400


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
    made = live.world.service.tokens.create(live.world.admin, "u").token
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
