"""Anchors and tags, which YAML calls a node's properties, and aliases.

Most nodes have none, so all this is off the builder's hot path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from yaml.events import MappingStartEvent

from resolver.blueprint.document import Alias, AnchoredNode
from resolver.blueprint.scalars import (
    COLLECTION_TAGS,
    KEY_TAGS,
    MERGE,
    SCALAR_TAGS,
    STANDARD,
    STANDARD_TAGS,
    PlainScalars,
    ScalarError,
    SpecialKey,
    tagged_scalar,
)
from resolver.dsl.source import Tagged

if TYPE_CHECKING:
    from resolver.blueprint.events import AnyEvent
    from resolver.blueprint.text import Mark
    from resolver.dsl.problems import Reason

Data: TypeAlias = Any
"""What YAML can hold."""

Cursor: TypeAlias = "tuple[list[tuple[AnyEvent, list[Data]]], AnyEvent, list[Data]]"
"""Where the next node goes: the open collections around it, the innermost one's event and children so far."""

PAIR_LISTS: Final = (STANDARD + "omap", STANDARD + "pairs")

WEIGHT_OF_TEXT: Final = 64
"""Characters of an aliased node's text that count as one node more."""

_PLAIN_MAPPING = (None, "!", STANDARD + "map")
_PLAIN_SEQUENCE = (None, "!", STANDARD + "seq")


class InvalidTextError(Exception):
    """Something in the text is invalid; `resolver.blueprint.syntax_problems` finds out what."""


class LimitError(Exception):
    """The text is deeper, or expands to more, than it may."""

    def __init__(self, reason: Reason, message: str, mark: Mark) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.mark = mark


class NodeProperties:
    """The anchors and tags of one text.

    Args:
        plain: the text's plain scalars.
    """

    def __init__(self, plain: PlainScalars) -> None:
        self.aliases: list[Alias] = []
        self.opaque = 0
        """How many open nodes have a custom tag."""
        self._pair_lists = 0  # how many open nodes are `!!omap` or `!!pairs`
        self._plain = plain
        self._anchors: dict[str, AnchoredNode] = {}
        # One entry for each open collection with an anchor or a tag: the definition, if any, and the depth
        # peak and node count from before it.
        self._opened: list[tuple[AnchoredNode | None, int, int]] = []
        # What was read as something else than dict or list keeps its parts here, for merge keys. The first
        # of the two keeps the object alive, so that its id stays its own.
        self._parts: dict[int, tuple[Data, Data]] = {}

    def end_document(self) -> None:
        """Forget the anchors: each document has its own."""
        self._anchors = {}

    def scalar(self, event: AnyEvent, cursor: Cursor) -> Data:
        """The value of a scalar with an anchor or a tag."""
        tag = event.tag
        data: Data
        try:
            if tag == "!":
                data = self._plain[event.value]  # quoted or not, as PyYAML has it
            elif tag is None:
                data = self._plain[event.value] if event.implicit[0] else event.value
            elif tag in SCALAR_TAGS or tag in KEY_TAGS:
                data = tagged_scalar(tag, event.value)
                if isinstance(data, SpecialKey):
                    self._plain.special_keys += 1
            elif tag in COLLECTION_TAGS or is_key(cursor):
                raise InvalidTextError
            else:
                data = Tagged(tag)
        except ScalarError:
            raise InvalidTextError from None
        if event.anchor is not None:
            _finish(self._define(event, cursor), data, data, event.end_mark.index)
        return data

    def open(self, event: AnyEvent, cursor: Cursor, peak: int, nodes: int) -> None:
        """Open a collection with an anchor or a tag.

        Args:
            event: the event that opens it.
            cursor: where it goes.
            peak: the greatest depth so far.
            nodes: the number of nodes so far.
        """
        self._opened.append((None if event.anchor is None else self._define(event, cursor), peak, nodes))
        if is_custom(event.tag):
            self.opaque += 1
        elif event.tag in PAIR_LISTS:
            self._pair_lists += 1

    def close(self, data: Data, opener: AnyEvent, cursor: Cursor, end: int, nodes: int, height: int) -> Data:
        """Close a collection with an anchor or a tag.

        Args:
            data: its content, a dict or list.
            opener: the event that opened it.
            cursor: where it goes.
            end: index after its last character.
            nodes: the number of nodes so far.
            height: levels below it, its own included.

        Returns:
            Its value by its tag, and the greatest depth from before it.
        """
        definition, peak, nodes_before = self._opened.pop()
        if is_custom(opener.tag):
            self.opaque -= 1
            if is_key(cursor):
                raise InvalidTextError
        elif opener.tag in PAIR_LISTS:
            self._pair_lists -= 1
        value = self._convert(data, opener.tag)
        if definition is not None:
            definition.weight += nodes - nodes_before
            definition.height = height
            _finish(definition, value, data, end)
        return value, peak

    def follow(self, event: AnyEvent, cursor: Cursor) -> AnchoredNode:
        """The node that an alias refers to."""
        target = self._anchors.get(event.anchor)
        if target is None or target.open:
            raise InvalidTextError  # an unknown anchor, or one of a node that is still being read
        if isinstance(target.data, SpecialKey):
            self._plain.special_keys += 1
        elif isinstance(target.data, Tagged) and is_key(cursor):
            raise InvalidTextError
        self.aliases.append(Alias(event.start_mark.index, event.end_mark.index, target, is_unpacked(cursor)))
        return target

    def is_pair(self, cursor: Cursor) -> bool:
        """Whether the next node is an item of a list that is `!!omap` or `!!pairs`."""
        # Such a tag on a mapping is wrong, which comes out at the end of it: the mapping itself is no pair.
        return self._pair_lists > 0 and cursor[1] is not None and cursor[1].tag in PAIR_LISTS

    def merged(self, value: Data) -> list[dict[Data, Data]]:
        """The mappings that a merge key's value gives, the one that wins last."""
        if id(value) in self._parts:
            value = self._parts[id(value)][1]
        if isinstance(value, list):
            return [self._mapping(item) for item in reversed(value)]
        return [self._mapping(value)]

    def _mapping(self, value: Data) -> dict[Data, Data]:
        if id(value) in self._parts:
            value = self._parts[id(value)][1]
        if not isinstance(value, dict):
            raise InvalidTextError
        return value

    def _define(self, event: AnyEvent, cursor: Cursor) -> AnchoredNode:
        if event.anchor in self._anchors:
            raise InvalidTextError
        definition = AnchoredNode(
            event.start_mark.index,
            unpacked=is_unpacked(cursor),
            opaque=self.opaque > 0 or is_custom(event.tag),
        )
        self._anchors[event.anchor] = definition
        return definition

    def _convert(self, data: Data, tag: str | None) -> Data:
        if tag in (_PLAIN_MAPPING if isinstance(data, dict) else _PLAIN_SEQUENCE):
            return data
        value: Data
        if is_custom(tag):
            value = Tagged(str(tag))
        elif isinstance(data, dict) and tag == STANDARD + "set":
            value = set(data)
        elif isinstance(data, list) and tag in PAIR_LISTS:
            data = [self._mapping(item) for item in data]
            if any(len(item) != 1 for item in data):
                raise InvalidTextError
            value = [pair for item in data for pair in item.items()]
        else:
            raise InvalidTextError
        self._parts[id(value)] = (value, data)
        return value


def is_custom(tag: str | None) -> bool:
    """Whether a tag is none of YAML's own, so that its node is opaque."""
    return not (tag is None or tag == "!" or tag in STANDARD_TAGS)


def is_key(cursor: Cursor) -> bool:
    """Whether the next node is a mapping's key."""
    _, start, items = cursor
    return start.__class__ is MappingStartEvent and len(items) % 2 == 0


def is_unpacked(cursor: Cursor) -> bool:
    """Whether a merge key, alone or in a list, or `!!omap` takes the next node's parts."""
    stack, start, items = cursor
    if start is None:
        return False
    if start.__class__ is MappingStartEvent:
        return len(items) % 2 == 1 and items[-1] is MERGE
    if start.tag in PAIR_LISTS:
        return True
    _, siblings = stack[-1]
    return bool(siblings) and siblings[-1] is MERGE


def _finish(definition: AnchoredNode, data: Data, parts: Data, end: int) -> None:
    definition.data = data
    definition.parts = parts
    definition.weight += (end - definition.start) // WEIGHT_OF_TEXT
    definition.open = False
