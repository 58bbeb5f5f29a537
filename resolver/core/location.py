"""Where something stands in a blueprint: a path in the document and a position in the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple[str | int, ...]
"""The steps from a document's root to a node: mapping keys and sequence indices."""

_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class Position(msgspec.Struct, frozen=True):
    """A position in a text; both numbers count from 1, columns in characters."""

    line: int
    column: int


class Location(msgspec.Struct, frozen=True):
    """Where a call stands, for plans, reports and audit records."""

    source: str
    position: Position | None
    path: Path


def format_path(path: Path) -> str:
    """A path as people write it, `node_templates.vm.properties["a b"][0]`; `(document)` for the root."""
    if not path:
        return "(document)"
    parts: list[str] = []
    for step in path:
        if isinstance(step, str) and _PLAIN_STEP.match(step):
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f"[{step!r}]")
    return "".join(parts)


def leads(data: object, step: object) -> bool:
    """Whether a step leads somewhere: a key of a mapping, or an index of a list that is in range."""
    if isinstance(data, dict):
        return isinstance(step, (str, int)) and step in data
    if not isinstance(data, (list, tuple)) or not isinstance(step, int) or isinstance(step, bool):
        return False
    return -len(data) <= step < len(data)


def follow(data: Any, path: Sequence[Any]) -> tuple[Any, int]:  # noqa: ANN401 - plain data
    """Follow a path into plain data.

    Returns:
        What it leads to, and 0; or where it ends, and the number of its step that leads nowhere, from 1.
    """
    for number, step in enumerate(path, 1):
        if not leads(data, step):
            return data, number
        data = data[step]
    return data, 0
