"""What a caller wants of users and access tokens: the records that commands and routes build."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from resolver.core.model import Scope, SecretValue
from resolver.core.permissions import SystemRole
from resolver.core.times import later, parse_time
from resolver.errors import InvalidRequestError

DEFAULT_OVERLAP = "24h"
"""How long a token, or a webhook's secret, is still good that was replaced."""

MAX_OVERLAP_DAYS = 30


class NewUser(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A user to be made.

    Args:
        password: the password; None for a user who can only use tokens.
        system_role: the role in the whole system.
    """

    password: SecretValue | None = None
    system_role: SystemRole = SystemRole.DEFAULT


class UserChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be changed of a user; each field that is not given stays as it is.

    Args:
        system_role: the role in the whole system.
        active: whether the user is let in, by password or by any token.
        issuer: the OpenID provider that the user signs in by from now on, and no longer by a password; None
            for none.
        subject: who it is there; given with the issuer, or None with it.
    """

    system_role: SystemRole | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    issuer: str | UnsetType | None = UNSET
    subject: str | UnsetType | None = UNSET


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    """A new password of a user.

    Args:
        password: the password.
        revoke_tokens: whether the user's access tokens end with the old one, and the trusts that the user
            made for themselves.
    """

    password: SecretValue
    revoke_tokens: bool = False


class NewToken(Scope, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An access token to be made, with the limits of its scope.

    Args:
        username: whose token it is; the caller's own when empty.
        description: what it is for.
        expires_at: UTC time from which it is refused, in any form of `parse_time_ahead`; None for never.
    """

    username: str = ""
    description: str = ""
    expires_at: str | None = None

    @property
    def scope(self) -> Scope:
        """The scope that the token gets."""
        return Scope(self.permissions, self.tenants, self.keys, self.networks)


class RotationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How an access token, or a webhook's secret, is replaced.

    Args:
        overlap: how long the old one is still good, as `parse_time` reads it; a token never past its own end.
    """

    overlap: str = DEFAULT_OVERLAP


def overlap_end(overlap: str, now: str) -> str:
    """When an overlap ends that begins now.

    Raises:
        InvalidRequestError: it is malformed, or longer than 30 days.
    """
    until = max(now, parse_time(overlap, now, "the overlap"))
    if until > later(now, MAX_OVERLAP_DAYS * 86400):
        raise InvalidRequestError(f"the overlap is longer than {MAX_OVERLAP_DAYS} days")
    return until
