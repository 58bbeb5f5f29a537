"""Proxies: whose word is believed about who asks, and by which way they came."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from resolver.rest.options import ServerOptions
from resolver.rest.proxies import MOST_FORWARDS, TrustedProxies
from tests.rest.conftest import serving

if TYPE_CHECKING:
    from tests.databases import World
    from tests.rest.conftest import Live


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.5, 192.0.2.7"], "192.0.2.7"),  # the left one is the client's own word
        (["203.0.113.5, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (["203.0.113.5", "192.0.2.7, 10.0.0.2", "10.1.2.3"], "192.0.2.7"),
        (["203.0.113.5, 192.0.2.7:4711"], "192.0.2.7"),
        (["203.0.113.5, [2001:db8::7]:4711"], "2001:db8::7"),
        (["::ffff:192.0.2.7"], "192.0.2.7"),
        (["203.0.113.5, nonsense, 10.0.0.2"], "10.0.0.2"),  # nothing left of it is believed
        (["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        (["nonsense"], ""),
        (["fe80::1%eth0"], ""),
        ([""], ""),
        ([], ""),
        ([",".join(["203.0.113.5"] + ["10.0.0.2"] * MOST_FORWARDS)], "10.0.0.2"),
    ],
)
def test_the_last_untrusted_entry_counts(forwarded: list[str], client: str) -> None:
    """From the right, past proxies that are trusted themselves, by TCP and by the unix socket."""
    for proxies in (["10.0.0.0/8"], ["unix", "10.0.0.0/8"]):
        trusted = TrustedProxies(proxies)
        assert trusted.client_of(forwarded) == client
        assert [trusted.has(one) for one in ("10.9.9.9", "::ffff:10.9.9.9", "192.0.2.7", "")] == [
            True,
            True,
            False,
            "unix" in proxies,
        ]


def test_a_client_behind_a_proxy_has_a_rate_of_its_own(world: World) -> None:
    """Who writes other addresses left of its own is still limited; others behind the proxy are not."""
    options = ServerOptions(address_rate=1, user_rate=0, trusted_proxies=("127.0.0.1",))
    with serving(world, options) as live:

        def asked(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            return live.http.get("/api/v3.1/version", headers=headers).status_code

        mine = [asked(f"203.0.113.{number}, 192.0.2.7") for number in range(4)]
        assert mine == [401, 401, 429, 429]
        assert asked("192.0.2.8") == 401


def test_a_stranger_s_word_counts_for_nothing(world: World) -> None:
    """Who is no trusted proxy counts as itself, and is not believed to come by TLS either."""
    options = ServerOptions(address_rate=1, user_rate=0, trusted_proxies=("10.0.0.1",))
    with serving(world, options) as live:
        answers = [
            live.http.get(
                "/api/v3.1/version",
                headers={"X-Forwarded-For": f"192.0.2.{number}", "X-Forwarded-Proto": "https"},
            )
            for number in range(3)
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert not any("Strict-Transport-Security" in answer.headers for answer in answers)


def test_browsers_are_told_to_come_by_tls(world: World) -> None:
    """On each answer that went over TLS, errors too; in plain it would mean nothing (RFC 6797)."""
    with serving(world, ServerOptions(trusted_proxies=("127.0.0.1",))) as live:
        for path in ("/ok", "/nope", "/console/", "/api/v3.1/secrets"):
            secure = live.http.get(path, headers={"X-Forwarded-Proto": "https"})
            assert secure.headers["Strict-Transport-Security"] == "max-age=31536000", path
            assert "Strict-Transport-Security" not in live.http.get(path).headers


def test_the_document_is_made_once(shared: Live) -> None:
    """The same bytes for all, under a tag by which a client that has them is spared them."""
    answer = shared.http.get("/openapi.json")
    assert answer.json()["openapi"] == "3.1.0"
    again = shared.http.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = shared.http.get("/openapi.json", headers={"If-None-Match": '"other"'})
    assert other.content == answer.content


def test_two_loopback_addresses_are_two() -> None:
    """What these tests stand on: a client chooses which of them it comes from."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with (
            socket.create_connection(address, source_address=("127.0.0.2", 0)),
            listening.accept()[0] as peer,
        ):
            assert peer.getpeername()[0] == "127.0.0.2"
