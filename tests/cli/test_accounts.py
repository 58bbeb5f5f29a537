"""The commands that change or end users, tenants and tokens, each option of theirs, and what they refuse."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

BACKUPS = (
    "note: backups, snapshots, replicas and archived logs made before still hold keys and values, which the "
    "root key opens; delete them, or rotate the root key and destroy the old one\n"
)
LAST = "  hint: make another user a sys_admin first\n"
NO_TERMINAL = (
    2,
    (
        "error: there is no terminal to ask on whether to delete\n"
        "  hint: give --yes to delete without asking\n"
    ),
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


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
        "active": "True",
        "locked": "False",
        "created_at": "TIME",
        "first_login_at": "-",
        "last_login_at": "-",
        "tenants": "default_tenant (viewer)",
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
        "error: invalid value for '--size'\n  hint: `resolver users list --help` shows what it takes\n",
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


def test_a_tenant_ends(admin: Cli) -> None:
    """A tenant that holds something is deleted with --purge; its trail is read by its id."""
    admin.prints("tenants", "create", "prod")
    admin.prints("users", "create", "eve")
    admin.prints("tenants", "add-user", "eve", "-t", "prod", "-r", "manager")
    assert admin.prints("tenants", "get", "prod") == (
        "name:      prod\nyour role: -\nmembers:   1\neve: manager\n"
    )
    admin.prints("secrets", "create", "k", "-s", "value", "-t", "prod")
    assert admin.refuses("tenants", "delete", "prod", "--yes") == (
        8,
        "error: tenant 'prod' holds 1 secret: secret prod/k\n  hint: --purge deletes them with the tenant\n",
    )
    printed = admin.prints("tenants", "delete", "prod", "--yes", "--purge", note=BACKUPS)
    assert printed == "Tenant `prod` deleted with 1 secret, its data keys destroyed\n"
    last = json.loads(admin.prints("audit", "list", "--action", "tenant:delete", "--format", "json"))[-1]
    trail = json.loads(admin.prints("audit", "list", "-t", last["tenant_id"], "--format", "json"))
    assert [record["action"] for record in trail] == ["secret:create", "secret:delete"]


def test_tokens_are_shown_and_end(admin: Cli) -> None:
    """`tokens get` shows all but the token, `delete` is `revoke`; a distance is an expiry."""
    token = admin.prints("tokens", "create", "--quiet", "--expires", "90d", "--key", "shop_*").strip()
    token_id = token.split("-")[1]
    printed = admin.prints("tokens", "get", token_id)
    assert fields(printed) == {
        "id": token_id,
        "user": "admin",
        "created_at": "TIME",
        "expires_at": "TIME",
        "last_used_at": "-",
        "narrowed": "keys: shop_*",
        "description": "-",
    }
    assert token.split("-")[2] not in printed
    assert admin.prints("tokens", "delete", token_id) == f"Token `{token_id}` revoked\n"


def test_audit_unused(admin: Cli) -> None:
    """The report as a table and as JSON, since a time; a wrong time and a mere user are refused."""
    admin.prints("secrets", "create", "idle", "-s", "value")
    admin.prints("secrets", "create", "used", "-s", "value")
    admin.prints("secrets", "get", "used")
    eve = admin.as_user("eve", role="user")
    report = json.loads(admin.prints("audit", "unused", "-t", "default_tenant", "--format", "json"))
    assert report["secrets"] == ["idle"]
    assert report["members"] == [{"user": "eve", "role": "user", "enough": None}]
    assert {token["user"]: token["used"] for token in report["tokens"]} == {
        "admin": ["secret:create", "secret:show"],
        "eve": [],
    }
    printed = TIME.sub("TIME", admin.prints("audit", "unused", "--since", "1d"))
    assert printed.startswith("since TIME\nUNUSED SECRET\nidle\n\nMEMBER  ROLE  ENOUGH WOULD BE\neve ")
    assert admin.refuses("audit", "unused", "--since", "lately") == (
        2,
        (
            "error: the start is malformed\n"
            "  hint: it is UTC, like 2030-12-31 or '2030-12-31 23:59', or like 90d or '1 day' before now\n"
        ),
    )
    code, said = eve.refuses("audit", "unused")
    assert (code, said.splitlines()[0]) == (
        4,
        "error: user 'eve' is not permitted to read the audit trail in tenant 'default_tenant'",
    )


def test_audit_filters(admin: Cli) -> None:
    """By time, user, key, action, decision, newest first and in parts; a note says how to go on."""
    for key in ("db_a", "db_b", "web"):
        admin.prints("secrets", "create", key, "-s", "value")
    eve = admin.as_user("eve", role="viewer")
    eve.prints("secrets", "get", "web")
    eve.refuses("secrets", "delete", "web", "--yes")

    def numbers(*options: str, note: str = "") -> list[int]:
        command = ("audit", "list", "-t", "default_tenant", "--format", "json", *options)
        return [record["number"] for record in json.loads(admin.prints(*command, note=note))]

    assert numbers() == [1, 2, 3, 4, 5]
    assert numbers("--key", "db_*") == [1, 2]
    assert numbers("--caller", "eve") == [4, 5]
    assert numbers("--action", "secret:create") == [1, 2, 3]
    assert numbers("--decision", "refused") == [5]
    assert numbers("--since", "1h") == [1, 2, 3, 4, 5]
    assert numbers("--until", "1h") == []
    assert numbers("--size", "2", note="note: more records follow; --after 2 shows them\n") == [1, 2]
    assert numbers("--after", "4") == [5]
    assert numbers("--newest", "--size", "1", note="note: more records follow; --after 5 shows them\n") == [5]
    assert admin.refuses("audit", "list", "--until", "x")[1].startswith("error: --until is malformed\n")


def test_nothing_is_shown_that_can_t_be_recorded(admin: Cli) -> None:
    """A database that refuses the record: exit code 6, in words, and no value on either stream."""
    import sqlite3  # noqa: PLC0415 - here alone

    admin.prints("secrets", "create", "k", "-s", "kept-9f3a")
    with sqlite3.connect(admin.home / "data" / "resolver.db") as database:
        database.execute("CREATE TRIGGER no BEFORE INSERT ON audit_record BEGIN SELECT json('no json'); END")
    database.close()
    for arguments in (
        ("resolver", "secrets", "get", "k"),
        ("resolver", "secrets", "export", "--cloudify", "--non-encrypted"),
        ("resolver", "secrets", "create", "new", "-s", "v"),
        ("resolver", "exec", "-", "--", "cat", "{}"),
        ("resolve", "-"),
    ):
        done = admin.run(*arguments, stdin="a: { get_secret: k }")
        assert done.returncode == (125 if "exec" in arguments else 6), done.stderr
        assert "failed: OperationalError: malformed JSON" in done.stderr
        assert done.stdout == ""
        assert "kept-9f3a" not in done.stderr
