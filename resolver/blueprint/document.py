"""A blueprint that was read."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.blueprint.text import Text
    from resolver.core.location import Position
    from resolver.dsl.problems import Problem


class Blueprint:
    """The documents of one text and the positions of their calls. Satisfies `resolver.dsl.source.Source`.

    `name` is the one the user gave, `digest` the SHA-256 of the text's bytes in hexadecimal, `documents` are
    plain data that nothing may change. `text`, `parsed` and `has_bom` are what rendering needs.

    Args:
        text: the characters, without a byte order mark.
        digest: SHA-256 of the text's bytes, in hexadecimal.
        parsed: what the builder made of the text.
        repeated: a warning for each key that stands twice in one mapping.
        has_bom: whether a byte order mark preceded the text.
    """

    def __init__(
        self, text: Text, digest: str, parsed: ParsedText, repeated: Sequence[Problem] = (), *, has_bom: bool
    ) -> None:
        self._repeated = repeated
        self.name = text.name
        self.digest = digest
        self.documents = parsed.documents
        self.text = text
        self.parsed = parsed
        self.has_bom = has_bom
        self.line_at = text.line_at

    def __repr__(self) -> str:
        return f"<Blueprint {self.name!r}>"

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """Keys that stand twice, and calls where nothing is resolved, such as in nodes with custom tags."""
        return *self._repeated, *(
            self.text.problem(
                Reason.CUSTOM_TAG,
                "a call inside a node with a custom tag, `!!omap` or `!!pairs` is data and not resolved",
                self.text.position_at(span.start),
            )
            for span in self.parsed.unsearched
        )

    def position_of(self, node: Mapping[Any, Any]) -> Position | None:
        """The position of a mapping that has an intrinsic function's name among its keys."""
        span = self.parsed.spans.get(id(node))
        return None if span is None else self.text.position_at(span.start)

    def call(self, mark: int) -> dict[Any, Any]:
        """The mapping with an intrinsic function's name and some `id()`."""
        return self.parsed.spans[mark].node

    @cached_property
    def call_ends(self) -> dict[int, int]:
        """The index after each call's last character, by the index of its first one."""
        return {span.start: span.end for span in self.parsed.spans.values()}

    def end_of(self, position: Position) -> Position | None:
        """The position after the last character of the call that begins at a position."""
        end = self.call_ends.get(self.text.index_of(position))
        return None if end is None else self.text.position_at(end)


class AnchoredNode:
    """A node with an anchor.

    Args:
        start: index of its first character, the anchor or tag included.
        unpacked: its text must stay a collection: it stands where a merge key, `!!omap` or `!!pairs` takes
            its parts.
        opaque: it has a custom tag, or stands inside a node that has one.
    """

    __slots__ = ("data", "height", "opaque", "open", "parts", "start", "unpacked", "weight")

    def __init__(self, start: int, *, unpacked: bool, opaque: bool) -> None:
        self.start = start
        self.unpacked = unpacked
        self.opaque = opaque
        self.data: Any = None
        """What it was read as; unset while `open`."""
        self.parts: Any = None
        """The dict or list that its tag made something else of; `data` itself without such a tag."""
        self.weight = 1
        """Nodes that one alias to it adds, as `Limits.nodes` counts them."""
        self.height = 0
        """Levels below it, aliases followed."""
        self.open = True
        """It was begun and not yet ended, so an alias to it would be recursive."""


class Alias(msgspec.Struct, frozen=True):
    """An alias in the text.

    Args:
        start: index of its first character.
        end: index after its last character.
        target: the node it refers to.
        unpacked: it stands where the target's parts are taken: after a merge key, in `!!omap` or `!!pairs`.
    """

    start: int
    end: int
    target: AnchoredNode
    unpacked: bool


class CallSpan(msgspec.Struct, frozen=True):
    """The span in the text of a mapping that has an intrinsic function's name among its keys.

    Args:
        node: the mapping as it was read.
        start: index of the first character of its content, after an anchor and a tag.
        end: index after the last character of its content.
        tag: the two ends of its tag, None when it has none.
        fixed: its text may not be replaced: its parts are merged, or it is inside a node with a custom tag.
    """

    node: dict[Any, Any]
    start: int
    end: int
    tag: tuple[int, int] | None
    fixed: bool


class ParsedText(msgspec.Struct, frozen=True):
    """The documents of one text and what is remembered of their nodes.

    Args:
        documents: the root of each document.
        spans: the mappings with an intrinsic function's name, by `id()`.
        aliases: all aliases, in the order of the text.
        unsearched: the calls found where nothing is resolved, in nodes with custom tags and lists of pairs.
    """

    documents: list[Any]
    spans: dict[int, CallSpan]
    aliases: list[Alias]
    unsearched: list[CallSpan]
