"""Responses: JSON, pages of a list, and the empty one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct
from starlette.responses import Response

from resolver.protocol.codec import encode

T = TypeVar("T")


class Answer(Response):
    """A JSON answer, in ASCII: text that can't be written as UTF-8 is escaped rather than an error.

    Args:
        content: JSON data, or records.
        status_code: the status.
        headers: more headers.
    """

    media_type = "application/json"

    def __init__(
        self,
        content: Any,  # noqa: ANN401 - as above
        status_code: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(content, status_code, headers)

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - JSON data
        """The body."""
        return json.dumps(encode(content), allow_nan=False, separators=(",", ":")).encode("ascii")


def nothing() -> Response:
    """The answer that says only that it is done."""
    return Response(status_code=204)


class Pagination(Struct, frozen=True):
    """Which part of a list a page is."""

    total: int
    size: int
    offset: int


class PageMetadata(Struct, frozen=True):
    """What Cloudify says of a page; `filtered` counts what filter rules left out."""

    pagination: Pagination
    filtered: int | None = None


class CloudifyPage(Struct, Generic[T], frozen=True):
    """A page of a list as Cloudify answers it."""

    items: Sequence[T]
    metadata: PageMetadata


def page(
    items: Sequence[Any], total: int, size: int, offset: int, filtered: int | None = None
) -> CloudifyPage[Any]:
    """A page of a list as Cloudify answers it."""
    return CloudifyPage(items, PageMetadata(Pagination(total, size, offset), filtered))
