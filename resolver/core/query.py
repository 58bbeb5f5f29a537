"""Queries for lists: what is searched for, the order, and which part is wanted."""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from resolver.core.model import Secret, Visibility
from resolver.errors import InvalidRequestError

DEFAULT_SIZE = 1000
"""How many secrets one page has when nothing else is said (Cloudify's rule)."""


class Field(enum.StrEnum):
    """What secrets are sorted and filtered by."""

    KEY = "key"
    TENANT = "tenant"
    VISIBILITY = "visibility"
    HIDDEN = "hidden"
    OWNER = "owner"
    VERSION = "version"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    EXPIRES_AT = "expires_at"
    ROTATE_AT = "rotate_at"
    PROVIDER = "provider"
    DESCRIPTION = "description"


class Order(Struct, frozen=True):
    """One field to sort by."""

    field: Field
    descending: bool = False

    @classmethod
    def parse(cls, text: str) -> Order:
        """Read `field`, `+field` or `-field`.

        Raises:
            InvalidRequestError: there is no such field.
        """
        try:
            return cls(
                Field(text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")),
                text[:1] == "-",
            )
        except ValueError:
            raise InvalidRequestError(
                "secrets can't be sorted by this field",
                hint=f"sort by {', '.join(Field)}; a - before it sorts downwards",
            ) from None


KEY_ALONE = (Field.KEY,)
"""What Cloudify's API and exports search."""

SEARCHED = (Field.KEY, Field.DESCRIPTION)
"""What a list is searched by."""


class Likeness(enum.StrEnum):
    """How a field is compared with a text."""

    EQUAL = "equal"
    CONTAINS = "contains"
    STARTS = "starts"
    ENDS = "ends"


class Condition(Struct, frozen=True):
    """A condition on a field that holds text; a field without a value matches no text.

    Args:
        field: the field.
        likeness: how it is like a text; None for whether it is there at all, whatever the texts.
        texts: what it is like, one of them.
        any_case: whether upper and lower case are the same.
        negated: whether it is like none of the texts instead.
    """

    field: Field
    likeness: Likeness | None
    texts: Sequence[str] = ()
    any_case: bool = False
    negated: bool = False


class Listing(Struct, frozen=True):
    """A query for a list of secrets; what the caller may see is not in it, but in `Reach`.

    Args:
        search: a part of a searched field, in any case and any compatible form of its letters; nothing in it
            is a wildcard.
        order: the fields to sort by, the first one first; ties are in the order of creation, then of keys.
        offset: how many to leave out at the beginning.
        size: how many to return at most; None for all.
        equal: values that fields must have, one of several for each field.
        conditions: what fields are like; all of them hold.
        matches: a further test of the key, for which all keys are read, one after the other.
        patterns: what the key must be like, one of several: `*` stands for any characters, `?` for any one;
            None for any key.
        searched: the fields of which one has the text of the search in it.
        ends_by: a time, as it is stored; only secrets that expire by then, or whose value falls due. Empty
            for all.
    """

    search: str = ""
    order: Sequence[Order] = ()
    offset: int = 0
    size: int | None = DEFAULT_SIZE
    equal: Mapping[Field, Sequence[str | int | bool]] = field(default_factory=dict)
    conditions: Sequence[Condition] = ()
    matches: Callable[[str], bool] | None = None
    patterns: Sequence[str] | None = None
    searched: Sequence[Field] = SEARCHED
    ends_by: str = ""

    def __post_init__(self) -> None:
        if self.offset < 0 or (self.size is not None and self.size < 0):
            raise InvalidRequestError("the offset and the size of a page are whole numbers from 0")


EVERYTHING = Listing(size=None)


class Page(Struct, frozen=True):
    """A part of a list of secrets.

    Args:
        items: the secrets of this part, without values.
        total: how many there are in all parts.
    """

    items: Sequence[Secret]
    total: int


class Reach(Struct, frozen=True):
    """Which secrets a caller may know of.

    Args:
        user_id: the caller, to whom their own private secrets exist.
        tenants: ids of the tenants asked in; None for all. Global secrets are reached from each.
        administered: ids of those tenants whose private secrets exist for the caller; None for all.
    """

    user_id: str
    tenants: frozenset[str] | None
    administered: frozenset[str] | None

    def covers(self, secret: Secret) -> bool:
        """Whether a secret exists by this reach."""
        home = secret.tenant.id
        is_open = secret.visibility is not Visibility.PRIVATE or secret.owner.id == self.user_id
        return (self.tenants is None or home in self.tenants or secret.visibility is Visibility.GLOBAL) and (
            is_open or self.administered is None or home in self.administered
        )

    def is_within(self, other: Reach) -> bool:
        """Whether every secret that exists by this reach exists by another one, too."""
        return self.user_id == other.user_id and all(
            theirs is None or (mine is not None and mine <= theirs)
            for mine, theirs in ((self.tenants, other.tenants), (self.administered, other.administered))
        )


T = TypeVar("T")
F = TypeVar("F", bound=enum.StrEnum)


class Part(Struct, Generic[T], frozen=True):
    """A part of a list of tenants, users, tokens or providers.

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


class Choice(Struct, Generic[F], frozen=True):
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
