"""Cloudify's Fernet256: its own vectors both ways, and that a changed token never decrypts."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from resolver.crypto.fernet256 import Fernet256, key_from_passphrase
from resolver.errors import DecryptionError

PYTHON = os.environ.get("RESOLVER_TEST_CFY_PYTHON")

VECTORS = json.loads((Path(__file__).parent / "vectors" / "fernet256.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_vectors_of_cloudify(vector: dict[str, str]) -> None:
    """The key of a passphrase, the token made at a time, and the way back."""
    key = key_from_passphrase(vector["passphrase"])
    assert base64.urlsafe_b64encode(key).decode() == vector["key"]
    cipher, data = Fernet256(key), vector["text"].encode()
    assert cipher.encrypt_at(data, int(vector["time"]), bytes.fromhex(vector["vector"])) == vector["token"]
    assert cipher.decrypt(vector["token"]) == data


def test_a_changed_token_does_not_decrypt() -> None:
    """Whatever is changed, cut or not a token at all: one error with one text, and no cause behind it."""
    cipher = Fernet256(key_from_passphrase("correct horse"))
    token = cipher.encrypt(b"kept back")
    assert cipher.decrypt(token) == b"kept back"
    raw = base64.urlsafe_b64decode(token)
    wrong = ["", "x", "é", token[:-4], token + "AAAA", token.rstrip("="), token[4:]]
    for place in range(0, len(raw), 7):
        changed = bytearray(raw)
        changed[place] ^= 1
        wrong.append(base64.urlsafe_b64encode(changed).decode())
    others = [Fernet256(key_from_passphrase("another horse"))] + [cipher] * len(wrong)
    for other, text in zip(others, [token, *wrong], strict=True):
        with pytest.raises(DecryptionError) as caught:
            other.decrypt(text)
        assert caught.value.message == "the value does not decrypt with this passphrase"
        assert caught.value.__cause__ is None


def test_a_key_of_another_length_is_refused() -> None:
    """32 bytes are plain Fernet's."""
    with pytest.raises(ValueError, match=r"^a Fernet256 key has 64 bytes, not 32$"):
        Fernet256(bytes(32))


@pytest.mark.skipif(PYTHON is None, reason="RESOLVER_TEST_CFY_PYTHON is not set")
def test_cloudify_reads_what_is_written_here() -> None:
    """Cloudify's own code decrypts our token, and we its."""
    code = (
        "import sys; from cloudify import cryptography_utils as c; "
        "k = c.generate_key_using_password('correct horse'); "
        "print(c.decrypt(sys.argv[1], k)); print(c.encrypt('from there', k))"
    )
    cipher = Fernet256(key_from_passphrase("correct horse"))
    command = [str(PYTHON), "-c", code, cipher.encrypt(b"from here")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "from here"
    assert cipher.decrypt(lines[1]) == b"from there"
