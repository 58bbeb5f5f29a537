"""Finding plugins through entry points, loading those that are named, and calling their hooks.

A package that is installed is not code that runs: a name on the command line or in `config.yaml` of the state
directory makes it so. Whatever a plugin raises becomes a `PluginError` that names it and shows no value.
"""

from __future__ import annotations

import importlib.util
import traceback
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from resolver.blueprint.context_file import make_context
from resolver.config.files import Trusted, demand_trusted
from resolver.core.leaks import leaks_value
from resolver.core.model import SecretValue
from resolver.core.providers import FetchFailure
from resolver.dsl.context import DeploymentContext
from resolver.errors import InvalidRequestError, PluginError, ResolverError, UsageError
from resolver.plugins import hookspecs
from resolver.plugins.payloads import FactsRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from resolver.core.providers import ProviderRequest, ProviderType
    from resolver.plugins.payloads import Delivery, DeliveryTarget

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
        PluginError: one can't be loaded, or others may change its files.
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
        for path in _files(entry_point):
            demand_trusted(path, Trusted.PLUGIN, PluginError)

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

    def facts(self, tenant: str, blueprints: Iterable[str]) -> DeploymentContext:
        """Ask all plugins for facts about the deployment; each fact is of the first plugin that has it.

        Args:
            tenant: the name of the tenant of the run.
            blueprints: the names of the blueprints.

        Raises:
            PluginError: one failed.
            BlueprintError: the facts of one break the schema.
        """
        context = DeploymentContext(tenant)
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
            values: all values of the run; a message that shows one is withheld.

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

    def provider_types(self, known: Mapping[str, ProviderType]) -> Mapping[str, ProviderType]:
        """The types of secrets providers that the plugins offer, beside those that are known.

        Raises:
            PluginError: a plugin failed, or offers a type that is there already.
        """
        types = dict(known)
        for name in self._names:
            ask = partial(self._offered_by, name)
            for kind, offer in _guarded(name, "when it was asked for provider types", ask).items():
                if kind in types:
                    raise PluginError(
                        f"plugin {name!r} offers provider type {kind!r}, which is there already"
                    )
                types[kind] = GuardedType(name, kind, offer)
        return types

    def _offered_by(self, name: str) -> Mapping[str, ProviderType]:
        return dict(self._call(name, "resolver_provider_types") or {})


def add_provider_types(names: Iterable[str], known: Mapping[str, ProviderType]) -> Mapping[str, ProviderType]:
    """The types of secrets providers that the plugins of these names offer, beside those that are known.

    Raises:
        UsageError: there is no plugin of a name.
        PluginError: one can't be loaded, failed, or offers a type that is there already.
    """
    return Plugins(names).provider_types(known)


class GuardedType:
    """A plugin's type of providers: whatever it raises becomes an error that names the plugin.

    Args:
        plugin: the plugin's name.
        kind: the type's name.
        offer: what the plugin offers.
    """

    def __init__(self, plugin: str, kind: str, offer: ProviderType) -> None:
        self._plugin = plugin
        self._doing = f"as provider of type {kind!r}"
        self._offer = offer

    def path_of(self, wanted: ProviderRequest) -> str | None:
        """What a request names; of a plugin that does not say so, the key, and nothing with options."""
        if (named := getattr(self._offer, "path_of", None)) is None:
            return None if wanted.options else wanted.key
        return self._ask(lambda: str(named(wanted)), wanted.options)

    def _ask(self, call: Callable[[], T], given: Mapping[str, str]) -> T:
        values = [SecretValue(value) for value in given.values() if value]
        return _guarded(self._plugin, self._doing, call, values)

    @property
    def credentials(self) -> AbstractSet[str]:
        """The names of the parameters that are credentials."""
        return self._ask(lambda: frozenset(self._offer.credentials), {})

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Check, complete and normalise connection parameters."""
        return self._ask(lambda: _texts(self._offer.check(parameters)), parameters)

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """Check a secret's options."""
        return self._ask(lambda: _texts(self._offer.check_options(options)), options)

    def fetch(
        self, parameters: Mapping[str, str], wanted: Mapping[str, ProviderRequest], forwards: int
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """Fetch all wanted secrets."""
        got = self._ask(lambda: _answers(self._offer.fetch(parameters, wanted, forwards)), parameters)
        values = [answer for answer in got.values() if isinstance(answer, SecretValue)]
        values += [SecretValue(value) for value in parameters.values() if value]
        return {
            key: FetchFailure("its reason holds a value")
            if isinstance(answer, FetchFailure) and leaks_value(answer.cause, values)
            else answer
            for key, answer in got.items()
        }

    def test(self, parameters: Mapping[str, str]) -> bool:
        """Whether the provider answers."""
        return self._ask(lambda: bool(self._offer.test(parameters)), parameters)


def _texts(given: Mapping[str, str]) -> Mapping[str, str]:
    texts = dict(given)
    if not all(isinstance(text, str) for text in (*texts, *texts.values())):
        raise PluginError("it gave something else than texts by name")
    return texts


def _answers(given: Mapping[str, SecretValue | FetchFailure]) -> Mapping[str, SecretValue | FetchFailure]:
    answers = dict(given)
    if not all(isinstance(answer, SecretValue | FetchFailure) for answer in answers.values()):
        raise PluginError("it gave something else than `SecretValue` or `FetchFailure` for a secret")
    return answers


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


def _files(entry_point: metadata.EntryPoint) -> list[Path]:
    """The files of a plugin's top package, which decide what runs: found without running any of them."""
    found = importlib.util.find_spec(entry_point.module.partition(".")[0])
    if found is None:
        return []  # loading it says so
    files = [Path(found.origin)] if found.origin is not None and found.has_location else []
    for folder in map(Path, found.submodule_search_locations or ()):
        files += [folder, *(path for path in folder.rglob("*") if path.suffix != ".pyc")]
    # Its metadata say where it begins.
    return [*files, *([Path(str(entry_point.dist.locate_file("")))] if entry_point.dist is not None else [])]


def _guarded(name: str, doing: str, call: Callable[[], T], values: Collection[SecretValue] = ()) -> T:
    """Call a plugin; what it raises becomes a `PluginError`, without its message unless it is one of ours."""
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit would pass for success
        failure = _failure(name, doing, error, values)
    # Outside of the block, so that the plugin's exception, which may hold a value, is not its context.
    raise failure


def _failure(name: str, doing: str, error: BaseException, values: Collection[SecretValue]) -> ResolverError:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"raised at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    if not isinstance(error, PluginError | InvalidRequestError):
        return PluginError(f"plugin {name!r} failed {doing}: {type(error).__name__}", hint=where)
    if leaks_value(f"{error.message}\n{error.hint}", values):
        return PluginError(f"plugin {name!r} failed {doing}, and its message holds a value", hint=where)
    kind = PluginError if isinstance(error, PluginError) else InvalidRequestError
    return kind(f"plugin {name!r}: {error.message}", hint=error.hint)
