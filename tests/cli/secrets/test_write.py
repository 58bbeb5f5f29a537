"""The commands that change secrets: what each prints, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


def value_of(cli: Cli, key: str) -> str:
    """A secret's value, as `get` shows it."""
    return str(json.loads(cli.prints("secrets", "get", key, "--format", "json"))["value"])


def test_create_from_an_option(admin: Cli) -> None:
    """-s is the value."""
    assert admin.prints("secrets", "create", "test", "-s", "test_value") == "Secret `test` created\n"
    assert value_of(admin, "test") == "test_value"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("value\n", "value"),
        ("value", "value"),
        ("value\r\n", "value"),
        ("two\nlines\n", "two\nlines\n"),
        ("two\nlines", "two\nlines"),
        ("empty\n\n", "empty\n\n"),
    ],
    ids=["a line", "none to drop", "a line of Windows", "a key file", "no last one", "an empty line"],
)
def test_create_from_stdin(admin: Cli, given: str, stored: str) -> None:
    """Without an option the value is stdin: a line without its end, or several lines as they are."""
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
        (("test", "-f", "missing"), "the file can't be read: No such file or directory"),
        (("test", "-f", "./missing"), "the file './missing' can't be read: No such file or directory"),
    ],
    ids=[
        "digit first",
        "blank",
        "no key",
        "long key",
        "no value",
        "empty stdin",
        "two values",
        "no file, or a value",
        "no file",
    ],
)
def test_create_refused(admin: Cli, arguments: tuple[str, ...], message: str) -> None:
    """A malformed key or value is a usage error, and nothing is stored."""
    code, said = admin.refuses("secrets", "create", *arguments)
    assert (code, said.splitlines()[0]) == (2, f"error: {message}")
    assert admin.prints("secrets", "list", note="no secrets\n") == ""


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


def test_the_same_value_again(admin: Cli) -> None:
    """It is said to be unchanged, in JSON too, unless it was renewed on purpose."""
    admin.prints("secrets", "create", "test", "-s", "value")
    unchanged = "Secret `test`: value unchanged, version 1\n"
    assert admin.prints("secrets", "update", "test", "-s", "value") == unchanged
    assert admin.prints("secrets", "create", "test", "-s", "value", "-u") == unchanged
    told = json.loads(admin.prints("secrets", "update", "test", "-s", "value", "--format", "json"))
    assert (told["version"], told["unchanged"]) == (1, True)
    renewed = ("secrets", "update", "test", "--rotated")
    assert admin.prints(*renewed, stdin="value\n") == "Secret `test` updated, version 2\n"
    assert admin.refuses(*renewed, "--description", "x") == (
        2,
        "error: a value was said to be renewed, and none was given\n",
    )


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


def test_lists_and_times(admin: Cli) -> None:
    """A page says how many there are; what has a time is shown with it."""
    for key in ("a", "b", "c"):
        admin.prints("secrets", "create", key, "-s", "x", *(("--expires", "90d") if key == "b" else ()))
    note = "note: 1 of 3 secrets shown\n"
    table = admin.prints("secrets", "list", "--sort-by", "-key", "-o", "1", "-s", "1", note=note)
    header, row = table.splitlines()
    assert header.split()[-1] == "EXPIRES_AT"
    assert row.split()[0] == "b"
    listed = json.loads(admin.prints("secrets", "list", "-a", "--search", "A", "--format", "json"))
    assert [one["key"] for one in listed] == ["a"]
    admin.prints("secrets", "update", "b", "--expires", "never")
    assert "EXPIRES_AT" not in admin.prints("secrets", "list")


def test_owner_and_visibility(admin: Cli) -> None:
    """The two commands of their own."""
    admin.prints("secrets", "create", "k", "-s", "x", "-l", "private")
    user = admin.as_user("eve", role="user")
    said = admin.prints("secrets", "set-owner", "k", "-s", "eve")
    assert said == "Secret `k` is now owned by user `eve`\n"
    assert user.prints("secrets", "set-visibility", "k", "-l", "tenant") == "Secret `k` was set to tenant\n"
    code, said = user.refuses("secrets", "set-owner", "k", "-s", "eve")
    assert (code, said.splitlines()[0]) == (
        4,
        "error: user 'eve' is not permitted to give a secret to another user in tenant 'default_tenant'",
    )


def test_changes_are_answered_in_json(admin: Cli) -> None:
    """What was done is printed as data; no value is in it."""
    as_json = ("--format", "json")
    made = json.loads(admin.prints("secrets", "create", "k", "-s", "kept_back", *as_json))
    assert (made["key"], made["version"], "kept_back" in str(made)) == ("k", 1, False)
    newer = json.loads(admin.prints("secrets", "update", "k", "-s", "other", *as_json))
    assert newer["version"] == 2
    assert json.loads(admin.prints("secrets", "rollback", "k", "--to", "1", *as_json))["version"] == 3
    assert json.loads(admin.prints("secrets", "delete", "k", "--yes", *as_json)) == {"key": "k"}
    assert json.loads(admin.prints("tenants", "create", "prod", *as_json)) == {"tenant": "prod"}
    token = json.loads(admin.prints("tokens", "create", "--quiet", *as_json))
    assert token["token"].startswith(f"ctok-{token['id']}-")
    code, said = admin.refuses("secrets", "update", "k", "-s", "other", *as_json)
    assert (code, said.startswith("error: secret 'k'")) == (5, True)
