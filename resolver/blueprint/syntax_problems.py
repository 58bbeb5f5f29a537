"""Find everything that is wrong with a text that `resolver.blueprint.builder` could not make sense of.

A second, slower pass that keeps what the first one has no time for: where each key stands, and what kind of
node each anchor names. Its cost grows with the text only, never with what aliases expand to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
)

from resolver.blueprint.anchors import PAIR_LISTS, Data, is_custom
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

    from resolver.blueprint.events import AnyEvent
    from resolver.blueprint.text import Text
    from resolver.dsl.problems import Problem

MAX_PROBLEMS = 100
"""A text with more problems than this is probably no blueprint; the rest is not looked for."""

MAX_SHOWN = 80
"""The longest scalar that a message repeats, in characters."""


@dataclass(slots=True)
class _CheckedNode:
    """A node that was read: its kind, and what the checks on its parent need.

    Args:
        event: the event that began it, or the alias.
        kind: `scalar`, `sequence`, `mapping`, `custom` for a scalar with a custom tag, or `unknown` for an
            alias that names nothing.
        value: a scalar's value.
        children: a sequence's members; a mapping's keys and values in turn.
    """

    event: AnyEvent
    kind: str
    value: Data = None
    children: list[_CheckedNode] = field(default_factory=list)


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
                if node.kind == "mapping":
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
            node = _CheckedNode(event, "unknown")
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
        kind = "scalar"
        if isinstance(event, CollectionStartEvent):
            kind = "mapping" if isinstance(event, MappingStartEvent) else "sequence"
        elif is_custom(event.tag):
            kind = "custom"
        node = _CheckedNode(event, kind)
        if kind == "scalar":
            node.value = self._scalar(event)
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
        is_key = parent is not None and parent.kind == "mapping" and len(parent.children) % 2 == 1
        if is_key and node.kind not in {"scalar", "unknown"}:
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
                hint="put it in quotes to have it as text",
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
        hint = "put it in quotes to have it as text"
        self.problems.append(
            self._text.problem(Reason.BAD_SCALAR, f"{shown} is {why}", event.start_mark, hint=hint)
        )
        return object()  # equal to no other key

    def _end(self, node: _CheckedNode) -> None:
        tag = node.event.tag
        fits = (
            {STANDARD + "map", STANDARD + "set"}
            if node.kind == "mapping"
            else {STANDARD + "seq", *PAIR_LISTS}
        )
        if tag not in {None, "!"} and not is_custom(tag) and tag not in fits:
            self._report(Reason.BAD_SCALAR, f"a {node.kind} can't be !!{tag.removeprefix(STANDARD)}", node)
        elif tag in PAIR_LISTS:
            for child in node.children:
                self._check_pair(child)
        elif node.kind == "mapping":
            self._check_keys(node)

    def _check_pair(self, node: _CheckedNode) -> None:
        if node.kind != "mapping" or len(node.children) != 2:  # noqa: PLR2004 - one key and its value
            self._report(Reason.BAD_SCALAR, "expected a mapping of one key", node)
        elif isinstance(node.children[0].value, SpecialKey):
            sign = node.children[0].value.sign
            self._report(Reason.BAD_SCALAR, f"{sign!r} means nothing in a list of pairs", node)

    def _check_keys(self, node: _CheckedNode) -> None:
        seen: dict[Data, _CheckedNode] = {}
        for key, value in zip(
            node.children[::2], node.children[1::2], strict=False
        ):  # the last value may lack
            if key.value is MERGE:
                self._check_merged(value)
            elif key.kind == "scalar":
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
        if value.kind == "sequence":
            members = value.children
            if id(members) in self._merged:
                return
            self._merged.add(id(members))
        for member in members:
            if member.kind not in {"mapping", "unknown"}:
                self._report(Reason.SYNTAX, "a merge key takes a mapping or a list of mappings", member)

    def _report(self, reason: Reason, message: str, node: _CheckedNode, *, hint: str = "") -> None:
        if len(self.problems) >= MAX_PROBLEMS:  # one collection may have any number
            return
        self.problems.append(self._text.problem(reason, message, node.event.start_mark, hint=hint))
