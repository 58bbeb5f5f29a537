"""Trusts as a store keeps them, and what verifies the JWTs that are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from resolver.core.model import Scope, TrustKind


class StoredTrust(Struct, frozen=True):
    """A trust as stored.

    Args:
        id: the row's id, a random UUID.
        name: its name.
        kind: the kind of platform.
        issuer: the issuer's URL.
        audience: the only audience.
        claims: the rules for claims, as JSON text.
        user_id: the user that a workload acts as.
        scope: what is left of that user's rights.
        lifetime: seconds that a token lives.
        exchanges: how often one JWT is exchanged.
        jwks: the issuer's key set, where it was given.
        jwks_url: where the key set is fetched, where that was given.
        ca: certificate authorities for that, as PEM text.
        enabled: whether it is in use.
        created_by: the id of the user who made it.
        created_at: UTC time.
        updated_at: UTC time of the last change.
    """

    id: str
    name: str
    kind: TrustKind
    issuer: str
    audience: str
    claims: str
    user_id: str
    scope: Scope
    lifetime: int
    exchanges: int
    jwks: str | None
    jwks_url: str | None
    ca: str | None
    enabled: bool
    created_by: str
    created_at: str
    updated_at: str


class KeySource(Struct, frozen=True):
    """Where an issuer's keys come from. Keys of one source are never taken for another's.

    Args:
        issuer: the issuer's URL.
        jwks: the key set itself, as JSON text.
        jwks_url: where it is fetched; by discovery when neither is given.
        ca: certificate authorities for that, as PEM text.
    """

    issuer: str
    jwks: str | None = None
    jwks_url: str | None = None
    ca: str | None = None


class ReadJwt(Struct, frozen=True):
    """A JWT that was read, and whose signature was not looked at.

    Args:
        issuer: who is said to have signed it.
        key_id: the key that it is said to be signed with.
        text: all of it, for the signature.
        signed: the part that is signed.
        claims: what it says, which is not to be believed yet.
        algorithm: what it is said to be signed with.
    """

    issuer: str
    key_id: str
    text: str
    signed: str
    claims: Mapping[str, Any]
    algorithm: str = ""

    def __repr__(self) -> str:
        return "ReadJwt(****)"


class PendingKeys(Protocol):
    """Keys of an issuer that are on their way."""

    def is_done(self) -> bool:
        """Whether they have come, or won't."""


class JwtVerifier(Protocol):
    """Reads JWTs, and checks their signatures with the keys of their issuers."""

    def read(self, text: str) -> ReadJwt:
        """Read a JWT; RefusedJwtError when it is malformed, or has what is not understood."""

    def verify(self, jwt: ReadJwt, source: KeySource) -> PendingKeys | None:
        """Check a signature; RefusedJwtError when it does not fit.

        Returns:
            What to wait for, when the issuer's keys are being fetched: ask again then. None when it fits.
        """

    def check_source(self, source: KeySource) -> None:
        """See that keys may be fetched there; an error of this package when not."""

    def fetch(self, source: KeySource) -> Sequence[str]:
        """Fetch an issuer's keys now; their ids, or RefusedJwtError."""

    def ages(self) -> Mapping[str, float]:
        """How many seconds ago the keys that are in use were fetched, by issuer."""


class TrustsForUse(Protocol):
    """What a use asks about trusts."""

    def trust(self, trust_id: str) -> StoredTrust | None:
        """A trust by id."""


class TrustSession(TrustsForUse, Protocol):
    """The part of a transaction about trusts."""

    def trusts(self, *, name: str = "", issuer: str = "", user_id: str = "") -> Sequence[StoredTrust]:
        """Trusts, by name: all, or the one of a name, or those of an issuer or a user."""

    def add_trust(self, trust: StoredTrust) -> None:
        """Store a trust; ConflictError when the name is taken."""

    def change_trust(self, trust: StoredTrust) -> None:
        """Store a trust that was found before as it is now; ConflictError when it is not there any more."""

    def delete_trust(self, trust_id: str) -> None:
        """Delete a trust with its tokens."""

    def delete_trust_tokens(self, trust_id: str) -> None:
        """Delete the tokens of a trust."""

    def count_trust_tokens(self, trust_id: str) -> int:
        """How many tokens of a trust there are."""

    def count_exchange(self, issuer: str, source: str, digest: str, ends_at: str, most: int) -> bool:
        """Count an exchange of a JWT; whether there were fewer than so many before.

        Args:
            issuer: who signed it.
            source: where the keys came from.
            digest: SHA-256 of what identifies it.
            ends_at: UTC time from which it is not accepted anyway.
            most: how often it is exchanged at most.
        """

    def forget_exchanges(self, before: str) -> None:
        """Forget the counts of JWTs that ended before a time."""
