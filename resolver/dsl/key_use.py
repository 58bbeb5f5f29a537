"""A key that a run needs, with the calls that need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from resolver.core.location import Location, Path
from resolver.core.provenance import Provenance
from resolver.core.redacted import Redacted
from resolver.dsl.source import Source


class Call(Redacted, frozen=True):
    """A call in a blueprint; its position is looked up when someone asks for it.

    Args:
        source: the blueprint.
        path: the path of the outermost call that it stands in.
        node: the mapping that is the call.
    """

    source: Source
    path: Path
    node: Mapping[Any, Any]

    def location(self) -> Location:
        """Where it stands."""
        return Location(self.source.name, self.source.position_of(self.node), self.path)


class KeyUse(Redacted, frozen=True):
    """One key that a round needs, and the calls that need it. Satisfies `WantedKey`.

    Args:
        key: the secret's key.
        provenance: what the key was computed from.
        calls: the calls, in the order of the text.
        needs_value: whether its value is wanted; not when an input only names it.
    """

    key: str
    provenance: Provenance
    calls: list[Call] = msgspec.field(default_factory=list)
    needs_value: bool = True

    @property
    def shown(self) -> str:
        """The key as a message or a record may show it, quoted when it stands in the blueprint."""
        return self.provenance.show(self.key)

    @property
    def calls_total(self) -> int:
        """How many calls need it."""
        return len(self.calls)

    @property
    def sources(self) -> frozenset[str]:
        """The names of the blueprints that need it."""
        return frozenset(call.source.name for call in self.calls)

    def locations(self, most: int) -> list[Location]:
        """Where its first calls stand; only theirs are looked up."""
        return [call.location() for call in self.calls[:most]]
