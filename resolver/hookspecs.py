"""What plugins may implement. A plugin implements some of these functions and marks them with `hookimpl`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resolver.core.ports import SecretsProvider
    from resolver.orchestrators.handle import Delivery, FactsRequest

PROJECT = "blueprint_resolver"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def resolver_deliver(delivery: Delivery) -> None:
    """Take the resolved blueprints of one run.

    Called once all is resolved, of the plugin that `--deliver` names and of no other. To return is to have
    taken them all. Raise `resolver.PluginError` with one sentence to say what went wrong; any other exception
    counts as a failure of the plugin, and its message is not shown.
    """


@hookspec
def resolver_facts(request: FactsRequest) -> Mapping[str, Any] | None:
    """Tell facts about the deployment, as `schemas/context.schema.json` describes them; None for none.

    Called before anything is looked up. The facts answer functions as those of `--context` do.
    """


@hookspec
def resolver_providers() -> Iterable[SecretsProvider] | None:
    """Offer places where secrets are kept, each under a type of its own.

    A provider gets the connection parameters of one provider that was set up under its type, and the options
    of the secrets that one run asks for; see `resolver.core.ports.SecretsProvider`.
    """
