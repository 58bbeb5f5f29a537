"""Which secrets a list has, in which order, and which part of it is wanted."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resolver.core.paging import fold
from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.model import Secret

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


@dataclass(frozen=True, slots=True)
class Order:
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


class Likeness(enum.StrEnum):
    """How a text may be like another one."""

    EQUAL = "equal"
    CONTAINS = "contains"
    STARTS = "starts"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field that holds text is like. What is not there is like no text.

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


@dataclass(frozen=True, slots=True)
class Listing:
    """What is asked for. Who may see what is not part of it.

    Args:
        search: a part of the key, in any case and any compatible form of its letters; nothing in it is a
            wildcard.
        order: the fields to sort by, the first one first; ties are in the order of creation, then of keys.
        offset: how many to leave out at the beginning.
        size: how many to return at most; None for all.
        equal: values that fields must have, one of several for each field.
        conditions: what fields are like; all of them hold.
        matches: a further test of the key, for which all keys are read, one after the other.
        patterns: what the key must be like, one of several: `*` stands for any characters, `?` for any one;
            None for any key.
    """

    search: str = ""
    order: Sequence[Order] = ()
    offset: int = 0
    size: int | None = DEFAULT_SIZE
    equal: Mapping[Field, Sequence[str | int | bool]] = field(default_factory=dict)
    conditions: Sequence[Condition] = ()
    matches: Callable[[str], bool] | None = None
    patterns: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.offset < 0 or (self.size is not None and self.size < 0):
            raise InvalidRequestError("the offset and the size of a page are whole numbers from 0")

    @property
    def folded_search(self) -> str:
        """The search in the form in which keys are compared with it."""
        return fold(self.search)


EVERYTHING = Listing(size=None)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Args:
        items: the secrets of this part, without values.
        total: how many there are in all parts.
    """

    items: Sequence[Secret]
    total: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Which secrets exist for a caller.

    Args:
        user_id: the caller, to whom their own private secrets exist.
        tenants: ids of the tenants asked in; None for all. Global secrets are reached from each.
        administered: ids of those tenants whose private secrets exist for the caller; None for all.
    """

    user_id: str
    tenants: frozenset[str] | None
    administered: frozenset[str] | None
