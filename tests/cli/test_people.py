"""`init`, `whoami`, `tenants`, `users`, `tokens` and `audit`: what each prints, and what it refuses."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

NOT_PERMITTED = "  hint: `resolver whoami` shows what this user and token may do\n"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def cells(table: str) -> list[list[str]]:
    """The rows of a printed table, times as TIME."""
    return [re.split(r"  +", TIME.sub("TIME", line)) for line in table.splitlines()]


def test_init(admin: Cli, tmp_path: Path) -> None:
    """`init` says what it made and where, for its owner only; a second run changes nothing."""
    home = tmp_path / "new"
    new = admin.at(home)
    printed = new.prints("init", "--sample", "--password-file", "-", stdin="a password\n")
    assert printed == (
        f"store made in {home}\n"
        f"root key in {home}/keys/root.key: keep a copy, apart from the database's backup\n"
        "tenant default_tenant, user admin\n"
        f"profile in {home}/profile: the following commands run as admin\n"
        "17 sample secrets added\n"
    )
    modes = {
        str(path.relative_to(home)): stat.S_IMODE(path.stat().st_mode)
        for path in (home, home / "data", home / "keys", home / "keys" / "root.key", home / "profile")
    }
    assert modes == {".": 0o700, "data": 0o700, "keys": 0o700, "keys/root.key": 0o600, "profile": 0o600}
    before = {path: path.read_bytes() for path in home.glob("*/*") if path.suffix in {"", ".key"}}
    assert new.prints("init") == f"a store is there already in {home}; nothing was changed\n"
    assert {path: path.read_bytes() for path in before} == before


def test_init_without_a_password(admin: Cli, tmp_path: Path) -> None:
    """Without a terminal to show one on, no password is made."""
    new = admin.at(tmp_path / "new")
    note = "note: admin has no password; `resolver users set-password admin` gives one\n"
    assert "tenant default_tenant, user admin\n" in new.prints("init", note=note)
    assert new.prints("whoami").startswith("user:        admin\n")


def test_init_tells_where_the_store_is(admin: Cli, tmp_path: Path) -> None:
    """With a database of its own, the store is there and not in the state directory."""
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    new = admin.at(tmp_path / "new")
    new = replace(new, env={"RESOLVER_DATABASE_URL": url})
    made = new.prints("init", "--password-file", "-", stdin="a password")
    assert made.splitlines()[0] == f"store made in {url}"
    assert new.prints("init") == f"a store is there already in {url}; nothing was changed\n"


def test_init_without_a_profile(admin: Cli, tmp_path: Path) -> None:
    """The password is all that there is then: no token is made that nobody has."""
    new = admin.at(tmp_path / "new")
    new.prints("init", "--no-profile", "--password-file", "-", stdin="a password")
    assert not (tmp_path / "new" / "profile").exists()
    database = sqlite3.connect(tmp_path / "new" / "data" / "resolver.db")
    assert database.execute("SELECT count(*) FROM access_token").fetchone() == (0,)
    database.close()


def test_a_store_that_nobody_could_enter_is_not_made(admin: Cli, tmp_path: Path) -> None:
    """Neither a profile nor a password: refused, with nothing left behind."""
    new = admin.at(tmp_path / "new")
    assert new.refuses("init", "--no-profile") == (
        2,
        (
            "error: without a profile and without a password nobody could enter the store\n"
            "  hint: give --password-file, or leave out --no-profile\n"
        ),
    )
    assert not (tmp_path / "new" / "keys").exists()
    assert new.prints("init", "--password-file", "-", stdin="abcde").startswith("store made in ")


def test_init_refused(admin: Cli, tmp_path: Path) -> None:
    """A password that breaks the rules, or a folder that can't be made, leaves no store."""
    new = admin.at(tmp_path / "new")
    assert new.refuses("init", "--password-file", "-", stdin="abc") == (
        2,
        "error: a password has 5 to 256 characters\n",
    )
    assert new.refuses("whoami")[0] in {4, 6}
    nowhere = Path("/proc/resolver")  # not even root can make a folder here
    assert admin.at(nowhere).refuses("init") == (
        6,
        f"error: the folder '{nowhere}' can't be made: No such file or directory\n",
    )


def test_init_that_failed_can_be_repeated(admin: Cli, tmp_path: Path) -> None:
    """After a refused `init` the next one makes the store."""
    new = admin.at(tmp_path / "new")
    new.refuses("init", "--password-file", "-", stdin="abc")
    assert new.prints("init", "--password-file", "-", stdin="abcde").startswith("store made in ")


def test_whoami(admin: Cli) -> None:
    """Who, with which token, in which mode, and what is permitted where."""
    user = admin.as_user("eve", role="viewer")
    printed = user.prints("whoami").splitlines()
    assert printed[:2] == ["user:        eve", "system_role: default"]
    assert re.fullmatch(r"token:       [A-Za-z0-9]{10}", printed[2])
    assert printed[3] == "mode:        embedded: this process holds the root key and the database"
    assert printed[4] == f"store:       sqlite:///{admin.home}/data/resolver.db"
    assert printed[5:] == ["in tenant default_tenant (viewer): provider:list, secret:list, secret:show"]
    facts = json.loads(user.prints("whoami", "--format", "json"))
    assert facts["tenants"] == {
        "default_tenant": {"role": "viewer", "permissions": ["provider:list", "secret:list", "secret:show"]}
    }


def test_whoami_refused(admin: Cli) -> None:
    """Without a valid token there is no answer."""
    code, said = admin.with_token(f"ctok-{'a' * 10}-{'b' * 40}").refuses("whoami")
    assert (code, said.splitlines()[0]) == (4, "error: the access token is not valid")


def test_tenants(admin: Cli) -> None:
    """Tenants are made and listed: all to a sys_admin, the own ones to others."""
    assert admin.prints("tenants", "create", "shop") == "Tenant `shop` created\n"
    assert cells(admin.prints("tenants", "list")) == [
        ["NAME", "YOUR ROLE", "MEMBERS"],
        ["default_tenant", "-", "0"],
        ["shop", "-", "0"],
    ]
    user = admin.as_user("eve", "shop", role="operations")
    assert cells(user.prints("tenants", "list"))[1:] == [["shop", "operations", "1"]]
    assert json.loads(user.prints("tenants", "list", "--format", "json")) == [
        {"name": "shop", "role": "operations", "members": 1}
    ]


def test_tenants_refused(admin: Cli) -> None:
    """A taken or malformed name is refused, and so is everyone but a sys_admin."""
    assert admin.refuses("tenants", "create", "default_tenant") == (
        8,
        "error: tenant 'default_tenant' already exists\n",
    )
    assert admin.refuses("tenants", "create", "7") == (
        2,
        "error: the tenant name must begin with a letter\n",
    )
    manager = admin.as_user("eve", role="manager")
    assert manager.refuses("tenants", "create", "shop") == (
        4,
        f"error: user 'eve' is not permitted to manage tenants\n{NOT_PERMITTED}",
    )


def test_members(admin: Cli) -> None:
    """A role is given, changed and taken away, at once."""
    user = admin.as_user("eve")
    added = admin.prints("tenants", "add-user", "eve", "-t", "default_tenant")
    assert added == "User `eve` is user in tenant `default_tenant`\n"
    user.prints("secrets", "create", "test", "-s", "value")
    changed = admin.prints("tenants", "add-user", "eve", "-t", "default_tenant", "-r", "viewer")
    assert changed == "User `eve` is viewer in tenant `default_tenant`\n"
    assert user.refuses("secrets", "delete", "test", "--yes")[0] == 4
    removed = admin.prints("tenants", "remove-user", "eve", "-t", "default_tenant")
    assert removed == "User `eve` removed from tenant `default_tenant`\n"
    assert user.refuses("secrets", "list")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add-user", "nobody", "-t", "default_tenant"), "user 'nobody' does not exist"),
        (("add-user", "admin", "-t", "nowhere"), "tenant 'nowhere' does not exist"),
        (
            ("remove-user", "admin", "-t", "default_tenant"),
            "user 'admin' is not a member of tenant 'default_tenant'",
        ),
    ],
    ids=["unknown user", "unknown tenant", "no member"],
)
def test_members_refused(admin: Cli, arguments: tuple[str, ...], message: str) -> None:
    """Whoever manages members is told what does not exist."""
    assert admin.refuses("tenants", *arguments) == (5, f"error: {message}\n")


def test_users(admin: Cli) -> None:
    """Users are made with or without a password, listed, and given another system role."""
    assert admin.prints("users", "create", "eve") == "User `eve` created with `default` security role\n"
    printed = admin.prints(
        "users", "create", "bob", "-r", "sys_admin", "--password-file", "-", stdin="a password"
    )
    assert printed == "User `bob` created with `sys_admin` security role\n"
    assert (
        admin.prints("users", "set-role", "eve", "-r", "sys_admin")
        == "User `eve` has `sys_admin` security role\n"
    )
    rows = [["admin", "sys_admin", "True"], ["bob", "sys_admin", "True"], ["eve", "sys_admin", "True"]]
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
    assert admin.refuses("users", "create", "bob", "--password-file", "-", stdin="abc") == (
        2,
        "error: a password has 5 to 256 characters\n",
    )
    user = admin.as_user("eve", role="manager")
    for arguments in (("list",), ("create", "bob"), ("set-role", "eve", "-r", "sys_admin")):
        assert user.refuses("users", *arguments) == (
            4,
            f"error: user 'eve' is not permitted to manage users\n{NOT_PERMITTED}",
        )


def test_passwords(admin: Cli) -> None:
    """Everyone changes the own password, a sys_admin anyone's; nobody else's is changed by others."""
    user = admin.as_user("eve")
    note = "note: 1 access token of this user kept; --revoke-tokens ends all of them\n"
    for who in (user, admin):
        printed = who.prints(
            *("users", "set-password", "eve", "--password-file", "-"), stdin="a password\n", note=note
        )
        assert printed == "Password of user `eve` changed\n"
    assert user.refuses("users", "set-password", "admin", stdin="a password\n") == (
        4,
        f"error: user 'eve' is not permitted to manage users\n{NOT_PERMITTED}",
    )


def test_tokens(admin: Cli) -> None:
    """A token is printed alone with --quiet, listed without its secret part, and ended by its id."""
    note = "note: keep it now, it is not shown again; `resolver tokens revoke` ends it\n"
    loud = admin.prints("tokens", "create", note=note)
    quiet = admin.prints(
        *("tokens", "create", "--quiet", "--description", "for the shop", "--expires", "2999-01-01"),
        *("--tenant", "default_tenant", "--key", "shop_*", "--permission", "secret:use"),
    )
    for token in (loud, quiet):
        assert re.fullmatch(r"ctok-[A-Za-z0-9]{10}-[A-Za-z0-9]{40}\n", token)
    ids = [token.split("-")[1] for token in (loud, quiet)]
    listed = admin.prints("tokens", "list")
    narrowed = "permissions: secret:use; tenants: default_tenant; keys: shop_*"
    assert [row[1:] for row in cells(listed)] == [
        ["USER", "CREATED", "EXPIRES", "LAST USED", "NARROWED TO", "DESCRIPTION"],
        ["admin", "TIME", "-", "TIME", "-", "made by init"],
        ["admin", "TIME", "-", "-", "-", "-"],
        ["admin", "TIME", "TIME", "-", narrowed, "for the shop"],
    ]
    assert [row[0] for row in cells(listed)[2:]] == ids
    assert quiet.split("-")[2].strip() not in listed
    holder = admin.with_token(loud.strip())
    assert holder.prints("whoami").startswith("user:        admin\n")
    assert admin.prints("tokens", "revoke", ids[0]) == f"Token `{ids[0]}` revoked\n"
    assert holder.refuses("whoami")[0] == 4


def test_tokens_refused(admin: Cli) -> None:
    """Past expiries, unknown ids and tokens of others are refused; a narrowed token makes none."""
    assert admin.refuses("tokens", "create", "--expires", "2020-01-01") == (
        2,
        "error: the expiry has passed already\n  hint: write a time that is ahead, in UTC\n",
    )
    assert admin.refuses("tokens", "revoke", "a" * 10) == (5, f"error: token '{'a' * 10}' does not exist\n")
    user = admin.as_user("eve")
    assert user.refuses("tokens", "create", "--user", "admin") == (
        4,
        f"error: user 'eve' is not permitted to manage tokens of others\n{NOT_PERMITTED}",
    )
    own = json.loads(admin.prints("tokens", "list", "--format", "json"))[0]["id"]
    assert user.refuses("tokens", "revoke", own) == (5, f"error: token '{own}' does not exist\n")
    narrow = admin.prints("tokens", "create", "--quiet", "--key", "shop_*").strip()
    assert admin.with_token(narrow).refuses("tokens", "create") == (
        4,
        "error: a narrowed token can't make a token\n  hint: use a token of this user that is not narrowed\n",
    )


def test_token_file(admin: Cli, tmp_path: Path) -> None:
    """--token-file goes before RESOLVER_TOKEN and the profile; an empty one is refused."""
    path = tmp_path / "token"
    path.write_text(admin.as_user("eve").env["RESOLVER_TOKEN"] + "\n")
    assert admin.prints("whoami", "--token-file", str(path)).startswith("user:        eve\n")
    path.write_text("\n")
    assert admin.refuses("whoami", "--token-file", str(path)) == (
        4,
        f"error: the token file '{path}' is empty\n",
    )


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
    system = cells(admin.prints("audit", "list"))[1:]
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


def test_audit_refused(admin: Cli) -> None:
    """A manager reads the own tenant's trail, not the system's; a user reads none."""
    manager = admin.as_user("eve", role="manager")
    assert cells(manager.prints("audit", "list", "-t", "default_tenant")) == [
        ["NUMBER", "AT", "CALLER", "ACTION", "ABOUT", "VERSION", "DECISION"]
    ]
    assert manager.refuses("audit", "list") == (
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
