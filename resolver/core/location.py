"""What the core knows of a blueprint: its documents as plain data, and where each call stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


Path = tuple[str | int, ...]
"""The steps from a document's root to a node: mapping keys and sequence indices."""

_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text; both numbers count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Tagged:
    """A node with a custom tag. It is opaque: kept as it is, never searched for calls."""

    tag: str


class Source(Protocol):
    """A blueprint that was read.

    A document is built of dict, list and scalars; nodes that the text shares through anchors, aliases and
    merge keys are the same objects. Nothing may change them.
    """

    @property
    def name(self) -> str:
        """The name the user gave, for messages."""

    @property
    def digest(self) -> str:
        """SHA-256 of the text's bytes, in hexadecimal."""

    @property
    def documents(self) -> Sequence[Any]:
        """The documents of the text, as plain data."""

    def position_of(self, node: Mapping[Any, Any]) -> Position | None:
        """Where a mapping stands that has an intrinsic function's name among its keys."""

    def line_at(self, position: Position) -> str:
        """The source line at a position, without its line break."""


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
