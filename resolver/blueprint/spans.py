"""Where a mapping's content begins and ends in the text, worked out from the parser's marks.

The marks alone don't say: a start mark includes anchor and tag, a block mapping's end mark lies after the
comments that follow it, and a single pair in a flow sequence ends where the next token begins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resolver.blueprint.text import BLANKS, BREAKS

if TYPE_CHECKING:
    from resolver.blueprint.events import AnyEvent

_PROPERTY = re.compile(rf"[&!][^{BLANKS}]*")
_GAP = re.compile(rf"(?:[{BLANKS}]|#[^{BREAKS}]*)*")
_COMMENT_LINE = re.compile(rf"(?:^|[{BREAKS}])[ \t]*#[^{BREAKS}]*\Z")


def content_start(text: str, event: AnyEvent) -> tuple[int, tuple[int, int] | None]:
    """Where a node's content begins, and where its tag stands.

    Args:
        text: the whole text.
        event: the event that began the node.

    Returns:
        The index of the first character after anchor, tag and the comments behind them, and the two ends of
        the tag, None without one.
    """
    index: int = event.start_mark.index
    tag = None
    for _ in range((event.anchor is not None) + (event.tag is not None)):
        found = _PROPERTY.match(text, index)
        gap = _GAP.match(text, found.end()) if found else None
        if found is None or gap is None:
            break
        if text[index] == "!":
            tag = found.span()
        index = gap.end()
    return index, tag


def content_end(text: str, last: AnyEvent) -> int:
    """Where the content of a mapping without braces ends.

    Args:
        text: the whole text.
        last: the last event within the mapping that does not end a block collection.
    """
    start: int = last.start_mark.index
    index: int = last.end_mark.index
    style = getattr(last, "style", None)
    if style in {"|", ">"}:
        return start + len(text[start:index].rstrip(BLANKS))
    if start == index and text[index - 1 : index] not in {":", "-"}:
        # A key without a value, `? type`: the parser puts the missing value before the next token, which
        # may be lines and comments away.
        return _end_before(text, index)
    return index


def _end_before(text: str, index: int) -> int:
    while True:
        index = len(text[:index].rstrip(BLANKS))
        comment = _COMMENT_LINE.search(text, 0, index)
        if comment is None:
            return index
        index = comment.start()
