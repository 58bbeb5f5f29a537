"""Plugins that fail: they are named, nothing is delivered, and no message holds a value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resolver.core.leaks import leaks_value
from resolver.core.model import SecretValue
from tests.conftest import TENANT
from tests.plugged import HEAD, TAKES, TELLS, plant

if TYPE_CHECKING:
    from pathlib import Path

    from tests.leaks.conftest import Said, World

pytestmark = pytest.mark.slow

TEXT = "a: { get_secret: k }\nb: { get_secret: [j, password] }\n"
GET = "data = delivery.blueprints[0].data\n"
FAILED = "failed while it took the delivery"
HOLDS = f"{FAILED}, and its message holds a value"
LOADED = "failed while it was loaded"
INVALID = f"{LOADED}: PluginValidationError"
ASKED = "failed when it was asked for facts"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, for packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def deliver(world: World, name: str, *more: str) -> Said:
    """Resolve a blueprint with marked values, and deliver it to a plugin."""
    world.secret("k", world.marks.new("value"))
    world.secret("j", json.dumps({"password": world.marks.new("leaf")}))
    path = world.file("b.yaml", TEXT)
    said = world.run("resolve", path, "-t", TENANT, "--deliver", name, *more)
    assert said.out == ""
    assert world.marks.find(said.err) == []
    return said


def used(world: World) -> list[str]:
    """What the audit trail says was used."""
    records = world.service().trail.records(world.caller(world.service()), TENANT)
    return [record.action for record in records if record.action == "secret:use"]


@pytest.mark.parametrize(
    ("case", "body", "said"),
    [
        ("value", f"{GET}raise ValueError(data['a'])", f"{FAILED}: ValueError"),
        ("exit", f"{GET}raise SystemExit(0)", f"{FAILED}: SystemExit"),
        ("told", f"{GET}raise PluginError(data['a'])", HOLDS),
        ("leaf", f"{GET}raise PluginError('no', hint=repr(data['b']))", HOLDS),
        ("cause", f"{GET}int(data['a'])", f"{FAILED}: ValueError"),
        ("plain", "raise PluginError('no deployment', hint='make one')", "no deployment\n  hint: make one"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_a_plugin_that_fails(
    world: World, site: Path, case: str, body: str, said: str, *, debug: bool
) -> None:
    """Its exception becomes a sentence with its name and exit code 6, with a value in it or not."""
    indented = body.replace("\n", "\n    ")
    plant(
        site,
        case,
        f"{HEAD}{TAKES}{indented}\n",
        package=f"{case}{debug}",
    )
    answer = deliver(world, case, *(["--debug"] if debug else []))
    assert answer.code == 6
    colon = ":" if case == "plain" else ""
    assert answer.err.startswith(f"error: plugin {case!r}{colon} {said}\n")
    assert "delivered" not in answer.err
    if case == "cause":
        assert f"  hint: raised at {site}/planted_cause{debug}.py:6 in resolver_deliver\n" in answer.err
    assert world.marks.find("\n".join(world.logs.texts)) == []


@pytest.mark.parametrize(
    ("case", "source", "said"),
    [
        ("absent", "import no_such_module_at_all", f"{LOADED}: ModuleNotFoundError"),
        ("syntax", "def", f"{LOADED}: SyntaxError"),
        ("leaves", "raise SystemExit(0)", f"{LOADED}: SystemExit"),
        ("misspelt", f"{HEAD}{TAKES}...".replace("deliver(", "delivers("), INVALID),
        ("asks", f"{HEAD}{TAKES}...".replace("delivery)", "store)"), INVALID),
        ("facts", f"{HEAD}{TELLS}raise KeyError(request.tenant)", f"{ASKED}: KeyError"),
    ],
)  # fmt: skip
def test_a_plugin_that_is_broken(world: World, site: Path, case: str, source: str, said: str) -> None:
    """It is named, and stops the run before anything is used, also when another one takes the delivery."""
    plant(site, case, source, package=f"broken-{case}")
    plant(site, "sound", f"{HEAD}{TAKES}...\n", package=f"sound-{case}")
    (world.home / "config.yaml").write_text(f"plugins: [{case}]\n")
    answer = deliver(world, "sound")
    assert answer.code == 6
    assert answer.err.startswith(f"error: plugin {case!r} {said}\n")
    assert used(world) == []


@pytest.mark.parametrize(
    ("case", "facts", "said"),
    [
        ("lists", "[1]", "facts of plugin 'lists' must be a mapping"),
        ("names", "{'lables': {}}", "facts of plugin 'names': a section is not known here"),
        ("holds", "{'labels': {'a': 7_777_777}}", "facts of plugin 'holds': something in labels must be"),
    ],
)  # fmt: skip
def test_facts_that_break_the_schema(world: World, site: Path, case: str, facts: str, said: str) -> None:
    """They are a problem that names the plugin and repeats nothing, and nothing is used."""
    source = f"{HEAD}{TELLS}return {facts}\n"
    plant(site, case, f"{source}{TAKES}...\n")
    answer = deliver(world, case)
    assert answer.code == 3
    assert answer.err.startswith(f"error: {said}")
    assert "7777777" not in answer.err
    assert used(world) == []


def test_delivery_options_are_not_repeated(world: World, site: Path) -> None:
    """A value among the options stays out of errors and of what `config.yaml`'s plugins are told."""
    option = world.marks.new("option")
    ask = f"{HEAD}{TELLS}assert not request.options, repr(request)\n"
    plant(site, "asked", ask)
    plant(
        site,
        "given",
        f"{HEAD}{TAKES}raise ValueError(delivery.options['x'])\n",
    )
    (world.home / "config.yaml").write_text("plugins: [asked]\n")
    answer = deliver(world, "given", "--deliver-option", f"x={option}")
    assert answer.code == 6
    assert answer.err.startswith("error: plugin 'given' failed while it took the delivery: ValueError\n")
    answer = world.run("resolve", "b.yaml", "--deliver", "given", "--deliver-option", option)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error: a delivery option looks like NAME=VALUE\n"


@pytest.mark.parametrize(
    ("value", "text", "found"),
    [
        ("s3cret", "it is s3cret", True),
        ("s3cret", "it is S3CRET", False),
        ('a"b\\c', 'json "a\\"b\\\\c"', True),
        ("é1", "ascii \\xe91", True),
        ("first line\nsecond line", "only the second line here", True),
        ("ab\ncd", "lines as short as ab are not looked for", False),
        ('{"user": "eve", "password": "s3cret"}', "login with s3cret failed", True),
        ('{"user": "eve"}', "login of eve failed", False),
        ('["s3cret"', "not JSON, but s3cret stands in it", False),
    ],
)
def test_what_tells_a_value(value: str, text: str, *, found: bool) -> None:
    """The whole value, its lines and the strings of its JSON are looked for, as they are and escaped."""
    assert leaks_value(text, [SecretValue("something else"), SecretValue(value)]) is found
