"""Write loaded documents as JSON."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from typing import TYPE_CHECKING, TypeAlias

from resolver.dsl.budget import NODE, Budget
from resolver.dsl.problems import Problem, Reason
from resolver.dsl.source import Tagged
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from resolver.core.location import Path

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def to_json(data: object, source: str = "", budget: Budget | None = None) -> str:
    """Write a document, or a list of them, as JSON in ASCII.

    Dates are written in ISO 8601, bytes as base64 text, sets as sorted lists, `!!omap` and `!!pairs` as lists
    of pairs. Keys that are no strings are written as YAML writes them: `true`, `null`, `1`.

    Args:
        data: the document's data.
        source: the blueprint's name, for messages.
        budget: what the run may spend.

    Raises:
        BudgetError: the document comes to more text than the run may make.
        BlueprintError: the data holds what JSON can't: nodes with custom tags, infinite numbers, integers
            beyond what Python writes in digits, keys that become the same string.
    """
    converter = _Converter(source, budget or Budget())
    try:
        converted = converter.convert(data, ())
    except RecursionError:
        message = "the document is nested too deeply to be written as JSON"
        raise BlueprintError([Problem(Reason.TOO_DEEP, message, source=source)]) from None
    if converter.problems:
        raise BlueprintError(converter.problems)
    return json.dumps(converted)


class _Converter:
    def __init__(self, source: str, budget: Budget) -> None:
        self.problems: list[Problem] = []
        self._without_path: set[Problem] = set()
        self._source = source
        self._budget = budget

    def convert(self, node: object, path: Path) -> Json:
        if isinstance(node, (dict, list, tuple, set)):
            self._budget.spend(1 + len(node), NODE * len(node))
        match node:
            case dict():
                pairs: dict[str, Json] = {}
                for key, value in node.items():
                    name = self._name(key, path)
                    if name in pairs:
                        self._refuse(Reason.DUPLICATE_KEY, f"two keys become {name!r} in JSON", path)
                    pairs[name] = self.convert(value, (*path, name))
                return pairs
            case list() | tuple():
                return [self.convert(value, (*path, index)) for index, value in enumerate(node)]
            case set():
                return sorted((self._scalar(value, path) for value in node), key=json.dumps)
        return self._scalar(node, path)

    def _name(self, key: object, path: Path) -> str:
        name = self._scalar(key, path)
        return name if isinstance(name, str) else json.dumps(name)

    def _scalar(self, node: object, path: Path) -> str | int | float | bool | None:
        match node:
            case int() if not isinstance(node, bool):
                try:
                    str(node)
                except ValueError:  # Python's own bound on the digits that it converts
                    self._refuse(Reason.BAD_SCALAR, "an integer has too many digits to be written", path)
                    return None
                return node
            case float() if not math.isfinite(node):
                # Without its path: that may lead through a secret's content.
                self._refuse(Reason.BAD_SCALAR, "JSON has no infinite numbers and no not-a-number", ())
                return None
            case str():
                length = len(node)
                self._budget.spend(0, length)
                if not (node.isascii() and node.isprintable()):  # some of it takes up to twelve characters
                    self._budget.spend(0, len(json.dumps(node)) - length)
                return node
            case bool() | float() | None:
                return node
            case dt.date():  # a datetime is one too
                return node.isoformat()
            case bytes():
                self._budget.spend(0, 2 * len(node))
                return base64.b64encode(node).decode()
            case Tagged(tag):
                message = f"a node with the custom tag {tag!r} can't be written as JSON"
                self._refuse(Reason.CUSTOM_TAG, message, path)
                return None
        raise TypeError(f"{type(node).__name__} is not YAML data")

    def _refuse(self, reason: Reason, message: str, path: Path) -> None:
        problem = self._problem(reason, message, path)
        if not path:
            if problem in self._without_path:  # once is enough
                return
            self._without_path.add(problem)
        self.problems.append(problem)

    def _problem(self, reason: Reason, message: str, path: Path) -> Problem:
        return Problem(reason, message, source=self._source, path=path, hint="use YAML output")
