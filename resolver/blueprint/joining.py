"""Join several rendered blueprints into one stream of YAML documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from yaml.events import DocumentStartEvent, ScalarEvent

from resolver.blueprint.events import PARSER_ERRORS, all_events, fast_events, slow_events
from resolver.blueprint.flow_style import quote
from resolver.blueprint.spans import content_start
from resolver.blueprint.text import BLANKS, BOM, BREAKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.blueprint.events import AnyEvent


_HEADER = re.compile(r"[|>]([0-9]?)[-+]?([0-9]?)")


def join(parts: Sequence[tuple[str, str]]) -> str:
    """Join rendered blueprints: each after a `# source: NAME` comment, `---` between them.

    Loading the result gives the documents of all parts in order.

    Args:
        parts: name and text of each, at least one document in each text.
    """
    joined: list[str] = []
    for number, (name, part) in enumerate(parts):
        text = part.removeprefix(BOM)
        if number == 0 and text is not part:
            joined.append(BOM)
        begin = _first_document(text)
        if begin.version is not None or begin.tags:
            # Directives are only read at the start of a stream or after the end mark of a document.
            joined.append("...\n" if number else "")
        joined.append(f"# source: {_one_line(name)}\n")
        if not begin.explicit:
            joined.append("---\n")
        joined.append(text if number == len(parts) - 1 else _ended(text))
    return "".join(joined)


def _one_line(name: str) -> str:
    quoted = quote(name)
    return name if quoted == f'"{name}"' else quoted


def _first_document(text: str) -> DocumentStartEvent:
    try:
        return next(event for event in all_events(fast_events(text)) if isinstance(event, DocumentStartEvent))
    except PARSER_ERRORS:
        return next(event for event in all_events(slow_events(text)) if isinstance(event, DocumentStartEvent))


def _last_scalar(text: str) -> AnyEvent | None:
    try:
        events = list(all_events(fast_events(text)))
    except PARSER_ERRORS:
        events = list(all_events(slow_events(text)))
    return next((event for event in reversed(events) if isinstance(event, ScalarEvent)), None)


def _ended(text: str) -> str:
    """The text with a line break at its end, so that it still loads as the same."""
    if text.endswith(tuple(BREAKS)):
        return text
    last = _last_scalar(text)
    if last is None or last.style not in {"|", ">"} or last.end_mark.index < len(text.rstrip(BLANKS)):
        return text + "\n"
    # A block scalar would take the line break for its own.
    if last.value.endswith("\n"):
        return text.rstrip(" \t")
    start = content_start(text, last)[0]
    header = _HEADER.match(text, start)
    if header is None:  # a block scalar always begins so
        raise AssertionError
    return f"{text[:start]}{text[start]}{header[1]}{header[2]}-{text[header.end() :]}\n"
