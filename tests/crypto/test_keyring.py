"""Root keys and data keys: Fernet as published, one text for every failure, tokens bound to their place."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from resolver.core.binding import Place, Purpose
from resolver.core.model import SecretValue
from resolver.crypto.keyring import FernetDataKey, KeyRing, RootKey
from resolver.errors import DecryptionError, MisplacedTokenError, RootKeyError, TokenError

VECTORS = Path(__file__).parent / "vectors"
PLACE = Place(Purpose.VALUE, "tenant", "object", "key", 3, "data key")
BY_TIME_ONLY = {"far-future TS (unacceptable clock skew)", "expired TTL"}


def vectors(name: str) -> list[dict[str, Any]]:
    """One of the published files."""
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("vector", vectors("generate") + vectors("verify"), ids=lambda vector: vector["now"])
def test_published_tokens_open(vector: dict[str, Any]) -> None:
    """A root key opens what the specification says its key opens."""
    assert RootKey(vector["secret"], "a test").unwrap(vector["token"]) == vector["src"].encode()


@pytest.mark.parametrize("vector", vectors("invalid"), ids=lambda vector: vector["desc"])
def test_published_invalid_tokens_are_refused(vector: dict[str, Any]) -> None:
    """What the specification calls invalid is refused in one text; age alone is no reason here."""
    root_key = RootKey(vector["secret"], "a test")
    data_key = FernetDataKey("data key", vector["secret"].encode())
    now = int(datetime.fromisoformat(vector["now"]).timestamp())
    with pytest.raises(InvalidToken):
        Fernet(vector["secret"]).decrypt_at_time(vector["token"], vector["ttl_sec"], now)
    if vector["desc"] in BY_TIME_ONLY:
        assert root_key.unwrap(vector["token"]) == b""
        return
    with pytest.raises(DecryptionError, match=r"^a wrapped data key does not decrypt$"):
        root_key.unwrap(vector["token"])
    with pytest.raises(DecryptionError, match=r"^a stored value does not decrypt$"):
        data_key.open(PLACE, vector["token"])


def test_what_is_sealed_is_fernet() -> None:
    """Any Fernet opens what a data key seals: version 0x80, the place, and the value behind it."""
    key = Fernet.generate_key()
    token = FernetDataKey("data key", key).seal(PLACE, SecretValue("the välue"))
    assert base64.urlsafe_b64decode(token)[0] == 0x80
    assert Fernet(key).decrypt(token) == PLACE.encode() + "the välue".encode()


@given(value=st.text(min_size=1), key=st.text(max_size=20), version=st.integers(0, 2**31))
def test_every_value_comes_back(value: str, key: str, version: int) -> None:
    """Whatever UTF-8 text is sealed comes back exactly, at its place."""
    try:
        value.encode()
        key.encode()
    except UnicodeEncodeError:
        return
    data_key = FernetDataKey("data key", b"A" * 43 + b"=")
    place = replace(PLACE, key=key, version=version)
    assert data_key.open(place, data_key.seal(place, SecretValue(value))).reveal() == value


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": Purpose.PROVIDER_OPTIONS},
        {"purpose": Purpose.CONNECTION_PARAMETERS},
        {"purpose": Purpose.WRAPPED_KEY},
        {"tenant_id": "tenan"},
        {"tenant_id": ""},
        {"object_id": "object2"},
        {"key": "Key"},
        {"version": 2},
        {"version": 30},
        {"data_key_id": "data"},
    ],
    ids=str,
)
def test_a_token_at_another_place_is_refused(change: dict[str, Any]) -> None:
    """A token opens at its own place, and at no place that differs in any one respect."""
    data_key = FernetDataKey("data key", Fernet.generate_key())
    token = data_key.seal(PLACE, SecretValue("hunter2"))
    assert data_key.open(PLACE, token).reveal() == "hunter2"
    with pytest.raises(MisplacedTokenError, match=r"^a stored token belongs to another place") as caught:
        data_key.open(replace(PLACE, **change), token)
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_any_changed_bit_is_noticed() -> None:
    """Every single bit of a token, turned over, makes it undecryptable, in one text."""
    data_key = FernetDataKey("data key", Fernet.generate_key())
    raw = base64.urlsafe_b64decode(data_key.seal(PLACE, SecretValue("hunter2")))
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptionError) as caught:
            data_key.open(PLACE, base64.urlsafe_b64encode(changed).decode())
        assert str(caught.value) == "a stored value does not decrypt"


@pytest.mark.parametrize("token", ["", "x", "é", "gAAAA", "\0", "\ud800", "a" * 1000])
def test_what_is_no_token_is_undecryptable(token: str) -> None:
    """Text that was never a token fails in the same words as a damaged one."""
    with pytest.raises(DecryptionError, match=r"^a stored value does not decrypt$"):
        FernetDataKey("data key", Fernet.generate_key()).open(PLACE, token)


def ring_of(*texts: str) -> KeyRing:
    """A ring of root keys."""
    return KeyRing([RootKey(text, "a test") for text in texts])


def test_a_ring_opens_with_any_of_its_keys_and_wraps_with_the_named_one() -> None:
    """Several root keys open; the one that is named wraps, and without it the data key stays closed."""
    first, second = RootKey.generate(), RootKey.generate()
    both, only_second = ring_of(first, second), ring_of(second)
    id_of_first, id_of_second = both.root_key_ids
    stored = both.new_data_key("tenant", id_of_first)
    assert stored.root_key_id == id_of_first
    opened = ring_of(second, first).open_data_key(stored)
    token = both.open_data_key(stored).seal(PLACE, SecretValue("value"))
    assert opened.open(PLACE, token).reveal() == "value"
    with pytest.raises(RootKeyError) as caught:
        only_second.open_data_key(stored)
    assert caught.value.message == (
        f"root key {id_of_first} is needed and not at hand (at hand: {id_of_second})"
    )
    with pytest.raises(RootKeyError, match=r"\(at hand: none\)$"):
        ring_of().new_data_key("tenant", id_of_first)


@pytest.mark.parametrize("change", [{"tenant_id": "other"}, {"tenant_id": ""}, {"id": "other"}], ids=str)
def test_a_data_key_opens_only_as_what_it_was_made(change: dict[str, str]) -> None:
    """A wrapped data key that was given to another tenant, or another id, does not open."""
    ring = ring_of(RootKey.generate())
    stored = ring.new_data_key("tenant", ring.root_key_ids[0])
    ring.open_data_key(stored)
    with pytest.raises(MisplacedTokenError):
        ring.open_data_key(replace(stored, **change))


def test_a_data_key_under_the_wrong_root_key_does_not_open() -> None:
    """A row that names another root key than the one that wrapped it fails, and says nothing else."""
    ring = ring_of(RootKey.generate(), RootKey.generate())
    first, second = ring.root_key_ids
    stored = replace(ring.new_data_key("tenant", first), root_key_id=second)
    with pytest.raises(DecryptionError, match=r"^a wrapped data key does not decrypt$"):
        ring.open_data_key(stored)


def test_every_data_key_is_another() -> None:
    """Two data keys differ in id and key: one does not open what the other sealed."""
    ring = ring_of(RootKey.generate())
    one, other = (ring.open_data_key(ring.new_data_key("tenant", ring.root_key_ids[0])) for _ in range(2))
    assert one.id != other.id
    with pytest.raises(TokenError):
        other.open(PLACE, one.seal(PLACE, SecretValue("value")))
    assert one.mac(b"data") != other.mac(b"data")
    assert one.mac(b"data") != one.mac(b"date")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "A" * 44,
        "A" * 43,
        "é" * 44,
        "A" * 42 + "==",
        "A" * 43 + "=\0",
        "A" * 87 + "=",
    ],
)
def test_a_malformed_root_key_is_refused_without_being_shown(text: str) -> None:
    """What is not 32 bytes in URL-safe base64 is refused; the source is named, the text is not."""
    with pytest.raises(RootKeyError) as caught:
        RootKey(text, "file 'x'")
    assert caught.value.message == "the root key from file 'x' is malformed"
    assert not text or text not in caught.value.message + caught.value.hint


def test_a_root_key_is_known_by_its_id_alone() -> None:
    """The id is stable, differs from key to key, and is all that a repr shows; spaces around are nothing."""
    text = vectors("generate")[0]["secret"]
    root_key = RootKey(f" {text}\n", "a test")
    assert root_key.id == RootKey(text, "elsewhere").id
    assert len(root_key.id) == 16
    assert root_key.id != RootKey(RootKey.generate(), "a test").id
    for shown in (repr(root_key), repr(KeyRing([root_key])), repr(FernetDataKey("data key", text.encode()))):
        assert text not in shown
        assert text.rstrip("=") not in shown


def test_the_same_root_key_twice_counts_once() -> None:
    """A key given by file and by environment is one key."""
    text = RootKey.generate()
    assert len(ring_of(text, text).root_key_ids) == 1
