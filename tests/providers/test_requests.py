"""Requests to providers: hostile and slow servers, and names that take long to look up."""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.model import SecretValue
from resolver.core.providers import FetchFailure, ProviderRequest
from resolver.errors import InvalidRequestError, NotPermittedError, UnavailableError
from resolver.http.transport import HttpRequest, HttpResponse, send_request
from resolver.http.url import Url, parse_url
from resolver.providers import make_types, requests
from resolver.providers.allow_list import parse_allow_list
from resolver.providers.cloudify import Cloudify
from resolver.providers.requests import NOT_ALLOWED, RequestSender
from resolver.providers.vault import Vault
from tests.peer import answer, serving
from tests.providers.fetching import (
    LOOPBACK,
    TOKEN,
    entry,
    fetched,
    manager_parameters,
    provider_type,
    vault_parameters,
)
from tests.rest.test_serve import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.providers.conftest import Stuck

LATE = FetchFailure("it can't be reached: its name was not looked up in time")


def test_credentials_do_not_follow_a_redirect() -> None:
    """To another server, for a read and for a test, of both types."""
    with (
        serving(lambda _: entry(a="stolen")) as thief,
        serving(lambda _: answer(307, Location=thief.url)) as peer,
    ):
        assert fetched("vault", vault_parameters(peer), ProviderRequest("a", {})) == [
            "it answered with status 307"
        ]
        assert fetched("cloudify", manager_parameters(peer), ProviderRequest("a", {})) == [
            "it answered with status 307"
        ]
        assert not provider_type("vault").test(vault_parameters(peer))
        assert not provider_type("cloudify").test(manager_parameters(peer))
        assert thief.seen == []


def test_a_provider_that_is_not_there() -> None:
    """Without its address: that is for sys_admins to know."""
    with serving(lambda _: answer(200)) as peer:
        pass
    for kind, parameters in (("vault", vault_parameters(peer)), ("cloudify", manager_parameters(peer))):
        assert fetched(kind, parameters, ProviderRequest("a", {})) == [
            "it can't be reached: Connection refused"
        ]
        assert not provider_type(kind).test(parameters)


def test_a_destination_that_is_not_allowed_gets_nothing() -> None:
    """Neither at creation nor at use, should the allow-list have changed in between."""
    with serving(lambda _: entry(a="1")) as peer:
        parameters = vault_parameters(peer)
        strict = make_types(parse_allow_list(["vault.example"]))["vault"]
        with pytest.raises(NotPermittedError):
            strict.check(parameters)
        assert strict.fetch(parameters, {"0": ProviderRequest("a", {})}, 0) == {
            "0": FetchFailure(NOT_ALLOWED)
        }
        assert not strict.test(parameters)
        assert peer.seen == []


@pytest.mark.parametrize("kind", ["vault", "cloudify"])
def test_a_name_is_looked_up_once(kind: str) -> None:
    """A name that means another address a moment later leads to the one that was checked, or nowhere."""
    looked_up: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["169.254.169.254"]

    good = {"vault": entry(a="1"), "cloudify": answer(200, b'{"value": "1"}')}[kind]
    with serving(lambda _: good) as peer:
        sender = RequestSender(parse_allow_list(["named.example", "127.0.0.0/8"]), rebinding, timeout=5)
        known = {"vault": Vault(sender), "cloudify": Cloudify(sender)}[kind]
        given = {
            "vault": {"url": f"http://named.example:{peer.port}", "path": "team", "token": TOKEN},
            "cloudify": {
                "host": "named.example",
                "port": str(peer.port),
                "protocol": "http",
                "tenant": "t",
                "token": TOKEN,
            },
        }[kind]
        parameters = known.check(given)
        assert looked_up == []
        got = known.fetch(parameters, {"a": ProviderRequest("a", {})}, 0)["a"]
        assert isinstance(got, SecretValue)
        assert f"Host: named.example:{peer.port}\r\n" in peer.seen[0]
        assert known.fetch(parameters, {"a": ProviderRequest("a", {})}, 0) == {"a": FetchFailure(NOT_ALLOWED)}
        assert not known.test(parameters)
        assert (looked_up, len(peer.seen)) == (["named.example"] * 3, 1)


def test_a_server_that_is_not_trusted_gets_no_credentials(tmp_path: Path) -> None:
    """Without its authority, and under another name; with it, it gets the request."""
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    authority = certificate.read_text()
    with serving(lambda _: entry(a="1"), tls=context) as peer:
        sender = RequestSender(
            parse_allow_list(["named.example", "127.0.0.0/8"]), lambda *_: ["127.0.0.1"], timeout=5
        )
        vault = Vault(sender)
        for host, more, got in (
            ("127.0.0.1", {}, FetchFailure("it is not trusted: self-signed certificate")),
            (
                "named.example",
                {"ca_cert": authority},
                FetchFailure("it is not trusted: the certificate is for another name"),  # which is not shown
            ),
            (
                "127.0.0.2",
                {"ca_cert": authority},
                FetchFailure("it is not trusted: the certificate is for another name"),
            ),
            ("127.0.0.1", {"ca_cert": authority}, SecretValue("1")),
        ):
            given = {"url": f"https://{host}:{peer.port}", "path": "team", "token": TOKEN, **more}
            assert vault.fetch(vault.check(given), {"a": ProviderRequest("a", {})}, 0) == {"a": got}
        assert len(peer.seen) == 1


def test_a_provider_that_says_nothing_is_left() -> None:
    """After the time for one request, however it wastes it."""
    slow = iter(lambda: time.sleep(0.05) or b"H", None)
    with serving(lambda _: slow) as peer:
        vault = Vault(RequestSender(LOOPBACK, timeout=0.2))
        got = vault.fetch(vault_parameters(peer), {"a": ProviderRequest("a", {})}, 0)
    assert got == {"a": FetchFailure("it gave no proper answer: no answer in time")}


def test_tests_say_whether_the_credentials_are_good() -> None:
    """True for an answer of 200 and nothing else."""
    with serving(lambda head: answer(200 if TOKEN in head else 403)) as peer:
        assert provider_type("vault").test(vault_parameters(peer))
        assert provider_type("cloudify").test(manager_parameters(peer))
        assert not provider_type("vault").test(vault_parameters(peer, token="another"))
        assert not provider_type("cloudify").test(manager_parameters(peer, token="another"))
    assert provider_type("local").test({})
    with pytest.raises(InvalidRequestError, match="parameter 'url' is not known"):
        provider_type("local").check({"url": "x"})


def test_a_name_is_looked_up_within_the_time_for_a_request(stuck: Stuck) -> None:
    """Its provider fails by itself, in words of their own and without its name; a test fails, too."""
    vault = Vault(RequestSender(parse_allow_list(["vault.example", "127.0.0.0/8"]), stuck, timeout=0.05))
    parameters = vault.check({"url": "http://vault.example:8200", "token": "t", "path": "team"})
    wanted = {"a": ProviderRequest("a", {}), "b": ProviderRequest("b", {"path": "deeper"})}
    assert vault.fetch(parameters, wanted, 0) == {"a": LATE, "b": LATE}
    assert not vault.test(parameters)
    assert stuck.asked == ["vault.example"]  # who comes later waits for the same look-up
    with pytest.raises(UnavailableError, match=r"^vault\.example:8200 can't be reached: its name was not"):
        RequestSender(parse_allow_list(["vault.example"]), stuck, timeout=0.05).send(
            parse_url("http://vault.example:8200"), HttpRequest("GET", "/")
        )


def test_the_time_for_a_look_up_is_not_given_twice() -> None:
    """What the look-up took is not there for the request any more."""
    now = threading.Event()
    seen: list[float] = []

    def slow(_host: str, _port: int) -> list[str]:
        now.wait(0.2)
        return ["127.0.0.1"]

    def reply(_head: str) -> Iterator[bytes]:
        while not seen:
            now.wait(0.02)
            yield b"H"

    with serving(reply) as peer:
        vault = Vault(RequestSender(parse_allow_list(["vault.example", "127.0.0.0/8"]), slow, timeout=0.3))
        parameters = vault.check({"url": f"http://vault.example:{peer.port}", "token": "t", "path": "team"})
        got = vault.fetch(parameters, {"a": ProviderRequest("a", {})}, 0)
        seen.append(1)
    assert got == {"a": FetchFailure("it gave no proper answer: no answer in time")}


def test_a_server_that_is_not_there_is_not_tried_for_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once is enough: what is left of the keys misses them for the same reason."""
    with serving(lambda _: answer(200)) as peer:
        pass
    looked_up: list[str] = []
    vault = Vault(
        RequestSender(parse_allow_list(["127.0.0.0/8"]), lambda host, _: looked_up.append(host) or [host])
    )
    parameters = vault.check({"url": peer.url, "token": "t", "path": "team"})
    wanted = {str(number): ProviderRequest("a", {"path": f"p{number}"}) for number in range(50)}
    tried: list[HttpRequest] = []

    def counted(url: Url, request: HttpRequest, **more: Any) -> HttpResponse:  # noqa: ANN401 - passed on
        tried.append(request)
        return send_request(url, request, **more)

    monkeypatch.setattr(requests, "send_patiently", counted)
    got = vault.fetch(parameters, wanted, 0)
    assert set(got.values()) == {FetchFailure("it can't be reached: Connection refused")}
    assert looked_up == ["127.0.0.1"]
    assert 1 <= len(tried) <= 8  # all that began before the first one failed


def test_all_requests_of_a_provider_have_an_end_together() -> None:
    """One that answers each of them, slowly, does not keep anybody waiting for as long as there are keys."""
    never = threading.Event()

    def reply(_head: str) -> bytes:
        never.wait(0.15)
        return answer(200, b'{"data": {"data": {"a": "1"}}}')

    with serving(reply) as peer:
        vault = Vault(RequestSender(parse_allow_list(["127.0.0.0/8"]), timeout=30, total_timeout=0.4))
        parameters = vault.check({"url": peer.url, "token": "t", "path": "team"})
        wanted = {str(number): ProviderRequest("a", {"path": f"p{number}"}) for number in range(100)}
        got = vault.fetch(parameters, wanted, 0)
    causes = [one.cause if isinstance(one, FetchFailure) else one.reveal() for one in got.values()]
    assert causes[0] == "1"
    assert causes[-1] == "it did not answer everything in time"
    assert len(peer.seen) < 50


def test_a_request_that_is_not_answered_ends_with_all_of_them() -> None:
    """However long one alone may take."""
    over = threading.Event()

    def reply(_head: str) -> bytes:
        over.wait(10)
        return answer(200, b'{"data": {"data": {"a": "1"}}}')

    with serving(reply) as peer:
        vault = Vault(RequestSender(parse_allow_list(["127.0.0.0/8"]), timeout=30, total_timeout=0.2))
        parameters = vault.check({"url": peer.url, "token": "t", "path": "team"})
        got = vault.fetch(parameters, {"a": ProviderRequest("a", {})}, 0)
        over.set()
    assert got == {"a": FetchFailure("it gave no proper answer: no answer in time")}


def test_answers_that_are_too_large_together_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be as large as one may be, and there may be thousands of them."""
    monkeypatch.setattr(requests, "_MAX_TOTAL_BYTES", 20_000)
    with serving(lambda _: entry(a="v" * 6000)) as peer:
        vault = provider_type("vault")
        asked = {str(number): ProviderRequest("a", {"path": f"p{number}"}) for number in range(40)}
        found = vault.fetch(vault_parameters(peer), asked, 0)
        assert len(peer.seen) < 20
    values = [one for one in found.values() if isinstance(one, SecretValue)]
    assert 0 < len(values) < 4
    assert {one for one in found.values() if not isinstance(one, SecretValue)} == {
        FetchFailure("its answers are too large together")
    }
