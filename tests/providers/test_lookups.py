"""Names that take longer to look up than anybody waits."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.providers import Missed, Wanted
from resolver.errors import UnavailableError
from resolver.http.transport import HttpRequest, HttpResponse, send_request
from resolver.http.url import Url, parse_url
from resolver.providers import requests
from resolver.providers.allow_list import Lookups, parse_allow_list
from resolver.providers.requests import Calls
from resolver.providers.vault import Vault
from tests.peer import answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE = Missed("it can't be reached: its name was not looked up in time")


class Stuck:
    """Look-ups that do not end until they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.go = threading.Event()

    def __call__(self, host: str, _port: int) -> list[str]:
        """Wait, but for the name that is at hand."""
        self.asked.append(host)
        self.threads.add(threading.current_thread())
        if host != "quick.example":
            self.go.wait(30)
        return ["127.0.0.1"]

    def end(self) -> None:
        """Let them all go, and see that they are gone."""
        self.go.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """Look-ups that are let go at the end."""
    made = Stuck()
    yield made
    made.end()


def test_a_name_is_looked_up_within_the_time_for_a_request(stuck: Stuck) -> None:
    """Its provider fails by itself, in words of their own and without its name; a test fails, too."""
    vault = Vault(Calls(parse_allow_list(["vault.example", "127.0.0.0/8"]), stuck, timeout=0.05))
    parameters = vault.check({"url": "http://vault.example:8200", "token": "t", "path": "team"})
    wanted = {"a": Wanted("a", {}), "b": Wanted("b", {"path": "deeper"})}
    assert vault.fetch(parameters, wanted, 0) == {"a": LATE, "b": LATE}
    assert not vault.test(parameters)
    assert stuck.asked == ["vault.example"]  # who comes later waits for the same look-up
    with pytest.raises(UnavailableError, match=r"^vault\.example:8200 can't be reached: its name was not"):
        Calls(parse_allow_list(["vault.example"]), stuck, timeout=0.05).one(
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
        vault = Vault(Calls(parse_allow_list(["vault.example", "127.0.0.0/8"]), slow, timeout=0.3))
        parameters = vault.check({"url": f"http://vault.example:{peer.port}", "token": "t", "path": "team"})
        got = vault.fetch(parameters, {"a": Wanted("a", {})}, 0)
        seen.append(1)
    assert got == {"a": Missed("it gave no proper answer: no answer in time")}


def test_look_ups_that_hang_are_few(stuck: Stuck) -> None:
    """However many names and callers there are: those that find no room fail in time, others go on after."""
    lookups = Lookups(stuck, at_once=3)
    for number in range(20):
        with pytest.raises(TimeoutError):
            lookups.addresses(f"name-{number}.example", 80, 0.01)
        with pytest.raises(TimeoutError):
            lookups.addresses("name-0.example", 80, 0.01)
    assert stuck.asked == [f"name-{number}.example" for number in range(3)]
    assert len(stuck.threads) == 3
    assert all(thread.daemon for thread in stuck.threads)  # a process ends in spite of them
    with pytest.raises(TimeoutError):
        lookups.addresses("quick.example", 80, 0.01)
    stuck.end()
    assert lookups.addresses("quick.example", 80, 30) == ["127.0.0.1"]
    assert lookups.addresses("name-0.example", 81, 30) == ["127.0.0.1"]


def test_a_look_up_that_fails_fails_for_who_waits() -> None:
    """And leaves its place to others."""
    failed: list[str] = []

    def fail(host: str, _port: int) -> list[str]:
        failed.append(host)
        raise OSError(host)

    lookups = Lookups(fail, at_once=1)
    for _ in range(3):
        with pytest.raises(OSError, match="x"):
            lookups.addresses("x", 1, 30)
    assert len(failed) == 3


def test_a_server_that_is_not_there_is_not_tried_for_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once is enough: what is left of the keys misses them for the same reason."""
    with serving(lambda _: answer(200)) as peer:
        pass
    looked_up: list[str] = []
    vault = Vault(Calls(parse_allow_list(["127.0.0.0/8"]), lambda host, _: looked_up.append(host) or [host]))
    parameters = vault.check({"url": peer.url, "token": "t", "path": "team"})
    wanted = {str(number): Wanted("a", {"path": f"p{number}"}) for number in range(50)}
    tried: list[HttpRequest] = []

    def counted(url: Url, request: HttpRequest, **more: Any) -> HttpResponse:  # noqa: ANN401 - passed on
        tried.append(request)
        return send_request(url, request, **more)

    monkeypatch.setattr(requests, "send_request", counted)
    got = vault.fetch(parameters, wanted, 0)
    assert set(got.values()) == {Missed("it can't be reached: Connection refused")}
    assert looked_up == ["127.0.0.1"]
    assert 1 <= len(tried) <= 8  # all that began before the first one failed


def test_all_requests_of_a_provider_have_an_end_together() -> None:
    """One that answers each of them, slowly, does not keep anybody waiting for as long as there are keys."""
    never = threading.Event()

    def reply(_head: str) -> bytes:
        never.wait(0.15)
        return answer(200, b'{"data": {"data": {"a": "1"}}}')

    with serving(reply) as peer:
        vault = Vault(Calls(parse_allow_list(["127.0.0.0/8"]), timeout=30, total_timeout=0.4))
        parameters = vault.check({"url": peer.url, "token": "t", "path": "team"})
        wanted = {str(number): Wanted("a", {"path": f"p{number}"}) for number in range(100)}
        got = vault.fetch(parameters, wanted, 0)
    causes = [one.cause if isinstance(one, Missed) else one.reveal() for one in got.values()]
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
        vault = Vault(Calls(parse_allow_list(["127.0.0.0/8"]), timeout=30, total_timeout=0.2))
        parameters = vault.check({"url": peer.url, "token": "t", "path": "team"})
        got = vault.fetch(parameters, {"a": Wanted("a", {})}, 0)
        over.set()
    assert got == {"a": Missed("it gave no proper answer: no answer in time")}
