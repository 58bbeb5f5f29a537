"""PyYAML's two parsers: libyaml's, and the Python one for texts that libyaml refuses."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from yaml import BaseLoader, CBaseLoader
from yaml.error import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from resolver.blueprint.text import BLANKS, BREAKS
from resolver.dsl.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolver.blueprint.text import Mark, Text
    from resolver.core.location import Position
    from resolver.dsl.budget import Budget
    from resolver.dsl.problems import Problem

AnyEvent: TypeAlias = Any
"""An event of either parser. Which fields it has depends on its class, and PyYAML's types don't say."""

PARSER_ERRORS = (YAMLError, ValueError, OverflowError)
"""What the parsers raise; the Python one lets errors of `chr` through for escapes beyond Unicode."""

T = TypeVar("T")

_QUOTES = frozenset("'\"")

_SURROGATE = re.compile(r"\\(?:u|U0000)[dD][89a-fA-F]")


def libyaml_events(text: str, budget: Budget) -> Iterator[AnyEvent]:
    """The events of a text, from libyaml."""
    return budget.paced(iter(CBaseLoader(text).get_event, None))


def python_events(text: str, budget: Budget) -> Iterator[AnyEvent]:
    """The events of a text, from PyYAML's Python scanner: 50 times as slow, and a little more lenient."""
    budget.spend(len(text))
    return budget.paced(iter(BaseLoader(text).get_event, None))


def from_either_parser(text: str, use: Callable[[Iterator[AnyEvent]], T], budget: Budget) -> T:
    """Apply a function to libyaml's events of a text, or to the Python scanner's if libyaml refuses it."""
    try:
        return use(libyaml_events(text, budget))
    except PARSER_ERRORS:
        return use(python_events(text, budget))


def is_worth_a_second_reading(error: Exception, text: str) -> bool:
    """Whether the Python scanner may accept a text that libyaml refused, and should.

    Half of a character (a lone surrogate, written as an escape) is what it must not accept: such text can't
    be encoded.
    """
    return not isinstance(error, ReaderError) and _SURROGATE.search(text) is None


def _advice(character: str) -> str:
    """The hint about a character that is not allowed where it is."""
    if character == "\t":
        return "indent with spaces: YAML takes no tabs there"
    if character and character in "@`%":
        return f"put a text that begins with {character} in quotes"
    return ""


def _open_quote(content: str, error: MarkedYAMLError, budget: Budget) -> tuple[Mark, str] | None:
    """Where a quote opens that is not closed in its line, and how to say so; None for another error."""
    mark = error.problem_mark
    if error.context == "while scanning a quoted scalar" and error.context_mark is not None:
        if "end of stream" in str(error.problem) or "document" in str(error.problem):
            return error.context_mark, "the quote that opens here is not closed"
        return None
    if mark is None or content[max(mark.index - 80, 0) : mark.index].rstrip(BLANKS)[-1:] not in _QUOTES:
        return None
    last = None
    with contextlib.suppress(*PARSER_ERRORS):
        for event in libyaml_events(content, budget):
            last = event if getattr(event, "style", None) in _QUOTES else last
    if last is None or not last.start_mark.line < last.end_mark.line == mark.line:
        return None
    return last.start_mark, f"the quote that opens here is closed on line {mark.line + 1}, where text follows"


def syntax_problem(text: Text, error: Exception, budget: Budget, *, hint: str = "") -> Problem:
    """A parser's error as a problem; a quote that is not closed is shown where it opens."""
    at: Mark | Position = text.position_at(0)
    message = "the text is not valid YAML"
    if isinstance(error, MarkedYAMLError):
        message = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        quote = _open_quote(text.content, error, budget)
        if quote is not None:
            at, message = quote
            hint = hint or "close it on its own line, if that is where the text ends"
        elif mark is not None:
            at = mark
            hint = hint or _advice(text.content[mark.index : mark.index + 1])
    elif isinstance(error, ReaderError):
        character = error.character if isinstance(error.character, str) else chr(error.character)
        # The error counts bytes; this is the first character of its kind.
        at = text.position_at(text.content.find(character))
        message = f"the character U+{ord(character):04X} is not allowed in YAML"
    return text.problem(Reason.SYNTAX, message, at, hint=hint)


def is_block_scalar(event: AnyEvent) -> bool:
    """Whether an event is a literal or folded scalar, whose text reaches to the next token."""
    return getattr(event, "style", None) in {"|", ">"}


_PROPERTY = re.compile(rf"[&!][^{BLANKS}]*")
_GAP = re.compile(rf"(?:[{BLANKS}]++|#[^{BREAKS}]*+)*+")


def content_start(text: str, event: AnyEvent) -> tuple[int, tuple[int, int] | None]:
    """Find where a node's content begins, and the ends of its tag.

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


def content_end(text: str, last: AnyEvent, before: AnyEvent) -> int:
    """Find where the content of a mapping without braces ends.

    Args:
        text: the whole text.
        last: the last event within the mapping that does not end a block collection.
        before: when that is a scalar, the last such event before it.
    """
    index: int = last.end_mark.index
    if last.start_mark.index != index or text[index - 1 : index] in {":", "-"}:
        return _own_end(text, last)
    # A missing value: `? type`, or `type:` within brackets. The parser puts it before the next token, which
    # may be lines and comments away, so the end is looked for from the key on: backwards, each mapping would
    # have all of the text before it searched.
    end = _own_end(text, before)
    gap = _GAP.match(text, end, index)
    colon = gap.end() if gap else end
    return colon + 1 if text.startswith(":", colon, index) else end


def _own_end(text: str, event: AnyEvent) -> int:
    """The index after the text of a scalar, an alias or a collection in brackets."""
    index: int = event.end_mark.index
    if not is_block_scalar(event):
        return index
    start: int = event.start_mark.index
    return start + len(text[start:index].rstrip(BLANKS))
