"""What answers have in common."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


class Answer(Response):
    """A JSON answer, in ASCII: text that can't be written as UTF-8 is escaped rather than an error.

    Args:
        content: JSON data.
        status_code: the status.
        headers: more headers.
    """

    media_type = "application/json"

    def __init__(
        self,
        content: Any,  # noqa: ANN401 - JSON data
        status_code: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(content, status_code, headers)

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - JSON data
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def nothing() -> Response:
    """The answer that says only that it is done."""
    return Response(status_code=204)


def page(items: list[Any], total: int, size: int, offset: int, filtered: int | None = None) -> dict[str, Any]:
    """A list as Cloudify answers it."""
    return {
        "items": items,
        "metadata": {
            "pagination": {"total": total, "size": size, "offset": offset},
            "filtered": filtered,
        },
    }
