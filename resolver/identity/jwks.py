"""Key sets of issuers (RFC 7517): which keys of them sign, and how."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from msgspec import Struct

from resolver.core.trusts import RefusedJwtError
from resolver.protocol.codec import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""All that a JWT may be signed with."""

MAX_SET = 256 * 1024
"""Largest key set, in bytes."""

_MAX_KEYS = 100
_MOST_BRACKETS = 10_000
_MIN_RSA, _MAX_RSA = 2048, 8192
"""Sizes of RSA keys, in bits: smaller ones are broken (NIST SP 800-131A), larger ones take long."""

_MAX_EXPONENT = 4
"""Bytes of an RSA key's exponent."""

_MAX_KEY_ID = 256


class SigningKey(Struct, frozen=True):
    """A key of an issuer.

    Args:
        key: the key, for the library.
        algorithm: the only algorithm that it is used with.
    """

    key: Any
    algorithm: str


def read_set(data: bytes) -> Mapping[str, SigningKey]:
    """The keys of a set that sign JWTs, by their ids. Keys for something else are passed over.

    Raises:
        RefusedJwtError: it is no key set, has the same id twice, or a key that is too weak.
    """
    if len(data) > MAX_SET:
        raise RefusedJwtError(f"the key set has more than {MAX_SET} bytes")
    found: Any = None
    if data.count(b"[") + data.count(b"{") <= _MOST_BRACKETS:
        try:
            found = parse(data)
        except (ValueError, RecursionError):
            found = None
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise RefusedJwtError("the key set is no JSON object with a list of keys")
    if len(listed) > _MAX_KEYS:
        raise RefusedJwtError(f"the key set has more than {_MAX_KEYS} keys")
    ids = [one["kid"] for one in listed if "kid" in one]
    if not all(isinstance(one, str) and 0 < len(one) <= _MAX_KEY_ID for one in ids):
        raise RefusedJwtError("the key set has a key whose id is no short text")
    if len(set(ids)) < len(ids):
        raise RefusedJwtError("the key set has two keys of the same id")
    keys = {one["kid"]: _key(one) for one in listed if "kid" in one}
    usable = {key_id: key for key_id, key in keys.items() if key is not None}
    if not usable:
        raise RefusedJwtError(f"the key set has no key with an id for one of {', '.join(ALGORITHMS)}")
    return usable


def _key(about: Mapping[str, Any]) -> SigningKey | None:
    """One key; None for one that does not sign what is accepted here."""
    operations = about.get("key_ops", ["verify"])
    if about.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    makes: type[RSAKey | ECKey | OKPKey]
    algorithms: tuple[str, ...]
    names: tuple[str, ...]
    match about:
        case {"kty": "RSA"}:
            makes, algorithms, names = RSAKey, ("RS256", "PS256"), ("n", "e")
        case {"kty": "EC", "crv": "P-256"}:
            makes, algorithms, names = ECKey, ("ES256",), ("crv", "x", "y")
        case {"kty": "OKP", "crv": "Ed25519"}:
            makes, algorithms, names = OKPKey, ("EdDSA",), ("crv", "x")
        case _:
            return None
    algorithm = about.get("alg", algorithms[0])  # where the set leaves it open, it is not the JWT that says
    if algorithm not in algorithms:
        return None
    if about["kty"] == "RSA":
        _check_rsa(about)
    # The public parts alone: a set with a private key must not give us one.
    try:
        made: Any = makes.import_key(
            {name: str(about[name]) for name in ("kty", *names)} | {"alg": algorithm}
        )
        made.get_op_key("verify")
    except (JoseError, ValueError, TypeError, LookupError):
        made = None
    if made is None:
        raise RefusedJwtError(f"the key {about['kid']!a} of the set is malformed")
    return SigningKey(made, algorithm)


def _check_rsa(about: Mapping[str, Any]) -> None:
    modulus, exponent = (_number(about.get(name)) for name in ("n", "e"))
    good = _MIN_RSA <= modulus.bit_length() <= _MAX_RSA and exponent % 2 and exponent > 1
    if not good or exponent.bit_length() > 8 * _MAX_EXPONENT:
        raise RefusedJwtError(
            f"the key {about['kid']!a} of the set is no RSA key of {_MIN_RSA} to {_MAX_RSA} bits"
        )


def _number(text: object) -> int:
    if not isinstance(text, str) or len(text) > 2 * _MAX_RSA // 8:
        return 0
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return 0
