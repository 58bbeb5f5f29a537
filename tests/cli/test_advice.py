"""What was probably meant: commands, options, tenants and keys, among those that the caller may know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import resolver
from resolver.cli.advice import NEEDED

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("secret", "list"), "error: no such command 'secret', did you mean 'secrets'?"),
        (("xyz",), "error: no such command 'xyz'"),
        (("secrets", "list", "--tenat", "x"), "no such option --tenat, did you mean --all-tenants, --tenant"),
        (("secrets", "creat", "k"), "error: no such command 'creat', did you mean 'create'?"),
        (("secrets", "set", "k"), "error: no such command 'set', did you mean 'create' or 'update'?"),
        (("secrets", "providers", "rm", "k"), "error: no such command 'rm', did you mean 'delete'?"),
        (("users", "add", "bob"), "error: no such command 'add', did you mean 'create'?"),
        (("tenants", "members"), "error: no such command 'members', did you mean 'get'?"),
        (("audit", "rm"), "error: no such command 'rm'"),
        (("serve", "--port", "http"), "error: invalid value for '--port', it takes a number from 0 to 65535"),
        (
            ("secrets", "list", "-s", "x"),
            "error: invalid value for '-s' / '--pagination-size', it takes a number from 0",
        ),
        (
            ("whoami", "--format", "jsn"),
            "error: invalid value for '--format', choose from table, json; did you mean 'json'?",
        ),
        (("whoami", "--format", "s3cret"), "error: invalid value for '--format', choose from table, json"),
        (("whoami", "--wxyz"), "error: no such option --wxyz"),
        (("whoami", "--s3cret"), "error: no such option"),
    ],
)
def test_commands_and_options(admin: Cli, arguments: tuple[str, ...], said: str) -> None:
    """What is mistyped is named, unless it may be a value, with what is close to it."""
    code, text = admin.refuses(*arguments)
    assert (code, text.splitlines()[0].endswith(said)) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ("exec", "b.yaml", "tail", "-n", "2"),
            "put `--` before the command that is to be run, as in `-- COMMAND ARGS {}`",
        ),
        (("secrets", "create", "k", "v"), "a value comes from stdin, from -f FILE or from -s VALUE"),
        (
            ("secrets", "update", "k", "--value", "v"),
            "a value comes from stdin, from -f FILE or from -s VALUE",
        ),
        (("secrets", "rollback", "--to", "1"), "it is written `resolver secrets rollback [OPTIONS] KEY`"),
        (
            ("tenants", "add-user", "ada", "prod", "-t", "x"),
            "it is written `resolver tenants add-user [OPTIONS] USERNAME`",
        ),
        (("access", "--user", "ada"), "it is written `resolver access [OPTIONS] [USER]`"),
        (("secrets", "history", "--key", "k"), "it is written `resolver secrets history [OPTIONS] KEY`"),
    ],
)
def test_words_in_the_wrong_place(admin: Cli, arguments: tuple[str, ...], hint: str) -> None:
    """What is left out before a command, or written as a word, is told with the place where it belongs."""
    code, text = admin.refuses(*arguments)
    assert (code in (2, 125), f"  hint: {hint}; `resolver " in text) == (True, True), text


@pytest.mark.parametrize(
    "arguments", [("exec", "b.yaml", "--wxyz", "--", "x"), ("secrets", "create", "--wxyz")]
)
def test_advice_is_not_given_for_other_mistakes(admin: Cli, arguments: tuple[str, ...]) -> None:
    """A command that has its `--`, and an option that is not about a value, get the page of help alone."""
    assert "  hint: `resolver " in admin.refuses(*arguments)[1]


def test_tenants_and_keys(admin: Cli) -> None:
    """Names are compared with those of the caller; a key may be in another tenant."""
    admin.prints("tenants", "create", "staging")
    admin.prints("secrets", "create", "db_password", "-s", "v", "-t", "staging")
    admin.prints("secrets", "create", "db_user", "-s", "v")
    user = admin.as_user("eve", role="user")
    code, said = user.refuses("secrets", "list", "-t", "defualt_tenant")
    assert (code, "did you mean 'default_tenant'?" in said) == (4, True)
    for other in ("stagin", "staging"):  # she is in neither, and learns of neither
        assert "did you mean" not in user.refuses("secrets", "list", "-t", other)[1]
    code, said = user.refuses("secrets", "delete", "db_usr", "--yes")
    assert (code, "did you mean 'db_user'?" in said) == (5, True)
    assert "there is one in" not in user.refuses("secrets", "history", "db_password")[1]
    code, said = admin.refuses("secrets", "history", "db_password")
    assert (code, "there is one in tenant 'staging'." in said) == (5, True)


def test_a_narrowed_token_gets_no_advice_about_other_keys(admin: Cli) -> None:
    """What a token may not list is not suggested."""
    admin.prints("secrets", "create", "db_user", "-s", "v")
    token = admin.prints("tokens", "create", "--quiet", "--key", "web_*", "--permission", "secret:update")
    narrow = admin.with_token(token.strip())
    assert "did you mean" not in narrow.refuses("secrets", "update", "db_usr", "-s", "v")[1]


def test_use(admin: Cli, home: Path) -> None:
    """The profile keeps another tenant, and no one in which the caller has no rights."""
    admin.prints("tenants", "create", "staging")
    admin.prints("secrets", "create", "there", "-s", "v", "-t", "staging")
    before = json.loads((home / "profile").read_text())
    code, said = admin.refuses("use", "stagin")
    assert (code, "did you mean 'staging'?" in said) == (2, True)
    assert json.loads((home / "profile").read_text()) == before
    assert admin.prints("use", "staging") == "the following commands work in tenant staging\n"
    assert json.loads((home / "profile").read_text()) == before | {"tenant": "staging"}
    assert (home / "profile").stat().st_mode & 0o777 == 0o600
    assert admin.prints("use") == "commands work in tenant staging: profile\n"
    assert "\ntenant:      staging\n" in admin.prints("whoami")
    assert "there" in admin.prints("secrets", "list")
    env = {"RESOLVER_TOKEN": before["token"]}
    assert "there" in type(admin)(admin.prefork, home, env).prints("secrets", "list")
    other = env | {"RESOLVER_TENANT": "default_tenant"}
    assert json.loads(type(admin)(admin.prefork, home, other).prints("use", "--format", "json")) == {
        "tenant": "default_tenant",
        "source": "RESOLVER_TENANT",
    }
    (home / "profile").unlink()
    assert type(admin)(admin.prefork, home, env).refuses("use", "staging")[0] == 2
    assert type(admin)(admin.prefork, home, env).refuses("use") == (
        2,
        "error: no tenant was named\n  hint: give --tenant NAME, or set RESOLVER_TENANT\n",
    )
    assert "\ntenant:" not in type(admin)(admin.prefork, home, env).prints("whoami")


def test_hints_say_what_their_commands_take(admin: Cli) -> None:
    """Who may not run the command that a hint names is told what it takes; who may is not."""
    admin.prints("secrets", "create", "taken", "-s", "v")
    token = admin.prints("tokens", "create", "--quiet", "--permission", "secret:create")
    narrow = admin.with_token(token.strip())
    hint = "  hint: update it with `resolver secrets update`, or choose another key"
    create = ("secrets", "create", "taken", "-s", "w")
    said = f"error: secret 'taken' already exists\n{hint}"
    assert narrow.refuses(*create) == (8, f"{said} (not with your rights: it takes secret:update)\n")
    assert admin.refuses(*create) == (8, f"{said}\n")
    token = admin.prints("tokens", "create", "--quiet", "--permission", "secret:use")
    check = ("-t", "default_tenant", "--check", "-")
    for cli, listing in (
        (admin, "`resolver secrets list -t default_tenant` shows what there is"),
        (admin.with_token(token.strip()), "who may list the secrets of the tenant can tell what there is"),
    ):
        done = cli.run("resolve", *check, stdin="a: { get_secret: missing }")
        assert (done.returncode, f"  hint: {listing}\n" in done.stdout + done.stderr) == (5, True)


_FREE = (
    "completion",
    "config",
    "db",
    "doctor",
    "exec",
    "init",
    "login",
    "recover",
    "tokens",
    "use",
    "whoami",
)
"""Commands that need no permission, or root key and database in place of one."""


def test_each_command_of_a_hint_is_one_that_is_known() -> None:
    """A command in a hint without a line in the table would be offered to everyone."""
    room = Path(resolver.__file__).parent
    named = {
        words
        for path in room.rglob("*.py")
        for words in re.findall(r'(?<!")`resolver ([a-z][a-z -]*[a-z])', path.read_text())
    }
    assert len(named) > 10
    starts = (*NEEDED, *_FREE, "serve", "status")
    groups = {"secrets providers", "tenants"}  # of which comments speak
    assert [words for words in sorted(named - groups) if not words.startswith(starts)] == []
