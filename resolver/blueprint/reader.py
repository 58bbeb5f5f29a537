"""Read a blueprint: YAML text to plain data, with a position for each call and for each problem."""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING

from resolver.blueprint.anchors import InvalidTextError, LimitError
from resolver.blueprint.builder import Builder
from resolver.blueprint.document import Blueprint
from resolver.blueprint.events import (
    PARSER_ERRORS,
    is_worth_a_second_reading,
    libyaml_events,
    python_events,
    syntax_problem,
)
from resolver.blueprint.limits import DEFAULT_LIMITS, DuplicateKeys
from resolver.blueprint.syntax_problems import Diagnosis
from resolver.blueprint.text import BOM, BREAKS, Text, in_order
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Problem, Reason
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resolver.blueprint.document import ParsedText
    from resolver.blueprint.events import AnyEvent
    from resolver.blueprint.limits import Limits


_MISPLACED_BOM = re.compile(rf"(?:\A|[{BREAKS}]){BOM}")


def read(
    data: bytes,
    name: str,
    limits: Limits = DEFAULT_LIMITS,
    budget: Budget | None = None,
    *,
    duplicate_keys: DuplicateKeys = DuplicateKeys.HARMLESS,
    may_be_empty: bool = False,
) -> Blueprint:
    """Read a blueprint.

    What is accepted is read as PyYAML's safe loader reads it (YAML 1.1). Besides what that loader refuses,
    recursive aliases, an empty text and most duplicate keys are refused; nodes with custom tags are accepted
    and opaque.

    Args:
        data: the text in UTF-8, with or without a byte order mark.
        name: the blueprint's name for messages, usually its path.
        limits: bounds on size, depth and nodes.
        budget: what the run may spend.
        duplicate_keys: what becomes of these.
        may_be_empty: read a text without a document as an empty mapping, as an import of nothing is.

    Returns:
        The blueprint, with what rendering it needs.

    Raises:
        BlueprintError: with all problems that were found.
    """
    if len(data) > limits.size:
        message = f"the text has {len(data)} bytes, more than {limits.size}"
        raise BlueprintError([Problem(Reason.TOO_LARGE, message, source=name)])
    content = _decode(data, name)
    has_bom = content.startswith(BOM)
    text = Text(name, content.removeprefix(BOM))
    if BOM in text.content:
        _refuse_inner_bom(text)
    parsed, repeated = _Reading(text, limits, budget or Budget(), duplicate_keys).parse()
    if not parsed.documents and may_be_empty:
        parsed.documents.append({})
    if not parsed.documents:
        message = "there is no document in the text" if content.strip() else "the text is empty"
        hint = "if it came through a pipe, the command before it may have failed"
        raise BlueprintError([Problem(Reason.EMPTY, message, source=name, hint=hint)])
    return Blueprint(text, hashlib.sha256(data).hexdigest(), parsed, repeated, has_bom=has_bom)


def _refuse_inner_bom(text: Text) -> None:
    """Refuse a byte order mark that begins a line, as it does where files were put together.

    libyaml passes over it, as if it were not there; PyYAML's own scanner, which Cloudify uses, takes it for a
    character of the word behind it.
    """
    found = _MISPLACED_BOM.search(text.content)
    if found is not None:
        message = "there is a byte order mark in the text, where a line begins"
        position = text.position_at(found.end() - 1)
        hint = "remove it; files that were put together may each have had one"
        raise BlueprintError([text.problem(Reason.SYNTAX, message, position, hint=hint)])


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = Text(name, data[: error.start].decode("utf-8").removeprefix(BOM))
        position = before.position_at(len(before.content))
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        problem = Problem(
            Reason.NOT_UTF8,
            f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8",
            source=name,
            position=position,
            hint="the text looks like UTF-16; save it as UTF-8" if wide else "save the text as UTF-8",
            line_text=before.line_at(position),
        )
        raise BlueprintError([problem]) from None


class _Reading:
    """The reading of one text.

    Args:
        text: the text.
        limits: bounds on depth and nodes.
        budget: what the run may spend.
        duplicate_keys: what becomes of keys that stand twice in one mapping.
    """

    def __init__(self, text: Text, limits: Limits, budget: Budget, duplicate_keys: DuplicateKeys) -> None:
        self._text = text
        self._limits = limits
        self._budget = budget
        self._duplicate_keys = duplicate_keys

    def parse(self) -> tuple[ParsedText, Sequence[Problem]]:
        """The documents, and what is to be warned of."""
        text, limits, budget = self._text, self._limits, self._budget
        try:
            return self._build(libyaml_events)
        except PARSER_ERRORS as error:
            refused = error
        hint = ""
        if is_worth_a_second_reading(refused, text.content):
            if len(text.content) <= limits.second_reading:
                # If neither parser accepts the text, libyaml's message is the one that is reported.
                with contextlib.suppress(*PARSER_ERRORS):
                    return self._build(python_events)
            else:
                hint = (
                    f"a slower scanner might accept it, which is asked up to {limits.second_reading} "
                    f"characters; this text has {len(text.content)}"
                )
        diagnosis = Diagnosis(text, limits.depth, self._duplicate_keys)
        with contextlib.suppress(*PARSER_ERRORS):  # the one that is reported below
            diagnosis.read(libyaml_events(text.content, budget))
        raise BlueprintError(
            in_order([*diagnosis.problems, syntax_problem(text, refused, self._budget, hint=hint)])
        )

    def _build(
        self, events: Callable[[str, Budget], Iterator[AnyEvent]]
    ) -> tuple[ParsedText, Sequence[Problem]]:
        text, budget = self._text, self._budget
        last_wins = self._duplicate_keys is DuplicateKeys.ALLOWED
        builder = Builder(text.content, self._limits, last_wins=last_wins)
        parsed = self._built(builder, events)
        if parsed is None and builder.repeated and self._duplicate_keys is DuplicateKeys.HARMLESS:
            builder = Builder(text.content, self._limits, last_wins=True)
            parsed = self._built(builder, events)
        if parsed is not None and not builder.repeated:
            return parsed, ()
        diagnosis = Diagnosis(text, self._limits.depth, self._duplicate_keys, builder.repeated)
        diagnosis.read(events(text.content, budget))
        if parsed is None or diagnosis.problems:
            # Both passes follow the same rules. Should they ever disagree, the text is still refused.
            unknown = text.problem(Reason.SYNTAX, "a part of the text has no meaning", text.position_at(0))
            raise BlueprintError(in_order(diagnosis.problems) or [unknown])
        return parsed, diagnosis.warnings

    def _built(
        self, builder: Builder, events: Callable[[str, Budget], Iterator[AnyEvent]]
    ) -> ParsedText | None:
        """What a builder makes of the text; None when something in it has no meaning."""
        try:
            return builder.build(events(self._text.content, self._budget))
        except LimitError as error:
            # No second pass: the text may be made to cost as much as it can.
            problem = self._text.problem(error.reason, error.message, error.mark)
            raise BlueprintError([problem]) from None
        except InvalidTextError:
            return None
