"""Reading JWTs in their compact form (RFC 7519), and checking their signatures (RFC 7515).

The library verifies; what is let through to it is decided here, and stricter than the standards (RFC 8725).
"""

from __future__ import annotations

import base64
import binascii
import copy
import re
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError

from resolver.core.ports.trusts import ReadJwt
from resolver.core.trusts import RefusedJwtError
from resolver.identity.jwks import ALGORITHMS
from resolver.protocol.codec import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.ports.trusts import KeySource, PendingKeys
    from resolver.identity.issuers import IssuerKeys

MAX_JWT = 16 * 1024
"""Longest JWT, in characters: four times what platforms make."""

_PARTS = 3
_MAX_KEY_ID = 256
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+\Z")
_MOST_BRACKETS = 1000
"""Most lists and objects in one JWT; that many can't be nested too deeply to be read."""

_IGNORED = frozenset({"x5t", "x5t#S256", "x5c", "x5u", "jku", "jwk"})
"""What a header may have and nobody heeds: keys come from the issuer alone."""

_KNOWN = _IGNORED | {"alg", "kid", "typ"}


class Verifier:
    """Reads JWTs, and checks their signatures with the keys of their issuers.

    Args:
        keys: has these keys.
    """

    def __init__(self, keys: IssuerKeys) -> None:
        self._keys = keys

    def read(self, text: str, *, lone_key: bool = False) -> ReadJwt:
        """Read a JWT, and believe nothing of it.

        Args:
            text: the JWT.
            lone_key: whether it may name no key: then it is the issuer's only one (OpenID Connect).

        Raises:
            RefusedJwtError: it is malformed, or has a header that is not understood.
        """
        parts = text.split(".") if len(text) <= MAX_JWT else []
        if len(parts) != _PARTS:
            raise RefusedJwtError(f"it is no signed JWT of at most {MAX_JWT} characters")
        header = _object(parts[0], "header")
        if unknown := header.keys() - _KNOWN:
            raise RefusedJwtError(f"its header has {', '.join(sorted(map(ascii, unknown)))[:200]}")
        if header.get("alg") not in ALGORITHMS:
            raise RefusedJwtError(f"it is signed otherwise than by {', '.join(ALGORITHMS)}")
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.upper() != "JWT":
            raise RefusedJwtError("its header says that it is something else than a JWT")
        key_id = header.get("kid")
        if key_id is None and lone_key and "kid" not in header:
            key_id = ""
        elif not isinstance(key_id, str) or not 0 < len(key_id) <= _MAX_KEY_ID:
            raise RefusedJwtError("its header names no key")
        claims = _object(parts[1], "claims")
        _decoded(parts[2], "signature")
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not issuer.isascii() or not issuer.isprintable():
            raise RefusedJwtError("it names no issuer")
        return ReadJwt(issuer, key_id, text, f"{parts[0]}.{parts[1]}", claims, header["alg"])

    def verify(self, jwt: ReadJwt, source: KeySource) -> PendingKeys | None:
        """Check a signature.

        Returns:
            What to wait for, when the keys are being fetched; None when the signature fits.

        Raises:
            RefusedJwtError: it does not fit, or the issuer has no such key.
        """
        found = self._keys.find(source, jwt.key_id)
        if found.key is None:
            if found.pending is not None:
                return found.pending
            raise RefusedJwtError(found.problem)
        try:
            jws.deserialize_compact(jwt.text, found.key.key, registry=_Registry(found.key.algorithm))
        except (JoseError, ValueError, TypeError):
            pass  # what it says may show the JWT
        else:
            return None
        raise RefusedJwtError(f"its signature is not that of the issuer's key {jwt.key_id!a}")

    def check_source(self, source: KeySource) -> None:
        """See that keys may be fetched where a trust says."""
        self._keys.check_source(source)

    def fetch(self, source: KeySource) -> Sequence[str]:
        """Fetch an issuer's keys now, and say their ids."""
        return self._keys.fetch(source)

    def ages(self) -> Mapping[str, float]:
        """How many seconds ago the keys that are in use were fetched, by issuer."""
        return self._keys.ages()


def _quiet(algorithm: str) -> Any:  # noqa: ANN401 - the library's
    """An algorithm without the warning that its name is an old one (RFC 9864): platforms still say EdDSA."""
    known = copy.copy(jws.JWSRegistry.algorithms[algorithm])
    known.security_warning = None
    return known


class _Registry(jws.JWSRegistry):
    """What the library may use: one algorithm, that of the key. Headers were looked at here."""

    algorithms: dict[str, Any] = {name: _quiet(name) for name in ALGORITHMS}  # noqa: RUF012 - the base's
    max_header_length = MAX_JWT

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)


def _object(part: str, what: str) -> Mapping[str, Any]:
    data = _decoded(part, what)
    found: object = None
    if data.count(b"[") + data.count(b"{") <= _MOST_BRACKETS:
        try:
            found = parse(data)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise RefusedJwtError(f"its {what} is no JSON object whose names are each there once")
    return found


def _decoded(part: str, what: str) -> bytes:
    """What a part holds; it has one spelling only, or a JWT could be shown again as another one."""
    data = b""
    if _BASE64URL.match(part):
        try:
            data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            data = b""
    if not data or base64.urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        raise RefusedJwtError(f"its {what} is not in base64url without padding")
    return data
