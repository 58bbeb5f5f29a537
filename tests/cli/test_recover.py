"""`resolver recover`, and the warning before nobody could log in any more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resolver import open_resolver
from resolver.errors import AuthenticationError

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

LAST = "no sys_admin could log in any more: this is the last credential of the last one"
REFUSED = (
    f"error: {LAST}\n"
    "  hint: give one a password with `resolver users set-password` first; to go on all the same, "
    "commands take --yes, requests `?even_last=true`, and `resolver recover` is the way back\n"
)
WARNED = f"warning: {LAST}; `resolver recover` is the way back\n"


def own_token(cli: Cli) -> str:
    """The public part of the token in use."""
    return str(json.loads(cli.prints("whoami", "--format", "json"))["token"])


def recovered(cli: Cli, name: str = "admin") -> str:
    """What a successful run prints."""
    return (
        f"token for {name} made; the system's audit trail tells of it as store:recover\n"
        f"profile in {cli.home / 'profile'}: the following commands run as {name}\n"
    )


def test_without_a_profile(admin: Cli) -> None:
    """As after a restore: the hint names the command, which makes a profile, and the trail has it."""
    admin.prints("secrets", "create", "k", "-s", "value")
    (admin.home / "profile").unlink()
    code, said = admin.refuses("secrets", "list")
    assert (code, "`resolver recover` makes one" in said) == (4, True)
    assert admin.prints("recover") == recovered(admin)
    assert (admin.home / "profile").stat().st_mode & 0o777 == 0o600
    assert "value" in admin.prints("secrets", "get", "k")
    told = json.loads(
        admin.prints("audit", "list", "--system", "--action", "store:recover", "--format", "json")
    )
    assert [(one["caller"], one["object"], one["made"]) for one in told] == [
        ("admin", "admin", own_token(admin))
    ]
    head = admin.prints("audit", "head", "--system").strip()
    admin.prints("audit", "verify", "--system", "--head", head)


def test_a_profile_whose_token_ended(admin: Cli) -> None:
    """It is replaced, and its tenant kept; the old token stays refused."""
    admin.prints("tenants", "create", "shop")
    path = admin.home / "profile"
    old = json.loads(path.read_text())
    path.write_text(json.dumps(old | {"tenant": "shop"}))
    assert admin.prints("tokens", "revoke", own_token(admin), "--yes", note=WARNED).endswith(" revoked\n")
    assert admin.prints("recover") == recovered(admin)
    new = json.loads(path.read_text())
    assert (new["tenant"], new["token"] != old["token"]) == ("shop", True)
    assert admin.with_token(old["token"]).refuses("whoami")[0] == 4


def test_what_is_refused(admin: Cli) -> None:
    """A valid profile stays; other users get nothing by it; of several sys_admins one is named."""
    kept = (admin.home / "profile").read_bytes()
    code, said = admin.refuses("recover")
    assert (code, said.splitlines()[0].endswith("is valid: it lets user 'admin' in")) == (8, True)
    assert (admin.home / "profile").read_bytes() == kept
    admin.prints("users", "create", "eve")
    admin.prints("users", "create", "ada", "-r", "sys_admin")
    admin.prints("users", "create", "ada2", "-r", "sys_admin")
    admin.prints("users", "deactivate", "ada2")
    (admin.home / "profile").unlink()
    hint = "  hint: leave the name out to be told who is\n"
    assert admin.refuses("recover", "--user", "eve") == (8, f"error: user 'eve' is not a sys_admin\n{hint}")
    assert admin.refuses("recover", "--user", "ada2") == (8, f"error: user 'ada2' is not active\n{hint}")
    assert admin.refuses("recover", "--user", "bob") == (5, "error: user 'bob' does not exist\n")
    assert admin.refuses("recover") == (
        2,
        "error: there are several sys_admins: ada, admin\n  hint: name one with --user\n",
    )
    assert not (admin.home / "profile").exists()
    assert admin.prints("recover", "--user", "ada") == recovered(admin, "ada")


def test_a_forgotten_password(admin: Cli) -> None:
    """It is set anew, beside a profile that is valid or with a new one; a short one changes nothing."""
    old, new, newer = ("the admin's first one", "a new long password", "one that is newer")
    admin.prints("users", "create", "ada", "-r", "sys_admin", "--password-file", "-", stdin=old)
    kept = (admin.home / "profile").read_bytes()

    def logs_in(password: str) -> bool:
        with open_resolver(admin.home) as resolver:
            try:
                resolver.authenticate(username="ada", password=password)
            except AuthenticationError:
                return False
        return True

    assert admin.refuses("recover", "--user", "ada", "--password", stdin="s\n")[0] == 2
    assert admin.prints("recover", "--user", "ada", "--password", stdin=f"{new}\n") == (
        "new password for ada made; the system's audit trail tells of it as store:recover\n"
    )
    assert (logs_in(old), logs_in(new)) == (False, True)
    assert (admin.home / "profile").read_bytes() == kept
    (admin.home / "profile").unlink()
    made = json.loads(
        admin.prints("recover", "--user", "ada", "--password", "--format", "json", stdin=f"{newer}\n")
    )
    assert made == {"user": "ada", "profile": str(admin.home / "profile"), "password_set": True}
    assert logs_in(newer)
    told = json.loads(
        admin.prints("audit", "list", "--system", "--action", "store:recover", "--format", "json")
    )
    assert [(one["object"], one["password_set"], "made" in one) for one in told] == [
        ("ada", True, False),
        ("ada", True, True),
    ]
    assert admin.refuses("recover", "--user", "ada", "a password")[0] == 2


def test_a_server_s_profile_stays(admin: Cli) -> None:
    """Who uses a server is told that the store is there; the profile is not touched."""
    path = admin.home / "profile"
    text = json.dumps({"token": "ctok-x", "tenant": "t", "url": "https://localhost:1"})
    path.write_text(text)
    assert admin.refuses("recover")[0] == 2
    assert path.read_text() == text


def test_no_root_key_no_way_in(admin: Cli) -> None:
    """The database alone is not enough, and neither is another key."""
    (admin.home / "profile").unlink()
    key = admin.home / "keys" / "root.key"
    kept = key.read_text()
    key.unlink()
    assert admin.refuses("recover")[0] == 6
    key.write_text(kept[:4][::-1] + kept[4:])
    key.chmod(0o600)
    assert admin.refuses("recover")[0] == 6
    assert not (admin.home / "profile").exists()


def test_a_profile_that_can_not_be_written(admin: Cli) -> None:
    """No token is made that nobody knows."""
    (admin.home / "profile").unlink()
    before = admin.at(admin.home)
    (admin.home / "profile").mkdir()
    assert admin.refuses("recover")[0] == 4
    (admin.home / "profile").rmdir()
    before.prints("recover")
    assert before.prints("tokens", "list").count("made by recover") == 1


@pytest.mark.parametrize(
    "command",
    [
        ("users", "deactivate", "admin"),
        ("users", "delete", "admin", "--reassign-to", "bare"),
        ("users", "set-role", "admin", "-r", "default"),
    ],
    ids=lambda command: command[1],
)
def test_the_last_who_can_log_in_is_not_shut_out_unasked(admin: Cli, command: tuple[str, ...]) -> None:
    """Another sys_admin who has neither password nor token is no way in; one with a password is."""
    admin.prints("users", "create", "bare", "-r", "sys_admin")
    narrow = ("tokens", "create", "--user", "bare", "--permission", "audit:read", "--quiet")
    admin.prints(*narrow)
    if command[1] != "delete":  # which needs --yes where there is no terminal
        assert admin.refuses(*command) == (8, REFUSED)
    assert admin.prints("whoami").startswith("user:        admin\nsystem_role: sys_admin\n")
    if command[1] != "delete":
        return
    admin.prints(*command, "--yes", note=WARNED)
    assert admin.refuses("whoami")[0] == 4
    assert admin.prints("recover") == recovered(admin, "bare")


def test_one_with_a_password_is_a_way_in(admin: Cli) -> None:
    """Then nothing is asked."""
    admin.prints("users", "create", "ada", "-r", "sys_admin", "--password-file", "-", stdin="a long password")
    admin.prints("tokens", "revoke", own_token(admin))


def test_the_last_token(admin: Cli) -> None:
    """A narrowed one, or one of another user, is no way in for a sys_admin."""
    admin.as_user("eve")
    admin.prints("tokens", "create", "--quiet", "--permission", "audit:read")
    assert admin.refuses("tokens", "revoke", own_token(admin)) == (8, REFUSED)
    admin.prints("tokens", "create", "--quiet")
    admin.prints("tokens", "revoke", own_token(admin))
