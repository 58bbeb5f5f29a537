"""What objects show of themselves, and that those with values can't be pickled into a file."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from resolver.blueprint import read, render
from resolver.cli.arguments import ResolveArguments
from resolver.cli.context import App
from resolver.config.profile import Profile
from resolver.core.account_changes import NewPassword, NewUser
from resolver.core.model import SecretValue
from resolver.core.provenance import Provenance
from resolver.core.providers import NewProvider, ProviderChange, ProviderCheck
from resolver.core.transfer import ImportRequest
from resolver.dsl.functions import Known
from resolver.dsl.plan import Plan
from resolver.dsl.values import GivenInput, Need, Substitution, Values
from resolver.protocol.codec import decode
from resolver.resolution import BlueprintText, Resolution, resolve
from resolver.rest.cloudify.providers import CloudifyNewProvider, CloudifyProviderChange
from resolver.rest.cloudify.transfer import CloudifyImportRequest, ExportQuery
from resolver.rest.v1.sealed_transfer import OpenRequest, SealRequest
from tests.conftest import TENANT

if TYPE_CHECKING:
    from tests.leaks.conftest import World

TEXT = b"a: { get_secret: k }\nb: { get_secret: { get_secret: which } }\nc: { get_secret: [j, a] }\n"


@pytest.fixture
def resolution(world: World) -> Resolution:
    """A resolution with values, one of them under a computed key."""
    target = world.secret("which", world.marks.new("which"))
    world.secret(target, world.marks.new("target"))
    world.secret("k", world.marks.new("value"))
    world.secret("j", json.dumps({"a": {world.marks.new("key within"): world.marks.new("leaf")}}))
    service = world.service()
    text = BlueprintText("b.yaml", TEXT, world.folder)
    return resolve(service, world.caller(service), TENANT, [text])


def test_a_resolution_shows_no_value(world: World, resolution: Resolution) -> None:
    """Neither the whole result nor its parts, whatever is asked of them to be shown."""
    (resolved,) = resolution.blueprints
    placed = {"value (plain)", "target (plain)", "key within (plain)", "leaf (plain)"}
    assert set(world.marks.find(resolved.text())) == placed
    for thing in (resolution, resolved, resolution.uses):
        assert world.marks.find(f"{thing!r} {thing!s} {thing}") == []


def test_what_a_service_obtains_shows_no_value(world: World) -> None:
    """The service, its parts and its answers."""
    world.secret("k", world.marks.new("value"))
    service = world.service()
    shown = service.secrets.show(world.caller(service), TENANT, "k")
    assert shown[1] == SecretValue(shown[1].reveal() if shown[1] else "")
    for thing in (service, shown, vars(service), world.resolver(), world.resolver().__dict__):
        assert world.marks.find(repr(thing)) == []


def test_a_plan_shows_no_value(world: World) -> None:
    """The plan, what it asks for and what it places, also when a key came out of a secret."""
    which, value = world.marks.new("which"), world.marks.new("value")
    blueprint = read(b"a: { get_secret: { get_secret: which } }\n", "b.yaml")
    plan = Plan([blueprint])
    plan.advance()
    plan.supply({"which": SecretValue(which)})
    uses = plan.advance()
    assert [use.shown for use in uses] == ["<from secret which>"]
    plan.supply({which: SecretValue(value)})
    assert plan.advance() == []
    for thing in (plan, plan.results(blueprint), uses, plan.survey()):
        assert world.marks.find(repr(thing)) == []


def test_what_callers_want_shows_no_password(world: World) -> None:
    """A user to be made and a new password, as routes and commands hand them on."""
    password = SecretValue(world.marks.new("password"))
    for thing in (NewUser(password=password), NewPassword(password)):
        assert world.marks.find(f"{thing!r} {thing}") == []


def test_what_callers_want_shows_no_parameter(world: World) -> None:
    """Connection parameters of providers, as routes and commands hand them on, and as they are shown."""
    parameters = {"token": world.marks.new("token"), "path": "kv"}
    body = {"type": "vault", "connection_parameters": parameters}
    for thing in (
        NewProvider("vault", parameters),
        ProviderChange(parameters=parameters),
        ProviderCheck(kind="vault", parameters=parameters),
        decode(CloudifyNewProvider, body),
        decode(CloudifyProviderChange, body),
    ):
        assert world.marks.find(repr(thing)) == []


def test_what_callers_want_shows_no_passphrase(world: World) -> None:
    """What is to be sealed or opened with it, and values that come with an import."""
    passphrase, value = world.marks.new("passphrase"), world.marks.new("value")
    files = {"secrets_list": [{"value": value}], "override_collisions": False}
    entry = {"key": "k", "tenant": "home", "versions": [{"number": 1, "value": value}]}
    for kind, data in (
        (SealRequest, {"passphrase": passphrase}),
        (OpenRequest, {"text": value, "passphrase": passphrase}),
        (CloudifyImportRequest, files | {"passphrase": passphrase}),
        (ExportQuery, {"_passphrase": passphrase}),
        (ImportRequest, {"tenant": "home", "entries": [entry]}),
    ):
        assert world.marks.find(repr(decode(kind, data))) == []


def test_what_is_known_shows_no_value(world: World) -> None:
    """A known value and what it was computed from, a key that came out of a secret among it."""
    which, value = world.marks.new("which"), world.marks.new("value")
    provenance = Provenance(secrets=frozenset({"which"}), used=frozenset({"which", which}))
    values = Values()
    values.add({which: SecretValue(value)})
    for thing in (
        values,
        Known(value, provenance),
        Substitution(value, "which", provenance.used),
        GivenInput(value, value),
        Need(which, provenance, {}),
    ):
        assert world.marks.find(repr(thing)) == [], type(thing)


def test_rendered_text_shows_no_value(world: World) -> None:
    """A rendered text, and a blueprint that is to be read."""
    blueprint = read(b"a: { get_secret: k }\n", "b.yaml")
    rendered = render(blueprint, {id(blueprint.documents[0]["a"]): world.marks.new("value")})
    assert world.marks.find(rendered.text) == ["value (plain)"]
    for thing in (rendered, BlueprintText("b", rendered.text.encode(), world.folder)):
        assert world.marks.find(repr(thing)) == []


def test_the_command_lines_records_show_no_value(world: World) -> None:
    """What the command line keeps of its arguments, and of the profile."""
    secret = world.marks.new("value")
    given: dict[str, Any] = dict.fromkeys(ResolveArguments.__struct_fields__, "") | {
        "inputs": (f"name={secret}",)
    }
    for thing in (
        App(arguments=["secrets", "create", "k", "-s", secret]),
        ResolveArguments(**given),
        Profile(secret, TENANT),
    ):
        assert world.marks.find(repr(thing)) == [], type(thing)


@pytest.mark.parametrize("text", ["{}", "{!r}", "{!s}", "{:>9}", "{!a}"])
def test_a_secret_value_is_stars_in_every_format(world: World, text: str) -> None:
    """However it is formatted, a value is shown as stars."""
    value = SecretValue(world.marks.new("value"))
    assert world.marks.find(text.format(value)) == []
    assert "****" in text.format(value)
    assert world.marks.find(value.reveal()) == ["value (plain)"]


def test_a_secret_value_is_not_pickled(world: World) -> None:
    """Pickling or copying a value is refused, in words that do not hold it."""
    value = SecretValue(world.marks.new("value"))
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"^a secret value can't be pickled$"):
            way(value)


def test_results_are_not_pickled(world: World, resolution: Resolution) -> None:
    """Neither is what has values in it: a cache or another process would get a file with them."""
    (resolved,) = resolution.blueprints
    resolved.text()
    for thing in (resolved, resolution):
        with pytest.raises(TypeError, match="can't be pickled"):
            pickle.dumps(thing)
    assert world.marks.find(resolved.text())
