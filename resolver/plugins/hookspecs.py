"""The hooks that plugins may implement, each a function marked with `resolver.plugins.hookimpl`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.core.providers import ProviderType
    from resolver.plugins.payloads import Delivery, FactsRequest

PROJECT = "blueprint_resolver"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def resolver_deliver(delivery: Delivery) -> None:
    """Take the resolved blueprints of one run.

    Called once all is resolved, of the plugin that `--deliver` names and of no other. It has taken them all
    when it returns. Raise `resolver.PluginError` with one sentence to say what went wrong; any other
    exception counts as a failure of the plugin, and its message is not shown.
    """


@hookspec
def resolver_facts(request: FactsRequest) -> Mapping[str, Any] | None:
    """Return facts about the deployment, as `schemas/context.schema.json` describes them; None for none.

    Called before anything is looked up. The facts answer functions as those of `--context` do.
    """


@hookspec
def resolver_provider_types() -> Mapping[str, ProviderType] | None:
    """Return types of secrets providers, by the names that `secrets providers create` takes; None for none.

    Called when a secret of a provider, or a provider itself, is asked for. A type is given the parameters of
    one provider and the options of the secrets that one round of a run wants, all at once;
    `resolver.core.providers.ProviderType` has the rules.
    """
