"""Commands that sign in by an OpenID provider: in a browser that comes back to them, and by a code."""

from __future__ import annotations

import threading
import webbrowser
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from msgspec.structs import asdict

from resolver.cli import sign_in as command
from resolver.cli.login import _revoking
from resolver.cli.sign_in import sign_in
from resolver.client import open_client
from resolver.core.sign_in import DeviceCode, ProviderOption, SignInOptions, StartedSignIn
from resolver.errors import AuthenticationError, ConflictError, InvalidRequestError, UsageError
from tests.databases import made_world
from tests.people import let_in_by, openid_provider, provider_of
from tests.rest.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resolver.client import Client
    from tests.people import OpenIdProvider
    from tests.rest.conftest import Live


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Live, OpenIdProvider]]:
    """A server whose people sign in by a provider, from commands, too."""
    world = made_world("sqlite", tmp_path)
    with openid_provider(world, device=True, loopback=True) as provider, serving(world) as live:
        yield live, provider


@pytest.fixture
def client(both: tuple[Live, OpenIdProvider], monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of that server, which does not wait long."""
    monkeypatch.setattr(command, "LIFE_SECONDS", 20)
    monkeypatch.setattr(command, "wait", lambda _: None)
    return open_client(both[0].url)


class Browser:
    """Goes where it is sent, agrees, and comes back; before that a page of somebody else's does."""

    def __init__(self, provider: OpenIdProvider, *, alone: bool = False, **forged: str) -> None:
        self.provider, self.forged, self.alone = provider, forged, alone
        self.answers: list[httpx.Response] = []

    def __call__(self, url: str) -> bool:
        """Open a URL."""
        threading.Thread(target=self._visit, args=(url,)).start()
        return True

    def _visit(self, url: str) -> None:
        answer: dict[str, Any] = asdict(self.provider.agree(url))
        back = self.provider.codes[answer["code"]]["redirect_uri"]
        for given in self._given(answer):
            self.answers.append(httpx.get(back, params=given, trust_env=False))

    def _given(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        forged = [answer | self.forged] if self.forged else []
        return forged if self.alone else [*forged, answer]


def test_in_a_browser(
    both: tuple[Live, OpenIdProvider], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is the person's, lives for 12 hours, and makes no other one."""
    live, provider = both
    browser = Browser(provider)
    monkeypatch.setattr(webbrowser, "open", browser)
    grant = sign_in(client.sign_in, "browser", "login on a desk")
    assert (grant.username, grant.expires_at) == ("una", "2030-01-01T12:00:00.000Z")
    caller = client.gate.authenticate_token(grant.token)
    assert caller.username == "una"
    assert [one.status_code for one in browser.answers] == [200]
    assert grant.token not in repr(grant)
    made = live.http.post("/api/v1/resolver/tokens", json={}, headers={"Authentication-Token": grant.token})
    assert made.status_code == 403


def test_a_wrong_state(
    both: tuple[Live, OpenIdProvider], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another page sends to the port is refused, and the right answer is still waited for."""
    browser = Browser(both[1], state="another", code="stolen")
    monkeypatch.setattr(webbrowser, "open", browser)
    assert sign_in(client.sign_in, "browser:example", "").username == "una"
    assert [one.status_code for one in browser.answers] == [400, 200]
    assert [form["code"] for form, _ in both[1].granted] == ["code0"]


def test_the_person_says_no_in_the_browser(
    both: tuple[Live, OpenIdProvider], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends with that."""
    browser = Browser(both[1], alone=True, error="access_denied", code="")
    monkeypatch.setattr(webbrowser, "open", browser)
    with pytest.raises(AuthenticationError, match="the sign-in was refused"):
        sign_in(client.sign_in, "browser", "")


def test_nobody_comes_back(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command gives up."""
    monkeypatch.setattr(command, "LIFE_SECONDS", 0.2)
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    with pytest.raises(AuthenticationError, match="nobody signed in"):
        sign_in(client.sign_in, "browser", "")


def test_by_a_code(
    both: tuple[Live, OpenIdProvider],
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is asked until the person has agreed, less often when that is said."""
    waited: list[float] = []
    monkeypatch.setattr(command, "wait", waited.append)
    both[1].device = [
        (400, {"error": "authorization_pending"}),
        (400, {"error": "slow_down"}),
        (400, {"error": "authorization_pending"}),
        (200, {}),
    ]
    assert sign_in(client.sign_in, "device", "").username == "una"
    assert waited == [1, 1, 6, 6]
    told = capsys.readouterr().err
    assert "ABCD-EFGH" in told
    assert "a device code" not in told


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_grant"])
def test_a_code_that_is_refused(both: tuple[Live, OpenIdProvider], client: Client, error: str) -> None:
    """The person said no, or the time is over."""
    both[1].device = [(400, {"error": error})]
    with pytest.raises(AuthenticationError, match="the sign-in was refused"):
        sign_in(client.sign_in, "device", "")


def test_a_device_code_is_good_once(both: tuple[Live, OpenIdProvider], client: Client) -> None:
    """Even where the provider would give another token for it."""
    both[1].device = [(200, {}), (200, {})]
    assert sign_in(client.sign_in, "device", "").username == "una"
    with pytest.raises(AuthenticationError, match="the sign-in was refused"):
        sign_in(client.sign_in, "device", "")


@pytest.mark.parametrize(
    "url",
    [
        "--utility-cmd-prefix=/tmp/x",
        "-x https://host/",
        "file:///home/una/x.desktop?state=s",
        "vscode://x?state=s",
        "javascript:alert(1)",
        "http://host.example/?state=s",
        "https://user@host/?state=s",
        "https://host/\x1b[2J?state=s",
        "https://host/ -x?state=s",
        "https://[/?state=s",
        "",
    ],
)
def test_a_hostile_server_opens_nothing_but_pages(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What opens URLs takes names of files and of programs, and options, too."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)

    class Hostile:
        def options(self) -> SignInOptions:
            return SignInOptions((ProviderOption("x", "X", device=True, loopback=True),), passwords=True)

        def begin(self, _provider: str, _port: int) -> StartedSignIn:
            return StartedSignIn("secret", url)

        def begin_device(self, _provider: str) -> DeviceCode:
            return DeviceCode("d", "u", url, "", 1, 1)

    for sso in ("browser", "device"):
        with pytest.raises(AuthenticationError, match="no https URL"):
            sign_in(Hostile(), sso, "")  # type: ignore[arg-type]  # it gets no further
    assert opened == []


def test_both_are_off_unless_they_are_set(both: tuple[Live, OpenIdProvider]) -> None:
    """By the command, and by the server, whatever a command believes."""
    world = both[0].world
    let_in_by(world, provider_of(both[1].url))
    with serving(world) as live:
        remote = open_client(live.url).sign_in
        for sso in ("browser", "device"):
            with pytest.raises(UsageError, match="do not sign in by 'example' in this way"):
                sign_in(remote, sso, "")
        with pytest.raises(InvalidRequestError):
            remote.begin("example", 4000)
        with pytest.raises(InvalidRequestError):
            remote.begin_device("example")
        with pytest.raises(InvalidRequestError):
            remote.poll_device("example", "x", "")


@pytest.mark.parametrize("sso", ["window", "browser:other", ""])
def test_what_is_mistyped(client: Client, sso: str) -> None:
    """It is told before anything begins."""
    with pytest.raises(UsageError):
        sign_in(client.sign_in, sso, "")


def test_a_browsers_sign_in_gives_no_token(both: tuple[Live, OpenIdProvider], client: Client) -> None:
    """What was begun for the console is ended there."""
    live, provider = both
    started = live.http.post("/api/v1/resolver/sign-in", json={"provider": "example"})
    answer = provider.agree(started.json()["url"])
    secret = live.http.cookies["resolver-sign-in"]
    with pytest.raises(AuthenticationError, match="begun in a browser"):
        client.sign_in.finish(secret, answer, "")


def test_a_login_that_fails_leaves_no_token(both: tuple[Live, OpenIdProvider], client: Client) -> None:
    """Nobody would know of it."""
    both[1].device = [(200, {})]
    grant = sign_in(client.sign_in, "device", "")
    caller = client.gate.authenticate_token(grant.token)
    with pytest.raises(ConflictError, match="no room"), _revoking(client, caller):
        raise ConflictError("no room")
    with pytest.raises(AuthenticationError):
        client.gate.authenticate_token(grant.token)
