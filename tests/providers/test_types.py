"""The types of providers: parameters, options, one read for each entry, and servers that are hostile."""

from __future__ import annotations

import json
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue
from resolver.core.providers import MAX_HOPS, Missed, Wanted
from resolver.errors import InvalidRequestError, NotPermittedError
from resolver.providers import make_types
from resolver.providers.allow_list import parse_allow_list
from resolver.providers.cloudify import Cloudify
from resolver.providers.requests import Calls
from resolver.providers.vault import Vault
from tests.peer import Peer, answer, serving
from tests.rest.test_serve import make_certificate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resolver.core.providers import ProviderType

LOOPBACK = parse_allow_list(["127.0.0.0/8"])
TOKEN = "the-token-of-the-provider"


def _type(name: str) -> ProviderType:
    return make_types(LOOPBACK)[name]


def _vault(peer: Peer, **more: str) -> Mapping[str, str]:
    return _type("vault").check({"url": peer.url, "token": TOKEN, "path": "team", **more})


def _cloudify(peer: Peer, **more: str) -> Mapping[str, str]:
    given = {"host": "127.0.0.1", "port": str(peer.port), "protocol": "http", "tenant": "t1"}
    return _type("cloudify").check({**given, "token": TOKEN, **more})


def _entry(**fields: object) -> bytes:
    return answer(200, json.dumps({"data": {"data": fields}}).encode())


def _fetched(kind: str, parameters: Mapping[str, str], *wanted: Wanted, hops: int = 0) -> list[str]:
    named = {str(number): one for number, one in enumerate(wanted)}
    got = _type(kind).fetch(parameters, named, hops)
    assert list(got) == list(named)
    return [one.cause if isinstance(one, Missed) else one.reveal() for one in got.values()]


def test_several_keys_of_one_vault_entry_are_read_once() -> None:
    """One request for each path; each key its own field, a number or a mapping as JSON text."""
    with serving(lambda head: _entry(a="1", b={"x": 1}) if "/team " in head else _entry(c="3")) as peer:
        got = _fetched(
            "vault",
            _vault(peer, namespace="ns/one"),
            Wanted("a", {}),
            Wanted("b", {}),
            Wanted("zz", {"key": "a"}),
            Wanted("c", {"path": "deep/er"}),
            Wanted("gone", {}),
        )
    assert got == ["1", '{"x": 1}', "1", "3", "the entry has no such key"]
    lines = sorted(head.partition(" HTTP")[0] for head in peer.seen)
    assert lines == ["GET /v1/secret/data/team", "GET /v1/secret/data/team/deep/er"]
    assert all(f"X-Vault-Token: {TOKEN}" in head for head in peer.seen)
    assert all("X-Vault-Namespace: ns/one" in head for head in peer.seen)


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (answer(404), "there is no entry at this path"),
        (answer(403, b"denied"), "it refused its credentials, or this path"),
        (answer(500, b"SECRET"), "it answered with status 500"),
        (answer(302, Location="http://127.0.0.1:1/"), "it answered with status 302"),
        (answer(200, b"SECRET"), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b'{"data": {"data": ["SECRET"]}}'), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b"[" * 100_000), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b'{"data": {"data": {"a": NaN}}}'), "its answer is no entry of a KV version 2 engine"),
        (answer(200, b'{"data": {"data": {"a": 1e999}}}'), "its answer is no entry of a KV version 2 engine"),
        (b"SECRET\r\n\r\n", "it gave no proper answer: it is not HTTP"),
    ],
)
def test_a_vault_that_fails(sent: bytes, cause: str) -> None:
    """A few words that say why, and nothing of what was answered."""
    with serving(lambda _: sent) as peer:
        assert _fetched("vault", _vault(peer), Wanted("a", {})) == [cause]


def test_credentials_do_not_follow_a_redirect() -> None:
    """To another server, for a read and for a test, of both types."""
    with (
        serving(lambda _: _entry(a="stolen")) as thief,
        serving(lambda _: answer(307, Location=thief.url)) as peer,
    ):
        assert _fetched("vault", _vault(peer), Wanted("a", {})) == ["it answered with status 307"]
        assert _fetched("cloudify", _cloudify(peer), Wanted("a", {})) == ["it answered with status 307"]
        assert not _type("vault").test(_vault(peer))
        assert not _type("cloudify").test(_cloudify(peer))
        assert thief.seen == []


def test_a_provider_that_is_not_there() -> None:
    """Without its address: that is for sys_admins to know."""
    with serving(lambda _: answer(200)) as peer:
        pass
    for kind, parameters in (("vault", _vault(peer)), ("cloudify", _cloudify(peer))):
        assert _fetched(kind, parameters, Wanted("a", {})) == ["it can't be reached: Connection refused"]
        assert not _type(kind).test(parameters)


@pytest.mark.parametrize(
    "options",
    [
        {"path": ".."},
        {"path": "a/../b"},
        {"path": "a/./b"},
        {"path": "%2e%2e/b"},
        {"path": "a%2fb"},
        {"path": "a//b"},
        {"path": "a?version=1"},
        {"path": "a#b"},
        {"path": "a\\b"},
        {"path": "a b"},
        {"path": "ä"},
        {"path": ""},
        {"url": "http://evil"},
        {"token": "x"},
    ],
)
def test_vault_options_stay_below_the_prefix(options: dict[str, str]) -> None:
    """No step that leads up or out, however it is decoded, and no other parameter."""
    with pytest.raises(InvalidRequestError):
        _type("vault").check_options(options)


@pytest.mark.parametrize("name", ["..", "a/b", "%2e", "a?b", "", "1a"])
def test_a_cloudify_name_is_a_key(name: str) -> None:
    """It follows the rule for keys."""
    with pytest.raises(InvalidRequestError):
        _type("cloudify").check_options({"name": name})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"url": "http://127.0.0.1", "token": "t"}, "parameter 'path' is missing"),
        ({"url": "http://127.0.0.1", "token": "t", "path": "a", "x": "y"}, "parameter 'x' is not known"),
        ({"url": "http://127.0.0.1", "token": "", "path": "a"}, "parameter 'token' must be text"),
        ({"url": "http://u:p@127.0.0.1", "token": "t", "path": "a"}, "parameter 'url' is malformed"),
        (
            {"url": "http://127.0.0.1", "token": "t\r\nX: y", "path": "a"},
            "parameter 'token' must be printable",
        ),
        ({"url": "http://127.0.0.1", "token": "t", "path": "../sys"}, "parameter 'path' must be a path"),
        (
            {"url": "http://127.0.0.1", "token": "t", "path": "a", "mount": ".."},
            "parameter 'mount' must be a path",
        ),
        (
            {"url": "https://127.0.0.1", "token": "t", "path": "a", "ca_cert": "/etc/passwd"},
            "parameter 'ca_cert' must be certificates in PEM",
        ),
    ],
)
def test_vault_parameters_are_checked(parameters: dict[str, str], message: str) -> None:
    """What is wrong, by name; a certificate is text, never a file of the server's."""
    with pytest.raises(InvalidRequestError, match=message):
        _type("vault").check(parameters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token": None}, "give either"),
        ({"username": "u"}, "give either"),
        ({"token": None, "username": "u:x", "password": "p"}, "must not have a colon"),
        ({"protocol": "ftp"}, "must be http or https"),
        ({"port": "0"}, "must be a number"),
        ({"port": "99999"}, "'port' must be a number up to 65535"),
        ({"host": "127.0.0.1/x"}, "'host' must be a host alone"),
        ({"host": "u:p@127.0.0.1"}, "'host' must be a host alone"),
        ({"host": "127.0.0.1:1"}, "'host' must be a host alone"),
        ({"host": "https://127.0.0.1"}, "'host' must be a host alone"),
        ({"protocol": "https", "cert": "/etc/passwd"}, "'cert' must be certificates in PEM"),
        ({"tenant": "a\r\nb"}, "tenant name has characters"),
    ],
)
def test_cloudify_parameters_are_checked(change: dict[str, str | None], message: str) -> None:
    """What is wrong, by name."""
    given = {"host": "127.0.0.1", "tenant": "t", "token": "x", "protocol": "http", **change}
    with pytest.raises(InvalidRequestError, match=message):
        _type("cloudify").check({name: text for name, text in given.items() if text is not None})


def test_a_destination_that_is_not_allowed_gets_nothing() -> None:
    """Neither at creation nor at use, should the allow-list have changed in between."""
    with serving(lambda _: _entry(a="1")) as peer:
        parameters = _vault(peer)
        strict = make_types(parse_allow_list(["vault.example"]))["vault"]
        with pytest.raises(NotPermittedError):
            strict.check(parameters)
        assert strict.fetch(parameters, {"0": Wanted("a", {})}, 0) == {
            "0": Missed("its destination is not allowed")
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

    good = {"vault": _entry(a="1"), "cloudify": answer(200, b'{"value": "1"}')}[kind]
    with serving(lambda _: good) as peer:
        calls = Calls(parse_allow_list(["named.example", "127.0.0.0/8"]), rebinding, timeout=5)
        known = {"vault": Vault(calls), "cloudify": Cloudify(calls)}[kind]
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
        got = known.fetch(parameters, {"a": Wanted("a", {})}, 0)["a"]
        assert isinstance(got, SecretValue)
        assert f"Host: named.example:{peer.port}\r\n" in peer.seen[0]
        assert known.fetch(parameters, {"a": Wanted("a", {})}, 0) == {
            "a": Missed("its destination is not allowed")
        }
        assert not known.test(parameters)
        assert (looked_up, len(peer.seen)) == (["named.example"] * 3, 1)


def test_a_server_that_is_not_trusted_gets_no_credentials(tmp_path: Path) -> None:
    """Without its authority, and under another name; with it, it gets the request."""
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    authority = certificate.read_text()
    with serving(lambda _: _entry(a="1"), tls=context) as peer:
        calls = Calls(parse_allow_list(["named.example", "127.0.0.0/8"]), lambda *_: ["127.0.0.1"], timeout=5)
        vault = Vault(calls)
        for host, more, got in (
            ("127.0.0.1", {}, Missed("it is not trusted: self-signed certificate")),
            (
                "named.example",
                {"ca_cert": authority},
                Missed("it is not trusted: the certificate is for another name"),  # which is not told
            ),
            (
                "127.0.0.2",
                {"ca_cert": authority},
                Missed("it is not trusted: the certificate is for another name"),
            ),
            ("127.0.0.1", {"ca_cert": authority}, SecretValue("1")),
        ):
            given = {"url": f"https://{host}:{peer.port}", "path": "team", "token": TOKEN, **more}
            assert vault.fetch(vault.check(given), {"a": Wanted("a", {})}, 0) == {"a": got}
        assert len(peer.seen) == 1


def test_a_provider_that_says_nothing_is_left() -> None:
    """After the time for one request, however it wastes it."""
    slow = iter(lambda: time.sleep(0.05) or b"H", None)
    with serving(lambda _: slow) as peer:
        vault = Vault(Calls(LOOPBACK, timeout=0.2))
        got = vault.fetch(_vault(peer), {"a": Wanted("a", {})}, 0)
    assert got == {"a": Missed("it gave no proper answer: no answer in time")}


def test_secrets_of_another_manager() -> None:
    """Read as the client of Cloudify reads them; the request says how many managers it came through."""
    body = json.dumps({"value": "v", "is_hidden_value": False}).encode()
    with serving(lambda _: answer(200, body)) as peer:
        login = {"username": "u", "password": "p", "token": ""}
        given = {name: text for name, text in login.items() if text}
        parameters = _type("cloudify").check(
            {"host": "127.0.0.1", "port": str(peer.port), "protocol": "http", "tenant": "t1", **given}
        )
        assert _fetched("cloudify", parameters, Wanted("a", {}), Wanted("b", {"name": "a"}), hops=1) == [
            "v",
            "v",
        ]
    assert len(peer.seen) == 1
    head = peer.seen[0]
    assert head.startswith("GET /api/v3.1/secrets/a HTTP/1.1")
    assert "Tenant: t1\r\n" in head
    assert "Authorization: Basic dTpw\r\n" in head
    assert "X-Resolver-Hops: 2\r\n" in head


def test_a_request_that_goes_in_circles_ends() -> None:
    """At the limit of hops nobody is asked any more."""
    with serving(lambda _: answer(200)) as peer:
        got = _fetched("cloudify", _cloudify(peer), Wanted("a", {}), hops=MAX_HOPS)
    assert got == [f"the request came through {MAX_HOPS} managers already"]
    assert peer.seen == []


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (answer(404), "it has no such secret"),
        (answer(401), "it refused its credentials, or the use of this secret"),
        (answer(200, b'{"value": "", "is_hidden_value": true}'), "the value is hidden from its credentials"),
        (answer(200, b'{"value": null}'), "its answer is no secret"),
        (answer(200, b'["SECRET"]'), "its answer is no secret"),
        (answer(200, b"{"), "its answer is no secret"),
        (answer(200, b'{"value": -Infinity}'), "its answer is no secret"),
        (answer(200, b'{"value": {"a": 1e999}, "schema": {"type": "object"}}'), "its answer is no secret"),
    ],
)
def test_a_manager_that_fails(sent: bytes, cause: str) -> None:
    """A few words that say why, and nothing of what was answered."""
    with serving(lambda _: sent) as peer:
        assert _fetched("cloudify", _cloudify(peer), Wanted("a", {})) == [cause]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"value": "v", "schema": None}, "v"),
        ({"value": "5"}, "5"),
        ({"value": "v", "schema": {"type": "string"}}, '"v"'),
        ({"value": "", "schema": {"type": "string"}}, '""'),
        ({"value": {"a": [1]}, "schema": {"type": "object"}}, '{"a": [1]}'),
        ({"value": None, "schema": {"type": "null"}}, "null"),
        ({"value": 0, "schema": {"type": "integer"}}, "0"),
    ],
)
def test_a_value_with_a_schema_comes_as_it_is_stored_there(body: dict[str, object], value: str) -> None:
    """A manager answers it parsed; what blueprints get is the JSON text, there and here."""
    with serving(lambda _: answer(200, json.dumps(body).encode())) as peer:
        assert _fetched("cloudify", _cloudify(peer), Wanted("a", {})) == [value]


def test_tests_say_whether_the_credentials_are_good() -> None:
    """True for an answer of 200 and nothing else."""
    with serving(lambda head: answer(200 if TOKEN in head else 403)) as peer:
        assert _type("vault").test(_vault(peer))
        assert _type("cloudify").test(_cloudify(peer))
        assert not _type("vault").test(_vault(peer, token="another"))
        assert not _type("cloudify").test(_cloudify(peer, token="another"))
    assert _type("local").test({})
    with pytest.raises(InvalidRequestError, match="parameter 'url' is not known"):
        _type("local").check({"url": "x"})
