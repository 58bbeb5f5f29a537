"""Find everything that is wrong with a text that `resolver.blueprint.builder` refused.

A second, slower pass that notes what the first one has no time for: the position of each key, and the kind of
node that each anchor names. Its cost grows with the text only, never with what aliases expand to.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, assert_never

import msgspec
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
)

from resolver.blueprint.anchors import PAIR_LISTS, Data, is_custom
from resolver.blueprint.events import AnyEvent
from resolver.blueprint.limits import MAX_PROBLEMS
from resolver.blueprint.scalars import (
    COLLECTION_TAGS,
    KEY_TAGS,
    MERGE,
    SCALAR_TAGS,
    STANDARD,
    VALUE,
    ScalarError,
    SpecialKey,
    plain_scalar,
    tagged_scalar,
)
from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.blueprint.text import Text
    from resolver.dsl.problems import Problem

MAX_SHOWN = 80
"""The longest scalar that a message repeats, in characters."""

_MAPPING_TAGS = ("!", STANDARD + "map", STANDARD + "set")
_SEQUENCE_TAGS = ("!", STANDARD + "seq", *PAIR_LISTS)
_QUOTE_HINT = "put it in quotes to have it as text"


class NodeKind(enum.Enum):
    """The kind of a node."""

    SCALAR = "scalar"
    SEQUENCE = "sequence"
    MAPPING = "mapping"
    OPAQUE_SCALAR = "scalar with a custom tag"
    UNKNOWN = "alias of no node"


class _CheckedNode(msgspec.Struct, frozen=True):
    """A node that was read: its kind, and what the checks on its parent need.

    Args:
        event: the event that opened it, or the alias.
        kind: what it is.
        value: a scalar's value.
        children: a sequence's members; a mapping's keys and values in turn. They are added as they are read.
    """

    event: AnyEvent
    kind: NodeKind
    value: Data = None
    children: list[_CheckedNode] = msgspec.field(default_factory=list)


class Diagnosis:
    """One careful pass over a text's events.

    Args:
        text: the text that the events are from.
        max_depth: levels of nesting at which the pass ends; libyaml slows down with each.
    """

    def __init__(self, text: Text, max_depth: int) -> None:
        self._text = text
        self._max_depth = max_depth
        self.problems: list[Problem] = []
        """What was found so far."""
        self._anchors: dict[str, _CheckedNode] = {}
        self._open: list[_CheckedNode] = []
        self._merged: set[int] = set()  # lists that were merged, by `id()`: each is looked through once

    def read(self, events: Iterator[AnyEvent]) -> None:
        """Go through the events and add what is wrong to `problems`.

        Args:
            events: the parser's events. A syntax error in them is for the caller to catch.
        """
        try:
            for event in events:
                self._take(event)
                if len(self.problems) >= MAX_PROBLEMS or len(self._open) > self._max_depth:
                    break
        finally:
            # A syntax error leaves collections open; what they hold so far has its own problems.
            for node in self._open:
                if node.kind is NodeKind.MAPPING:
                    self._check_keys(node)

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, DocumentStartEvent):
            self._anchors = {}
        elif isinstance(event, AliasEvent):
            self._follow(event)
        elif isinstance(event, CollectionEndEvent):
            self._end(self._open.pop())
        elif isinstance(event, NodeEvent):
            self._begin(event)

    def _follow(self, event: AnyEvent) -> None:
        target = self._anchors.get(event.anchor)
        if target is None:
            node = _CheckedNode(event, NodeKind.UNKNOWN)
            message = f"no anchor {event.anchor!r} is defined before this alias"
            hint = f"define it with &{event.anchor} earlier in the same document"
            self._report(Reason.SYNTAX, message, node, hint=hint)
        else:
            node = _CheckedNode(event, target.kind, target.value, target.children)
            if any(target is each for each in self._open):
                message = f"the alias {event.anchor!r} stands inside the node that it names"
                self._report(Reason.RECURSIVE_ALIAS, message, node)
        self._add(node)

    def _begin(self, event: AnyEvent) -> None:
        kind = NodeKind.SCALAR
        if isinstance(event, CollectionStartEvent):
            kind = NodeKind.MAPPING if isinstance(event, MappingStartEvent) else NodeKind.SEQUENCE
        elif is_custom(event.tag):
            kind = NodeKind.OPAQUE_SCALAR
        node = _CheckedNode(event, kind, self._scalar(event) if kind is NodeKind.SCALAR else None)
        if event.anchor is not None:
            if event.anchor in self._anchors:
                # PyYAML refuses what YAML would allow, so whoever loads the result would stop here too.
                message = f"the anchor {event.anchor!r} is defined twice in one document"
                self._report(Reason.SYNTAX, message, node, hint="give one of the two another name")
            self._anchors[event.anchor] = node
        self._add(node)
        if isinstance(event, CollectionStartEvent):
            self._open.append(node)

    def _add(self, node: _CheckedNode) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None:
            parent.children.append(node)
        is_key = parent is not None and parent.kind is NodeKind.MAPPING and len(parent.children) % 2 == 1
        if is_key and not _may_be_key(node.kind):
            self._report(
                Reason.BAD_MAPPING_KEY,
                "a mapping key must be a plain value",
                node,
                hint="a function call, list or mapping can't be a key; "
                "{{ name }} without quotes is a mapping used as a key",
            )
        if not is_key and isinstance(node.value, SpecialKey):
            self._report(
                Reason.BAD_SCALAR,
                f"{node.value.sign!r} means something only as a mapping key",
                node,
                hint=_QUOTE_HINT,
            )

    def _scalar(self, event: AnyEvent) -> Data:
        tag = event.tag
        try:
            if tag in SCALAR_TAGS or tag in KEY_TAGS:
                return tagged_scalar(tag, event.value)
            if tag not in COLLECTION_TAGS:
                return plain_scalar(event.value) if event.implicit[0] or tag == "!" else event.value
            why = f"not a valid {tag.removeprefix(STANDARD)}"
        except ScalarError as error:
            why = str(error)
        shown = repr(event.value) if len(event.value) <= MAX_SHOWN else "the text"
        self.problems.append(
            self._text.problem(Reason.BAD_SCALAR, f"{shown} is {why}", event.start_mark, hint=_QUOTE_HINT)
        )
        return object()  # equal to no other key

    def _end(self, node: _CheckedNode) -> None:
        tag = node.event.tag
        fits = _MAPPING_TAGS if node.kind is NodeKind.MAPPING else _SEQUENCE_TAGS
        if tag is not None and not is_custom(tag) and tag not in fits:
            message = f"a {node.kind.value} can't be !!{tag.removeprefix(STANDARD)}"
            self._report(Reason.BAD_SCALAR, message, node)
        elif tag in PAIR_LISTS:
            for child in node.children:
                self._check_pair(child)
        elif node.kind is NodeKind.MAPPING:
            self._check_keys(node)

    def _check_pair(self, node: _CheckedNode) -> None:
        if node.kind is not NodeKind.MAPPING or len(node.children) != 2:  # noqa: PLR2004 - one key and its value
            self._report(Reason.BAD_SCALAR, "expected a mapping of one key", node)
        elif isinstance(node.children[0].value, SpecialKey):
            sign = node.children[0].value.sign
            self._report(Reason.BAD_SCALAR, f"{sign!r} means nothing in a list of pairs", node)

    def _check_keys(self, node: _CheckedNode) -> None:
        seen: dict[Data, _CheckedNode] = {}
        # The last value may be missing.
        for key, value in zip(node.children[::2], node.children[1::2], strict=False):
            if key.value is MERGE:
                self._check_merged(value)
            elif key.kind is NodeKind.SCALAR:
                name = "=" if key.value is VALUE else key.value
                first = seen.setdefault(name, key)
                if first is not key:
                    line = first.event.start_mark.line + 1
                    self._report(
                        Reason.DUPLICATE_KEY,
                        f"the key {name!r} is there twice in one mapping",
                        key,
                        hint=f"it was first given on line {line}; only one of the two would count",
                    )

    def _check_merged(self, value: _CheckedNode) -> None:
        members = [value]
        if value.kind is NodeKind.SEQUENCE:
            members = value.children
            if id(members) in self._merged:
                return
            self._merged.add(id(members))
        for member in members:
            if member.kind not in {NodeKind.MAPPING, NodeKind.UNKNOWN}:
                self._report(Reason.SYNTAX, "a merge key takes a mapping or a list of mappings", member)

    def _report(self, reason: Reason, message: str, node: _CheckedNode, *, hint: str = "") -> None:
        if len(self.problems) >= MAX_PROBLEMS:  # one collection may have any number
            return
        self.problems.append(self._text.problem(reason, message, node.event.start_mark, hint=hint))


def _may_be_key(kind: NodeKind) -> bool:
    match kind:
        case NodeKind.SCALAR | NodeKind.UNKNOWN:
            return True
        case NodeKind.SEQUENCE | NodeKind.MAPPING | NodeKind.OPAQUE_SCALAR:
            return False
        case _:
            assert_never(kind)
