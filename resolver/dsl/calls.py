"""The one reader of intrinsic function calls: what a call is, and what `get_secret`'s argument means.

A call is a mapping whose only key is an intrinsic function, or that key plus `type`. The names are those of
Cloudify's `dsl_parser.functions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resolver.core.provenance import WRITTEN, Provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

GET_SECRET = "get_secret"  # noqa: S105 - a function's name

FUNCTIONS = frozenset(
    {
        "concat",
        "get_attribute",
        "get_attributes_dict",
        "get_attributes_list",
        "get_capability",
        "get_consumers",
        "get_environment_capability",
        "get_group_capability",
        "get_input",
        "get_label",
        "get_property",
        GET_SECRET,
        "get_sys",
        "merge",
        "string_find",
        "string_lower",
        "string_replace",
        "string_split",
        "string_upper",
    },
)
"""The names of all intrinsic functions."""


def call_name(node: Mapping[Any, Any]) -> str | None:
    """The intrinsic function that a mapping calls, or None when the mapping is data."""
    size = len(node)
    if size == 1:
        (name,) = node
        return name if name in FUNCTIONS else None
    if size == 2 and "type" in node:  # noqa: PLR2004 - the name and `type`
        for name in node:
            if name != "type" and name in FUNCTIONS:
                return str(name)
    return None


def is_malformed(node: Mapping[Any, Any]) -> bool:
    """Whether `get_secret` stands beside keys that it may not stand beside."""
    return GET_SECRET in node and call_name(node) is None


def holds_call(value: object) -> bool:
    """Whether plain JSON data would be read as an intrinsic function call somewhere within."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if call_name(item) is not None or GET_SECRET in item:
                return True
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


@dataclass(slots=True)  # as good as frozen, which would make each of these many cost several times as much
class GetSecret:
    """What one `get_secret` call asks for. What was obtained is another type: this one has no field for it.

    Args:
        key: the secret's key.
        path: dictionary keys and list indices that lead into a JSON value; empty asks for the stored text.
        key_provenance: what the key was computed from.
        path_provenance: what the path was computed from.
    """

    key: str
    path: tuple[str | int, ...] = ()
    key_provenance: Provenance = WRITTEN
    path_provenance: Provenance = WRITTEN
