"""Read a blueprint: YAML text to plain data, with a place for each call and a message for each problem."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from resolver.blueprint.builder import Builder
from resolver.blueprint.diagnosis import Diagnosis
from resolver.blueprint.document import Blueprint
from resolver.blueprint.limits import DEFAULT_LIMITS
from resolver.blueprint.parsing import (
    PARSER_ERRORS,
    all_events,
    deserves_second_reading,
    fast_events,
    slow_events,
    syntax_problem,
)
from resolver.blueprint.properties import RefusedError, UnsoundError
from resolver.blueprint.text import BOM, Text
from resolver.core.problems import Problem, Reason
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.blueprint.limits import Limits
    from resolver.blueprint.nodes import Tree
    from resolver.blueprint.parsing import AnyEvent


def read(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Blueprint:
    """Read a blueprint.

    What is accepted is read as PyYAML's safe loader reads it (YAML 1.1). Besides what that loader refuses,
    duplicate keys, recursive aliases and an empty text are refused; nodes with custom tags are accepted and
    opaque.

    Args:
        data: the text in UTF-8, with or without a byte order mark.
        name: the blueprint's name for messages, usually its path.
        limits: bounds on size, depth and nodes.

    Returns:
        The blueprint, which remembers what rendering it needs.

    Raises:
        BlueprintError: with all problems that were found.
    """
    if len(data) > limits.size:
        message = f"the text has {len(data)} bytes, more than {limits.size}"
        raise BlueprintError([Problem(Reason.TOO_LARGE, message, source=name)])
    content = _decode(data, name)
    has_bom = content.startswith(BOM)
    text = Text(name, content.removeprefix(BOM))
    if text.content.startswith(BOM):
        # libyaml skips a second one without counting it, and every place after it would be wrong.
        problem = text.problem(Reason.SYNTAX, "there is a second byte order mark", text.position_at(0))
        raise BlueprintError([problem])
    tree = _parse(text, limits)
    if not tree.documents:
        message = "there is no document in the text" if content.strip() else "the text is empty"
        hint = "if it came through a pipe, the command before it may have failed"
        raise BlueprintError([Problem(Reason.EMPTY, message, source=name, hint=hint)])
    return Blueprint(text, hashlib.sha256(data).hexdigest(), tree, has_bom=has_bom)


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


def _parse(text: Text, limits: Limits) -> Tree:
    try:
        return _build(text, limits, fast_events)
    except PARSER_ERRORS as error:
        first = syntax_problem(text, error)
        again = deserves_second_reading(error, text.content)
    hint = ""
    if again and len(text.content) > limits.second_reading:
        size = limits.second_reading
        hint = f"texts of up to {size} characters are read once more by a scanner that accepts more"
    elif again:
        try:
            return _build(text, limits, slow_events)
        except PARSER_ERRORS:
            pass  # neither parser accepts it; libyaml's message is the one that is reported
    raise BlueprintError([*_diagnose(text, fast_events), _with_hint(first, hint)])


def _build(text: Text, limits: Limits, events: Callable[[str], Callable[[], AnyEvent | None]]) -> Tree:
    try:
        return Builder(text.content, limits).build(events(text.content))
    except RefusedError as error:
        refused = text.problem(error.reason, error.message, error.mark, hint=error.hint)
        raise BlueprintError([*_diagnose(text, events), refused]) from None
    except UnsoundError:
        raise BlueprintError(_diagnose(text, events)) from None


def _diagnose(text: Text, events: Callable[[str], Callable[[], AnyEvent | None]]) -> list[Problem]:
    diagnosis = Diagnosis(text)
    try:
        return diagnosis.read(all_events(events(text.content)))
    except PARSER_ERRORS:
        return diagnosis.problems


def _with_hint(problem: Problem, hint: str) -> Problem:
    return Problem(
        problem.reason,
        problem.message,
        source=problem.source,
        position=problem.position,
        hint=hint,
        line_text=problem.line_text,
    )
