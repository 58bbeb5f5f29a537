"""What a workload sends to identify itself, and what it gets."""

from __future__ import annotations

from resolver.core.redacted import Redacted


class JwtExchange(Redacted, frozen=True, forbid_unknown_fields=True):
    """A JWT to be exchanged.

    Args:
        jwt: the JWT.
        trust: the name of the trust, where several would fit; empty otherwise.
    """

    jwt: str
    trust: str = ""


class Grant(Redacted, frozen=True):
    """What a workload gets for its JWT.

    Args:
        token: an access token.
        expires_at: UTC time at which it ends.
        username: the user that the workload acts as.
        trust: the trust that the JWT fits.
    """

    token: str
    expires_at: str
    username: str
    trust: str
