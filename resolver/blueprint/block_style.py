"""Write a document as YAML in block style: for documents that have no text of their own.

`resolver.blueprint.rendering` changes a text; this makes one. What is put in place of a call is written as it
is there: on one line, strings in double quotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from resolver.blueprint.flow_style import MAX_KEY, EmitError, emit
from resolver.blueprint.scalars import plain_scalar
from resolver.dsl.budget import Budget
from resolver.dsl.problems import Problem
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*\Z")
"""Texts that need no quotes unless they are a word like `yes`; far from all of them."""

_WORTH_AN_ALIAS = 64
"""A shared value is written again where that takes no more characters: an alias is harder to read."""

_STEP = "  "


def dump(
    document: object,
    results: Mapping[int, object] | None = None,
    source: str = "",
    budget: Budget | None = None,
) -> str:
    """Write a document as YAML.

    Loading the text gives what rebuilding the document with the same results gives. What is shared in the
    document is shared in the text, by anchors and aliases, so the text's size is that of the data in memory.

    Args:
        document: the document's data.
        results: by `id()` of a mapping, what stands in its place: a string, JSON data or `Masked`.
        source: the blueprint's name, for messages.
        budget: what the run may spend.

    Raises:
        BudgetError: the document comes to more text than the run may make.
        BlueprintError: a value can't be written as YAML.
    """
    dumper = _Dumper(results or {}, _shared(document, results or {}), budget or Budget())
    try:
        first = dumper.node(document, "")
    except EmitError as error:
        message = f"the merged document can't be written as YAML: {error}"
        raise BlueprintError([Problem(error.reason, message, source=source)]) from None
    lines = dumper.lines
    return "".join([f"{first}\n"] * bool(first) + [f"{line}\n" for line in lines])


class _Dumper:
    """Writes a document line by line, each once.

    Args:
        results: what stands in the place of mappings.
        shared: what is there more than once.
        budget: what the run may spend.
    """

    def __init__(self, results: Mapping[int, object], shared: set[int], budget: Budget) -> None:
        self._results = results
        self._shared = shared
        self._budget = budget
        self._anchors: dict[int, str] = {}
        self.lines: list[str] = []

    def node(self, node: Any, indent: str, dash: str = "") -> str:  # noqa: ANN401 - YAML data
        """Write a node's lines.

        Args:
            node: the node.
            indent: what its lines begin with.
            dash: what the first of them begins with instead, when the node does not begin on a line of
                its parent's.

        Returns:
            What it adds to the line it begins on.
        """
        node_id = id(node)
        if node_id in self._anchors:
            return f"*{self._anchors[node_id]}"
        block = node_id not in self._results and isinstance(node, (dict, list)) and bool(node)
        if block and isinstance(node, list):
            block = not all(isinstance(item, tuple) for item in node)  # `!!pairs`, else
        text = "" if block else self._scalar(node, self._results)
        if node_id in self._shared and (block or len(text) > _WORTH_AN_ALIAS):
            name = self._anchors[node_id] = f"shared{len(self._anchors) + 1}"
            text = f"&{name} {text}".rstrip(" ") if block else f"&{name} {text}"
        if block:
            begin = len(self.lines)
            if isinstance(node, dict):
                self._mapping(node, indent)
            else:
                self._sequence(node, indent)
            if dash and not text:  # a collection without an anchor can begin on the dash's line
                self.lines[begin] = dash + self.lines[begin].removeprefix(indent)
        return text

    def _mapping(self, node: dict[Any, Any], indent: str) -> None:
        for key, value in node.items():
            name = self._scalar(key, {})
            begun = f"{indent}{name}:"
            if len(name) > MAX_KEY:
                self.lines.append(f"{indent}? {name}")
                begun = f"{indent}:"
            begin = len(self.lines)
            self.lines.append(begun)
            if first := self.node(value, indent + _STEP):
                self.lines[begin] = f"{begun} {first}"

    def _sequence(self, node: list[Any], indent: str) -> None:
        for item in node:
            begin = len(self.lines)
            inner = indent + _STEP
            first = self.node(item, inner, f"{indent}- ")
            if first:
                self.lines.insert(begin, f"{indent}- {first}")

    def _scalar(self, node: object, results: Mapping[int, object]) -> str:
        """A node on one line: a scalar, what stands in place of a call, an empty or a rare collection."""
        if isinstance(node, str) and _PLAIN.match(node) and plain_scalar(node) == node:
            self._budget.spend(1, len(node))
            return node
        return emit(node, results, budget=self._budget)


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
