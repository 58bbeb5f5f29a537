"""Data sealed with a passphrase: Argon2id makes the key, AES-256-GCM encrypts and authenticates.

How it was sealed stands beside the ciphertext and is authenticated with it, so that no file is read with
other parameters than it was written with.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from resolver.errors import DecryptionError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """What making a key of a passphrase costs.

    Args:
        memory: in KiB.
        passes: over the memory.
        lanes: computed side by side.
    """

    memory: int
    passes: int
    lanes: int


DEFAULT_COST = Cost(memory=64 * 1024, passes=3, lanes=4)
"""RFC 9106, section 4: the second recommended option."""

MOST = Cost(memory=1024 * 1024, passes=16, lanes=16)
"""A file may ask for so much and no more, so that reading one does not take the machine down."""


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
        "kdf": {"name": "argon2id", "salt": _encode(salt), **asdict(cost)},
        "cipher": {"name": "aes-256-gcm", "nonce": _encode(nonce)},
    }
    key = _key(passphrase, salt, cost)
    return head | {"sealed": _encode(AESGCM(key).encrypt(nonce, data, _covered(head)))}


def unseal(sealed: Mapping[str, Any], passphrase: str, purpose: str, most: Cost = MOST) -> bytes:
    """Open what was sealed.

    Args:
        sealed: what `seal` made.
        passphrase: what it was sealed with.
        purpose: what it is for.
        most: what it may cost; a file that asks for more is refused before any of it is spent.

    Raises:
        InvalidRequestError: it is not what `seal` makes for this purpose.
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
    if not known or len(nonce) != _NONCE_BYTES or len(salt) != _SALT_BYTES or not _is_bearable(cost, most):
        raise InvalidRequestError("the file is not one that this program seals, or was damaged")
    try:
        return AESGCM(_key(passphrase, salt, cost)).decrypt(nonce, data, _covered(head))
    except InvalidTag:
        raise DecryptionError(
            "the file does not open with this passphrase",
            hint="check the passphrase; or the file was damaged or changed",
        ) from None


def _is_bearable(cost: Cost, most: Cost) -> bool:
    given, limits = asdict(cost), asdict(most)
    return all(type(given[name]) is int and 1 <= given[name] <= limits[name] for name in limits) and (
        cost.memory >= 8 * cost.lanes
    )


def _key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    return hash_secret_raw(
        passphrase.encode(), salt, cost.passes, cost.memory, cost.lanes, _KEY_BYTES, Type.ID
    )


def _covered(head: Mapping[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)
