"""What was probably meant: commands, options, tenants and keys, among those that the caller may know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("secret", "list"), "error: no such command 'secret', did you mean 'secrets'?"),
        (("xyz",), "error: no such command 'xyz'"),
        (("secrets", "list", "--tenat", "x"), "no such option --tenat, did you mean --all-tenants, --tenant"),
        (("whoami", "--wxyz"), "error: no such option --wxyz"),
        (("whoami", "--s3cret"), "error: no such option"),
    ],
)
def test_commands_and_options(admin: Cli, arguments: tuple[str, ...], said: str) -> None:
    """What is mistyped is named, unless it may be a value, with what is close to it."""
    code, text = admin.refuses(*arguments)
    assert (code, text.splitlines()[0].endswith(said)) == (2, True)


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
    assert "there" in admin.prints("secrets", "list")
    env = {"RESOLVER_TOKEN": before["token"]}
    assert "there" in type(admin)(admin.prefork, home, env).prints("secrets", "list")
    (home / "profile").unlink()
    assert type(admin)(admin.prefork, home, env).refuses("use", "staging")[0] == 2
