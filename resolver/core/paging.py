"""Parts of lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part of a list.

    Args:
        items: what was asked for.
        total: how many there are in all.
    """

    items: Sequence[T]
    total: int


def check_part(size: int | None, offset: int) -> None:
    """InvalidRequestError when a size or an offset is below zero or beyond what a database counts."""
    if not (size is None or 0 <= size < 2**62) or not 0 <= offset < 2**62:
        raise InvalidRequestError("the size and the offset of a list are numbers from 0")
