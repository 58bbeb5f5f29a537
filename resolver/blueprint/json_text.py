"""Write loaded documents as JSON."""

from __future__ import annotations

import base64
import datetime
import json
import math
from typing import TYPE_CHECKING, Any

from resolver.core.document import Tagged
from resolver.core.problems import Problem, Reason
from resolver.errors import BlueprintError

if TYPE_CHECKING:
    from resolver.core.document import Path


def to_json(data: object, source: str = "") -> str:
    """Write a document, or a list of them, as JSON in ASCII.

    Dates are written in ISO 8601, bytes as base64 text, sets as sorted lists, `!!omap` and `!!pairs` as lists
    of pairs. Keys that are no strings are written as YAML writes them: `true`, `null`, `1`.

    Args:
        data: the document's data.
        source: the blueprint's name, for messages.

    Raises:
        BlueprintError: the data holds what JSON can't: nodes with custom tags, infinite numbers, keys that
            become the same string.
    """
    problems: list[Problem] = []

    def refuse(reason: Reason, message: str, path: Path) -> None:
        problems.append(Problem(reason, message, source=source, path=path, hint="use YAML output"))

    def plain(node: Any, path: Path) -> Any:  # noqa: ANN401, PLR0911 - documents are plain data
        match node:
            case str() | bool() | int() | None:
                return node
            case dict():
                pairs: dict[str, Any] = {}
                for key, value in node.items():
                    name = _key(key)
                    if name in pairs:
                        refuse(Reason.DUPLICATE_KEY, f"two keys become {name!r} in JSON", path)
                    pairs[name] = plain(value, (*path, name))
                return pairs
            case list() | tuple():
                return [plain(value, (*path, index)) for index, value in enumerate(node)]
            case set():
                return sorted((plain(value, path) for value in node), key=json.dumps)
            case float():
                if not math.isfinite(node):
                    refuse(Reason.BAD_SCALAR, "JSON has no infinite numbers and no not-a-number", path)
                    return None
                return node
            case datetime.date():
                return node.isoformat()
            case bytes():
                return base64.b64encode(node).decode()
            case Tagged(tag):
                refuse(
                    Reason.CUSTOM_TAG, f"a node with the custom tag {tag!r} can't be written as JSON", path
                )
        return None

    converted = plain(data, ())
    if problems:
        raise BlueprintError(problems)
    return json.dumps(converted)


def _key(key: object) -> str:
    match key:
        case str():
            return key
        case None:
            return "null"
        case bool():
            return "true" if key else "false"
        case datetime.date():
            return key.isoformat()
        case bytes():
            return base64.b64encode(key).decode()
    return str(key)
