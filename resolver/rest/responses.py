"""Responses: JSON, pages of a list, and the empty one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct
from starlette.responses import Response

from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

T = TypeVar("T")


_PIECE = 64 * 1024
"""How many bytes of an answer are handed to the connection at a time; each waits until the last was taken."""

_ITEM_SIZE, _ESCAPE_SIZE = 8, 6
"""Bytes that an item of JSON takes beside its text, and a character that is escaped."""


HOLD: ContextVar[Callable[[int], None] | None] = ContextVar("hold", default=None)
"""Takes bytes for the answer of the request in work, until that is sent, or raises a RequestError."""


class Answer(Response):
    """A JSON answer, in ASCII: text that can't be written as UTF-8 is escaped rather than an error.

    Its bytes are counted before it is written. It is written and sent in pieces, which are dropped as they
    are taken: beside the data there is one copy of a large answer, and `body` is empty.

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
        self._pieces: list[bytes] = []
        super().__init__(content, status_code, headers)
        if self._pieces:
            self.headers["content-length"] = str(sum(map(len, self._pieces)))

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - JSON data
        """The body of an answer that is one piece; the pieces of a larger one are kept.

        Raises:
            RequestError: all bytes that answers may take are taken.
        """
        data = encode(content)
        size, hold = size_of(data), HOLD.get()
        if size <= _PIECE:
            return _dumps(data).encode("ascii")
        if hold is not None:
            hold(size)
        self._pieces = [piece.encode("ascii") for piece in _pieces(data, size)]
        return b""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left, self._pieces = self._pieces[::-1], []
        while left:
            await send({"type": "http.response.body", "body": left.pop(), "more_body": True})
        await send({"type": "http.response.body", "body": self.body})


def whole(content: Any) -> bytes:  # noqa: ANN401 - JSON data, or records
    """The body of an answer of any size."""
    return _dumps(encode(content)).encode("ascii")


def _dumps(data: object) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def _pieces(data: object, size: int) -> Iterator[str]:
    """JSON text in pieces: as many members as fit into one, and of a long text so many characters.

    Args:
        data: JSON data.
        size: what `size_of` says of it.
    """
    if size <= _PIECE or not isinstance(data, (str, dict, list)):
        yield _dumps(data)
    elif isinstance(data, str):
        yield '"'
        for start in range(0, len(data), _PIECE):
            yield _dumps(data[start : start + _PIECE])[1:-1]
        yield '"'
    else:
        left, right = "{}" if isinstance(data, dict) else "[]"
        yield left
        yield from _members(data)
        yield right


def _members(data: dict[str, Any] | list[Any]) -> Iterator[str]:
    """The members of an object or a list, with the commas between them."""
    few: list[tuple[str, Any]] = []
    room, comma = _PIECE, ""
    pairs = data.items() if isinstance(data, dict) else (("", item) for item in data)

    def written() -> str:
        return comma + _dumps(dict(few) if isinstance(data, dict) else [item for _, item in few])[1:-1]

    for name, item in pairs:
        size = size_of(name) + size_of(item)
        if few and size > room:
            yield written()
            few, room, comma = [], _PIECE, ","
        if size <= _PIECE:
            few.append((name, item))
            room -= size
            continue
        yield f"{comma}{_dumps(name)}:" if isinstance(data, dict) else comma
        yield from _pieces(item, size)
        comma = ","
    if few:
        yield written()


def size_of(data: object) -> int:
    """About as many bytes as JSON data takes when it is written."""
    match data:
        case str():
            return _ITEM_SIZE + len(data) * (1 if data.isascii() else _ESCAPE_SIZE)
        case dict():
            return _ITEM_SIZE + sum(size_of(name) + size_of(value) for name, value in data.items())
        case list():
            return _ITEM_SIZE + sum(map(size_of, data))
        case _:
            return 3 * _ITEM_SIZE


def versioned(content: Any, version: int) -> Answer:  # noqa: ANN401 - JSON data, or records
    """The answer that shows a secret; its `ETag`, for `If-Match`, is the number of the current version."""
    return Answer(content, headers={"ETag": f'"{version}"'})


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
