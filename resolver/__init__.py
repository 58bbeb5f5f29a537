"""Keep secrets per tenant, and put them into blueprints in memory.

Blueprints (Cloudify DSL, TOSCA-style YAML) say `{ get_secret: db_password }`. This package keeps the secrets
encrypted in a SQL database, decides for each call whether *this caller in this tenant* may use *this secret*,
and hands back the resolved blueprint. It never writes a plaintext value to disk, and changes nothing in its
host process.

Two calls to start with::

    from resolver import open_resolver

    with open_resolver() as resolver:
        caller = resolver.authenticate(token=token)
        resolved = resolver.resolve("blueprint.yaml", tenant="prod", caller=caller)
        deploy(resolved.data)

`resolved.text()` is the text with all but the calls as it was, `resolved.redacted()` the same with the values
masked. Everything raised on purpose is a `ResolverError`; `resolver.errors` has the tree.

It does not deploy, it does not keep what it resolved, and it does not protect a value from the one who
receives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver.errors import (
    AccessError,
    AuthenticationError,
    BlueprintError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    PluginError,
    ResolverError,
    SinkRefusedError,
    StoreError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from resolver.api import AsyncResolver, Resolver, open_async_resolver, open_resolver
    from resolver.core.model import Caller
    from resolver.dsl.problems import Problem
    from resolver.resolution.resolved import ResolvedBlueprint, Use

__all__ = [
    "AccessError",
    "AsyncResolver",
    "AuthenticationError",
    "BlueprintError",
    "Caller",
    "ConflictError",
    "InvalidRequestError",
    "NotFoundError",
    "NotPermittedError",
    "PluginError",
    "Problem",
    "ResolvedBlueprint",
    "Resolver",
    "ResolverError",
    "SinkRefusedError",
    "StoreError",
    "UnavailableError",
    "UsageError",
    "Use",
    "open_async_resolver",
    "open_resolver",
]

_LAZY = {
    "AsyncResolver": "resolver.api",
    "Caller": "resolver.core.model",
    "Problem": "resolver.dsl.problems",
    "ResolvedBlueprint": "resolver.resolution.resolved",
    "Resolver": "resolver.api",
    "Use": "resolver.resolution.resolved",
    "open_async_resolver": "resolver.api",
    "open_resolver": "resolver.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the signature is the protocol's
    """Import the heavy names when first asked for: commands that need no store start without them."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module(_LAZY[name]), name)
