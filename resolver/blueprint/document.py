"""A blueprint that was read."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.blueprint.nodes import Tree
    from resolver.blueprint.text import Text
    from resolver.core.location import Position
    from resolver.dsl.problems import Problem


class Blueprint:
    """The documents of one text, and where their calls stand. Satisfies `resolver.core.location.Source`.

    `text`, `tree` and `has_bom` are for this package: what rendering needs.

    Args:
        text: the characters, without a byte order mark.
        digest: SHA-256 of the text's bytes, in hexadecimal.
        tree: what the builder made of the text.
        has_bom: whether a byte order mark preceded the text.
    """

    def __init__(self, text: Text, digest: str, tree: Tree, *, has_bom: bool) -> None:
        self.text = text
        self.tree = tree
        self.has_bom = has_bom
        self._digest = digest

    def __repr__(self) -> str:
        return f"<Blueprint {self.name!r}>"

    @property
    def name(self) -> str:
        """The name the user gave, for messages."""
        return self.text.name

    @property
    def digest(self) -> str:
        """SHA-256 of the text's bytes, in hexadecimal."""
        return self._digest

    @property
    def documents(self) -> Sequence[Any]:
        """The documents of the text, as plain data. Nothing may change them."""
        return self.tree.documents

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """Calls that stand where nothing is resolved, such as in nodes with custom tags."""
        return tuple(
            self.text.problem(
                Reason.CUSTOM_TAG,
                "a call inside a node with a custom tag, `!!omap` or `!!pairs` is data and not resolved",
                self.text.position_at(site.start),
            )
            for site in self.tree.unsearched
        )

    def position_of(self, node: Mapping[Any, Any]) -> Position | None:
        """Where a mapping stands that has an intrinsic function's name among its keys."""
        site = self.tree.sites.get(id(node))
        return None if site is None else self.text.position_at(site.start)

    @cached_property
    def _ends(self) -> dict[int, int]:
        return {site.start: site.end for site in self.tree.sites.values()}

    def end_of(self, position: Position) -> Position | None:
        """Where the content of a call ends that begins at a position: the place after its last character."""
        end = self._ends.get(self.text.index_of(position))
        return None if end is None else self.text.position_at(end)

    def line_at(self, position: Position) -> str:
        """The source line at a position, without its line break."""
        return self.text.line_at(position)
