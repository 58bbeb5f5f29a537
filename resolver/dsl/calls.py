"""Calls of intrinsic functions: which mappings are calls, and which are data.

A call is a mapping whose only key is an intrinsic function, or that key plus `type`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.dsl.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.dsl.budget import Budget

GET_SECRET = "get_secret"  # noqa: S105 - a function's name


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


def is_call(value: object) -> bool:
    """Whether a value is a call, or a malformed one of `get_secret`."""
    return isinstance(value, dict) and (call_name(value) is not None or GET_SECRET in value)


def holds_call(value: object, budget: Budget | None = None) -> bool:
    """Whether plain JSON data would be read as an intrinsic function call somewhere within.

    Args:
        value: the data.
        budget: what the run may spend.
    """
    pending = [value]
    while pending:
        item = pending.pop()
        if budget is not None:
            budget.spend()
        if isinstance(item, dict):
            if is_call(item):
                return True
            pending.extend(item.values())
        elif isinstance(item, (list, tuple)):
            pending.extend(item)
    return False
