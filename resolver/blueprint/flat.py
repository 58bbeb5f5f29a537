"""YAML mappings of names to values, read as text: `0123` stays `0123`, and `no` stays `no`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from yaml import BaseLoader, MappingNode, ScalarNode, compose

from resolver.blueprint.inputs import read_plain
from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


def read_names(data: bytes, name: str) -> Sequence[tuple[str, str, int]]:
    """Read a mapping: names, values and the lines they begin in.

    Args:
        data: what is in the file.
        name: what to call the file in messages.

    Returns:
        Scalars as they are written, mappings and lists as JSON, and empty text for null.

    Raises:
        BlueprintError: it is no valid YAML, or a name stands twice. Nothing of it is repeated.
        InvalidRequestError: it is no mapping of names, or has something that JSON has not.
    """
    plain: Any = read_plain(data, name)
    node = compose(data.decode("utf-8-sig"), Loader=BaseLoader)
    if not isinstance(plain, dict) or not isinstance(node, MappingNode):
        raise InvalidRequestError(f"{name} does not hold a mapping of names to values")
    found = []
    for key, value in node.value:
        if not isinstance(key, ScalarNode) or key.value == "<<":
            raise InvalidRequestError(
                f"line {key.start_mark.line + 1} of {name} has a name that is no text",
                hint="write out what << merges",
            )
        line = key.start_mark.line + 1
        if isinstance(value, ScalarNode):
            is_nothing = value.style is None and value.value in _NOTHING
            found.append((key.value, "" if is_nothing else value.value, line))
        else:
            found.append((key.value, _json(plain, key, name, line), line))
    return found


def _json(plain: dict[Any, Any], key: Any, name: str, line: int) -> str:  # noqa: ANN401 - PyYAML has no types
    try:
        return json.dumps(plain[key.value], ensure_ascii=False, allow_nan=False)
    except (KeyError, TypeError, ValueError, RecursionError):
        pass
    raise InvalidRequestError(f"line {line} of {name} has a value that JSON can't hold")
