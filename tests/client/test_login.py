"""`resolver login`: the profile that it makes, and that nothing is kept or made when it fails."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from resolver.config.profile import Profile
from resolver.config.settings import Settings
from tests.client.conftest import Cli, token_of
from tests.peer import answer, serving

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.slow

PASSWORD = "a-password-of-the-test"


@pytest.fixture
def desk(remote: Cli, tmp_path: Path) -> Cli:
    """Somebody's desk: user una has a password on the server, and the desk knows of nothing."""
    create = ("users", "create", "una", "--password-file", "-")
    assert remote("resolver", *create, stdin=PASSWORD).returncode in {0, 8}
    add = ("tenants", "add-user", "una", "-t", "default_tenant", "-r", "user")
    assert remote("resolver", *add).returncode == 0
    return Cli(remote.prefork, {"RESOLVER_HOME": str(tmp_path / "desk")})


def login(desk: Cli, url: str, *more: str, stdin: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """Log in as una."""
    return desk("resolver", "login", url, "-u", "una", *more, stdin=stdin)


def tokens_of_una(remote: Cli) -> list[str]:
    """The descriptions of her tokens."""
    listed = json.loads(remote("resolver", "tokens", "list", "--format", "json").stdout)
    return [one["description"] for one in listed if one["user"] == "una"]


def test_login(desk: Cli, url: str, remote: Cli, tmp_path: Path) -> None:
    """The profile holds a token and no password, for its owner only; later commands use the server."""
    done = login(desk, url, "--expires", "+8h")
    profile = tmp_path / "desk" / "profile"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"user una on {url}\nprofile in {profile}: the following commands use this server\n"
    )
    assert stat.S_IMODE(profile.stat().st_mode) == 0o600
    kept = json.loads(profile.read_text())
    assert {**kept, "token": "..."} == {"token": "...", "tenant": "default_tenant", "url": url}
    assert PASSWORD not in profile.read_text()
    assert tokens_of_una(remote)[-1].startswith("resolver login on ")
    shown = desk("resolver", "whoami").stdout.splitlines()
    assert shown[0] == "user:        una"
    assert shown[3:5] == [
        "mode:        remote: a server holds the root key and the database",
        f"store:       {url}",
    ]
    assert desk("resolver", "secrets", "create", "key", "-u", stdin="value").returncode == 0
    assert desk("resolve", "-", stdin="a: {get_secret: key}").stdout == 'a: "value"'
    assert sorted(path.name for path in (tmp_path / "desk").iterdir()) == ["profile"]


def test_the_token_of_a_profile_goes_to_its_server_only(desk: Cli, url: str) -> None:
    """Another RESOLVER_URL gets nothing of it, and a store on this machine neither."""
    assert login(desk, url).returncode == 0
    with serving(lambda _: answer(200)) as other:
        done = desk("resolver", "whoami", RESOLVER_URL=other.url)
        assert (done.returncode, other.seen) == (4, [])
    assert done.stderr == (
        "error: no access token was given\n  hint: set RESOLVER_TOKEN, or run `resolver login URL`\n"
    )
    assert desk("resolver", "whoami", RESOLVER_URL=f"{url}/").returncode == 0
    done = desk("resolver", "whoami", RESOLVER_DATABASE_URL="sqlite:////nonexistent/x.db")
    assert done.returncode in {4, 6}
    assert "embedded" not in done.stdout


def test_a_login_meanwhile(desk: Cli, url: str, tmp_path: Path) -> None:
    """A run that has begun keeps both server and token of the profile that it found."""
    assert login(desk, url).returncode == 0
    profile, settings = tmp_path / "desk" / "profile", Settings({}, tmp_path / "desk")
    first = (settings.server_url, token_of(tmp_path / "desk"))
    profile.write_text(Profile("ctok-other", "default_tenant", "https://other.example").encode())
    assert (settings.server_url, settings.token()) == first
    assert Settings({}, tmp_path / "desk").token() == "ctok-other"


def test_a_second_login_replaces_the_first(desk: Cli, url: str, tmp_path: Path) -> None:
    """Nothing else is left of the first."""
    assert login(desk, url).returncode == 0
    first = (tmp_path / "desk" / "profile").read_text()
    done = login(desk, url, "-t", "default_tenant")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "desk" / "profile").read_text() != first


def test_variables_that_go_before_the_profile_are_told(desk: Cli, url: str) -> None:
    """Else one would wonder which server the next command asks."""
    done = login(desk.having(RESOLVER_URL=url, RESOLVER_TOKEN="x"), url)
    assert done.returncode == 0
    assert done.stderr == "".join(
        f"note: {name} is set, and goes before the profile\n" for name in ("RESOLVER_URL", "RESOLVER_TOKEN")
    )


def test_a_token_that_is_there_already(
    desk: Cli, url: str, served: Path, remote: Cli, tmp_path: Path
) -> None:
    """It is tried and kept; no other one is made."""
    path = tmp_path / "token"
    path.write_text(token_of(served))
    before = remote("resolver", "tokens", "list").stdout.count("\n")
    done = desk("resolver", "login", url, "--token-file", str(path))
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"user admin on {url}")
    assert token_of(tmp_path / "desk") == token_of(served)
    assert remote("resolver", "tokens", "list").stdout.count("\n") == before


MALFORMED = (
    "error: the URL is malformed\n"
    "  hint: write it like https://host.example:8200, or unix:/path/of/a/socket\n"
)
PLAIN = (
    "error: the URL is plain HTTP to another machine\n"
    "  hint: use https: tokens and values would be readable\n"
)
REFUSED = [
    (("URL", "-u", "una"), "wrong", 4, "error: the user name or the password is wrong\n"),
    (("URL", "-u", "nobody"), PASSWORD, 4, "error: the user name or the password is wrong\n"),
    (("URL", "-u", "a:b"), PASSWORD, 4, "error: the user name or the password is wrong\n"),
    (
        ("URL", "-u", "una", "-t", "none"),
        PASSWORD,
        2,
        "error: user 'una' has no rights in a tenant 'none'\n  hint: there are: default_tenant\n",
    ),
    (
        ("URL",),
        "",
        2,
        "error: no user name was given\n  hint: give -u NAME, or a token with --token-file\n",
    ),
    (
        ("URL", "-u", "una", "--password-file", ""),
        PASSWORD,
        2,
        "error: the password file '' can't be read: Is a directory\n",
    ),
    (
        ("URL", "-u", "una", "--expires", "2001-01-01"),
        PASSWORD,
        2,
        "error: the expiry has passed already\n  hint: write a time that is ahead, in UTC\n",
    ),
    (
        ("URL", "-u", "una", "--token-file", "/nowhere"),
        "",
        2,
        "error: --token-file goes without user name, password and expiry, and so does --sso\n",
    ),
    (
        ("URL", "--token-file", "/dev/nowhere"),
        "",
        4,
        "error: the token file '/dev/nowhere' can't be read: No such file or directory\n",
    ),
    (
        (f"https://una:{PASSWORD}@secrets.example",),
        "",
        2,
        MALFORMED,
    ),
    (
        ("http://secrets.example", "-u", "una"),
        PASSWORD,
        2,
        PLAIN,
    ),
]


def test_a_login_that_fails(desk: Cli, url: str, remote: Cli, tmp_path: Path) -> None:
    """It says why, keeps nothing, and leaves no token behind on the server."""
    before = tokens_of_una(remote)
    for arguments, stdin, code, said in REFUSED:
        words = [url if word == "URL" else word for word in arguments]
        done = desk("resolver", "login", *words, stdin=stdin)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", said), arguments
    assert not (tmp_path / "desk" / "profile").exists()
    assert tokens_of_una(remote) == before


def test_a_profile_of_a_store_is_kept(desk: Cli, url: str, tmp_path: Path) -> None:
    """`init` wrote it, and its token may be the only one there is."""
    folder = tmp_path / "desk"
    folder.mkdir(mode=0o700)
    profile = folder / "profile"
    profile.write_text(Profile("ctok-x", "default_tenant").encode())
    profile.chmod(0o600)
    done = login(desk, url)
    assert done.returncode == 8
    assert done.stderr.startswith(f"error: the profile '{profile}' is of a store on this machine\n")
    assert token_of(folder) == "ctok-x"


def test_a_profile_that_can_not_be_written(desk: Cli, url: str, remote: Cli) -> None:
    """The token that was made for it is revoked: nobody knows it."""
    before = tokens_of_una(remote)
    done = login(desk.having(RESOLVER_HOME="/proc"), url)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == "error: the file '/proc/profile' can't be made: No such file or directory\n"
    assert tokens_of_una(remote) == before


def test_a_token_out_of_a_pipe(desk: Cli, url: str, served: Path, tmp_path: Path) -> None:
    """It is read once, since there it is but once."""
    done = desk("resolver", "login", url, "--token-file", "/dev/stdin", stdin=token_of(served))
    assert (done.returncode, done.stderr) == (0, "")
    assert token_of(tmp_path / "desk") == token_of(served)


def test_the_url_of_a_profile_is_named_as_such(desk: Cli, tmp_path: Path) -> None:
    """No variable is set that one could mend."""
    folder = tmp_path / "desk"
    folder.mkdir(mode=0o700)
    profile = folder / "profile"
    profile.write_text(
        Profile(f"ctok-{'a' * 10}-{'b' * 40}", "default_tenant", "http://secrets.example").encode()
    )
    profile.chmod(0o600)
    done = desk("resolver", "whoami")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the profile's URL is plain HTTP to another machine\n")


def test_a_home_that_is_a_file(desk: Cli, url: str, remote: Cli, tmp_path: Path) -> None:
    """It is told in words, and no token is made for nothing."""
    before = tokens_of_una(remote)
    (tmp_path / "file").touch()
    done = login(desk.having(RESOLVER_HOME=str(tmp_path / "file")), url)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == f"error: the folder '{tmp_path / 'file'}' can't be made: Not a directory\n"
    assert tokens_of_una(remote) == before


def test_a_home_that_can_not_be_written(desk: Cli, url: str, remote: Cli) -> None:
    """No token is made for nothing."""
    before = tokens_of_una(remote)
    done = login(desk.having(RESOLVER_HOME="/proc/nowhere"), url)
    assert (done.returncode, done.stdout) == (6, "")
    assert tokens_of_una(remote) == before
