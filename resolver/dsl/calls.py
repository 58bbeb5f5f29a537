"""Calls of intrinsic functions: which mappings are calls, and which are data.

A call is a mapping whose only key is an intrinsic function; in Cloudify's DSL, or that key plus `type`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.dsl.dialects import CLOUDIFY, GET_SECRET, Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.dsl.budget import Budget

__all__ = ["GET_SECRET", "call_name", "holds_call", "is_call", "is_malformed"]


def call_name(node: Mapping[Any, Any], dialect: Dialect = CLOUDIFY) -> str | None:
    """The intrinsic function that a mapping calls, or None when the mapping is data."""
    return dialect.call_name(node)


def is_malformed(node: Mapping[Any, Any], dialect: Dialect = CLOUDIFY) -> bool:
    """Whether `get_secret` stands beside keys that it may not stand beside."""
    return dialect.is_malformed(node)


def is_call(value: object, dialect: Dialect = CLOUDIFY) -> bool:
    """Whether a value is a call, or a malformed one of `get_secret`."""
    if isinstance(value, dict):
        return dialect.call_name(value) is not None or dialect.secret_name(value) is not None
    return isinstance(value, str) and dialect.is_call_of_text(value)


def holds_call(value: object, budget: Budget | None = None, dialect: Dialect = CLOUDIFY) -> bool:
    """Whether plain JSON data would be read as an intrinsic function call somewhere within.

    Args:
        value: the data.
        budget: what the run may spend.
        dialect: the language that it would be read in.
    """
    pending = [value]
    while pending:
        item = pending.pop()
        if budget is not None:
            budget.spend()
        if is_call(item, dialect):
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, (list, tuple)):
            pending.extend(item)
    return False
