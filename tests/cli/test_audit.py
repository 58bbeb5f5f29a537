"""`resolver audit`: the trail is listed, filtered, verified and exported."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

NOT_PERMITTED = "  hint: `resolver whoami` shows what this user and token may do\n"


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def cells(table: str) -> list[list[str]]:
    """The rows of a printed table, times as TIME."""
    return [re.split(r"  +", TIME.sub("TIME", line)) for line in table.splitlines()]


def test_audit(admin: Cli) -> None:
    """A tenant's trail has each use, show and change, numbered; the system's has the people."""
    admin.prints("secrets", "create", "test", "-s", "audited_value")
    admin.run("resolve", "-", stdin="a: {get_secret: test}")
    admin.refuses("secrets", "get", "tset")
    rows = cells(admin.prints("audit", "list", "-t", "default_tenant"))
    assert rows == [
        ["NUMBER", "AT", "CALLER", "ACTION", "ABOUT", "VERSION", "DECISION"],
        ["1", "TIME", "admin", "secret:create", "test", "1", "allowed"],
        ["2", "TIME", "admin", "secret:use", "test", "1", "allowed"],
        ["3", "TIME", "admin", "secret:show", "tset", "-", "does_not_exist"],
    ]
    system = cells(admin.prints("audit", "list", "--system"))[1:]
    assert [row[3:] for row in system] == [
        ["tenant:create", "default_tenant", "-", "allowed"],
        ["token:create", "admin", "-", "allowed"],
    ]
    listed = admin.prints("audit", "list", "-t", "default_tenant", "--format", "json")
    assert "audited_value" not in listed
    assert [record["number"] for record in json.loads(listed)] == [1, 2, 3]


def test_audit_head_and_verify(admin: Cli) -> None:
    """The head is the last record's number and hash; a whole trail verifies."""
    admin.prints("secrets", "create", "test", "-s", "value")
    last = json.loads(admin.prints("audit", "list", "-t", "default_tenant", "--format", "json"))[-1]
    assert admin.prints("audit", "head", "-t", "default_tenant") == f"{last['number']}:{last['hash']}\n"
    note = (
        "note: without a head that was kept elsewhere (`audit head`, then --head) this can't see a cut end "
        "or an older copy of the whole database\n"
    )
    assert admin.prints("audit", "verify", "-t", "default_tenant", note=note) == "1 record, unbroken\n"
    kept = admin.prints("audit", "head", "-t", "default_tenant").strip()
    admin.prints("secrets", "delete", "test", "--yes")
    printed = admin.prints("audit", "verify", "-t", "default_tenant", "--head", kept)
    assert printed == "2 records, unbroken, containing the kept head\n"
    assert admin.refuses("audit", "verify", "-t", "default_tenant", "--head", f"9:{'a' * 64}") == (
        6,
        (
            "error: the audit trail is not the one that the head was taken of: it ends at record 2 and the "
            "kept head at 9: it was cut, or the database is an older copy\n"
            "  hint: compare the database with a backup\n"
        ),
    )
    assert admin.refuses("audit", "verify", "--head", "nine") == (
        2,
        (
            "error: the head is malformed\n"
            "  hint: `resolver audit head` prints one: a number, a colon and 64 digits\n"
        ),
    )


def test_audit_of_the_default_tenant(admin: Cli) -> None:
    """Without an option it is the trail of the tenant that all commands work in, and not the system's too."""
    admin.prints("secrets", "create", "k", "-s", "value")
    assert admin.prints("audit", "list") == admin.prints("audit", "list", "-t", "default_tenant")
    assert admin.refuses("audit", "head", "-t", "default_tenant", "--system") == (
        2,
        "error: a tenant and --system were given\n  hint: give one of them\n",
    )


def test_a_list_without_records_says_so(admin: Cli) -> None:
    """And that there is no such action, with what is close to it."""
    for arguments, said in [
        (("--caller", "nobody"), "no records"),
        (("--action", "secret:export"), "no records"),
        (("--action", "use"), "no records: no action is called 'use', did you mean 'secret:use'?"),
        (
            ("--action", "token:revok"),
            "no records: no action is called 'token:revok', did you mean 'token:revoke'?",
        ),
        (("--action", "x*"), "no records: no action is called 'x*'"),
    ]:
        assert admin.prints("audit", "list", *arguments, note=f"{said}\n") == ""
    assert json.loads(admin.prints("audit", "list", "--caller", "nobody", "--format", "json")) == []


def test_audit_refused(admin: Cli) -> None:
    """A manager reads the own tenant's trail, not the system's; a user reads none."""
    manager = admin.as_user("eve", role="manager")
    assert manager.prints("audit", "list", "-t", "default_tenant", note="no records\n") == ""
    assert manager.refuses("audit", "list", "--system") == (
        4,
        f"error: user 'eve' is not permitted to read the audit trail\n{NOT_PERMITTED}",
    )
    user = admin.as_user("bob", role="user")
    assert user.refuses("audit", "verify", "-t", "default_tenant") == (
        4,
        (
            "error: user 'bob' is not permitted to read the audit trail in tenant 'default_tenant'\n"
            f"{NOT_PERMITTED}"
        ),
    )


def test_what_is_stale(admin: Cli, tmp_path: Path) -> None:
    """A table and JSON, and exit code 10; 0 when all are current; refused to who may not read the trail."""
    admin.prints("secrets", "create", "smtp", "-s", "value")
    blueprint = tmp_path / "shop.yaml"
    blueprint.write_text("a: { get_secret: smtp }\n")
    admin.prints("exec", str(blueprint), "--", "true")
    assert (
        admin.prints("stale") == "tenant 'default_tenant': every blueprint was given the current versions\n"
    )
    admin.prints("secrets", "update", "smtp", "-s", "other")
    done = admin.run("resolver", "stale", "--key", "smtp")
    assert (done.returncode, done.stderr) == (10, "")
    table = TIME.sub("TIME", done.stdout).splitlines()
    assert table[0].split() == ["BLUEPRINT", "LAST", "USED", "SECRET", "VERSION", "NOW", "SINCE", "BY"]
    assert table[1].split()[1:] == ["TIME", "smtp", "1", "2", "TIME", "admin"]
    assert table[2:] == ["1 blueprint to deploy again"]
    (found,) = json.loads(admin.run("resolver", "stale", "--format", "json").stdout)["blueprints"]
    assert found["blueprint"] == str(blueprint)
    assert [(use["key"], use["version"], use["current"]) for use in found["secrets"]] == [("smtp", 1, 2)]
    assert admin.as_user("eve", role="user").refuses("stale")[0] == 4


def test_audit_unused(admin: Cli) -> None:
    """The report as a table and as JSON, since a time; a wrong time and a mere user are refused."""
    admin.prints("secrets", "create", "idle", "-s", "value")
    admin.prints("secrets", "create", "used", "-s", "value")
    admin.prints("secrets", "get", "used")
    eve = admin.as_user("eve", role="user")
    report = json.loads(admin.prints("audit", "unused", "-t", "default_tenant", "--format", "json"))
    assert report["secrets"] == ["idle"]
    assert report["wide_secrets"] == [{"key": "used", "visibility": "tenant", "enough": "private"}]
    assert report["members"] == [{"user": "eve", "role": "user", "enough": None}]
    assert {token["user"]: token["used"] for token in report["tokens"]} == {
        "admin": ["secret:create", "secret:show"],
        "eve": [],
    }
    printed = TIME.sub("TIME", admin.prints("audit", "unused", "--since", "1d"))
    assert printed.startswith(
        "since TIME\nUNUSED SECRET\nidle\n\nSECRET  VISIBILITY  ENOUGH WOULD BE\n"
        "used    tenant      private\n\nMEMBER  ROLE  ENOUGH WOULD BE\neve "
    )
    (token,) = (line for line in printed.splitlines() if "  admin  " in line)
    assert re.search(r"  secret:create, secret:show  idle, used  \S+, \S+, \S+, and \d+ more$", token)
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
