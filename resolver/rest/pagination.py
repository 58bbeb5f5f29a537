"""Query parameters that lists share."""

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query

from resolver.core.query import Choice, Part
from resolver.errors import InvalidRequestError
from resolver.rest.errors import NoSuchFieldError
from resolver.rest.responses import page
from resolver.rest.routing import Flag

T = TypeVar("T")
F = TypeVar("F", bound=enum.StrEnum)

DEFAULT_SIZE = 1000
"""The size of a page when none is asked for."""

_LARGEST = 2**31 - 1
_Count = Annotated[int, Query(ge=0, le=_LARGEST)]


class ListQuery:
    """What is asked of a list: its order, a part of it, and some of each item's fields.

    Args:
        size: how many items to answer at most.
        offset: how many to leave out first.
        sort: fields to sort by, with `-` for downwards.
        include: the only fields to answer, separated by commas.
        search: a part of the name, in any case.
        get_all_results: answer all items, whatever the size.
        get_data: answer members by name, rather than how many there are.
    """

    def __init__(
        self,
        size: Annotated[_Count, Query(alias="_size")] = DEFAULT_SIZE,
        offset: Annotated[_Count, Query(alias="_offset")] = 0,
        sort: Annotated[list[str] | None, Query(alias="_sort")] = None,
        include: Annotated[str, Query(alias="_include")] = "",
        search: Annotated[str, Query(alias="_search")] = "",
        *,
        get_all_results: Annotated[Flag, Query(alias="_get_all_results")] = False,
        get_data: Annotated[Flag, Query(alias="_get_data")] = False,
    ) -> None:
        self.size = size
        self.offset = offset
        self.sort = sort or []
        self.include = [name.strip() for name in include.split(",") if name.strip()]
        self.search = search
        self.everything = get_all_results
        self.get_data = get_data

    def part_of(
        self,
        fetch: Callable[[Choice[F]], Part[T]],
        shape: Callable[[T], Mapping[str, Any]],
        fields: Sequence[str],
        sorts: Mapping[str, F | None],
    ) -> dict[str, Any]:
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
        size, offset = (None, 0) if self.everything else (self.size, self.offset)
        part = fetch(Choice(size, offset, self.search, order))
        items = [self.chosen({**shape(item)}) for item in part.items]
        return page(items, part.total, self.size, self.offset)

    def demand_included(self, fields: Sequence[str]) -> None:
        """Refuse to include what items don't have, also when there are none.

        Raises:
            NoSuchFieldError: there is no such field.
        """
        if not set(self.include) <= set(fields):
            raise NoSuchFieldError("there is no such field to include")

    def chosen(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item with the fields that are asked for, which it has."""
        return {name: item[name] for name in self.include} if self.include else item


ListQueryDep = Annotated[ListQuery, Depends()]
"""What is asked of a list."""
