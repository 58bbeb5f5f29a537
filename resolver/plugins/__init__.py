"""Plugins. `hookimpl` marks the hooks that one implements; `resolver.plugins.hookspecs` describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resolver.plugins.hookspecs import hookimpl

__all__ = ["hookimpl"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the signature is the protocol's
    """Import pluggy when `hookimpl` is first asked for: most runs have no plugin."""
    if name != "hookimpl":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from resolver.plugins.hookspecs import hookimpl  # noqa: PLC0415

    return hookimpl
