"""Cloudify's variant of Fernet, with AES-256, for reading and writing its exports.

The format is Fernet's (version byte 0x80, 8 bytes of time, 16 bytes of initialisation vector, AES-CBC with
PKCS7 padding, HMAC-SHA256 over all that, URL-safe base64) with a key of 64 bytes: 32 that sign, 32 that
encrypt. The key of an export comes from its passphrase by PBKDF2 with a constant salt, which is weak by
today's measure and there for interchange only: nothing of ours is stored with it.
"""

from __future__ import annotations

import base64
import os
import struct
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from resolver.errors import DecryptionError

_VERSION = 0x80
_BLOCK = 16
_HEADER = struct.Struct(">BQ16s")
_MAC_BYTES = 32
_SALT = b"salt_"
_PASSES = 100_000
_KEY_BYTES = 64


def key_from_passphrase(passphrase: str) -> bytes:
    """Derive the 64 bytes that Cloudify derives from an export's passphrase."""
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=_SALT, iterations=_PASSES)
    return kdf.derive(passphrase.encode())


class Fernet256:
    """Encrypts and decrypts as Cloudify does.

    Args:
        key: 64 bytes.
    """

    __slots__ = ("_encryption_key", "_signing_key")

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a Fernet256 key has {_KEY_BYTES} bytes, not {len(key)}")
        self._signing_key, self._encryption_key = key[:32], key[32:]

    def __repr__(self) -> str:
        return "Fernet256()"

    def encrypt(self, data: bytes) -> str:
        """Encrypt data now, with a random initialisation vector."""
        return self.encrypt_at(data, int(time.time()), os.urandom(_BLOCK))

    def encrypt_at(self, data: bytes, at: int, vector: bytes) -> str:
        """Encrypt data at a time in seconds, with a given initialisation vector; for test vectors."""
        padder = padding.PKCS7(_BLOCK * 8).padder()
        padded = padder.update(data) + padder.finalize()
        encryptor = Cipher(algorithms.AES(self._encryption_key), modes.CBC(vector)).encryptor()
        signed = _HEADER.pack(_VERSION, at, vector) + encryptor.update(padded) + encryptor.finalize()
        return base64.urlsafe_b64encode(signed + self._mac(signed).finalize()).decode("ascii")

    def decrypt(self, token: str) -> bytes:
        """Decrypt a token, whatever its age.

        Raises:
            DecryptionError: it was not made with this key, or was changed; one text whatever the cause.
        """
        try:
            return self._decrypt(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True))
        except (ValueError, InvalidSignature):
            raise DecryptionError("the value does not decrypt with this passphrase") from None

    def _mac(self, signed: bytes) -> hmac.HMAC:
        mac = hmac.HMAC(self._signing_key, hashes.SHA256())
        mac.update(signed)
        return mac

    def _decrypt(self, data: bytes) -> bytes:
        signed, mac_bytes = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        self._mac(signed).verify(mac_bytes)
        if len(signed) < _HEADER.size or signed[0] != _VERSION:
            raise ValueError("not a token")
        _, _, vector = _HEADER.unpack(signed[: _HEADER.size])
        decryptor = Cipher(algorithms.AES(self._encryption_key), modes.CBC(vector)).decryptor()
        padded = decryptor.update(signed[_HEADER.size :]) + decryptor.finalize()
        unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
