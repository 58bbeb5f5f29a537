"""Plugins: found, loaded when named and never else, and handed no more than they need."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING

import pluggy
import pytest

import resolver.plugins
from resolver import InvalidRequestError, NotFoundError, PluginError, Resolver, UsageError, open_resolver
from resolver.bootstrap.embedded import open_service
from resolver.cli.context import App
from resolver.config.settings import Settings
from resolver.core.model import Caller, SecretValue
from resolver.core.providers import FetchFailure, NewProvider, ProviderCheck, ProviderRequest
from resolver.crypto.keyring import FernetDataKey, KeyRing, RootKey
from resolver.dsl.context import DeploymentContext
from resolver.plugins.manager import Plugins, add_provider_types, hookspecs
from resolver.plugins.payloads import Delivery, DeliveryTarget, FactsRequest
from resolver.resolution import BlueprintText, resolve
from resolver.rest.options import ServerOptions
from resolver.rest.server import Listener, serve
from resolver.service import Service
from resolver.store.sql import SqlStore
from tests.conftest import TENANT, start_script
from tests.databases import World, made_world
from tests.plugged import HEAD, TAKES, TELLS, install_sample, plant
from tests.test_docs import DOCS, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resolver.bootstrap.embedded import PluginTypes
    from resolver.resolution import Resolution

pytestmark = pytest.mark.slow

MISSING = "error: there is no plugin 'missing'\n"
SEVERAL = "error: plugin 'twice' comes with several packages: planted_one, planted_two\n"
TEXT = "a: { get_secret: k }\nb: { get_secret: { get_secret: which } }\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, for packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_hookimpl_is_imported_when_it_is_asked_for() -> None:
    """Plugins get it from `resolver.plugins`; who imports the package alone does not pay for pluggy."""
    code = (
        "import sys, resolver.plugins\n"
        "assert 'pluggy' not in sys.modules\n"
        "from resolver.plugins import hookimpl\n"
        "from resolver.plugins.hookspecs import hookimpl as same\n"
        "assert hookimpl is same"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match=r"^module 'resolver\.plugins' has no attribute 'hookspec'$"):
        _ = resolver.plugins.hookspec


def test_delivery_options_are_not_shown() -> None:
    """They may hold values."""
    options = {"password": "hunter2"}
    assert repr(DeliveryTarget("shop", options)) == "DeliveryTarget(****)"
    assert repr(FactsRequest("home", ("b.yaml",), options)) == "FactsRequest(****)"


def test_a_plugin_of_a_third_party(home: Path, tmp_path: Path) -> None:
    """The sample package, installed by pip, deploys: it knows its facts, and gets the values in memory."""
    site = install_sample(tmp_path / "site")
    start_script(home, "resolver", "secrets", "create", "shop-7_password", "-s", "the value")
    blueprint = tmp_path / "b.yaml"
    blueprint.write_text("p: { get_secret: { concat: [{ get_sys: [deployment, id] }, _password] } }\n")
    seen = tmp_path / "seen"
    program = tmp_path / "deploy"
    program.write_text(f"#!/bin/sh\n{{ cat; env; }} > {seen}\n")
    program.chmod(0o700)
    options = ("--deliver-option", "deployment=shop-7", "--deliver-option", f"deploy={program}")
    environ = {"PYTHONPATH": str(site), "RESOLVER_TENANT": TENANT}
    environ["RESOLVER_TOKEN"] = Settings({"RESOLVER_HOME": str(home)}).token()
    done = start_script(home, "resolve", blueprint, "--deliver", "shop", *options, env=environ)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "note: 1 blueprint delivered to plugin 'shop'\n"
    got = seen.read_text().splitlines()
    assert got[0] == 'p: "the value"'
    assert "DEPLOYMENT=shop-7" in got
    assert [line for line in got if line.startswith("RESOLVER_TOKEN")] == []
    done = start_script(home, "resolve", blueprint, "--deliver", "shop", *options[:2], env=environ)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == (
        "error: plugin 'shop': it was not told what to run\n  hint: give --deliver-option deploy=PROGRAM\n"
    )
    done = start_script(home, "resolve", blueprint, "--check", "--deliver", "shop", *options, env=environ)
    assert done.returncode == 0
    assert "shop-7_password" in done.stdout
    assert "delivered" not in done.stderr


def test_what_is_installed_is_not_loaded(home: Path, tmp_path: Path) -> None:
    """Only a name loads a plugin: one that is installed runs no code, until `config.yaml` names it."""
    trace = tmp_path / "trace"
    plant(tmp_path / "site", "lurking", f"open({str(trace)!r}, 'w').close()\n")
    environ = {"PYTHONPATH": str(tmp_path / "site")}
    blueprint = tmp_path / "b.yaml"
    blueprint.write_text("a: 1\n")
    assert start_script(home, "resolve", blueprint, env=environ).stdout == "a: 1\n"
    assert start_script(home, "resolver", "exec", blueprint, "--", "true", env=environ).returncode == 0
    assert not trace.exists()
    (home / "config.yaml").write_text("plugins: [lurking]\n")
    assert start_script(home, "resolve", blueprint, "--check", "--offline", env=environ).returncode == 0
    assert not trace.exists()
    assert start_script(home, "resolver", "exec", blueprint, "--", "true", env=environ).returncode == 0
    assert trace.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--deliver", "missing"],
            "error: there is no plugin 'missing'\n  hint: installed are: deaf, twice\n",
        ),
        (["--deliver", "deaf"], "error: plugin 'deaf' takes no deliveries\n"),
        (["--deliver", "twice"], f"{SEVERAL}  hint: uninstall all but one of them\n"),
        (["--deliver-option", "a=b"], "error: --deliver-option goes with --deliver\n"),
        (["--deliver", "deaf", "--deliver-option", "=b"], "error: a delivery option looks like NAME=VALUE\n"),
        (
            ["--deliver", "deaf", "--deliver-option", "a=1", "--deliver-option", "a=2"],
            "error: a delivery option is given twice\n",
        ),
        (
            ["--deliver", "deaf", "--show-values"],
            "error: --deliver writes nothing to stdout, so options about stdout don't go with it\n",
        ),
    ],
)
def test_what_is_refused(
    home: Path,
    tmp_path: Path,
    site: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    """Names that lead nowhere and options that make no sense end with 2, before the store is opened."""
    from resolver.cli.exit_codes import run as run_command  # noqa: PLC0415
    from resolver.cli.resolve import resolve_command  # noqa: PLC0415

    monkeypatch.setenv("RESOLVER_HOME", str(home))
    plant(site, "deaf", "")
    plant(site, "twice", "", package="one")
    plant(site, "twice", "", package="two")
    (tmp_path / "b.yaml").write_text("a: 1\n")
    resolve_command.context_settings["obj"] = App(arguments=arguments)
    assert run_command(resolve_command, [str(tmp_path / "b.yaml"), "-t", TENANT, *arguments]) == 2
    assert capsys.readouterr() == ("", said)


def test_no_package_with_plugins() -> None:
    """Without any plugin the hint says so."""
    with pytest.raises(UsageError) as caught:
        Plugins(["missing"])
    assert (caught.value.message, caught.value.hint) == (
        "there is no plugin 'missing'",
        "no package with plugins is installed",
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service with secrets, one of which holds the key of another."""
    world = made_world("sqlite", tmp_path)
    for key, value in (("k", "value of k"), ("which", "target"), ("target", "deep"), ("other", "unused")):
        world.secret(key, value)
    yield world
    world.service.close()


@pytest.fixture
def resolution(world: World, tmp_path: Path) -> Resolution:
    """A run over one blueprint, with a key that came out of a secret."""
    text = BlueprintText("b.yaml", TEXT.encode(), tmp_path)
    return resolve(world.service, world.admin, "home", [text])


@pytest.fixture
def delivery(resolution: Resolution) -> Delivery:
    """What a plugin would be handed."""
    return Delivery("home", resolution.blueprints, resolution.uses, resolution.secrets, {"deployment": "d"})


def reachable(start: object) -> Iterator[object]:
    """Everything that can be reached from an object, through attributes, containers and closures."""
    seen: set[int] = set()
    pending = deque([start])
    while pending:
        item = pending.popleft()
        if id(item) in seen or isinstance(item, type | type(sys)):
            continue
        seen.add(id(item))
        yield item
        # A function leads to its module's globals, and so to everything that was ever imported.
        if not isinstance(item, type(reachable)):
            pending.extend(gc.get_referents(item))


POWERS = (Service, SqlStore, KeyRing, RootKey, FernetDataKey, Caller, Resolver, Settings, Plugins)


def test_the_handle_leads_to_nothing_else(delivery: Delivery, world: World) -> None:
    """No service, store, key, caller or setting can be reached from it; the search would find them."""
    assert [item for item in reachable(delivery) if isinstance(item, POWERS)] == []
    held = {item for item in reachable(delivery) if isinstance(item, str)}
    assert {"value of k", "deep"} <= held
    assert "unused" not in held
    found = {type(item) for item in reachable(Resolver(world.service)) if isinstance(item, POWERS)}
    assert {Service, SqlStore, KeyRing, RootKey} <= found


def test_the_handle_knows_this_blueprints_keys(delivery: Delivery) -> None:
    """Used keys have their values; one that exists and was not used is refused as one that does not exist."""
    assert delivery.secret("k").reveal() == "value of k"
    assert [use.key for use in delivery.uses] == ["k", "which"]
    assert delivery.blueprints[0].data == {"a": "value of k", "b": "deep"}
    for key in ("other", "no_such", "target"):  # the last one came out of a secret
        with pytest.raises(NotFoundError) as caught:
            delivery.secret(key)
        assert caught.value.message == "these blueprints did not use a secret with this key"


@pytest.mark.parametrize("name", ["tenant", "options", "blueprints", "uses", "secret", "new"])
def test_the_handle_is_read_only(delivery: Delivery, name: str) -> None:
    """Nothing of it can be set, and the options can't be changed."""
    with pytest.raises(AttributeError):
        setattr(delivery, name, None)
    with pytest.raises(TypeError):
        delivery.options["a"] = "b"  # type: ignore[index]
    assert repr(delivery) == "Delivery(tenant='home', secrets=2)"


def test_the_handle_ends_with_the_hook(delivery: Delivery, site: Path) -> None:
    """A plugin that keeps it finds nothing in it afterwards."""
    body = "kept.append(delivery)\n    assert delivery.blueprints[0].text()\n"
    module = plant(site, "keeping", f"{HEAD}kept = []\n{TAKES}{body}")
    Plugins([], DeliveryTarget("keeping", {})).deliver(delivery)
    (kept,) = sys.modules[module].kept
    assert kept is delivery
    for ask in (lambda: kept.blueprints, lambda: kept.secret("k")):
        with pytest.raises(UsageError, match=r"^the delivery is over, and holds no values any more$"):
            ask()
    assert not {"value of k", "deep"} & {item for item in reachable(kept) if isinstance(item, str)}


def test_others_do_not_see_a_delivery(delivery: Delivery, site: Path) -> None:
    """A plugin of `config.yaml` gets no delivery that goes to another one, not even by wrapping the hook."""
    source = f"{HEAD}seen = []\n{TAKES}seen.append(delivery)\n"
    wrapper = source.replace("@hookimpl", "@hookimpl(wrapper=True)") + "    return (yield)\n"
    spying, named = plant(site, "spying", wrapper), plant(site, "named", source)
    Plugins(["spying"], DeliveryTarget("named", {})).deliver(delivery)
    assert sys.modules[spying].seen == []
    assert sys.modules[named].seen == [delivery]


def test_facts_of_several(site: Path) -> None:
    """The plugin that the run delivers to goes first, then those of `config.yaml` in their order."""
    for name, owner in (("first", "eve"), ("second", "bob"), ("last", "ann")):
        facts = {"deployment": {"owner": owner}, "labels": {name: [owner]}, "capabilities": {"d": {name: 1}}}
        plant(site, name, f"{HEAD}{TELLS}return {facts}\n{TAKES}...\n")
    plant(site, "silent", "")
    context = Plugins(["second", "silent", "last"], DeliveryTarget("first", {})).facts("home", ["b.yaml"])
    assert context.tenant == "home"
    assert context.deployment == {"owner": "eve"}
    assert context.labels == {"first": ["eve"], "second": ["bob"], "last": ["ann"]}
    assert context.capabilities == {"d": {"first": 1, "second": 1, "last": 1}}


def test_a_context_goes_before_another() -> None:
    """Fact by fact: what the first one says stays, what it does not say comes from the other."""
    first = DeploymentContext("t", {"id": "1"}, {"a": ["1"]}, {"d": {"x": 1}}, {"r": 1}, {"n": {"ip": 1}})
    other = DeploymentContext(
        "u",
        {"id": "2", "name": "2"},
        {"a": ["2"], "b": ["2"]},
        {"d": {"x": 2, "y": 2}, "e": {}},
        {"r": 2, "s": 2},
        {"n": {"ip": 2}, "m": {"ip": 2}},
    )
    assert first.or_else(other) == DeploymentContext(
        "t",
        {"id": "1", "name": "2"},
        {"a": ["1"], "b": ["2"]},
        {"d": {"x": 1, "y": 2}, "e": {}},
        {"r": 1, "s": 2},
        {"n": {"ip": 1}, "m": {"ip": 2}},
    )


TYPES = f"""
{HEAD}
from resolver import InvalidRequestError
from resolver.core.model import SecretValue
class Box:
    credentials = {{"token"}}
    def check(self, parameters):
        raise InvalidRequestError("no such box" if "token" not in parameters else parameters["token"])
    def check_options(self, options): return dict(options)
    def fetch(self, parameters, wanted, forwards): return {{name: SecretValue(name) for name in wanted}}
    def test(self, parameters): raise ConnectionError(parameters["token"])
@hookimpl
def resolver_provider_types(): return {{"box": Box()}}
"""


def test_provider_types_of_plugins(site: Path) -> None:
    """Each is found by its name beside the known ones, and fetches; what it raises names the plugin."""
    plant(site, "boxes", TYPES)
    plant(site, "rival", TYPES)
    plant(site, "none", "")
    types = Plugins(["boxes", "none"]).provider_types({})
    assert list(types) == ["box"]
    box = types["box"]
    assert box.credentials == {"token"}
    assert box.check_options({"a": "b"}) == {"a": "b"}
    assert box.fetch({}, {"x": ProviderRequest("k", {})}, 0) == {"x": SecretValue("x")}
    for ask, said in (
        (lambda: box.check({}), "plugin 'boxes': no such box"),
        (lambda: box.check({"token": "s3cret"}), f"{BOXES}, and its message holds a value"),
        (lambda: box.test({"token": "s3cret"}), f"{BOXES}: ConnectionError"),
        (lambda: Plugins(["boxes", "rival"]).provider_types({}), TWICE.format("rival")),
        (lambda: Plugins(["boxes"]).provider_types({"box": box}), TWICE.format("boxes")),
    ):
        with pytest.raises((PluginError, InvalidRequestError)) as caught:
            ask()
        assert caught.value.message == said
        assert caught.value.__context__ is None


BOXES = "plugin 'boxes' failed as provider of type 'box'"
TWICE = "plugin {!r} offers provider type 'box', which is there already"


WRONG = f"""
{HEAD}
from resolver.core.model import SecretValue
from resolver.core.providers import FetchFailure
class Box:
    credentials = ()
    def check(self, parameters): return {{"token": 1}}
    def check_options(self, options): return ["no mapping"]
    def fetch(self, parameters, wanted, forwards):
        if "all" in wanted: return {{
            "a": SecretValue("s3cret"), "b": FetchFailure("it was not s3cret"), "c": FetchFailure("away")
        }}
        if "own" in wanted: return {{"own": FetchFailure("refused " + parameters["token"])}}
        return {{name: "s3cret" for name in wanted}}
    def test(self, parameters): return "yes"
@hookimpl
def resolver_provider_types(): return {{"box": Box()}}
"""


def test_provider_types_that_answer_wrongly(site: Path) -> None:
    """What is no answer is reported with the plugin's name, and a reason that shows a value is withheld."""
    plant(site, "wrong", WRONG, package="wrong-types")
    source = f"{HEAD}@hookimpl\ndef resolver_provider_types(): return [1]\n"
    plant(site, "lists", source, package="lists-types")
    box = Plugins(["wrong"]).provider_types({})["box"]
    for ask, said in (
        (lambda: box.check({}), "plugin 'wrong': it gave something else than texts by name"),
        (lambda: box.check_options({}), "plugin 'wrong' failed as provider of type 'box': ValueError"),
        (
            lambda: box.fetch({}, {"x": ProviderRequest("k", {})}, 0),
            "plugin 'wrong': it gave something else than `SecretValue` or `FetchFailure` for a secret",
        ),
        (
            lambda: Plugins(["lists"]).provider_types({}),
            "plugin 'lists' failed when it was asked for provider types: TypeError",
        ),
    ):
        with pytest.raises(PluginError) as caught:
            ask()
        assert caught.value.message == said
    assert box.test({}) is True
    withheld = FetchFailure("its reason holds a value")
    assert box.fetch({}, {"all": ProviderRequest("k", {})}, 0) == {
        "a": SecretValue("s3cret"),
        "b": withheld,
        "c": FetchFailure("away"),
    }
    assert box.fetch({"token": "t0ken"}, {"own": ProviderRequest("k", {})}, 0) == {"own": withheld}


def test_the_service_takes_types_of_plugins(site: Path, home: Path) -> None:
    """A provider of the sample's type can be set up and answers, once `config.yaml` names the plugin."""
    install_sample(site)
    parameters = {"content": "kept=the value"}
    for named in (False, True):
        if named:
            (home / "config.yaml").write_text("plugins: [shop]\n")
        settings = Settings({}, home)
        with contextlib.closing(open_service(settings, plugins=add_provider_types)) as service:
            admin = service.gate.authenticate_token(settings.token())
            if named:
                service.providers.create(admin, TENANT, "mine", NewProvider("drawer", parameters))
                assert service.providers.test(admin, TENANT, ProviderCheck(name="mine")) is True
                with pytest.raises(InvalidRequestError) as caught:
                    service.providers.create(admin, TENANT, "other", NewProvider("drawer"))
                assert caught.value.message == "plugin 'shop': a drawer takes the parameter 'content'"
            else:
                with pytest.raises(InvalidRequestError, match=r"^there is no such type of secrets provider$"):
                    service.providers.create(admin, TENANT, "mine", NewProvider("drawer", parameters))


class OpenedError(Exception):
    """Carries what a root handed in to open its store with."""


def open_api(_settings: Settings, home: Path) -> None:
    """As Python code opens a store."""
    open_resolver(home)


def open_cli(_settings: Settings, _home: Path) -> None:
    """As a command opens a store."""
    _ = App().service


def open_server(settings: Settings, _home: Path) -> None:
    """As `resolver serve` opens a store."""
    serve(settings, Listener(), ServerOptions())


@pytest.mark.parametrize("open_store", [open_api, open_cli, open_server])
def test_every_root_hands_in_the_types_of_plugins(
    site: Path, home: Path, monkeypatch: pytest.MonkeyPatch, open_store: Callable[[Settings, Path], None]
) -> None:
    """The Python interface, the commands and the server all know what plugins offer."""

    def stop(_settings: Settings, *, plugins: PluginTypes, **_more: object) -> None:
        raise OpenedError(plugins)

    monkeypatch.setenv("RESOLVER_HOME", str(home))
    monkeypatch.setattr("resolver.bootstrap.embedded.open_service", stop)
    monkeypatch.setattr("resolver.rest.server.open_service", stop)
    install_sample(site)
    with pytest.raises(OpenedError) as caught:
        open_store(Settings({}, home), home)
    assert list(caught.value.args[0](["shop"], {})) == ["drawer"]


def hooks() -> list[str]:
    """The names of all hooks."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return sorted(name for name in vars(manager.hook) if name.startswith("resolver_"))


@pytest.mark.parametrize("name", hooks())
def test_every_hook_is_described(name: str) -> None:
    """A hook has a docstring that begins with what it is to do, and a row in the page for plugin authors."""
    text = str(getattr(hookspecs, name).__doc__)
    assert text.partition("\n")[0].endswith((".", "for none."))
    assert f"`{name}`" in (DOCS / "plugins.md").read_text()


def test_the_example_for_authors_is_a_plugin(site: Path) -> None:
    """The code on the page loads, returns its fact, and refuses a delivery without the option it needs."""
    (example,) = blocks((DOCS / "plugins.md").read_text(), "python")
    plant(site, "shown", example)
    plugins = Plugins([], DeliveryTarget("shown", {}))
    assert plugins.facts("home", []).deployment == {"id": "shop"}
    with pytest.raises(PluginError) as caught:
        plugins.deliver(Delivery("home", [], [], {}, {}))
    assert caught.value.message == "plugin 'shown': no deployment was named"


def test_there_are_hooks() -> None:
    """The list that the test above goes through is the whole list."""
    assert hooks() == ["resolver_deliver", "resolver_facts", "resolver_provider_types"]
