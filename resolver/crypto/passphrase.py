"""Sealing data with a passphrase: Argon2id derives the key, AES-256-GCM encrypts and authenticates.

The parameters are beside the ciphertext and are authenticated with it, so that no file is read with other
parameters than it was written with.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from typing import TYPE_CHECKING, Any

import msgspec
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from resolver.errors import DecryptionError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16


class Cost(msgspec.Struct, frozen=True):
    """The cost parameters of Argon2id.

    Args:
        memory: memory, in KiB.
        passes: passes over the memory.
        lanes: lanes that are computed in parallel.
    """

    memory: int
    passes: int
    lanes: int


DEFAULT_COST = Cost(memory=64 * 1024, passes=3, lanes=4)
"""RFC 9106, section 4: the second recommended option."""

MAX_COST = Cost(memory=1024 * 1024, passes=16, lanes=16)
"""The most that a file may ask for, so that reading one does not take the machine down."""


def seal(data: bytes, passphrase: str, purpose: str, cost: Cost = DEFAULT_COST) -> dict[str, Any]:
    """Seal data.

    Args:
        data: what is to be sealed.
        passphrase: what it is opened with.
        purpose: what it is for; it can be opened for nothing else.
        cost: what an attempt to guess the passphrase costs.

    Returns:
        JSON data with all that `unseal` needs.
    """
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    head: dict[str, Any] = {
        "format": purpose,
        "kdf": {"name": "argon2id", "salt": _encode(salt), **msgspec.structs.asdict(cost)},
        "cipher": {"name": "aes-256-gcm", "nonce": _encode(nonce)},
    }
    key = _key(passphrase, salt, cost)
    return head | {"sealed": _encode(AESGCM(key).encrypt(nonce, data, _associated_data(head)))}


def unseal(sealed: Mapping[str, Any], passphrase: str, purpose: str, limit: Cost = MAX_COST) -> bytes:
    """Open what was sealed.

    Args:
        sealed: what `seal` made.
        passphrase: what it was sealed with.
        purpose: what it is for.
        limit: the most that it may cost; a file that asks for more is refused before any of it is spent.

    Raises:
        InvalidRequestError: `seal` did not make it for this purpose.
        DecryptionError: the passphrase is another one, or something was changed.
    """
    head = {name: sealed.get(name) for name in ("format", "kdf", "cipher")}
    try:
        kdf, cipher = sealed["kdf"], sealed["cipher"]
        cost = Cost(kdf["memory"], kdf["passes"], kdf["lanes"])
        salt, nonce, data = _decode(kdf["salt"]), _decode(cipher["nonce"]), _decode(sealed["sealed"])
        known = (sealed["format"], kdf["name"], cipher["name"]) == (purpose, "argon2id", "aes-256-gcm")
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error):
        known = False
    if not known or len(nonce) != _NONCE_BYTES or len(salt) != _SALT_BYTES or not _is_within(cost, limit):
        raise InvalidRequestError("the file is not one that this program seals, or was damaged")
    try:
        return AESGCM(_key(passphrase, salt, cost)).decrypt(nonce, data, _associated_data(head))
    except InvalidTag:
        raise DecryptionError(
            "the file does not open with this passphrase",
            hint="check the passphrase; or the file was damaged or changed",
        ) from None


def _is_within(cost: Cost, limit: Cost) -> bool:
    pairs = zip(msgspec.structs.astuple(cost), msgspec.structs.astuple(limit), strict=True)
    # Argon2 itself wants at least 8 KiB for each lane (RFC 9106, section 3.1).
    return all(type(given) is int and 1 <= given <= most for given, most in pairs) and (
        cost.memory >= 8 * cost.lanes
    )


def _key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    return hash_secret_raw(
        passphrase.encode(), salt, cost.passes, cost.memory, cost.lanes, _KEY_BYTES, Type.ID
    )


def _associated_data(head: Mapping[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)
