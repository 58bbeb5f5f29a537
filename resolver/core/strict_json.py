"""A JSON reader that refuses what can't be written as JSON again: NaN and infinite numbers."""

from __future__ import annotations

import json
import math
from typing import Any


def read_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON data
    """Read JSON data; NaN, and numbers so large that they would be infinite, are refused.

    Raises:
        ValueError: it is not such JSON.
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
