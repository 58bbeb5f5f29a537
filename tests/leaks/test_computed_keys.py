"""A key that came out of a secret is itself secret: it is named by where it came from, everywhere."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TENANT
from tests.told import told

if TYPE_CHECKING:
    from tests.leaks.conftest import World

COMPUTED = "a: { get_secret: { get_secret: which } }\n"


@pytest.fixture
def target(world: World) -> str:
    """The value of the secret `which`, which is the key of another secret."""
    key = world.secret("which", world.marks.new("which"))
    world.secret(key, world.marks.new("value"))
    return key


def _uses(world: World) -> list[dict[str, object]]:
    connection = sqlite3.connect(world.home / "data" / "resolver.db")
    rows = connection.execute("SELECT body FROM audit_record WHERE action = 'secret:use' ORDER BY number")
    bodies = told(body for (body,) in rows)
    connection.close()
    return bodies


def _identity(world: World, key: str) -> str:
    connection = sqlite3.connect(world.home / "data" / "resolver.db")
    (identity,) = connection.execute("SELECT id FROM secret WHERE key = ?", [key]).fetchone()
    connection.close()
    return str(identity)


def test_it_is_found(world: World, target: str) -> None:
    """The call resolves to what is stored under the computed key, and nothing is said of it."""
    path = world.file("b.yaml", f"{COMPUTED}b: {{ get_secret: {target} }}\n")
    said = world.run("resolve", path, "-t", TENANT)
    assert said.code == 0
    assert world.marks.find(said.out) == ["value (plain)"]
    assert said.err == ""


def test_the_trail_names_its_source(world: World, target: str) -> None:
    """The record of its use has neither the key nor the stored secret's id and version."""
    world.run("resolve", world.file("b.yaml", COMPUTED), "-t", TENANT)
    which, computed = _uses(world)
    assert (which["key"], which["version"]) == ("which", 1)
    assert computed["key"] == "<from secret which>"
    assert not {"secret_id", "version", "secret_tenant"} & set(computed)
    assert _identity(world, target) not in json.dumps(_uses(world))
    assert world.marks.find(json.dumps(_uses(world))) == []


def test_a_written_key_beside_it_does_not_tell(world: World) -> None:
    """When one round needs a key that is written and the same one computed, the two are two records."""
    target = world.secret("which", world.marks.new("which"))
    world.secret(target, json.dumps({target: world.marks.new("leaf")}))
    path = world.file("b.yaml", f"{COMPUTED}b: {{ get_secret: [{target}, {{ get_secret: which }}] }}\n")
    said = world.run("resolve", path, "-t", TENANT)
    assert said.code == 0
    assert {str(use["key"]) for use in _uses(world)} == {"which", target, "<from secret which>"}
    (computed,) = (use for use in _uses(world) if use["key"] == "<from secret which>")
    assert world.marks.find(json.dumps(computed)) == []


def test_check_does_not_tell(world: World, target: str) -> None:
    """`--check` decrypts nothing, so it says that the key depends on a value."""
    said = world.run("resolve", world.file("b.yaml", COMPUTED), "-t", TENANT, "--check")
    assert said.code == 0
    assert "(depends on a value)" in said.out
    assert world.marks.find(said.out + said.err) == []
    assert _identity(world, target) not in said.out


def test_a_missing_one_is_named_by_its_source(world: World) -> None:
    """One that does not exist is reported and recorded as what it came from."""
    world.secret("which", world.marks.new("which"))
    said = world.run("resolve", world.file("b.yaml", COMPUTED), "-t", TENANT)
    assert said.code == 5
    assert (
        f"error: secret <from secret which> was not found in tenant {TENANT!r} [secret_not_found]" in said.err
    )
    assert world.marks.find(said.err) == []
    assert [use["key"] for use in _uses(world)] == ["which", "<from secret which>"]
    assert world.marks.find(json.dumps(_uses(world))) == []


def test_one_out_of_a_computed_one_keeps_the_source(world: World) -> None:
    """Through two levels the written key is the one that is shown."""
    second = world.secret("first", world.marks.new("first"))
    world.secret(second, world.marks.new("second"))
    text = "a: { get_secret: { get_secret: { get_secret: first } } }\n"
    said = world.run("resolve", world.file("b.yaml", text), "-t", TENANT)
    assert said.code == 5
    assert "secret <from secret first> was not found" in said.err
    assert world.marks.find(said.err + json.dumps(_uses(world))) == []


def test_a_key_from_an_input_that_is_found_is_a_key(world: World) -> None:
    """A key that an input gives and that exists is recorded, since it is a secret's name."""
    world.secret("k", world.marks.new("value"))
    path = world.file("b.yaml", "a: { get_secret: { get_input: name } }\n")
    said = world.run("resolve", path, "-t", TENANT, "-i", "name=k")
    assert said.code == 0
    assert [use["key"] for use in _uses(world)] == ["k"]


def test_a_key_from_an_input_that_is_not_found_is_not_recorded(world: World) -> None:
    """One that does not exist may be anything that was typed: what is recorded is the input's name."""
    path = world.file("b.yaml", "a: { get_secret: { get_input: name } }\n")
    said = world.run("resolve", path, "-t", TENANT, "-i", f"name={world.marks.new('input')}")
    assert said.code == 5
    assert "secret <from input name> was not found" in said.err
    assert [use["key"] for use in _uses(world)] == ["<from input name>"]


def test_an_offline_check_does_not_show_inputs(world: World) -> None:
    """Without a store nobody knows whether an input's value is a secret's name, so it is not shown."""
    path = world.file("b.yaml", "a: { get_secret: { get_input: name } }\n")
    said = world.run("resolve", path, "--check", "--offline", "-i", f"name={world.marks.new('input')}")
    assert said.code == 0
    assert world.marks.find(said.out + said.err) == []
