"""Keeping secret values out of texts: records that hide them, and a search for them in others' messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resolver.core.model import SecretValue

SHORTEST_PART = 4
"""Parts of a value, strings of a JSON value and lines, that are shorter are too common to be looked for."""


def leaks_value(text: str, values: Iterable[SecretValue]) -> bool:
    """Whether a text holds a value, a line of it or a string of its JSON, as it is or escaped.

    It finds what slipped into a message of a plugin or an orchestrator, not what was encoded on purpose.
    """
    return any(form in text for value in values for part in _parts(value.reveal()) for form in _forms(part))


def _parts(value: str) -> Iterator[str]:
    yield value
    parts = [line.strip() for line in value.splitlines()]
    if value.lstrip()[:1] in ("{", "["):
        try:
            pending = [json.loads(value)]
        except (ValueError, RecursionError):
            pending = []
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                parts.append(item)
            elif isinstance(item, dict):
                pending += item.values()
            elif isinstance(item, list):
                pending += item
    yield from (part for part in parts if len(part) >= SHORTEST_PART)


def _forms(part: str) -> set[str]:
    return {part, repr(part)[1:-1], ascii(part)[1:-1], json.dumps(part)[1:-1]}
