"""Parts of lists: which one is wanted, in which order, and of what."""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
F = TypeVar("F", bound=enum.StrEnum)


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part of a list.

    Args:
        items: what was asked for.
        total: how many there are in all.
    """

    items: Sequence[T]
    total: int


class TenantField(enum.StrEnum):
    """What tenants are sorted by."""

    NAME = "name"
    MEMBERS = "members"


class UserField(enum.StrEnum):
    """What users are sorted by."""

    NAME = "name"
    SYSTEM_ROLE = "system_role"
    ACTIVE = "active"
    TENANTS = "tenants"
    CREATED_AT = "created_at"
    FIRST_LOGIN_AT = "first_login_at"
    LAST_LOGIN_AT = "last_login_at"


class TokenField(enum.StrEnum):
    """What access tokens are sorted by."""

    ID = "id"
    USERNAME = "username"
    DESCRIPTION = "description"
    EXPIRES_AT = "expires_at"
    LAST_USED_AT = "last_used_at"


class ProviderField(enum.StrEnum):
    """What secrets providers are sorted by."""

    NAME = "name"
    KIND = "kind"
    VISIBILITY = "visibility"
    PRIVATE = "private"
    TENANT = "tenant"
    OWNER = "owner"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


@dataclass(frozen=True, slots=True)
class Choice(Generic[F]):
    """Which part of a list is wanted.

    Args:
        size: how many items at most; None for all.
        offset: how many to leave out first.
        search: a part of the name, in any case and any compatible form of its letters.
        order: fields to sort by, each with whether downwards; ties are in the list's own order.

    Raises:
        InvalidRequestError: a size or an offset is below zero or beyond what a database counts.
    """

    size: int | None = None
    offset: int = 0
    search: str = ""
    order: Sequence[tuple[F, bool]] = ()

    def __post_init__(self) -> None:
        if not (self.size is None or 0 <= self.size < 2**62) or not 0 <= self.offset < 2**62:
            raise InvalidRequestError("the size and the offset of a list are numbers from 0")


WHOLE: Choice[Any] = Choice()
"""The whole of a list, in its own order."""


def fold(search: str) -> str:
    """A part of a name in the form in which names, in lower case, are compared with it."""
    return unicodedata.normalize("NFKC", search).lower()
