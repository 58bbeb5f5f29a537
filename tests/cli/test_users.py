"""`resolver users`: what each command does and prints, and what is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

NOT_PERMITTED = "  hint: `resolver whoami` shows what this user and token may do\n"


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def cells(table: str) -> list[list[str]]:
    """The rows of a printed table, times as TIME."""
    return [re.split(r"  +", TIME.sub("TIME", line)) for line in table.splitlines()]


def test_users(admin: Cli) -> None:
    """Users are made with or without a password, listed, and given another system role."""
    assert admin.prints("users", "create", "eve") == "User `eve` created with `default` security role\n"
    printed = admin.prints(
        "users", "create", "bob", "-r", "sys_admin", "--password-file", "-", stdin="a long password"
    )
    assert printed == "User `bob` created with `sys_admin` security role\n"
    assert (
        admin.prints("users", "set-role", "eve", "-r", "sys_admin")
        == "User `eve` has `sys_admin` security role\n"
    )
    rows = [["admin", "sys_admin", "yes"], ["bob", "sys_admin", "yes"], ["eve", "sys_admin", "yes"]]
    assert cells(admin.prints("users", "list")) == [
        ["NAME", "ROLE", "ACTIVE", "CREATED", "LAST LOGIN", "TENANTS"],
        *([*row, "TIME", "-", "-"] for row in rows),
    ]
    listed = json.loads(admin.prints("users", "list", "--format", "json"))
    assert [(user["name"], user["role"], user["active"]) for user in listed] == [
        (name, role, True) for name, role, _ in rows
    ]


def test_users_refused(admin: Cli) -> None:
    """A taken name, whatever its case, is refused; the last sys_admin stays one; others manage no users."""
    assert admin.refuses("users", "create", "ADMIN") == (8, "error: user 'ADMIN' already exists\n")
    assert admin.refuses("users", "set-role", "admin", "-r", "default") == (
        8,
        (
            "error: the last active sys_admin can't be given another role\n"
            "  hint: make another user a sys_admin first\n"
        ),
    )
    assert admin.refuses("users", "create", "bob", "--password-file", "-", stdin="abcdefghijk") == (
        2,
        "error: a password has 12 to 256 characters\n",
    )
    user = admin.as_user("eve", role="manager")
    for arguments in (("list",), ("create", "bob"), ("set-role", "eve", "-r", "sys_admin")):
        assert user.refuses("users", *arguments) == (
            4,
            f"error: user 'eve' is not permitted to manage users\n{NOT_PERMITTED}",
        )


CONFIRM = "  hint: commands take your password from --old-password-file, requests as Basic credentials\n"


def test_passwords(admin: Cli) -> None:
    """Everyone changes the own password, a sys_admin anyone's; nobody else's is changed by others."""
    user = admin.as_user("eve")
    note = "note: 1 access token of this user kept; --revoke-tokens ends all of them\n"
    change = ("users", "set-password", "eve", "--password-file", "-")
    for who in (user, admin):
        printed = who.prints(*change, stdin="a long password\n", note=note)
        assert printed == "Password of user `eve` changed\n"
    assert user.refuses(*change, stdin="another long one\n") == (
        4,
        f"error: your password has to be given again to set a password\n{CONFIRM}",
    )
    old = user.home / "old"
    old.write_text("a long password\n")
    confirmed = (*change, "--old-password-file", str(old))
    assert (
        user.prints(*confirmed, stdin="another long one\n", note=note) == "Password of user `eve` changed\n"
    )
    assert user.refuses(*confirmed, stdin="another long one\n") == (
        4,
        "error: the user name or the password is wrong\n",
    )
    old.write_text("another long one")
    ending = ("tokens", "create", "--quiet")
    token = user.prints(*ending, "--expires", "+1h").strip()
    ending_user = user.with_token(token)
    assert ending_user.refuses(*ending) == (4, f"error: a token that expires can't make a token\n{CONFIRM}")
    assert ending_user.prints(*ending, "--old-password-file", str(old)).startswith("ctok-")
    assert user.refuses("users", "set-password", "admin", stdin="a long password\n") == (
        4,
        f"error: user 'eve' is not permitted to manage users\n{NOT_PERMITTED}",
    )


LAST = "  hint: make another user a sys_admin first\n"


NO_TERMINAL = (
    2,
    (
        "error: there is no terminal to ask on whether to delete\n"
        "  hint: give --yes to delete without asking\n"
    ),
)


def fields(printed: str) -> dict[str, str]:
    """What `get` prints, with TIME for each time."""
    lines = (line.partition(":") for line in TIME.sub("TIME", printed).splitlines())
    return {name: value.strip() for name, _, value in lines}


def test_users_are_shown_shut_out_and_let_in(admin: Cli) -> None:
    """`users get` shows one, `deactivate` ends password and token at once, `activate` brings both back."""
    eve = admin.as_user("eve", role="viewer")
    assert fields(admin.prints("users", "get", "eve")) == {
        "name": "eve",
        "role": "default",
        "active": "yes",
        "locked": "no",
        "created_at": "TIME",
        "first_login_at": "-",
        "last_login_at": "-",
        "tenants": "default_tenant (viewer)",
        "issuer": "-",
        "subject": "-",
        "roles_until": "-",
    }
    assert fields(eve.prints("users", "get"))["name"] == "eve"
    assert admin.prints("users", "deactivate", "eve") == "User `eve` deactivated\n"
    assert json.loads(admin.prints("users", "get", "eve", "--format", "json"))["active"] is False
    code, said = eve.refuses("whoami")
    assert (code, said.splitlines()[0]) == (4, "error: the access token is not valid")
    assert admin.prints("users", "activate", "eve") == "User `eve` activated\n"
    assert eve.prints("whoami").startswith("user:        eve\n")
    assert admin.prints("users", "unlock", "eve") == "User `eve` unlocked\n"
    assert admin.prints("users", "set-role", "eve", "-r", "sys_admin") == (
        "User `eve` has `sys_admin` security role\n"
    )
    assert eve.prints("users", "deactivate", "admin") == "User `admin` deactivated\n"


def test_lists_of_people_in_parts(admin: Cli) -> None:
    """--size and --offset cut users, tenants and tokens; a note says what follows."""
    for name in ("ann", "bob"):
        admin.prints("users", "create", name)
        admin.prints("tenants", "create", f"of-{name}")
        admin.prints("tokens", "create", "--user", name, "--quiet")
    for group, first, last in (("users", "admin", "bob"), ("tenants", "default_tenant", "of-bob")):
        note = "note: 1 to 2 of 3; --offset 2 shows what follows\n"
        printed = admin.prints(group, "list", "--size", "2", note=note)
        assert printed.splitlines()[1].split()[0] == first
        printed = admin.prints(group, "list", "--offset", "2", "--size", "2", "--format", "json")
        assert [row["name"] for row in json.loads(printed)] == [last]
    printed = admin.prints("tokens", "list", "--offset", "1", "--size", "1", "--format", "json")
    assert [row["user"] for row in json.loads(printed)] == ["ann"]
    assert admin.refuses("users", "list", "--size", "-1") == (
        2,
        (
            "error: invalid value for '--size', it takes a number from 0\n"
            "  hint: `resolver users list --help` shows what it takes\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("users", "get", "nobody"), 5, "error: user 'nobody' does not exist\n"),
        (("users", "activate", "nobody"), 5, "error: user 'nobody' does not exist\n"),
        (("users", "unlock", "nobody"), 5, "error: user 'nobody' does not exist\n"),
        (("users", "delete", "nobody", "--yes"), 5, "error: user 'nobody' does not exist\n"),
        (("users", "delete", "admin"), *NO_TERMINAL),
        (("tenants", "delete", "default_tenant"), *NO_TERMINAL),
        (
            ("users", "deactivate", "admin"),
            8,
            f"error: the last active sys_admin can't be deactivated\n{LAST}",
        ),
        (
            ("users", "set-role", "admin", "-r", "default"),
            8,
            f"error: the last active sys_admin can't be given another role\n{LAST}",
        ),
        (
            ("users", "delete", "admin", "--yes"),
            8,
            f"error: the last active sys_admin can't be deleted\n{LAST}",
        ),
        (
            ("users", "set-role", "admin"),
            2,
            (
                "error: missing '-r' / '--security-role' / '--role', choose from sys_admin, default\n"
                "  hint: `resolver users set-role --help` shows what it takes\n"
            ),
        ),
        (
            ("users", "delete", "admin", "--yes", "--purge", "--reassign-to", "x"),
            2,
            "error: what a user owns is either given to another one or deleted\n",
        ),
        (("tenants", "get", "nowhere"), 5, "error: tenant 'nowhere' does not exist\n"),
        (("tenants", "delete", "nowhere", "--yes"), 5, "error: tenant 'nowhere' does not exist\n"),
        (("tokens", "get", "none"), 5, "error: token 'none' does not exist\n"),
        (("tokens", "delete", "none"), 5, "error: token 'none' does not exist\n"),
        (
            ("tokens", "create", "--expires", "soon"),
            2,
            (
                "error: the expiry is malformed\n"
                "  hint: it is UTC, like 2030-12-31 or '2030-12-31 23:59', "
                "or like 90d, +10h or '+1 day' from now\n"
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refused(admin: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    """Who is not there, the last sys_admin, a deletion that nobody confirms: told, and nothing happens."""
    assert admin.refuses(*arguments) == (code, message)


def test_what_a_user_owns(admin: Cli) -> None:
    """A user who owns something is deleted only when told what becomes of it."""
    eve = admin.as_user("eve", role="user")
    eve.prints("secrets", "create", "mine", "-s", "value")
    assert admin.refuses("users", "delete", "eve", "--yes") == (
        8,
        (
            "error: user 'eve' owns 1 secret: secret default_tenant/mine\n"
            "  hint: --reassign-to NAME gives all of it to another user, --purge deletes it\n"
        ),
    )
    assert admin.refuses("users", "delete", "eve", "--yes", "--reassign-to", "nobody") == (
        5,
        "error: user 'nobody' does not exist\n",
    )
    assert admin.prints("users", "delete", "eve", "--yes", "--reassign-to", "admin") == (
        "User `eve` deleted\n1 secret given to user `admin`\n"
    )
    assert admin.prints("secrets", "get", "mine").splitlines()[0].split() == ["key:", "mine"]
    bob = admin.as_user("bob", role="user")
    bob.prints("secrets", "create", "other", "-s", "value")
    assert admin.prints("users", "delete", "bob", "--yes", "--purge") == (
        "User `bob` deleted\n1 secret deleted\n"
    )
    assert admin.refuses("secrets", "get", "other")[0] == 5
