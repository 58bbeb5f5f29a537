"""A root key in a transit engine: on a real OpenBao, and against servers that are wrong or hostile."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
import yaml

from resolver.bootstrap.embedded import open_service
from resolver.bootstrap.initialise import initialise
from resolver.config.settings import Settings
from resolver.core.model import SecretValue
from resolver.core.secret_changes import NewSecret
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.crypto.root_keys.transit import TransitKey
from resolver.errors import DecryptionError, RootKeyError, UsageError
from tests.openbao import OpenBao, openbao
from tests.peer import answer, serving

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "the-token-of-the-transit-key"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def bao() -> OpenBao:
    """A real OpenBao with a transit engine."""
    server = openbao()
    assert server.ask("POST", "sys/mounts/transit", {"type": "transit"})[0] in (204, 400)
    return server


@pytest.fixture
def name(bao: OpenBao) -> str:
    """The name of a new transit key."""
    name = f"resolver-{next(_numbers)}"
    assert bao.ask("POST", f"transit/keys/{name}", {})[0] in (200, 204)
    return name


def token_for(bao: OpenBao, name: str) -> str:
    """A token that may use one key, and nothing else."""
    paths = (f"transit/{action}/{name}" for action in ("encrypt", "decrypt"))
    return bao.token(
        f"use-{name}", "".join(f'path "{path}" {{ capabilities = ["update"] }}\n' for path in paths)
    )


def transit(url: str, name: str = "k", token: str = TOKEN, **more: str) -> TransitKey:
    """A transit key."""
    return TransitKey(url, name, lambda: token, **more)


def test_a_data_key_is_wrapped_and_unwrapped(bao: OpenBao, name: str) -> None:
    """With a token that may use this key alone, a key ring works as it does with a key file."""
    key = transit(bao.url, name, token_for(bao, name))
    ring = KeyRing([key])
    stored = ring.new_data_key("tenant", key.id)
    assert stored.wrapped.startswith("vault:v1:")
    assert KeyRing([transit(bao.url, name, token_for(bao, name))]).open_data_key(stored).mac(
        b"data"
    ) == ring.open_data_key(stored).mac(b"data")
    file = RootKey(RootKey.generate(), "a file")
    both = KeyRing([key, file])
    moved = both.rewrap(stored, file.id)
    assert KeyRing([file]).open_data_key(moved).mac(b"data") == ring.open_data_key(stored).mac(b"data")


def test_older_versions_of_the_transit_key_open(bao: OpenBao, name: str) -> None:
    """After the engine rotated its key, what was wrapped before opens, and new keys get the new version."""
    key = transit(bao.url, name, token_for(bao, name))
    before = key.wrap(b"data key")
    assert bao.ask("POST", f"transit/keys/{name}/rotate")[0] in (200, 204)
    assert key.wrap(b"other").startswith("vault:v2:")
    assert key.unwrap(before) == b"data key"


def test_another_key_and_a_changed_text_do_not_open(bao: OpenBao, name: str) -> None:
    """What was wrapped by another transit key, or was changed, is one and the same error."""
    assert bao.ask("POST", "transit/keys/another", {})[0] in (200, 204)
    key = transit(bao.url, name, token_for(bao, name))
    foreign = transit(bao.url, "another", token_for(bao, "another")).wrap(b"data key")
    own = key.wrap(b"data key")
    for text in (foreign, own[:-6] + "AAAAA=", "nonsense", ""):
        with pytest.raises(DecryptionError, match=r"^a wrapped data key does not decrypt$"):
            key.unwrap(text)


def test_a_token_without_the_right_is_refused(bao: OpenBao, name: str) -> None:
    """A token of another key is reported as refused, without being shown."""
    token = token_for(bao, "other-than-this")
    with pytest.raises(RootKeyError) as caught:
        transit(bao.url, name, token).wrap(b"data key")
    assert caught.value.message == f"transit key {name!r} at {bao.url} refused to encrypt with status 403"
    assert token not in str(caught.value) + caught.value.hint


def settings_for(home: Path, bao: OpenBao, name: str, **more: object) -> Settings:
    """Settings of a state directory whose root key is in the transit engine."""
    home.mkdir(exist_ok=True, mode=0o700)
    token_file = home / "transit-token"
    token_file.write_text(token_for(bao, name) + "\n")
    token_file.chmod(0o600)
    about = {"url": bao.url, "key": name, "token_file": str(token_file)}
    (home / "config.yaml").write_text(yaml.safe_dump({"key_transit": about, **more}))
    return Settings({}, home)


def test_a_store_on_a_transit_key(bao: OpenBao, name: str, tmp_path: Path) -> None:
    """`init` makes no key file; secrets come back; without the token's file nothing opens."""
    home = tmp_path / "home"
    settings = settings_for(home, bao, name)
    made = initialise(settings, password=lambda: None, profile=True)
    assert (made.made, made.key_path) == (True, None)
    assert not (home / "keys").exists()
    service = open_service(settings)
    caller = service.gate.authenticate_token(settings.token())
    service.secrets.create(caller, "default_tenant", "k", NewSecret(value=SecretValue("the value")))
    service.close()
    service = open_service(settings)
    value = service.secrets.show(caller, "default_tenant", "k")[1]
    assert value is not None
    assert value.reveal() == "the value"
    service.close()
    (home / "transit-token").unlink()
    service = open_service(settings)
    with pytest.raises(RootKeyError, match=r"^the token file '.*' can't be read: No such file or directory$"):
        service.secrets.show(caller, "default_tenant", "k")
    service.close()


def test_from_a_key_file_to_a_transit_key(bao: OpenBao, name: str, tmp_path: Path) -> None:
    """A store that began with a key file moves to the transit key, and needs the file no more."""
    home = tmp_path / "home"
    initialise(Settings({}, home), password=lambda: None, profile=True)
    file = str(home / "keys" / "root.key")
    settings = settings_for(home, bao, name, key_file=[file])
    service = open_service(settings)
    caller = service.gate.authenticate_token(settings.token())
    service.secrets.create(caller, "default_tenant", "k", NewSecret(value=SecretValue("the value")))
    to = next(key.id for key in service.keys.status(caller).root_keys if not key.wraps)
    done = service.keys.rotate_root(caller, to, lambda _doing, _more: None)
    assert (done.keys, done.proved, done.unreadable) == (2, 1, [])
    service.close()
    service = open_service(settings_for(home, bao, name))
    value = service.secrets.show(caller, "default_tenant", "k")[1]
    assert value is not None
    assert value.reveal() == "the value"
    service.close()


def test_the_id_tells_keys_apart_and_not_addresses() -> None:
    """Name, mount and namespace make another id; the address and the token do not."""
    keys = [
        transit("https://one.example", "k"),
        transit("https://one.example", "l"),
        transit("https://one.example", "k", mount="other"),
        transit("https://one.example", "k", namespace="team"),
    ]
    assert len({key.id for key in keys}) == 4
    assert transit("https://two.example:1", "k", "another").id == keys[0].id
    assert all(TOKEN not in repr(key) for key in keys)


def test_no_redirect_is_followed_with_the_token() -> None:
    """A redirect to another server is an error; the other one is never asked."""
    with serving(lambda _: answer(200)) as second:
        with serving(lambda _: answer(307, Location=second.url)) as first:
            with pytest.raises(RootKeyError, match=r"answered with status 307 and no wrapped key$"):
                transit(first.url).wrap(b"data key")
            assert f"X-Vault-Token: {TOKEN}" in first.seen[0]
        assert second.seen == []


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that name a proxy are passed over."""
    body = json.dumps({"data": {"ciphertext": "vault:v1:x"}}).encode()
    with serving(lambda _: answer(200)) as proxy:
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        with serving(lambda _: answer(200, body)) as peer:
            assert transit(peer.url, namespace="team").wrap(b"data key") == "vault:v1:x"
            assert "X-Vault-Namespace: team" in peer.seen[0]
        assert proxy.seen == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"data": 7}', b'{"data": {}}', b'{"data": {"plaintext": "%"}}']
)
def test_an_answer_without_a_key_is_refused(body: bytes) -> None:
    """Whatever else a server sends is named by its status alone."""
    with serving(lambda _: answer(200, body)) as peer:
        with pytest.raises(RootKeyError, match=r"answered with status 200 and no wrapped key$"):
            transit(peer.url).wrap(b"data key")
        with pytest.raises(RootKeyError, match=r"answered with status 200 and no data key$"):
            transit(peer.url).unwrap("vault:v1:x")


def test_a_server_that_is_not_there_is_named() -> None:
    """The error names key and server, and why."""
    with pytest.raises(
        RootKeyError, match=r"^transit key 'k' at .*:1: can't be reached: Connection refused$"
    ):
        transit("http://127.0.0.1:1").wrap(b"data key")


@pytest.mark.parametrize(
    ("url", "more", "message"),
    [
        ("http://bao.example", {}, r"^the transit service is named without TLS"),
        (
            "https://user:hunter2@bao.example",
            {},
            r"^config.yaml: key_transit: the URL of the transit service is",
        ),
        (
            "https://bao.example",
            {"ca_file": "/nonexistent"},
            r"^config.yaml: key_transit: the certificate auth",
        ),
        ("https://bao.example", {"name": "../sys/seal"}, r"^config.yaml: key_transit: key has characters"),
        ("https://bao.example", {"mount": "a?b"}, r"^config.yaml: key_transit: mount has characters"),
        (
            "https://bao.example",
            {"namespace": "a\r\nb"},
            r"^config.yaml: key_transit: namespace has characters",
        ),
    ],
)
def test_malformed_settings_are_refused(url: str, more: dict[str, str], message: str) -> None:
    """What is wrong is named before anything is sent."""
    with pytest.raises(RootKeyError, match=message) as caught:
        transit(url, **more)
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("token", ["", "two words", "line\r\nbreak"])
def test_a_malformed_token_is_not_sent(token: str) -> None:
    """A token that is empty, or would end its header, is refused and not shown."""
    with serving(lambda _: answer(200)) as peer:
        with pytest.raises(
            RootKeyError, match=r"^the token for transit key 'k' at .* is empty or malformed$"
        ):
            transit(peer.url, token=token).wrap(b"data key")
        assert peer.seen == []


def test_settings_name_all_that_is_needed(tmp_path: Path) -> None:
    """The schema of config.yaml asks for url, key and token file."""
    (tmp_path / "config.yaml").write_text("key_transit: {url: 'https://bao.example', key: k}\n")
    with pytest.raises(UsageError, match=r"key_transit (lacks|must have|breaks the rule required)"):
        Settings({}, tmp_path)
