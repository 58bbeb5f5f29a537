"""Where providers may be: names, networks, ports, and every address that a name has."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING

import pytest

from resolver.errors import InvalidRequestError, NotPermittedError
from resolver.http.url import Url
from resolver.providers.allow_list import AllowList, Lookups, is_special, parse_allow_list
from resolver.providers.requests import RequestSender
from resolver.providers.vault import Vault

if TYPE_CHECKING:
    from tests.providers.conftest import Stuck

VAULT = Url("https", "vault.example", 8200)


def _leads_to(*addresses: str) -> object:
    return lambda _host, _port: list(addresses)


def test_without_a_list_nothing_is_allowed() -> None:
    """A server without a list connects nowhere, and looks nothing up."""

    def looked_up(_host: str, _port: int) -> list[str]:
        raise AssertionError

    with pytest.raises(NotPermittedError, match=r"^the destination vault\.example:8200 is not allowed$"):
        AllowList().addresses(VAULT, looked_up)


@pytest.mark.parametrize("entry", ["vault.example", "vault.example:8200", "VAULT.example:8200"])
def test_a_named_host_is_allowed(entry: str) -> None:
    """With its port, or with any; private addresses are where a Vault usually is."""
    allowed = parse_allow_list([entry])
    assert allowed.addresses(VAULT, _leads_to("10.0.0.7", "fd12::7")) == ["10.0.0.7", "fd12::7"]  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", ["vault.example:8201", "other.example", "example", "10.0.0.0/8"])
def test_another_host_or_port_is_not(entry: str) -> None:
    """A suffix, another port or the network of its address do not name it."""
    with pytest.raises(NotPermittedError, match="is not allowed"):
        parse_allow_list([entry]).addresses(VAULT, _leads_to("10.0.0.7"))  # type: ignore[arg-type]


SPECIAL = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fd00:ec2::23",
    "fd20:ce::254",
]


@pytest.mark.parametrize("address", SPECIAL)
def test_a_name_may_not_lead_to_a_special_address(address: str) -> None:
    """Every record counts: one good address does not make up for a bad one. The address is not told."""
    allowed = parse_allow_list(["vault.example"])
    for found in ([address], ["10.0.0.7", address], [address, "10.0.0.7"]):
        with pytest.raises(NotPermittedError) as raised:
            allowed.addresses(VAULT, _leads_to(*found))  # type: ignore[arg-type]
        assert (
            raised.value.message
            == "the destination vault.example:8200 leads to an address that is not allowed"
        )
        with pytest.raises(NotPermittedError):
            AllowList(everything=True).addresses(VAULT, _leads_to(*found))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "10.1.2.3", "192.168.1.1", "172.16.0.1", "fd12::1", "2001:4860::8888"]
)
def test_other_addresses_are_not_special(address: str) -> None:
    """Public and private ones."""
    assert not is_special(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("127.0.0.1", "127.0.0.1:8200"),
        ("localhost", "127.0.0.1:8200"),
        ("bao.localhost", "127.0.0.1:8200"),
        ("::1", "[::1]:8200"),
        ("169.254.3.4", "169.254.3.4:8200"),
    ],
)
def test_loopback_is_refused_with_the_line_that_allows_it(host: str, entry: str) -> None:
    """Also where all but special addresses are allowed; the line that the hint has does allow it."""
    url = Url("http", host, 8200)
    for refusing in (
        AllowList(everything=True),
        parse_allow_list([host]) if "local" in host else AllowList(),
    ):
        with pytest.raises(NotPermittedError) as raised:
            refusing.check(url)
        assert raised.value.hint == (
            f'add to config.yaml, beside all others: provider_destinations: ["{entry}"]'
        )
    for name in (host, host.upper()) if "local" in host else (host,):
        parse_allow_list([entry, name]).check(Url("http", host, 8200))


def test_where_clouds_keep_credentials_no_line_is_named() -> None:
    """None would help."""
    with pytest.raises(NotPermittedError) as raised:
        AllowList(everything=True).check(Url("http", "169.254.169.254", 80))
    assert raised.value.hint == "where clouds give machines their credentials never is"


def test_a_name_that_leads_to_loopback_is_told_to_the_only_user() -> None:
    """To others, who test a server's, it would say what internal names mean: they learn that it failed."""
    for allowed, told in ((AllowList(everything=True), True), (parse_allow_list(["named.example"]), False)):
        vault = Vault(RequestSender(allowed, lambda *_: ["127.0.0.1"]))
        given = {"url": "http://named.example:8200", "path": "team", "token": "t"}
        with pytest.raises(NotPermittedError, match="leads to") if told else contextlib.nullcontext() as seen:
            assert not vault.test(vault.check(given))
        assert seen is None or '["127.0.0.1:8200"]' in seen.value.hint


def test_loopback_is_allowed_in_so_many_words() -> None:
    """As an address with its port, or as a network."""
    local = Url("http", "127.0.0.1", 8200)
    for entry in ("127.0.0.1", "127.0.0.1:8200", "127.0.0.0/8"):
        assert parse_allow_list([entry]).addresses(local, _leads_to("127.0.0.1")) == ["127.0.0.1"]  # type: ignore[arg-type]
    with pytest.raises(NotPermittedError):
        parse_allow_list(["127.0.0.1:8201"]).addresses(local, _leads_to("127.0.0.1"))  # type: ignore[arg-type]
    named = parse_allow_list(["vault.example", "127.0.0.0/8"])
    assert named.addresses(VAULT, _leads_to("127.0.0.1")) == ["127.0.0.1"]  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", ["", "/32", "0.0.0.0/0"])
@pytest.mark.parametrize(
    "address", ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"]
)
def test_the_metadata_service_is_never_allowed(entry: str, address: str) -> None:
    """Not even in so many words: its answers are a machine's credentials."""
    metadata = Url("http", address, 80)
    allowed = parse_allow_list([entry if entry.startswith("0") else address + entry, "::/0", "named.example"])
    with pytest.raises(NotPermittedError):
        allowed.addresses(metadata, _leads_to(address))  # type: ignore[arg-type]
    named = Url("http", "named.example", 80)
    for found in (address, f"::ffff:{address}", f"64:ff9b::{address}"):
        with pytest.raises(NotPermittedError):
            allowed.addresses(named, _leads_to(found))  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", ["", "h:0", "h:x", "h:70000", "10.0.0.1/33", "10.0.0.1/8", "a b"])
def test_a_malformed_entry_is_refused(entry: str) -> None:
    """The message repeats it: an allow-list is no secret."""
    with pytest.raises(InvalidRequestError, match=r"is not a destination$"):
        parse_allow_list([entry])


def test_ipv6_entries() -> None:
    """Written with and without brackets."""
    peer = Url("https", "fd12::7", 8200)
    for entry in ("fd12::7", "[fd12::7]", "[fd12::7]:8200", "fd12::/16"):
        assert parse_allow_list([entry]).addresses(peer, _leads_to("fd12::7")) == ["fd12::7"]  # type: ignore[arg-type]


def test_look_ups_that_hang_are_few(stuck: Stuck) -> None:
    """However many names and callers there are: those that find no room fail in time, others go on after."""
    lookups = Lookups(stuck, max_lookups=3)
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

    lookups = Lookups(fail, max_lookups=1)
    for _ in range(3):
        with pytest.raises(OSError, match="x"):
            lookups.addresses("x", 1, 30)
    assert len(failed) == 3
