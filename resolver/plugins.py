"""Plugins: found through entry points, loaded only when they are named, and called with guarded hooks.

A package that is installed is not code that runs: a name on the command line or in `config.yaml` of the state
directory makes it so. Whatever a plugin raises becomes a `PluginError` that names it and shows no value.
"""

from __future__ import annotations

import traceback
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from resolver import hookspecs
from resolver.blueprint.context_file import make_context
from resolver.core.context import Context
from resolver.core.telling import tells
from resolver.errors import PluginError, UsageError
from resolver.orchestrators.handle import FactsRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from resolver.core.model import SecretValue
    from resolver.core.ports import SecretsProvider
    from resolver.orchestrators.handle import Delivery, DeliveryTarget

T = TypeVar("T")

GROUP = "blueprint_resolver.plugins"
"""The entry point group that plugins are found in."""


class Plugins:
    """The plugins of one run.

    Args:
        names: those that every run uses, in their order.
        target: who the run delivers to, if anyone.

    Raises:
        UsageError: there is no plugin of a name, or it takes no deliveries and is to get one.
        PluginError: one can't be loaded.
    """

    def __init__(self, names: Iterable[str], target: DeliveryTarget | None = None) -> None:
        self._target = target
        # The one that a run delivers to knows most about the deployment, so its facts go first.
        self._names = list(dict.fromkeys([*([target.plugin] if target else []), *names]))
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for name in self._names:
            self._load(name)
        if target is not None and not self._implements(target.plugin, "resolver_deliver"):
            raise UsageError(f"plugin {target.plugin!r} takes no deliveries")

    def _load(self, name: str) -> None:
        entry_point = _find(name)

        def register() -> None:
            self._manager.register(entry_point.load(), name)
            self._manager.check_pending()  # a hook that is misspelt would never be called

        _guarded(name, "while it was loaded", register)

    def _implements(self, name: str, hook: str) -> bool:
        callers = self._manager.get_hookcallers(self._manager.get_plugin(name)) or ()
        return any(caller.name == hook for caller in callers)

    def _call(self, name: str, hook: str, **arguments: object) -> Any:  # noqa: ANN401 - what a hook returns
        """Call one plugin's hook. Wrappers of other plugins do not see it."""
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name]
        results = self._manager.subset_hook_caller(hook, others)(**arguments)
        return results[0] if results else None

    def facts(self, tenant: str, blueprints: Iterable[str]) -> Context:
        """Ask all plugins for facts about the deployment; the first that has a fact tells it.

        Args:
            tenant: the name of the tenant of the run.
            blueprints: the names of the blueprints.

        Raises:
            PluginError: one failed.
            BlueprintError: what one told breaks the schema.
        """
        context = Context(tenant)
        for name in self._names:
            options = self._target.options if self._target and self._target.plugin == name else {}
            request = FactsRequest(tenant, tuple(blueprints), dict(options))
            ask = partial(self._call, name, "resolver_facts", request=request)
            facts = _guarded(name, "when it was asked for facts", ask)
            if facts is not None:
                context = context.or_else(make_context(facts, tenant, f"facts of plugin {name!r}"))
        return context

    def deliver(self, delivery: Delivery, values: Collection[SecretValue] = ()) -> None:
        """Hand the delivery to the plugin that is to get it, and close it.

        Args:
            delivery: the resolved blueprints.
            values: all values of the run; a message that tells one is withheld.

        Raises:
            PluginError: the plugin failed, or refused it.
        """
        if self._target is None:
            raise UsageError("no plugin was named to deliver to")
        name = self._target.plugin
        try:
            take = partial(self._call, name, "resolver_deliver", delivery=delivery)
            _guarded(name, "while it took the delivery", take, values)
        finally:
            delivery.close()

    def providers(self) -> Mapping[str, SecretsProvider]:
        """The secrets providers that the plugins offer, by type.

        Raises:
            PluginError: a plugin failed, or two offer the same type.
        """
        found: dict[str, SecretsProvider] = {}
        offered: dict[str, str] = {}
        for name in self._names:
            ask = partial(self._offered, name)
            providers = _guarded(name, "when it was asked for providers", ask)
            for kind, provider in providers.items():
                if kind in offered:
                    raise PluginError(
                        f"plugins {offered[kind]!r} and {name!r} both offer provider type {kind!r}"
                    )
                offered[kind] = name
                found[kind] = provider
        return found

    def _offered(self, name: str) -> dict[str, SecretsProvider]:
        return {provider.type: provider for provider in self._call(name, "resolver_providers") or ()}


def _find(name: str) -> metadata.EntryPoint:
    found = {entry_point.value: entry_point for entry_point in metadata.entry_points(group=GROUP, name=name)}
    if not found:
        installed = sorted({entry_point.name for entry_point in metadata.entry_points(group=GROUP)})
        raise UsageError(
            f"there is no plugin {name!r}",
            hint=f"installed are: {', '.join(installed)}"
            if installed
            else "no package with plugins is installed",
        )
    if len(found) > 1:
        raise UsageError(
            f"plugin {name!r} comes with several packages: {', '.join(sorted(found))}",
            hint="uninstall all but one of them",
        )
    return next(iter(found.values()))


def _guarded(name: str, doing: str, call: Callable[[], T], values: Collection[SecretValue] = ()) -> T:
    """Call into a plugin; what it raises becomes a `PluginError`, without its message unless it is one."""
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit would pass for success
        failure = _failure(name, doing, error, values)
    # Outside of the block, so that the plugin's exception, which may hold a value, is not its context.
    raise failure


def _failure(name: str, doing: str, error: BaseException, values: Collection[SecretValue]) -> PluginError:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"raised at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    if not isinstance(error, PluginError):
        return PluginError(f"plugin {name!r} failed {doing}: {type(error).__name__}", hint=where)
    if tells(f"{error.message}\n{error.hint}", values):
        return PluginError(f"plugin {name!r} failed {doing}, and its message holds a value", hint=where)
    return PluginError(f"plugin {name!r}: {error.message}", hint=error.hint)
