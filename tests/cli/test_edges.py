"""Odd blueprints and odd values together, from the command line: it loads as what it should be."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.cli.conftest import Cli
from tests.conftest import TENANT, run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.prefork import Prefork

pytestmark = pytest.mark.slow

PEM = "-----BEGIN KEY-----\n" + ("A" * 63 + "\n") * 16_383 + "A" * 26 + "\n-----END KEY-----"
"""As long as a value may be."""

VALUES = {
    "pem": PEM,
    "control": "\x01\x07\x1b[31m\x7f\x85\u2028\r\n\t",
    "beyond": "\U0001f511 \U0010ffff \u202e \ufeff",
    "indicators": "- a: {b} # c & *d ! | > ' \" % @ `",
    "lines": "one\n  two\n\n",
    "looks_like_a_call": "{ get_secret: pem }",
    "document": json.dumps(
        {"get_me": {"1": ["a", {"deep": None}]}, "é": 1e300, "x": [{"get_secret": "pem"}]}
    ),
}

BLUEPRINT = """\
\ufeff%YAML 1.1\r
---\r
# { get_secret: nothing }\r
é: &e { get_secret: pem } # get_secret: nothing\r
list: [ get_secret: control, { get_secret: beyond } ]\r
block:\r
  get_secret:\r
    indicators\r
again: *e\r
merged: { <<: &m { a: { get_secret: lines }, b: 1 }, b: 2 }\r
more: { <<: *m, c: !ours { get_secret: nothing } }\r
text: "get_secret: nothing"\r
steps: { get_secret: [document, get_me, '1', -1, deep] }\r
number: { get_secret: [document, é] }\r
"""

SECOND = "---\r\nget_secret: looks_like_a_call\r\n"


@pytest.fixture(scope="module")
def stored(prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """User admin of a state directory with all values, made once for all tests here."""
    home = tmp_path_factory.mktemp("stored") / "home"
    shutil.copytree(_made_home, home)
    admin = Cli(prefork, home)
    for key, value in VALUES.items():
        assert admin.run("resolver", "secrets", "create", key, "-f", "-", stdin=value).returncode == 0
    return admin


class Ours(yaml.CSafeLoader):
    """A loader that knows the one custom tag."""


Ours.add_constructor("!ours", lambda *_: "ours")


def test_everything_at_once(stored: Cli) -> None:
    """Every line but those of calls stays, and every place holds exactly the value, of 1 MiB too."""
    text = BLUEPRINT + SECOND
    assert len(PEM.encode()) == 1024 * 1024
    done = run_script(stored.home, "resolve", "-", "-t", TENANT, stdin=text)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: ") == 2
    assert "a call inside a node with a custom tag" in done.stderr
    assert "a call of get_secret inside a text" in done.stderr
    first, second = yaml.load_all(done.stdout, Ours)
    assert (first.pop("é") == PEM, first.pop("again") == PEM) == (True, True)  # too long to be shown
    assert first == {
        "list": [VALUES["control"], VALUES["beyond"]],
        "block": VALUES["indicators"],
        "merged": {"a": VALUES["lines"], "b": 2},
        "more": {"a": VALUES["lines"], "b": 1, "c": "ours"},
        "text": "get_secret: nothing",
        "steps": None,
        "number": 1e300,
    }
    assert second == VALUES["looks_like_a_call"]
    for line in BLUEPRINT.splitlines():
        if "{ get_secret" not in line and "get_secret:" not in line and "indicators" not in line:
            assert f"{line}\r\n" in done.stdout, line


def test_the_same_as_json(stored: Cli) -> None:
    """JSON holds the same values, in ASCII."""
    text = BLUEPRINT.replace(", c: !ours { get_secret: nothing }", "") + SECOND
    done = run_script(stored.home, "resolve", "-", "-t", TENANT, "--format", "json", stdin=text)
    assert (done.returncode, done.stderr.count("warning: ")) == (0, 1)
    assert done.stdout.isascii()
    first, second = (entry["document"] for entry in json.loads(done.stdout))
    assert (first.pop("é") == PEM, first.pop("again") == PEM) == (True, True)  # too long to be shown
    assert second == VALUES["looks_like_a_call"]
    assert first["list"] == [VALUES["control"], VALUES["beyond"]]
    assert (first["block"], first["steps"], first["number"]) == (VALUES["indicators"], None, 1e300)


def test_a_value_that_would_bring_in_a_call(stored: Cli) -> None:
    """What the path takes out holds a function: refused, without a word of it."""
    done = run_script(stored.home, "resolve", "-", "-t", TENANT, stdin="a: {get_secret: [document, x]}\n")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        "error: what the path takes out of secret 'document' would put a function call into the blueprint "
        "[value_holds_call]\n  --> <stdin>:1:4  a\n"
    )
    assert "concat" not in done.stderr
