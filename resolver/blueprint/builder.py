"""Build plain data from a parser's events, in one pass.

The result is what PyYAML's safe loader makes of the same text, shared objects included. This pass is the
program's hot loop, so it keeps no positions except those of calls, and when something is wrong it says no
more than that: `resolver.blueprint.syntax_problems` reads the text again and finds everything that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from resolver.blueprint.anchors import (
    Cursor,
    Data,
    InvalidTextError,
    LimitError,
    NodeProperties,
    is_unpacked,
)
from resolver.blueprint.document import CallSpan, ParsedText
from resolver.blueprint.events import content_end, content_start
from resolver.blueprint.scalars import MERGE, VALUE, PlainScalars, ScalarError
from resolver.dsl.dialects import SECRET_NAMES, function_names
from resolver.dsl.problems import Reason
from resolver.dsl.source import Tagged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.blueprint.events import AnyEvent
    from resolver.blueprint.limits import Limits


class Builder:
    """Builds the documents of one text.

    Args:
        text: the text that the events are from.
        limits: bounds on depth and on nodes.
        last_wins: let the last of several equal keys count, rather than refuse them.

    Attributes:
        repeated: by the index where a mapping with equal keys begins, those of its keys whose values differ.
    """

    def __init__(self, text: str, limits: Limits, *, last_wins: bool = False) -> None:
        self.repeated: dict[int, set[Data]] = {}
        self._last_wins = last_wins
        self._text = text
        self._limits = limits
        self._plain = PlainScalars()
        self._properties = NodeProperties(self._plain)
        self._spans: dict[int, CallSpan] = {}
        self._unsearched: list[CallSpan] = []
        self._functions = function_names()
        self._keys_used = 0

    def build(self, events: Iterable[AnyEvent]) -> ParsedText:
        """Read all documents.

        Args:
            events: the parser's events of the text.

        Raises:
            InvalidTextError: a mapping key, scalar, tag, merge or alias has no meaning.
            LimitError: the text is deeper, or has more nodes, than the limits allow.
        """
        try:
            documents = self._read(events)
        except ScalarError:
            raise InvalidTextError from None
        if self._plain.special_keys != self._keys_used:
            raise InvalidTextError  # `<<` or `=` where no key stands
        return ParsedText(documents, self._spans, self._properties.aliases, self._unsearched)

    def _read(self, events: Iterable[AnyEvent]) -> list[Data]:  # noqa: C901, PLR0912, PLR0915 - the hot loop: a call for each event would double its cost
        plain, special, properties = self._plain, self._functions | {MERGE, VALUE}, self._properties
        max_depth, max_nodes = self._limits.depth, self._limits.nodes
        documents: list[Data] = []
        stack: list[tuple[AnyEvent, list[Data]]] = []
        start: AnyEvent = None  # the event that opened the collection being read
        items: list[Data] = []  # its children so far; keys and values in turn
        last: AnyEvent = None  # the last event that is not the end of a block collection
        before: AnyEvent = None  # the one before that, where that is a scalar
        data: Data
        depth = peak = nodes = 0
        for event in events:
            kind = type(event)
            if kind is ScalarEvent:
                before, last = last, event
                if event.anchor is None and event.implicit[0]:
                    items.append(plain[event.value])
                elif event.anchor is None and event.implicit[1]:
                    items.append(event.value)
                else:
                    items.append(properties.scalar(event, (stack, start, items)))
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                depth += 1
                if depth > peak:
                    peak = depth
                    if depth > max_depth:
                        raise _too_deep(max_depth, event)
                if event.anchor is not None or event.tag is not None:
                    properties.open(event, (stack, start, items), peak, nodes)
                    peak = depth
                stack.append((start, items))
                start, items = event, []
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                nodes += len(items)
                opener, data = start, items
                start, items = stack.pop()
                if kind is MappingEndEvent:
                    children = data
                    try:
                        if len(children) == 2:  # noqa: PLR2004 - one key, one value: most calls
                            key, value = children
                            data = {key: value}
                        else:
                            pairs = iter(children)
                            data = dict(zip(pairs, pairs))  # noqa: B905 - to be strict takes as long as the rest
                    except TypeError:
                        raise InvalidTextError from None  # an unhashable key
                    if not special.isdisjoint(data):
                        data = self._special(
                            data, children, opener, (before, last, event), (stack, start, items)
                        )
                    elif len(data) * 2 != len(children):
                        self._repeat(children, opener, (stack, start, items))
                if opener.flow_style:
                    last = event
                if opener.anchor is not None or opener.tag is not None:
                    height, end = peak - depth + 1, last.end_mark.index
                    data, outer = properties.close(data, opener, (stack, start, items), end, nodes, height)
                    peak = max(peak, outer)
                items.append(data)
                depth -= 1
            elif kind is AliasEvent:
                last = event
                target = properties.follow(event, (stack, start, items))
                items.append(target.data)
                nodes += target.weight
                if nodes > max_nodes:
                    raise _too_many_nodes(max_nodes, event)
                if depth + target.height > peak:
                    peak = depth + target.height
                    if peak > max_depth:
                        raise _too_deep(max_depth, event)
            elif kind is DocumentEndEvent:
                nodes += 1
                if nodes > max_nodes:
                    raise _too_many_nodes(max_nodes, event)
                documents.append(items.pop())
                properties.end_document()
        return documents

    def _special(
        self,
        data: Data,
        items: list[Data],
        opener: AnyEvent,
        ends: tuple[AnyEvent, AnyEvent, AnyEvent],
        cursor: Cursor,
    ) -> Data:
        """A mapping that has a merge key, or an intrinsic function's name among its keys."""
        if MERGE in data or VALUE in data:
            if self._properties.is_pair(cursor):
                raise InvalidTextError  # PyYAML gives `<<` and `=` no meaning there
            data = self._merge(items, opener, cursor)
            if self._functions.isdisjoint(data):
                return data
        elif len(data) * 2 != len(items):
            self._repeat(items, opener, cursor)
        text, properties = self._text, self._properties
        first, tag = opener.start_mark.index, None
        if opener.anchor is not None or opener.tag is not None:
            first, tag = content_start(text, opener)
        braced = opener.flow_style and text[first] == "{"
        before, last, end = ends
        after = end.end_mark.index if braced else content_end(text, last, before)
        unsearched = properties.opaque > 0 or properties.is_pair(cursor)
        merged = self._plain.special_keys > 0 and is_unpacked(cursor)
        self._spans[id(data)] = span = CallSpan(data, first, after, tag, unsearched or merged)
        if unsearched and not SECRET_NAMES.isdisjoint(data):
            self._unsearched.append(span)
        return data

    def _repeat(self, items: list[Data], opener: AnyEvent, cursor: Cursor) -> None:
        """Note a mapping that has a key twice, or refuse it."""
        differing = self.repeated.setdefault(opener.start_mark.index, set())
        if not self._last_wins or self._properties.is_pair(cursor):
            raise InvalidTextError
        values: dict[Data, Data] = {}
        pairs = iter(items)
        for key, value in zip(pairs, pairs, strict=True):
            if key is not MERGE and not is_same(values.setdefault(key, value), value):
                differing.add(key)

    def _merge(self, items: list[Data], opener: AnyEvent, cursor: Cursor) -> dict[Data, Data]:
        """A mapping's data from its keys and values, merge keys followed as PyYAML follows them.

        What is merged comes first, also in order; a later merge key wins over an earlier one, the mapping's
        own keys over both.
        """
        merged: dict[Data, Data] = {}
        own: dict[Data, Data] = {}
        count = 0
        pairs = iter(items)
        for key, value in zip(pairs, pairs, strict=True):
            if key is MERGE or key is VALUE:
                self._keys_used += 1
            if key is MERGE:
                for source in self._properties.merged(value):
                    merged.update(source)
            else:
                own["=" if key is VALUE else key] = value
                count += 1
        if len(own) != count:
            pairs = iter(items)
            named = [("=" if key is VALUE else key, value) for key, value in zip(pairs, pairs, strict=True)]
            self._repeat([part for pair in named for part in pair], opener, cursor)
        merged.update(own)
        return merged


def is_same(one: Data, other: Data) -> bool:
    """Whether two values are the same whatever reads them, types included; the order of keys is no matter."""
    pending = [(one, other)]
    while pending:
        first, second = pending.pop()
        if first is second:
            continue
        if type(first) is not type(second) or isinstance(first, (Tagged, set)):
            return False
        if isinstance(first, dict):
            if len(first) != len(second):
                return False
            if {(type(key), key) for key in first} != {(type(key), key) for key in second}:
                return False
            pending += ((value, second[key]) for key, value in first.items())
        elif isinstance(first, (list, tuple)):
            if len(first) != len(second):
                return False
            pending += zip(first, second, strict=True)
        elif first != second or (isinstance(first, float) and str(first) != str(second)):
            return False
    return True


def _too_deep(limit: int, event: AnyEvent) -> LimitError:
    return LimitError(Reason.TOO_DEEP, f"more than {limit} levels of nesting", event.start_mark)


def _too_many_nodes(limit: int, event: AnyEvent) -> LimitError:
    message = f"more than {limit} nodes once aliases are followed"
    return LimitError(Reason.TOO_MANY_NODES, message, event.start_mark)
