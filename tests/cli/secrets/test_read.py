"""`resolver secrets get` and `list`: what each prints, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def timeless(text: str) -> str:
    """A text with every time as TIME."""
    return TIME.sub("TIME", text)


def test_get(admin: Cli) -> None:
    """One line for each fact, the value last; a missing one is not found."""
    admin.prints("secrets", "create", "test", "-s", "test_value", "-l", "private")
    assert timeless(admin.prints("secrets", "get", "test")) == (
        "key:        test\n"
        "tenant:     default_tenant\n"
        "visibility: private\n"
        "hidden:     no\n"
        "owner:      admin\n"
        "version:    1\n"
        "created_at: TIME\n"
        "updated_at: TIME\n"
        "value:      test_value\n"
    )
    assert admin.refuses("secrets", "get", "tset") == (
        5,
        (
            "error: secret 'tset' was not found in tenant 'default_tenant'\n"
            "  hint: did you mean 'test'? `resolver secrets list -t default_tenant` shows what there is\n"
        ),
    )


def test_get_as_json(admin: Cli) -> None:
    """The same facts with their types."""
    admin.prints("secrets", "create", "test", "-s", "ünï\n", "--hidden-value")
    fields = json.loads(timeless(admin.prints("secrets", "get", "test", "--format", "json")))
    assert fields == {
        "key": "test",
        "tenant": "default_tenant",
        "visibility": "tenant",
        "hidden": True,
        "owner": "admin",
        "version": 1,
        "created_at": "TIME",
        "updated_at": "TIME",
        "expires_at": None,
        "rotate_after": None,
        "rotate_at": None,
        "provider": None,
        "description": None,
        "protected_at": None,
        "schema": None,
        "value": "ünï\n",
    }


@pytest.mark.parametrize("value", ["a\\nb\n\n", "  x", "\u00e9\u2028 y\n", "\x1b[2J"])
def test_get_raw(admin: Cli, tmp_path: Path, value: str) -> None:
    """The value alone, byte for byte."""
    path = tmp_path / "value"
    path.write_bytes(value.encode())
    admin.prints("secrets", "create", "k", "-f", str(path))
    assert admin.prints("secrets", "get", "k", "--raw") == value


def test_get_a_part(admin: Cli) -> None:
    """Steps lead into JSON; text is written as it is, the rest as JSON; a step into nothing shows nothing."""
    admin.prints("secrets", "create", "k", "-s", '{"login": {"password": "p w"}, "ports": [80, 443]}')
    get = ("secrets", "get", "k")
    assert admin.prints(*get, "--path", "login", "--path", "password") == "p w"
    assert admin.prints(*get, "--path", "login") == '{"password": "p w"}'
    assert admin.prints(*get, "--path", "ports", "--path", "-1") == "443"
    for steps, number in ((("port",), 1), (("ports", "2"), 2), (("login", "password", "0"), 3)):
        options = [word for step in steps for word in ("--path", step)]
        said = f"error: step {number} of the path leads nowhere in the value of secret 'k'\n"
        assert admin.refuses(*get, *options) == (2, said)
    admin.prints("secrets", "create", "text", "-s", "p w")
    said = "error: the value of secret 'text' is not JSON\n  hint: leave --path out\n"
    assert admin.refuses("secrets", "get", "text", "--path", "a") == (2, said)


def test_get_several(admin: Cli) -> None:
    """As JSON, in the order of the keys; one that is not there refuses all."""
    for key in ("a", "b"):
        admin.prints("secrets", "create", key, "-s", f"value of {key}")
    shown = json.loads(admin.prints("secrets", "get", "b", "a", "--format", "json"))
    assert [(one["key"], one["value"]) for one in shown] == [("b", "value of b"), ("a", "value of a")]
    assert admin.refuses("secrets", "get", "a", "none", "--format", "json")[0] == 5
    assert admin.refuses("secrets", "get", "a", "b")[0] == 2
    assert admin.refuses("secrets", "get", "a", "b", "--raw")[0] == 2
    assert admin.refuses("secrets", "get", "a", "--raw", "--format", "json")[0] == 2


def test_a_hidden_value_is_not_written(admin: Cli) -> None:
    """Who may not see it gets an error, rather than nothing with exit code 0."""
    admin.prints("secrets", "create", "k", "-s", "value", "--hidden-value")
    user = admin.as_user("eve", role="user")
    for more in (["--raw"], ["--path", "a"]):
        assert user.refuses("secrets", "get", "k", *more) == (
            4,
            (
                "error: the value of secret 'k' is hidden\n"
                "  hint: you may use it in blueprints, but not see it\n"
            ),
        )


def test_a_file_is_a_sink(admin: Cli, tmp_path: Path) -> None:
    """A redirected --raw is refused like any other plaintext on disk."""
    admin.prints("secrets", "create", "k", "-s", "value")
    with (tmp_path / "file").open("wb") as file:
        done = subprocess.run(
            [SCRIPTS / "resolver", "secrets", "get", "k", "--raw"],
            env=clean_environment() | {"RESOLVER_HOME": str(admin.home)},
            stdout=file,
            check=False,
        )
    assert (done.returncode, (tmp_path / "file").read_bytes()) == (7, b"")


def test_a_hidden_value_is_not_shown(admin: Cli) -> None:
    """Another user sees all but the value, uses it, and can't change it."""
    admin.prints("secrets", "create", "test", "-s", "kept_back", "--hidden-value")
    user = admin.as_user("eve", role="user")
    note = "note: the value is hidden; you may use it in blueprints, but not see it\n"
    shown = user.prints("secrets", "get", "test", note=note)
    assert "value:\n" in shown.replace(" ", "")
    assert "kept_back" not in shown
    done = user.run("resolve", "-", stdin="a: {get_secret: test}")
    assert (done.returncode, done.stdout) == (0, 'a: "kept_back"')
    code, said = user.refuses("secrets", "update", "test", "--not-hidden-value")
    assert (code, said.splitlines()[0]) == (
        4,
        "error: user 'eve' is not permitted to change the hidden secret 'test'",
    )


def test_list(admin: Cli) -> None:
    """A table without values; what others keep private is left out."""
    assert admin.prints("secrets", "list", note="no secrets\n") == ""
    admin.prints("secrets", "create", "b_token", "-s", "v1")
    admin.prints("secrets", "create", "a_key", "-s", "v2", "-l", "private")
    lines = timeless(admin.prints("secrets", "list")).splitlines()
    assert [line.split() for line in lines[:1]] == [
        ["KEY", "TENANT", "VISIBILITY", "HIDDEN", "OWNER", "VERSION", "CREATED_AT", "UPDATED_AT"]
    ]
    rows = [line.split() for line in lines[1:]]
    tail = ["no", "admin", "1", "TIME", "TIME"]
    assert sorted(rows) == [
        ["a_key", "default_tenant", "private", *tail],
        ["b_token", "default_tenant", "tenant", *tail],
    ]
    viewer = admin.as_user("eve", role="viewer")
    listed = json.loads(viewer.prints("secrets", "list", "--format", "json"))
    assert [secret["key"] for secret in listed] == ["b_token"]
    assert "value" not in listed[0]


def test_list_refused(admin: Cli) -> None:
    """A user without a role in the tenant lists nothing, whether or not the tenant exists."""
    stranger = admin.as_user("eve")
    for tenant in ("default_tenant", "nowhere"):
        assert stranger.refuses("secrets", "list", "-t", tenant) == (
            4,
            (
                f"error: user 'eve' is not permitted to list secrets in tenant '{tenant}'\n"
                "  hint: `resolver whoami` shows what this user and token may do\n"
            ),
        )


def test_keys_alone_and_unused_ones(admin: Cli) -> None:
    """For scripts: one key in a line; those that nobody was given since a time."""
    for key in ("used", "idle"):
        admin.prints("secrets", "create", key, "-s", "x")
    admin.prints("secrets", "get", "used")
    assert admin.prints("secrets", "list", "-q") == "used\nidle\n"
    assert admin.prints("secrets", "list", "-q", "--unused", "1d") == "idle\n"
    assert admin.prints("secrets", "list", "-q", "--unused", "1d", "--search", "used") == ""
    assert admin.refuses("secrets", "list", "--unused", "soon")[0] == 2
    assert admin.refuses("secrets", "list", "--unused", "1d", "-a")[0] == 2
    assert admin.refuses("secrets", "list", "-q", "--format", "json")[0] == 2
    assert admin.as_user("eve", role="user").refuses("secrets", "list", "--unused", "1d")[0] == 4
