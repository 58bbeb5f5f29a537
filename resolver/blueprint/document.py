"""A blueprint that was read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.blueprint.text import Text
    from resolver.core.location import Position
    from resolver.dsl.problems import Problem


class Blueprint:
    """The documents of one text, and where their calls stand. Satisfies `resolver.dsl.source.Source`.

    `text`, `parsed` and `has_bom` are for this package: what rendering needs.

    Args:
        text: the characters, without a byte order mark.
        digest: SHA-256 of the text's bytes, in hexadecimal.
        parsed: what the builder made of the text.
        has_bom: whether a byte order mark preceded the text.
    """

    def __init__(self, text: Text, digest: str, parsed: ParsedText, *, has_bom: bool) -> None:
        self.text = text
        self.parsed = parsed
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
        return self.parsed.documents

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """Calls that stand where nothing is resolved, such as in nodes with custom tags."""
        return tuple(
            self.text.problem(
                Reason.CUSTOM_TAG,
                "a call inside a node with a custom tag, `!!omap` or `!!pairs` is data and not resolved",
                self.text.position_at(span.start),
            )
            for span in self.parsed.unsearched
        )

    def position_of(self, node: Mapping[Any, Any]) -> Position | None:
        """Where a mapping stands that has an intrinsic function's name among its keys."""
        span = self.parsed.spans.get(id(node))
        return None if span is None else self.text.position_at(span.start)

    @cached_property
    def _ends(self) -> dict[int, int]:
        return {span.start: span.end for span in self.parsed.spans.values()}

    def end_of(self, position: Position) -> Position | None:
        """Where the content of a call ends that begins at a position: the place after its last character."""
        end = self._ends.get(self.text.index_of(position))
        return None if end is None else self.text.position_at(end)

    def line_at(self, position: Position) -> str:
        """The source line at a position, without its line break."""
        return self.text.line_at(position)


@dataclass(slots=True)
class Definition:
    """A node with an anchor.

    Args:
        start: index of its first character, the anchor or tag included.
        unpacked: its text must stay a collection: it stands where a merge key, `!!omap` or `!!pairs` takes
            its parts.
        opaque: it has a custom tag, or stands inside a node that has one.
        data: what it was read as; unset while `open`.
        parts: the dict or list that its tag made something else of; `data` itself without such a tag.
        weight: nodes that one alias to it adds, as `Limits.nodes` counts them.
        height: levels below it, aliases followed.
        open: it was begun and not yet ended, so an alias to it would be recursive.
    """

    start: int
    unpacked: bool
    opaque: bool
    data: Any = None
    parts: Any = None
    weight: int = 1
    height: int = 0
    open: bool = True


@dataclass(frozen=True, slots=True)
class Alias:
    """A place that names an anchor.

    Args:
        start: index of its first character.
        end: index after its last character.
        target: the node it stands for.
        unpacked: it stands where the target's parts are taken: after a merge key, in `!!omap` or `!!pairs`.
    """

    start: int
    end: int
    target: Definition
    unpacked: bool


class CallSpan(NamedTuple):
    """A mapping that has an intrinsic function's name among its keys.

    A tuple, because many are made.

    Args:
        node: the mapping as it was read.
        start: index of the first character of its content, after an anchor and a tag.
        end: index after the last character of its content.
        tag: where its tag stands, or None when it has none.
        fixed: its text may not be replaced: its parts are merged, or it is inside a node with a custom tag.
    """

    node: dict[Any, Any]
    start: int
    end: int
    tag: tuple[int, int] | None
    fixed: bool


@dataclass(frozen=True, slots=True)
class ParsedText:
    """The documents of one text and what is remembered of their nodes.

    Args:
        documents: the root of each document.
        spans: the mappings with an intrinsic function's name, by `id()`.
        aliases: all places that name an anchor, in the order of the text.
        unsearched: the calls found where nothing is resolved, in nodes with custom tags and lists of pairs.
    """

    documents: list[Any]
    spans: dict[int, CallSpan]
    aliases: list[Alias]
    unsearched: list[CallSpan]
