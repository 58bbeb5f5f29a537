"""`resolver secrets get` and `list`: what each prints, and what it refuses."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        "description": None,
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
