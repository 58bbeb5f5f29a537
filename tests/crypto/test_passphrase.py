"""Data sealed with a passphrase: opened with it alone, and only as it was written."""

from __future__ import annotations

import base64
import copy
import json

import pytest

from resolver.crypto.passphrase import DEFAULT_COST, Cost, seal, unseal
from resolver.errors import DecryptionError, InvalidRequestError

CHEAP = Cost(memory=64, passes=1, lanes=1)


def test_it_opens_with_its_passphrase() -> None:
    """The same bytes come back, and neither they nor the passphrase are in what is written."""
    sealed = seal(b"kept back", "correct horse", "a test/1")
    assert sealed["kdf"]["memory"] == DEFAULT_COST.memory == 65536
    text = json.dumps(sealed)
    assert "kept" not in text
    assert "horse" not in text
    assert unseal(json.loads(text), "correct horse", "a test/1") == b"kept back"
    assert seal(b"kept back", "correct horse", "a test/1", CHEAP)["sealed"] != sealed["sealed"]


@pytest.mark.parametrize("member", ["salt", "nonce", "sealed", "passes", "memory", "passphrase"])
def test_what_was_changed_does_not_open(member: str) -> None:
    """Another passphrase, a flipped bit, another cost: one text for all."""
    sealed = seal(b"kept back", "correct horse", "a test/1", CHEAP)
    changed, passphrase = copy.deepcopy(sealed), "correct horse"
    if member == "passphrase":
        passphrase = "another horse"
    elif member in ("passes", "memory"):
        changed["kdf"][member] *= 2
    else:
        inner = changed if member == "sealed" else changed["kdf" if member == "salt" else "cipher"]
        raw = bytearray(base64.b64decode(inner[member]))
        raw[-1] ^= 1
        inner[member] = base64.b64encode(raw).decode()
    with pytest.raises(DecryptionError, match=r"^the file does not open with this passphrase$"):
        unseal(changed, passphrase, "a test/1")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another/1"},
        {"kdf": None},
        {"kdf": {"name": "argon2id", "salt": "AAAA", "memory": 64, "passes": 1, "lanes": 1}},
        {"kdf": {"name": "argon2id", "salt": "A" * 22 + "==", "memory": 2**40, "passes": 1, "lanes": 1}},
        {"kdf": {"name": "argon2id", "salt": "A" * 22 + "==", "memory": 64, "passes": True, "lanes": 1}},
        {"kdf": {"name": "scrypt", "salt": "A" * 22 + "==", "memory": 64, "passes": 1, "lanes": 1}},
        {"cipher": {"name": "aes-256-gcm", "nonce": "é"}},
        {"sealed": 1},
    ],
)
def test_what_is_not_such_a_file_is_refused(change: dict[str, object]) -> None:
    """Before any key is made: what it asks for would take the machine down."""
    sealed = seal(b"x", "correct horse", "a test/1", CHEAP) | change
    with pytest.raises(InvalidRequestError, match=r"is not one that this program seals, or was damaged$"):
        unseal(sealed, "correct horse", "a test/1")
