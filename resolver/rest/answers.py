"""What answers have in common."""

from __future__ import annotations

import json
import math
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


def read_json(text: str) -> Any:  # noqa: ANN401 - JSON data
    """JSON data, which an `Answer` can write again: no NaN, and no number that is as good as infinite.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)


def _refuse_constant(_name: str) -> None:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


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
