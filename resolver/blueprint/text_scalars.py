"""The scalars of a blueprint's text that are values: where each one stands, and what it is read as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
)

from resolver.blueprint.events import content_start, from_either_parser, is_block_scalar
from resolver.blueprint.scalars import STANDARD, STANDARD_TAGS, ScalarError, plain_scalar
from resolver.blueprint.text import BLANKS, BREAKS
from resolver.core.location import Path
from resolver.core.redacted import Redacted
from resolver.dsl.dialects import SECRET_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resolver.blueprint.document import Blueprint
    from resolver.blueprint.events import AnyEvent
    from resolver.dsl.budget import Budget


class TextScalar(Redacted, frozen=True):
    """A scalar in the text.

    Args:
        document: which document it stands in, from 0.
        path: its path there, as it is written: neither aliases nor merges are followed.
        value: what it is read as.
        start: index of the first character of its content, after an anchor and a tag.
        end: index after the last character of its content.
        tag: the two ends of its tag; None when it has none.
        comment: the comment in the first line of a block scalar, which is no part of its content.
        beside: the text entries of the mapping that it stands in.
    """

    document: int
    path: Path
    value: Any
    start: int
    end: int
    tag: tuple[int, int] | None
    comment: str
    beside: Mapping[object, str]


class _Collection:
    """A collection that is being read.

    Args:
        path: its path.
        is_mapping: whether it is a mapping, so that keys and values take turns.
        is_passed_over: whether nothing in it is looked at: it has a custom tag, is a call or a list of pairs.
    """

    def __init__(self, path: Path, *, is_mapping: bool, is_passed_over: bool) -> None:
        self.path = path
        self.is_mapping = is_mapping
        self.is_passed_over = is_passed_over
        self.texts: dict[object, str] = {}
        self.key: Any = None
        self.is_key_next = is_mapping
        self.position = -1

    def enter(self) -> Path | None:
        """Go on to the next node; its path, None for a key."""
        if self.is_key_next:
            self.is_key_next = False
            return None
        self.is_key_next = self.is_mapping
        self.position += 1
        return (*self.path, self.key if self.is_mapping else self.position)


_PAIRS = frozenset(f"{STANDARD}{kind}" for kind in ("omap", "pairs", "set"))
_HEADER = re.compile(rf"[|>][0-9+-]*[ \t]*(#[^{BREAKS}]*)?")


def text_scalars(blueprint: Blueprint, budget: Budget) -> list[TextScalar]:
    """All values of a blueprint that are scalars, in the order of the text.

    Those in calls that ask for secrets are left out, and those where nothing would be resolved: in nodes with
    custom tags and in lists of pairs.

    Args:
        blueprint: the blueprint that was read.
        budget: what the run may spend.
    """
    content = blueprint.text.content

    def use(events: Iterable[AnyEvent]) -> list[TextScalar]:
        return list(_scalars(content, events))

    return from_either_parser(content, use, budget)


def _scalars(content: str, events: Iterable[AnyEvent]) -> Iterable[TextScalar]:
    document = -1
    stack: list[_Collection] = []
    for event in events:
        if isinstance(event, DocumentStartEvent):
            document += 1
            stack = []
        elif isinstance(event, CollectionEndEvent):
            stack.pop()
        elif isinstance(event, (AliasEvent, ScalarEvent, CollectionStartEvent)):
            around = stack[-1] if stack else None
            path: Path | None = () if around is None else around.enter()
            passed_over = around is not None and around.is_passed_over
            if isinstance(event, CollectionStartEvent):
                passed_over = passed_over or path is None or _is_passed_over(event, path)
                is_mapping = isinstance(event, MappingStartEvent)
                stack.append(_Collection(path or (), is_mapping=is_mapping, is_passed_over=passed_over))
            elif isinstance(event, ScalarEvent):
                value = _value(event)
                if path is None:
                    assert around is not None  # noqa: S101 - a key stands in a mapping
                    around.key = value if isinstance(value, (str, int)) else event.value
                    continue
                if around is not None and isinstance(value, str):
                    around.texts[around.key] = value
                if not passed_over and (not path or path[-1] not in SECRET_NAMES):
                    yield _scalar(
                        content, event, document, path, value, {} if around is None else around.texts
                    )


def _is_passed_over(event: AnyEvent, path: Path) -> bool:
    tag = event.tag
    is_own = tag is not None and tag != "!" and tag not in STANDARD_TAGS
    return is_own or tag in _PAIRS or (bool(path) and path[-1] in SECRET_NAMES)


def _value(event: AnyEvent) -> Any:  # noqa: ANN401 - any scalar type of YAML
    """What a scalar is read as; None for one with a custom tag, and for what is no valid scalar."""
    if event.implicit[0] and event.tag is None:
        try:
            return plain_scalar(event.value)
        except ScalarError:
            return None
    return event.value if event.tag in (None, "!", f"{STANDARD}str") else None


def _scalar(
    content: str, event: AnyEvent, document: int, path: Path, value: object, beside: Mapping[object, str]
) -> TextScalar:
    start, tag = content_start(content, event)
    end: int = event.end_mark.index
    comment = ""
    if is_block_scalar(event):
        end = start + len(content[start:end].rstrip(BLANKS))
        header = _HEADER.match(content, start, end)
        comment = (header[1] or "") if header is not None else ""
    return TextScalar(document, path, value, start, end, tag, comment, beside)


class Replacement(msgspec.Struct, frozen=True):
    """Text that takes the place of a scalar.

    Args:
        scalar: the scalar.
        text: what is written there.
    """

    scalar: TextScalar
    text: str


def replace_scalars(content: str, replacements: Iterable[Replacement]) -> str:
    """A text with some of its scalars replaced, and every other character as it is.

    The tag of a replaced scalar goes with it; an anchor and the comment of a block scalar's first line stay.

    Args:
        content: the text that the scalars are of.
        replacements: what is replaced, none of it twice.
    """
    parts: list[str] = []
    done = 0
    for each in sorted(replacements, key=lambda one: one.scalar.start):
        scalar = each.scalar
        if scalar.tag is not None:
            parts.append(content[done : scalar.tag[0]])
            done = scalar.tag[1]
            done = scalar.start if content[done : scalar.start].isspace() else done
        parts += (content[done : scalar.start], each.text, scalar.comment and f" {scalar.comment}")
        done = scalar.end
    parts.append(content[done:])
    return "".join(parts)
