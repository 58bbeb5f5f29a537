"""Where something stands in a blueprint: a path in the document and a position in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The steps from a document's root to a node: mapping keys and sequence indices."""

_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text; both numbers count from 1, columns in characters."""

    line: int
    column: int


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


@dataclass(frozen=True, slots=True)
class Location:
    """Where a call stands: what a plan, a report and an audit record say of it."""

    source: str
    position: Position | None
    path: Path
