"""The port to a blueprint that was read: its documents as plain data, with positions and custom tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.location import Position


class Tagged(msgspec.Struct, frozen=True):
    """A node with a custom tag, which is opaque: left as it is, and never searched for calls."""

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
