"""Write a document as YAML in block style: for documents that have no text of their own.

`resolver.blueprint.rendering` changes a text; this makes one. What is put in place of a call is written as it
is there: on one line, strings in double quotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from resolver.blueprint.flow_style import MAX_KEY, EmitError, emit
from resolver.blueprint.scalars import plain_scalar
from resolver.dsl.problems import Problem
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*\Z")
"""Texts that need no quotes unless they are a word like `yes`; far from all of them."""

_WORTH_AN_ALIAS = 64
"""A shared value is written again where that takes no more characters: an alias is harder to read."""

_STEP = "  "


def dump(document: object, results: Mapping[int, object] | None = None, source: str = "") -> str:
    """Write a document as YAML.

    Loading the text gives what rebuilding the document with the same results gives. What is shared in the
    document is shared in the text, by anchors and aliases, so the text's size is that of the data in memory.

    Args:
        document: the document's data.
        results: by `id()` of a mapping, what stands in its place: a string, JSON data or `Masked`.
        source: the blueprint's name, for messages.

    Raises:
        BlueprintError: a value can't be written as YAML.
    """
    dumper = _Dumper(results or {}, _shared(document, results or {}))
    try:
        first, rest = dumper.node(document)
    except EmitError as error:
        message = f"the merged document can't be written as YAML: {error}"
        raise BlueprintError([Problem(error.reason, message, source=source)]) from None
    return "".join(f"{line}\n" for line in ([first, *rest] if first else rest))


class _Dumper:
    def __init__(self, results: Mapping[int, object], shared: set[int]) -> None:
        self._results = results
        self._shared = shared
        self._anchors: dict[int, str] = {}

    def node(self, node: Any) -> tuple[str, list[str]]:  # noqa: ANN401 - YAML data
        """What a node adds to the line it begins on, and the lines below that."""
        node_id = id(node)
        if node_id in self._anchors:
            return f"*{self._anchors[node_id]}", []
        block = node_id not in self._results and isinstance(node, (dict, list)) and bool(node)
        if block and isinstance(node, list):
            block = not all(isinstance(item, tuple) for item in node)  # `!!pairs`, else
        text = "" if block else _scalar(node, self._results)
        if node_id in self._shared and (block or len(text) > _WORTH_AN_ALIAS):
            name = self._anchors[node_id] = f"shared{len(self._anchors) + 1}"
            text = f"&{name} {text}".rstrip(" ") if block else f"&{name} {text}"
        if not block:
            return text, []
        return text, self._mapping(node) if isinstance(node, dict) else self._sequence(node)

    def _mapping(self, node: dict[Any, Any]) -> list[str]:
        lines: list[str] = []
        for key, value in node.items():
            name = _scalar(key, {})
            begun = f"{name}:"
            if len(name) > MAX_KEY:
                lines.append(f"? {name}")
                begun = ":"
            first, rest = self.node(value)
            lines.append(f"{begun} {first}" if first else begun)
            lines += [_STEP + line for line in rest]
        return lines

    def _sequence(self, node: list[Any]) -> list[str]:
        lines: list[str] = []
        for item in node:
            first, rest = self.node(item)
            if first:
                lines.append(f"- {first}")
            else:  # a collection without an anchor can begin on the dash's line
                lines.append(f"- {rest[0]}")
                del rest[0]
            lines += [_STEP + line for line in rest]
        return lines


def _scalar(node: object, results: Mapping[int, object]) -> str:
    """A node on one line: a scalar, what stands in place of a call, an empty or a rare collection."""
    if isinstance(node, str) and _PLAIN.match(node) and plain_scalar(node) == node:
        return node
    return emit(node, results)


def _shared(document: object, results: Mapping[int, object]) -> set[int]:
    """The `id()` of each mapping and list that is in the document more than once."""
    seen: set[int] = set()
    shared: set[int] = set()
    pending: list[Any] = [document]
    while pending:
        node = pending.pop()
        if not isinstance(node, (dict, list)):
            continue
        node_id = id(node)
        if node_id in seen:
            shared.add(node_id)
            continue
        seen.add(node_id)
        if node_id not in results:
            pending.extend(node.values() if isinstance(node, dict) else node)
    return shared
