"""What the reader remembers of the text's nodes: only what messages and rendering need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(slots=True)
class Definition:
    """A node with an anchor.

    Args:
        start: index of its first character, the anchor or tag included.
        shaped: its text must stay a collection: it stands where a merge key, `!!omap` or `!!pairs` takes
            its parts.
        opaque: it has a custom tag, or stands inside a node that has one.
        data: what it was read as; unset while `open`.
        parts: the dict or list that its tag made something else of; `data` itself without such a tag.
        weight: nodes that one alias to it adds, as `Limits.nodes` counts them.
        height: levels below it, aliases followed.
        open: it was begun and not yet ended, so an alias to it would be recursive.
    """

    start: int
    shaped: bool
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
        shaped: it stands where the target's parts are taken: after a merge key, in `!!omap` or `!!pairs`.
    """

    start: int
    end: int
    target: Definition
    shaped: bool


class Site(NamedTuple):
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
class Tree:
    """The documents of one text and what is remembered of their nodes.

    Args:
        documents: the root of each document.
        sites: the mappings with an intrinsic function's name, by `id()`.
        aliases: all places that name an anchor, in the order of the text.
        unsearched: the calls found where nothing is resolved, in nodes with custom tags and lists of pairs.
    """

    documents: list[Any]
    sites: dict[int, Site]
    aliases: list[Alias]
    unsearched: list[Site]
