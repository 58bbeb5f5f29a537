"""`resolver secrets`: what each command prints, and what it refuses."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def timeless(text: str) -> str:
    """A text with every time as TIME."""
    return TIME.sub("TIME", text)


def value_of(cli: Cli, key: str) -> str:
    """A secret's value, as `get` shows it."""
    return str(json.loads(cli.prints("secrets", "get", key, "--format", "json"))["value"])


def test_create_from_an_option(admin: Cli) -> None:
    """-s is the value."""
    assert admin.prints("secrets", "create", "test", "-s", "test_value") == "Secret `test` created\n"
    assert value_of(admin, "test") == "test_value"


@pytest.mark.parametrize(
    ("given", "stored"),
    [("value\n", "value"), ("value", "value"), ("two\nlines\n\n", "two\nlines\n")],
    ids=["one line break dropped", "none to drop", "only one dropped"],
)
def test_create_from_stdin(admin: Cli, given: str, stored: str) -> None:
    """Without an option the value is stdin, less one line break at its end."""
    assert admin.prints("secrets", "create", "test", stdin=given) == "Secret `test` created\n"
    assert value_of(admin, "test") == stored


@pytest.mark.parametrize("by_stdin", [False, True], ids=["file", "stdin as a file"])
def test_create_from_a_file(admin: Cli, tmp_path: Path, *, by_stdin: bool) -> None:
    """-f takes the content exactly as it is."""
    path = tmp_path / "value"
    path.write_text("value\n")
    name, stdin = ("-", "value\n") if by_stdin else (str(path), "")
    admin.prints("secrets", "create", "test", "-f", name, stdin=stdin)
    assert value_of(admin, "test") == "value\n"


def test_create_twice(admin: Cli) -> None:
    """A taken key is refused, and -u gives it a new version."""
    admin.prints("secrets", "create", "test", "-s", "first")
    assert admin.refuses("secrets", "create", "test", "-s", "second") == (
        8,
        (
            "error: secret 'test' already exists\n"
            "  hint: update it with `resolver secrets update`, or choose another key\n"
        ),
    )
    assert value_of(admin, "test") == "first"
    admin.prints("secrets", "create", "test", "-s", "second", "-u")
    assert value_of(admin, "test") == "second"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1st", "-s", "x"), "the key must begin with a letter"),
        (("a b", "-s", "x"), "the key has characters that are not allowed"),
        (("", "-s", "x"), "the key is empty"),
        (("a" * 257, "-s", "x"), "the key is too long: at most 256 characters are allowed"),
        (("test", "-s", ""), "the value is empty"),
        (("test",), "the value is empty"),
        (("test", "-s", "x", "-f", "-"), "a value and a file were given"),
        (("test", "-f", "missing"), "the file 'missing' can't be read: No such file or directory"),
    ],
    ids=["digit first", "blank", "no key", "long key", "no value", "empty stdin", "two values", "no file"],
)
def test_create_refused(admin: Cli, arguments: tuple[str, ...], message: str) -> None:
    """A malformed key or value is a usage error, and nothing is stored."""
    code, said = admin.refuses("secrets", "create", *arguments)
    assert (code, said.splitlines()[0]) == (2, f"error: {message}")
    assert admin.prints("secrets", "list", note="no secrets\n") == ""


def test_get(admin: Cli) -> None:
    """One line for each fact, the value last; a missing one is not found."""
    admin.prints("secrets", "create", "test", "-s", "test_value", "-l", "private")
    assert timeless(admin.prints("secrets", "get", "test")) == (
        "key:        test\n"
        "tenant:     default_tenant\n"
        "visibility: private\n"
        "hidden:     False\n"
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
            "  hint: `resolver secrets list -t default_tenant` shows what there is\n"
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
        "schema": None,
        "value": "ünï\n",
    }


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
    tail = ["False", "admin", "1", "TIME", "TIME"]
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


def test_update(admin: Cli) -> None:
    """A new value makes a new version; visibility and hiding do not."""
    admin.prints("secrets", "create", "test", "-s", "first", "-l", "private")
    for arguments, version in [
        (("-s", "second"), 2),
        (("-l", "tenant"), 2),
        (("--hidden-value",), 2),
        (("-s", "third", "-l", "global", "--not-hidden-value"), 3),
    ]:
        printed = admin.prints("secrets", "update", "test", *arguments)
        assert printed == f"Secret `test` updated, version {version}\n"
    assert admin.prints("secrets", "update", "test", stdin="fourth\n").endswith("version 4\n")
    fields = json.loads(admin.prints("secrets", "get", "test", "--format", "json"))
    assert (fields["value"], fields["visibility"], fields["hidden"]) == ("fourth", "global", False)


def test_update_refused(admin: Cli) -> None:
    """Visibility is never narrowed, a viewer changes nothing, and a missing secret is not made."""
    admin.prints("secrets", "create", "test", "-s", "first")
    assert admin.refuses("secrets", "update", "test", "-s", "second", "-l", "private") == (
        2,
        "error: secret 'test' is tenant already, and visibility is never narrowed\n",
    )
    assert admin.refuses("secrets", "update", "tset", "-s", "second")[0] == 5
    viewer = admin.as_user("eve", role="viewer")
    assert viewer.refuses("secrets", "update", "test", "-s", "second") == (
        4,
        (
            "error: user 'eve' is not permitted to change secrets in tenant 'default_tenant'\n"
            "  hint: `resolver whoami` shows what this user and token may do\n"
        ),
    )
    assert value_of(admin, "test") == "first"


def test_delete(admin: Cli) -> None:
    """A deleted secret is gone, and can't be deleted again."""
    admin.prints("secrets", "create", "test", "-s", "first")
    operator = admin.as_user("eve", role="operations")
    assert operator.refuses("secrets", "delete", "test", "--yes")[0] == 4
    assert admin.prints("secrets", "delete", "test", "--yes") == "Secret `test` deleted\n"
    assert admin.refuses("secrets", "delete", "test", "--yes")[0] == 5
    assert admin.refuses("secrets", "get", "test")[0] == 5


def test_a_global_secret(admin: Cli) -> None:
    """A global secret is used in every tenant, and changed from its own only."""
    admin.prints("secrets", "create", "shared", "-s", "everywhere", "-l", "global")
    admin.prints("tenants", "create", "shop")
    manager = admin.as_user("eve", "shop", role="manager")
    assert value_of(manager, "shared") == "everywhere"
    assert manager.refuses("secrets", "update", "shared", "-s", "mine") == (
        4,
        (
            "error: secret 'shared' is global and belongs to tenant 'default_tenant'\n"
            "  hint: a global secret is changed and deleted from its own tenant only\n"
        ),
    )
    assert manager.refuses("secrets", "create", "mine", "-s", "x", "-l", "global") == (
        4,
        (
            "error: user 'eve' is not permitted to make a secret global in tenant 'shop'\n"
            "  hint: `resolver whoami` shows what this user and token may do\n"
        ),
    )
