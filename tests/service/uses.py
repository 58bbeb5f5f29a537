"""What a blueprint would ask the service for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.core.location import Position
from resolver.core.provenance import WRITTEN, Provenance
from resolver.dsl.key_use import Call, KeyUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIGESTS = {"b.yaml": "0" * 64}


class Text:
    """A blueprint of which only the name matters."""

    name = "b.yaml"
    digest = DIGESTS["b.yaml"]
    documents: Sequence[Any] = ()

    def position_of(self, node: Mapping[Any, Any]) -> Position | None:  # noqa: ARG002 - the port's signature
        """Always the same place."""
        return Position(3, 5)

    def line_at(self, position: Position) -> str:  # noqa: ARG002 - the port's signature
        """Always the same line."""
        return "    a: { get_secret: k }"


def key_use(key: str, provenance: Provenance = WRITTEN) -> KeyUse:
    """One call that asks for a key."""
    return KeyUse(key, provenance, [Call(Text(), ("a",), {"get_secret": key})])
