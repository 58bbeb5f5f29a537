"""JSON that can be written again: Python's reader takes, and makes, numbers that JSON has no words for."""

from __future__ import annotations

import json
import math
from typing import Any


def read_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON data
    """JSON data without NaN, and without numbers that are as good as infinite.

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
