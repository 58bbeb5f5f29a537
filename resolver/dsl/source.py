"""The port to a blueprint that was read: its documents as plain data, with positions and custom tags."""

from __future__ import annotations

import hashlib
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


class DataSource:
    """A source that is plain data and never was text, so that it has no positions and no lines.

    Args:
        name: what it is called.
        documents: the data.
        text: what its digest is made of.
    """

    def __init__(self, name: str, documents: Sequence[Any], text: str) -> None:
        self.name = name
        self.documents = documents
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def position_of(self, _node: Mapping[Any, Any]) -> None:
        """Data has no positions."""

    def line_at(self, _position: Position) -> str:
        """Data has no lines."""
        return ""
