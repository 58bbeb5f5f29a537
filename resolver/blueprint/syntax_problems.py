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
from resolver.blueprint.limits import MAX_PROBLEMS, DuplicateKeys
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
from resolver.blueprint.text import Mark
from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from resolver.blueprint.events import AnyEvent
    from resolver.blueprint.text import Text
    from resolver.dsl.problems import Problem

DEFINITIONS = "dsl_definitions"
"""The section that is there for the anchors in it."""

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


class _Content(msgspec.Struct):
    """What the checks need of a collection's children, which are not kept: a text may have millions.

    Args:
        count: how many there are so far, keys and values each for itself.
        first: the first one's value.
        key: a mapping's last key.
        names: a mapping's keys, with the indices where they were first given.
        unmergeable: a sequence's members that no merge key takes, as many as may be reported.
        is_checked: whether a merge key took the sequence: each is looked through once.
    """

    count: int = 0
    first: Data = None
    key: Data = None
    names: dict[Data, int] = msgspec.field(default_factory=dict)
    unmergeable: list[_CheckedNode] = msgspec.field(default_factory=list)
    is_checked: bool = False


class _CheckedNode(msgspec.Struct, frozen=True):
    """A node that was read: its kind, and what the checks on its parent need.

    Args:
        mark: where it begins, or the alias.
        tag: its tag; None for an alias, too.
        kind: what it is.
        value: a scalar's value.
        content: what a collection holds so far; None for any other node.
        is_anchored: whether it has an anchor.
    """

    mark: Mark
    tag: str | None
    kind: NodeKind
    value: Data = None
    content: _Content | None = None
    is_anchored: bool = False


class Diagnosis:
    """One careful pass over a text's events.

    Args:
        text: the text that the events are from.
        max_depth: levels of nesting at which the pass ends; libyaml slows down with each.
        duplicate_keys: what becomes of keys that stand twice in one mapping.
        repeated: by the index where a mapping begins, those of its repeated keys whose values differ, as far
            as that is known.
    """

    def __init__(
        self,
        text: Text,
        max_depth: int,
        duplicate_keys: DuplicateKeys = DuplicateKeys.REFUSED,
        repeated: Mapping[int, Container[Data]] | None = None,
    ) -> None:
        self._text = text
        self._max_depth = max_depth
        self._duplicate_keys = duplicate_keys
        self._repeated = repeated or {}
        self.problems: list[Problem] = []
        """What was found so far."""
        self.warnings: list[Problem] = []
        """Keys that stand twice where they may, `MAX_PROBLEMS` at most."""
        self._anchors: dict[str, _CheckedNode] = {}
        self._open: list[_CheckedNode] = []

    def read(self, events: Iterator[AnyEvent]) -> None:
        """Go through the events and add what is wrong to `problems`.

        Args:
            events: the parser's events. A syntax error in them is for the caller to catch.
        """
        for event in events:
            self._take(event)
            if len(self.problems) >= MAX_PROBLEMS or len(self._open) > self._max_depth:
                break

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, DocumentStartEvent):
            self._anchors = {}
        elif isinstance(event, AliasEvent):
            self._follow(event)
        elif isinstance(event, CollectionEndEvent):
            self._end()
        elif isinstance(event, NodeEvent):
            self._begin(event)

    def _follow(self, event: AnyEvent) -> None:
        target = self._anchors.get(event.anchor)
        if target is None:
            node = _CheckedNode(event.start_mark, None, NodeKind.UNKNOWN)
            message = f"no anchor {event.anchor!r} is defined before this alias"
            hint = f"define it with &{event.anchor} earlier in the same document"
            self._report(Reason.SYNTAX, message, node, hint=hint)
        else:
            node = _CheckedNode(event.start_mark, None, target.kind, target.value, target.content)
            if any(target is each for each in self._open):
                message = f"the alias {event.anchor!r} stands inside the node that it names"
                self._report(Reason.RECURSIVE_ALIAS, message, node)
        self._add(node, is_whole=True)

    def _begin(self, event: AnyEvent) -> None:
        kind, content = NodeKind.SCALAR, None
        if isinstance(event, CollectionStartEvent):
            content = _Content()
            kind = NodeKind.MAPPING if isinstance(event, MappingStartEvent) else NodeKind.SEQUENCE
        elif is_custom(event.tag):
            kind = NodeKind.OPAQUE_SCALAR
        value = self._scalar(event) if kind is NodeKind.SCALAR else None
        node = _CheckedNode(event.start_mark, event.tag, kind, value, content, event.anchor is not None)
        if event.anchor is not None:
            if event.anchor in self._anchors:
                # PyYAML refuses what YAML would allow, so whoever loads the result would stop here too.
                message = f"the anchor {event.anchor!r} is defined twice in one document"
                self._report(Reason.SYNTAX, message, node, hint="give one of the two another name")
            self._anchors[event.anchor] = node
        self._add(node, is_whole=content is None)
        if content is not None:
            self._open.append(node)

    def _add(self, node: _CheckedNode, *, is_whole: bool) -> None:
        """Check a node with what stands before it in the same collection.

        Args:
            node: the node.
            is_whole: nothing of it is still to be read.
        """
        parent = self._open[-1] if self._open else None
        is_key = False
        if parent is not None and parent.content is not None:
            content = parent.content
            is_key = parent.kind is NodeKind.MAPPING and content.count % 2 == 0
            if is_key:
                content.key = node.value
                self._check_key(node, content)
            elif parent.kind is NodeKind.MAPPING:
                if is_whole and content.key is MERGE:
                    self._check_merged(node)
            else:
                if not _may_be_merged(node.kind) and len(content.unmergeable) < MAX_PROBLEMS:
                    content.unmergeable.append(node)
                if is_whole and parent.tag in PAIR_LISTS:
                    self._check_pair(node)
            if content.count == 0:
                content.first = node.value
            content.count += 1
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

    def _end(self) -> None:
        node = self._open.pop()
        tag = node.tag
        fits = _MAPPING_TAGS if node.kind is NodeKind.MAPPING else _SEQUENCE_TAGS
        if tag is not None and not is_custom(tag) and tag not in fits:
            message = f"a {node.kind.value} can't be !!{tag.removeprefix(STANDARD)}"
            self._report(Reason.BAD_SCALAR, message, node)
        outer = self._open[-1] if self._open else None
        if outer is None or outer.content is None:
            return
        if outer.kind is NodeKind.SEQUENCE and outer.tag in PAIR_LISTS:
            self._check_pair(node)
        elif outer.kind is NodeKind.MAPPING and outer.content.key is MERGE and outer.content.count % 2 == 0:
            self._check_merged(node)

    def _check_pair(self, node: _CheckedNode) -> None:
        content = node.content
        if node.kind is not NodeKind.MAPPING or content is None or content.count != 2:  # noqa: PLR2004 - one key and its value
            self._report(Reason.BAD_SCALAR, "expected a mapping of one key", node)
        elif isinstance(content.first, SpecialKey):
            self._report(Reason.BAD_SCALAR, f"{content.first.sign!r} means nothing in a list of pairs", node)

    def _check_key(self, key: _CheckedNode, content: _Content) -> None:
        """Refuse a key that its mapping has already."""
        if key.kind is not NodeKind.SCALAR or key.value is MERGE:
            return
        name = "=" if key.value is VALUE else key.value
        first = content.names.setdefault(name, key.mark.index)
        if first == key.mark.index:
            return
        at = self._text.position_at(first)
        place = f"first at {self._text.name}:{at.line}:{at.column}"
        message = f"the key {name!r} is there twice in one mapping"
        allowed = self._why_allowed(name)
        if allowed and len(self.warnings) < MAX_PROBLEMS:
            hint = "remove or rename one of the two"
            self.warnings.append(
                self._text.problem(
                    Reason.DUPLICATE_KEY, f"{message}, {allowed}, {place}", key.mark, hint=hint
                )
            )
        elif not allowed or self._duplicate_keys is not DuplicateKeys.ALLOWED:
            hint = "remove one of the two; --allow-duplicate-keys lets the last one count, as Cloudify does"
            self._report(Reason.DUPLICATE_KEY, f"{message}, {place}", key, hint=hint)

    def _why_allowed(self, name: Data) -> str:
        """Why the mapping being read may have a key twice, in words; empty when it may not."""
        if self._duplicate_keys is DuplicateKeys.REFUSED:
            return ""
        if self._is_definition(name):
            return f"under {DEFINITIONS}, where only anchors count"
        differing = self._repeated.get(self._open[-1].mark.index)
        if differing is not None and name not in differing:
            return "with the same value"
        return "the last of which counts" if self._duplicate_keys is DuplicateKeys.ALLOWED else ""

    def _is_definition(self, name: Data) -> bool:
        """Whether a key is `dsl_definitions`, or stands in it and in no node with an anchor."""
        root = self._open[0].content
        section = name if len(self._open) == 1 else None if root is None else root.key
        return section == DEFINITIONS and not any(node.is_anchored for node in self._open)

    def _check_merged(self, value: _CheckedNode) -> None:
        """Refuse what a merge key can't take."""
        wrong = [] if _may_be_merged(value.kind) else [value]
        if value.kind is NodeKind.SEQUENCE and value.content is not None:
            wrong = [] if value.content.is_checked else value.content.unmergeable
            value.content.is_checked = True
        for member in wrong:
            self._report(Reason.SYNTAX, "a merge key takes a mapping or a list of mappings", member)

    def _report(self, reason: Reason, message: str, node: _CheckedNode, *, hint: str = "") -> None:
        if len(self.problems) >= MAX_PROBLEMS:  # one collection may have any number
            return
        self.problems.append(self._text.problem(reason, message, node.mark, hint=hint))


def _may_be_merged(kind: NodeKind) -> bool:
    """Whether a merge key may take a node of this kind alone or in a list."""
    return kind in {NodeKind.MAPPING, NodeKind.UNKNOWN}


def _may_be_key(kind: NodeKind) -> bool:
    match kind:
        case NodeKind.SCALAR | NodeKind.UNKNOWN:
            return True
        case NodeKind.SEQUENCE | NodeKind.MAPPING | NodeKind.OPAQUE_SCALAR:
            return False
        case _:
            assert_never(kind)
