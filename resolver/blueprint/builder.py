"""Build plain data from a parser's events, in one pass.

The result is what PyYAML's safe loader makes of the same text, shared objects included. This pass is the
program's hot loop, so it keeps no positions except those of calls, and when something is wrong it says no
more than that: `resolver.blueprint.diagnosis` reads the text again and finds out everything that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from resolver.blueprint.nodes import Alias, Definition, Site, Tree
from resolver.blueprint.scalars import (
    COLLECTION_TAGS,
    KEY_TAGS,
    MERGE,
    SCALAR_TAGS,
    STANDARD,
    VALUE,
    KeyMark,
    PlainScalars,
    ScalarError,
    tagged_scalar,
)
from resolver.blueprint.spans import content_end, content_start
from resolver.core.document import Tagged
from resolver.core.intrinsic import FUNCTIONS, GET_SECRET
from resolver.core.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.blueprint.limits import Limits
    from resolver.blueprint.text import Mark

WEIGHT_OF_TEXT: Final = 64
"""Characters of an aliased node's text that count as one node more."""

PAIR_LISTS: Final = (STANDARD + "omap", STANDARD + "pairs")

_NOTABLE = FUNCTIONS | {MERGE, VALUE}
_PLAIN_MAPPING = (None, "!", STANDARD + "map")
_PLAIN_SEQUENCE = (None, "!", STANDARD + "seq")


class UnsoundError(Exception):
    """Something in the text has no meaning; a second pass will find out what."""


class RefusedError(Exception):
    """The text can't be read any further, for a reason that only this pass knows."""

    def __init__(self, reason: Reason, message: str, mark: Mark, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.mark = mark
        self.hint = hint


def is_custom(tag: str | None) -> bool:
    """Whether a tag is none of YAML's own, so that its node is opaque."""
    return not (tag is None or tag == "!" or tag in SCALAR_TAGS or tag in COLLECTION_TAGS or tag in KEY_TAGS)


class Builder:
    """One pass over one text.

    Args:
        text: the text that the events are from.
        limits: bounds on depth and on nodes.
    """

    def __init__(self, text: str, limits: Limits) -> None:
        self.tree = Tree()
        self._text = text
        self._limits = limits
        self._plain = PlainScalars()
        self._keys_used = 0
        self._anchors: dict[str, Definition] = {}
        # One entry for each open collection with an anchor or a tag: the definition, if any, and the depth
        # peak and node count from before it.
        self._opened: list[tuple[Definition | None, int, int]] = []
        self._opaque = 0
        self._pair_lists = 0
        # What was read as something else than dict or list keeps its parts here, for merge keys. The first
        # of the two keeps the object alive, so that its id stays its own.
        self._parts: dict[int, tuple[Any, Any]] = {}

    def build(self, get_event: Callable[[], Any]) -> Tree:  # noqa: C901, PLR0912, PLR0915 - the hot loop: a call per event would double its cost
        """Read all documents.

        Args:
            get_event: gives the next event, None after the last one.

        Returns:
            The tree; also at hand as `tree` when this fails half-way.

        Raises:
            UnsoundError: a mapping key, scalar, tag or merge has no meaning.
            RefusedError: a limit is passed, or an alias can't be followed.
        """
        plain, notable = self._plain, _NOTABLE
        max_depth, max_nodes = self._limits.depth, self._limits.nodes
        stack: list[tuple[Any, list[Any]]] = []
        start: Any = None  # the event that began the collection being read
        items: list[Any] = []  # its children so far; keys and values take turns
        last: Any = None  # the last event that is not the end of a block collection
        depth = peak = nodes = 0
        for event in iter(get_event, None):
            kind = event.__class__
            if kind is ScalarEvent:
                last = event
                if event.anchor is None and event.tag is None:
                    items.append(plain[event.value] if event.implicit[0] else event.value)
                else:
                    items.append(self._scalar(event, stack, start, items))
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                depth += 1
                if depth > peak:
                    peak = depth
                    if depth > max_depth:
                        raise _too_deep(max_depth, event)
                if event.anchor is not None or event.tag is not None:
                    self._open(event, stack, start, items, peak, nodes)
                    peak = depth
                stack.append((start, items))
                start, items = event, []
            elif kind is MappingEndEvent:
                try:
                    if len(items) == 2:  # noqa: PLR2004 - one key, one value: most calls
                        key, value = items
                        data: Any = {key: value}
                    else:
                        pairs = iter(items)
                        data = dict(zip(pairs, pairs, strict=True))
                except TypeError:
                    raise UnsoundError from None  # an unhashable key
                nodes += len(items)
                opened, taken = start, items
                start, items = stack.pop()
                if not notable.isdisjoint(data):
                    data = self._notable(data, taken, opened, last, event, (stack, start, items))
                elif len(data) * 2 != len(taken):
                    raise UnsoundError  # a duplicate key
                if opened.anchor is not None or opened.tag is not None:
                    data, peak = self._close(data, opened, last, depth, peak, nodes, (start, items))
                items.append(data)
                depth -= 1
                if opened.flow_style:
                    last = event
            elif kind is SequenceEndEvent:
                nodes += len(items)
                if nodes > max_nodes:
                    raise _too_many_nodes(max_nodes, event)
                data, opened = items, start
                start, items = stack.pop()
                if opened.flow_style:
                    last = event
                if opened.anchor is not None or opened.tag is not None:
                    data, peak = self._close(data, opened, last, depth, peak, nodes, (start, items))
                items.append(data)
                depth -= 1
            elif kind is AliasEvent:
                last = event
                target = self._alias(event, stack, start, items)
                items.append(target.data)
                nodes += target.weight
                if nodes > max_nodes:
                    raise _too_many_nodes(max_nodes, event)
                if depth + target.height > peak:
                    peak = depth + target.height
                    if peak > max_depth:
                        raise _too_deep(max_depth, event)
            elif kind is DocumentEndEvent:
                if nodes > max_nodes:
                    raise _too_many_nodes(max_nodes, event)
                self.tree.documents.append(items.pop())
                self._anchors = {}
                peak = 0
        if plain.marks != self._keys_used:
            raise UnsoundError  # `<<` or `=` where no key stands
        return self.tree

    def _scalar(self, event: Any, stack: list[Any], start: Any, items: list[Any]) -> Any:  # noqa: ANN401 - PyYAML's events are untyped
        """A scalar with an anchor or a tag."""
        tag = event.tag
        data: Any
        try:
            if tag is None or tag == "!":
                data = self._plain[event.value] if event.implicit[0] else event.value
            elif tag in SCALAR_TAGS or tag in KEY_TAGS:
                data = tagged_scalar(tag, event.value)
                if isinstance(data, KeyMark):
                    self._plain.marks += 1
            elif tag in COLLECTION_TAGS or _is_key(start, items):
                raise UnsoundError
            else:
                data = Tagged(tag)
        except ScalarError:
            raise UnsoundError from None
        if event.anchor is not None:
            definition = self._define(event, _is_shaped(stack, start, items))
            self._finish(definition, data, event.end_mark.index)
        return data

    def _define(self, event: Any, shaped: bool) -> Definition:  # noqa: ANN401, FBT001 - PyYAML's events are untyped
        if event.anchor in self._anchors:
            # PyYAML refuses what YAML would allow, so whoever loads the result would stop here too.
            raise RefusedError(
                Reason.SYNTAX,
                f"the anchor {event.anchor!r} is defined twice in one document",
                event.start_mark,
                hint="give one of the two another name",
            )
        definition = Definition(event.start_mark.index, shaped, self._opaque > 0)
        self._anchors[event.anchor] = definition
        return definition

    @staticmethod
    def _finish(definition: Definition, data: object, end: int) -> None:
        definition.data = data
        definition.end = end
        definition.weight += (end - definition.start) // WEIGHT_OF_TEXT
        definition.open = False

    def _open(
        self, event: Any, stack: list[Any], start: Any, items: list[Any], peak: int, nodes: int
    ) -> None:  # noqa: ANN401, PLR0913, PLR0917, E501 - the hot loop's variables
        """A collection with an anchor or a tag begins."""
        definition = None
        if event.anchor is not None:
            definition = self._define(event, _is_shaped(stack, start, items))
        self._opened.append((definition, peak, nodes))
        if is_custom(event.tag):
            self._opaque += 1
        elif event.tag in PAIR_LISTS:
            self._pair_lists += 1

    def _close(self, data: Any, opened: Any, last: Any, depth: int, peak: int, nodes: int, outer: Any) -> Any:  # noqa: ANN401, PLR0913, PLR0917, E501 - the hot loop's variables
        """A collection with an anchor or a tag ends: its value by its tag, and the depth peak to go on with."""
        definition, outer_peak, outer_nodes = self._opened.pop()
        if is_custom(opened.tag):
            self._opaque -= 1
            if _is_key(*outer):
                raise UnsoundError
        elif opened.tag in PAIR_LISTS:
            self._pair_lists -= 1
        data = self._convert(data, opened)
        if definition is not None:
            definition.weight += nodes - outer_nodes
            definition.height = peak - depth + 1
            self._finish(definition, data, last.end_mark.index)
        return data, max(peak, outer_peak)

    def _convert(self, data: Any, opened: Any) -> Any:  # noqa: ANN401 - any YAML data
        tag = opened.tag
        value: Any
        if isinstance(data, dict):
            if tag in _PLAIN_MAPPING:
                return data
            if tag == STANDARD + "set":
                value = set(data)
            elif is_custom(tag):
                value = Tagged(tag)
            else:
                raise UnsoundError
        elif tag in _PLAIN_SEQUENCE:
            return data
        elif tag in PAIR_LISTS:
            data = [self._mapping(item) for item in data]
            if any(len(item) != 1 for item in data):
                raise UnsoundError
            value = [pair for item in data for pair in item.items()]
        elif is_custom(tag):
            value = Tagged(tag)
        else:
            raise UnsoundError
        self._parts[id(value)] = (value, data)
        return value

    def _alias(self, event: Any, stack: list[Any], start: Any, items: list[Any]) -> Definition:  # noqa: ANN401 - PyYAML's events are untyped
        target = self._anchors.get(event.anchor)
        if target is None:
            raise RefusedError(
                Reason.SYNTAX,
                f"no anchor {event.anchor!r} is defined before this alias",
                event.start_mark,
                hint=f"define it with &{event.anchor} earlier in the same document",
            )
        if target.open:
            raise RefusedError(
                Reason.RECURSIVE_ALIAS,
                f"the alias {event.anchor!r} stands inside the node that it names",
                event.start_mark,
            )
        if isinstance(target.data, KeyMark):
            self._plain.marks += 1
        elif isinstance(target.data, Tagged) and _is_key(start, items):
            raise UnsoundError
        self.tree.aliases.append(
            Alias(event.start_mark.index, event.end_mark.index, target, _is_shaped(stack, start, items))
        )
        return target

    def _notable(self, data: Any, items: list[Any], opened: Any, last: Any, end: Any, outer: Any) -> Any:  # noqa: ANN401, PLR0913, PLR0917, E501 - the hot loop's variables
        """A mapping that has a merge key, or an intrinsic function's name among its keys."""
        if MERGE in data or VALUE in data:
            if outer[1] is not None and outer[1].tag in PAIR_LISTS:
                raise UnsoundError  # PyYAML gives `<<` and `=` no meaning there
            data = self._join(items)
            if FUNCTIONS.isdisjoint(data):
                return data
        elif len(data) * 2 != len(items):
            raise UnsoundError  # a duplicate key
        text = self._text
        begin, tag = opened.start_mark.index, None
        if opened.anchor is not None or opened.tag is not None:
            begin, tag = content_start(text, opened)
        if opened.flow_style and text[begin] == "{":
            finish = end.end_mark.index
        else:
            finish = content_end(text, last)
        opaque = self._opaque > 0
        fixed = opaque or ((self._pair_lists > 0 or self._plain.marks > 0) and _is_shaped(*outer))
        self.tree.sites[id(data)] = site = Site(data, begin, finish, tag, fixed)
        if opaque and GET_SECRET in data:
            self.tree.unsearched.append(site)
        return data

    def _join(self, items: list[Any]) -> dict[Any, Any]:
        """A mapping's data from its keys and values, merge keys followed as PyYAML follows them.

        What is merged comes first, also in order; a later merge key wins over an earlier one, the mapping's
        own keys over both.
        """
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        count = 0
        pairs = iter(items)
        for key, value in zip(pairs, pairs, strict=True):
            if key is MERGE:
                self._keys_used += 1
                for source in self._sources(value):
                    merged.update(source)
                continue
            if key is VALUE:
                self._keys_used += 1
            own["=" if key is VALUE else key] = value
            count += 1
        if len(own) != count:
            raise UnsoundError  # a duplicate key
        merged.update(own)
        return merged

    def _sources(self, value: object) -> list[dict[Any, Any]]:
        """The mappings that a merge key's value gives, the one that wins last."""
        if id(value) in self._parts:
            value = self._parts[id(value)][1]
        if isinstance(value, list):
            return [self._mapping(item) for item in reversed(value)]
        return [self._mapping(value)]

    def _mapping(self, value: Any) -> dict[Any, Any]:  # noqa: ANN401 - any YAML data
        if id(value) in self._parts:
            value = self._parts[id(value)][1]
        if not isinstance(value, dict):
            raise UnsoundError
        return value


def _is_key(start: Any, items: list[Any]) -> bool:  # noqa: ANN401 - PyYAML's events are untyped
    """Whether the next child is a mapping's key."""
    return start.__class__ is MappingStartEvent and len(items) % 2 == 0


def _is_shaped(stack: list[tuple[Any, list[Any]]], start: Any, items: list[Any]) -> bool:  # noqa: ANN401 - PyYAML's events are untyped
    """Whether the next child's parts are taken: by a merge key, alone or in a list, or by `!!omap`."""
    if start is None:
        return False
    if start.__class__ is MappingStartEvent:
        return len(items) % 2 == 1 and items[-1] is MERGE
    if start.tag in PAIR_LISTS:
        return True
    siblings = stack[-1][1]
    return len(siblings) % 2 == 1 and siblings[-1] is MERGE and stack[-1][0].__class__ is MappingStartEvent


def _too_deep(limit: int, event: Any) -> RefusedError:
    return RefusedError(Reason.TOO_DEEP, f"more than {limit} levels of nesting", event.start_mark)


def _too_many_nodes(limit: int, event: Any) -> RefusedError:
    return RefusedError(
        Reason.TOO_MANY_NODES, f"more than {limit} nodes once aliases are followed", event.start_mark
    )
