"""Replace calls by values, and leave every other character of the text as it is."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec
from yaml.events import DocumentStartEvent, ScalarEvent

from resolver.blueprint.events import content_start, from_either_parser, is_block_scalar
from resolver.blueprint.flow_style import MAX_KEY, EmitError, counted, emit, quote
from resolver.blueprint.text import BLANKS, BOM, BREAKS
from resolver.core.location import Position
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Reason
from resolver.errors import BlueprintError, BudgetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.blueprint.document import Alias, Blueprint
    from resolver.blueprint.events import AnyEvent

_BEFORE = frozenset(BLANKS + "[{,")
_AFTER = frozenset(BLANKS + "]},")

_COLON = re.compile(rf"[{BLANKS}]*:")


class Rendered(msgspec.Struct, frozen=True):
    """A blueprint's text with values in it.

    Args:
        text: the text, with a byte order mark if there was one.
        written_out: positions of aliases that had to be replaced by what they refer to.
    """

    text: str
    written_out: tuple[Position, ...]

    def __repr__(self) -> str:
        # The text holds secret values.
        return f"<Rendered, {len(self.text)} characters>"


class _Edit(msgspec.Struct, frozen=True):
    start: int
    end: int
    text: str


def render(blueprint: Blueprint, results: Mapping[int, object], budget: Budget | None = None) -> Rendered:
    """Render a blueprint with some of its calls replaced.

    Loading the text gives what rebuilding the documents with the same results gives. A call that stands in
    another replaced call's argument, or is not part of the loaded data, leaves no trace.

    Args:
        blueprint: what `read` gave.
        results: by `id()` of the mapping that is the call, what replaces it: a string, JSON data or `Masked`.
        budget: what the run may spend.

    Raises:
        BudgetError: the values come to more text than the run may make.
        BlueprintError: a value can't be written as YAML, or an alias would have to be replaced by a node
            with a custom tag.
    """
    return _Renderer(blueprint, results, budget or Budget()).render()


class _Renderer:
    def __init__(self, blueprint: Blueprint, results: Mapping[int, object], budget: Budget) -> None:
        self._blueprint = blueprint
        self._parsed = blueprint.parsed
        self._source = blueprint.text.content
        self._results = results
        self._written_out: list[Position] = []
        self._budget = budget

    def render(self) -> Rendered:
        spans = [self._parsed.spans[mark] for mark in self._results if mark in self._parsed.spans]
        replaced = [span for span in spans if not span.fixed]
        edits = _outermost(
            [self._edit(span.start, span.end, self._results[id(span.node)]) for span in replaced]
        )
        # A tag that says what the call was would be wrong for its value.
        tags = [_Edit(*span.tag, "") for span in replaced if span.tag is not None]
        aliases = self._replaced_aliases(edits) if self._parsed.aliases else []
        if tags or aliases:
            edits = _outermost(edits + tags + aliases)
        parts = [BOM] if self._blueprint.has_bom else []
        done = 0
        for edit in edits:
            parts += (self._source[done : edit.start], edit.text)
            done = edit.end
        parts.append(self._source[done:])
        return Rendered("".join(parts), tuple(self._written_out))

    def _replaced_aliases(self, edits: list[_Edit]) -> list[_Edit]:
        """Edits that write out the aliases whose targets changed or are gone."""
        starts = [edit.start for edit in edits]

        def is_gone(index: int) -> bool:
            before = bisect_right(starts, index) - 1
            return before >= 0 and index < edits[before].end

        written = []
        for alias in self._parsed.aliases:
            if is_gone(alias.start) or not (is_gone(alias.target.start) or self._differs(alias)):
                continue
            written.append(self._write_out(alias))
            self._written_out.append(self._blueprint.text.position_at(alias.start))
        return written

    def _differs(self, alias: Alias) -> bool:
        """Whether the text of an alias's target will be read as something else than what the alias needs."""
        target = alias.target
        if target.opaque:
            # Nothing is replaced in the target's text, but here values are asked for.
            return self._holds_result(target.parts if alias.unpacked else target.data)
        # Where parts are taken a call stays a call, in all other places it becomes its value: an alias from
        # one kind of place to the other kind needs what does not stand there.
        return alias.unpacked != target.unpacked and self._is_replaced(target.parts)

    def _is_replaced(self, parts: object) -> bool:
        members = parts if isinstance(parts, list) else [parts]
        return any(id(member) in self._results for member in members)

    def _holds_result(self, data: object) -> bool:
        pending, seen = [data], set()
        while pending:
            node = pending.pop()
            if not isinstance(node, (dict, list, tuple)) or id(node) in seen:
                continue
            if id(node) in self._results:
                return True
            seen.add(id(node))
            pending.extend(node.values() if isinstance(node, dict) else node)
        return False

    def _write_out(self, alias: Alias) -> _Edit:
        target = alias.target
        try:
            if alias.unpacked:
                # The target itself, or the members of a list, are asked for as the mappings that they are.
                untouched = 2 if isinstance(target.parts, list) else 1
                text = emit(target.parts, self._results, untouched=untouched, budget=self._budget)
            else:
                text = emit(target.data, self._results, budget=self._budget)
        except BudgetError as error:
            raise self._located(error, alias.start) from None
        except EmitError as error:
            raise self._refusal(error, alias.start) from None
        edit = self._pad(alias.start, alias.end, text)
        colon = _COLON.match(self._source, alias.end)
        if colon is None:
            return edit
        if len(text) > MAX_KEY:
            raise self._refusal(EmitError(Reason.TOO_LARGE, "a mapping key is too long"), alias.start)
        # The alias is a key. A colon without a space behind it would be a part of `5 :x`.
        return _Edit(edit.start, colon.end(), f"{edit.text}{colon.group()} ")

    def _edit(self, start: int, end: int, value: object) -> _Edit:
        try:
            is_text = isinstance(value, str)
            text = counted(value, self._budget) if is_text else emit(value, budget=self._budget)
        except BudgetError as error:
            raise self._located(error, start) from None
        except EmitError as error:
            raise self._refusal(error, start) from None
        return self._pad(start, end, text)

    def _pad(self, start: int, end: int, text: str) -> _Edit:
        """An edit whose text can't grow together with what stands before and after it."""
        source = self._source
        if start and source[start - 1] not in _BEFORE:
            text = " " + text
        if text[-1] not in '"]}' and end < len(source) and source[end] not in _AFTER:
            text += " "
        return _Edit(start, end, text)

    def _located(self, error: BudgetError, index: int) -> BudgetError:
        text = self._blueprint.text
        at = text.position_at(index)
        return BudgetError(
            [text.problem(one.reason, one.message, at, hint=one.hint) for one in error.problems]
        )

    def _refusal(self, error: EmitError, index: int) -> BlueprintError:
        text = self._blueprint.text
        message = f"the value can't be written as YAML here: {error}"
        return BlueprintError([text.problem(error.reason, message, text.position_at(index))])


def _outermost(edits: list[_Edit]) -> list[_Edit]:
    """Edits in the order of the text, without those inside another one."""
    edits.sort(key=lambda edit: (edit.start, -edit.end))
    outermost: list[_Edit] = []
    done = -1
    for edit in edits:
        if edit.start >= done:
            outermost.append(edit)
            done = edit.end
    return outermost


_HEADER = re.compile(r"[|>]([0-9]?)[-+]?([0-9]?)")


def join(parts: Sequence[tuple[str, str]], budget: Budget | None = None) -> str:
    """Join rendered blueprints: each after a `# source: NAME` comment, `---` between them.

    Loading the result gives the documents of all parts in order.

    Args:
        parts: name and text of each, at least one document in each text.
        budget: what the run may spend.
    """
    budget = budget or Budget()
    joined: list[str] = []
    for number, (name, part) in enumerate(parts):
        text = part.removeprefix(BOM)
        if number == 0 and text is not part:
            joined.append(BOM)
        begin = from_either_parser(text, _first_document, budget)
        if begin.version is not None or begin.tags:
            # Directives are only read at the start of a stream or after the end mark of a document.
            joined.append("...\n" if number else "")
        joined.append(f"# source: {_one_line(name)}\n")
        if not begin.explicit:
            joined.append("---\n")
        joined.append(text if number == len(parts) - 1 else _ended(text, budget))
    return "".join(joined)


def _one_line(name: str) -> str:
    quoted = quote(name)
    return name if quoted == f'"{name}"' else quoted


def _first_document(events: Iterable[AnyEvent]) -> DocumentStartEvent:
    return next(event for event in events if isinstance(event, DocumentStartEvent))


def _last_scalar(events: Iterable[AnyEvent]) -> AnyEvent | None:
    last = None
    for event in events:
        if isinstance(event, ScalarEvent):
            last = event
    return last


def _ended(text: str, budget: Budget) -> str:
    """The text with a line break at its end, so that it still loads as the same."""
    if text.endswith(tuple(BREAKS)):
        return text
    last = from_either_parser(text, _last_scalar, budget)
    if last is None or not is_block_scalar(last) or last.end_mark.index < len(text.rstrip(BLANKS)):
        return text + "\n"
    # A block scalar would take the line break for its own.
    if last.value.endswith("\n"):
        return text.rstrip(" \t")
    start = content_start(text, last)[0]
    header = _HEADER.match(text, start)
    if header is None:  # a block scalar always begins so
        raise AssertionError
    return f"{text[:start]}{text[start]}{header[1]}{header[2]}-{text[header.end() :]}\n"
