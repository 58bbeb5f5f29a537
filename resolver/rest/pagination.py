"""Query parameters that Cloudify's lists share."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta, Struct, field

from resolver.core.query import Choice, Part
from resolver.errors import InvalidRequestError
from resolver.protocol.codec import encode
from resolver.rest.errors import NoSuchFieldError
from resolver.rest.responses import CloudifyPage, page
from resolver.rest.routing import Flag, is_true

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
F = TypeVar("F", bound=enum.StrEnum)

DEFAULT_SIZE = 1000
"""The size of a page when none is asked for."""

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class ListQuery(Struct, frozen=True, kw_only=True):
    """What is asked of a list: its order, a part of it, and some of each item's fields.

    Args:
        size: how many items to answer at most.
        offset: how many to leave out first.
        sort: fields to sort by, with `-` for downwards.
        include: the only fields to answer, separated by commas.
        search: a part of the name, in any case.
        get_all_results: answer all items, whatever the size.
        get_data: answer members by name, rather than how many there are.
        all_tenants: list what is in all tenants of the caller.
    """

    size: Count = field(name="_size", default=DEFAULT_SIZE)
    offset: Count = field(name="_offset", default=0)
    sort: list[str] = field(name="_sort", default_factory=list)
    include: str = field(name="_include", default="")
    search: str = field(name="_search", default="")
    get_all_results: Flag = field(name="_get_all_results", default=False)
    get_data: Flag = field(name="_get_data", default=False)
    all_tenants: Flag = field(name="_all_tenants", default=False)

    @property
    def included(self) -> Sequence[str]:
        """The only fields to answer; none for all."""
        return [name.strip() for name in self.include.split(",") if name.strip()]

    @property
    def limit(self) -> int | None:
        """How many items to answer at most; None for all."""
        return None if is_true(self.get_all_results) else self.size

    @property
    def wants_data(self) -> bool:
        """Whether to answer members by name."""
        return is_true(self.get_data)

    def part_of(
        self,
        fetch: Callable[[Choice[F]], Part[T]],
        shape: Callable[[T], object],
        fields: Sequence[str],
        sorts: Mapping[str, F | None],
    ) -> CloudifyPage[Any]:
        """The part of a list that is asked for, as a page.

        Args:
            fetch: gives a part.
            shape: what an item is shown as.
            fields: the fields that items have.
            sorts: those that it can be sorted by, with our names; None for what all items have the same.

        Raises:
            InvalidRequestError: it can't be sorted by one of the fields.
            NoSuchFieldError: one to include is not there.
        """
        self.demand_included(fields)
        order: list[tuple[F, bool]] = []
        for text in self.sort:
            name = text.lstrip("+-")
            if name not in sorts:
                raise InvalidRequestError("the list can't be sorted by this field")
            if (field := sorts[name]) is not None:
                order.append((field, text.startswith("-")))
        limit = self.limit
        part = fetch(Choice(limit, 0 if limit is None else self.offset, self.search, order))
        items = [self.chosen(shape(item)) for item in part.items]
        return page(items, part.total, self.size, self.offset)

    def demand_included(self, fields: Sequence[str]) -> None:
        """Refuse to include what items don't have, also when there are none.

        Raises:
            NoSuchFieldError: there is no such field.
        """
        if not set(self.included) <= set(fields):
            raise NoSuchFieldError("there is no such field to include")

    def chosen(self, item: object) -> Mapping[str, Any]:
        """An item's fields that are asked for, which it has."""
        fields: dict[str, Any] = encode(item)
        included = self.included
        return {name: fields[name] for name in included} if included else fields
