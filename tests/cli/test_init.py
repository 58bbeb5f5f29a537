"""`resolver init`: what it makes, prints and refuses."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
import pytest

pytestmark = pytest.mark.slow


def test_init(admin: Cli, tmp_path: Path) -> None:
    """`init` says what it made and where, for its owner only; a second run changes nothing."""
    home = tmp_path / "new"
    new = admin.at(home)
    printed = new.prints("init", "--sample", "--password-file", "-", stdin="a long password\n")
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
    note = (
        "note: --password-file is for a new store only; "
        "`resolver users set-password admin` changes the password\n"
    )
    assert new.prints("init", "--password-file", "/dev/null", note=note).startswith(
        "a store is there already"
    )


def test_init_as_json(admin: Cli, tmp_path: Path) -> None:
    """Places and names, and no password or key."""
    home = tmp_path / "new"
    new = admin.at(home)
    command = ("init", "--sample", "--password-file", "-", "--format", "json")
    made = {
        "made": True,
        "place": str(home),
        "root_key": f"{home}/keys/root.key",
        "tenant": "default_tenant",
        "user": "admin",
        "profile": f"{home}/profile",
        "secrets": 17,
    }
    assert json.loads(new.prints(*command, stdin="a long password")) == made
    again = json.loads(new.prints("init", "--format", "json"))
    assert (again["made"], again["secrets"], again["place"]) == (False, 0, str(home))


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
    made = new.prints("init", "--password-file", "-", stdin="a long password")
    assert made.splitlines()[0] == f"store made in {url}"
    assert new.prints("init") == f"a store is there already in {url}; nothing was changed\n"


@pytest.mark.parametrize("name", ["a?b", "a%2Fb", "a#b", "a b&c=d", "a:b@c"])
def test_a_path_is_no_url(admin: Cli, tmp_path: Path, name: str) -> None:
    """What means something in a URL means nothing in the path of a state directory."""
    new = admin.at(tmp_path / name)
    new.prints("init", "--password-file", "-", stdin="a long password")
    new.prints("secrets", "create", "k", "-s", "v")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == [name]
    assert (tmp_path / name / "data" / "resolver.db").stat().st_mode & 0o777 == 0o600
    assert f"sqlite:///{tmp_path / name}/data/resolver.db" in new.prints("status")


def test_a_database_elsewhere_is_private(admin: Cli, tmp_path: Path) -> None:
    """Its mode is that of one in the state directory; a folder that others may write is refused."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    url = f"sqlite:///{folder / 'a%3Fb.db'}"
    new = replace(admin.at(tmp_path / "new"), env={"RESOLVER_DATABASE_URL": url})
    code, said = new.refuses("secrets", "list")
    assert (code, said.splitlines()[0]) == (6, f"error: there is no store in '{folder}/a?b.db'")
    assert list(folder.iterdir()) == []
    new.prints("init", "--password-file", "-", stdin="a long password")
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"a?b.db": 0o600}
    folder.chmod(0o777)
    code, said = new.refuses("secrets", "list")
    assert (code, "can be written by others" in said) == (6, True)


def test_a_database_s_url_is_absolute(admin: Cli, tmp_path: Path) -> None:
    """Where a store is does not depend on where one stands."""
    new = replace(admin.at(tmp_path / "new"), env={"RESOLVER_DATABASE_URL": "sqlite:///here.db"})
    assert new.refuses("init") == (
        2,
        (
            "error: the database URL names no absolute path\n"
            "  hint: write sqlite:////absolute/path, with four slashes\n"
        ),
    )


@pytest.mark.parametrize(
    ("statement", "message", "hint"),
    [
        (
            "UPDATE alembic_version SET version_num = '9999'",
            "the database has schema 9999, this program knows those up to ",
            "a newer release made it",
        ),
        (
            "UPDATE alembic_version SET version_num = 'a0b1c2'",
            "the database has schema a0b1c2, which no release has",
            "export its secrets with that program",
        ),
        (
            "ALTER TABLE secret DROP COLUMN description",
            "table secret of the database lacks the column description",
            "export its secrets with that program",
        ),
    ],
)
def test_a_database_of_another_program(admin: Cli, statement: str, message: str, hint: str) -> None:
    """One that this program can't upgrade is said by name, and left as it is, with what to do."""
    with closing(sqlite3.connect(admin.home / "data" / "resolver.db")) as database, database:
        database.execute(statement)
    code, said = admin.refuses("init")
    assert (code, said.startswith(f"error: {message}"), hint in said) == (6, True, True), said
    code, said = admin.refuses("secrets", "list")
    assert (code, hint in said, "`resolver init`" in said) == (6, True, False), said


def test_init_without_a_profile(admin: Cli, tmp_path: Path) -> None:
    """The password is all that there is then: no token is made that nobody has."""
    new = admin.at(tmp_path / "new")
    new.prints("init", "--no-profile", "--password-file", "-", stdin="a long password")
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
    assert new.prints("init", "--password-file", "-", stdin="abcdefghijkl").startswith("store made in ")


def test_init_refused(admin: Cli, tmp_path: Path) -> None:
    """A password that breaks the rules, or a folder that can't be made, leaves no store."""
    new = admin.at(tmp_path / "new")
    assert new.refuses("init", "--password-file", "-", stdin="abcdefghijk") == (
        2,
        "error: a password has 12 to 256 characters\n",
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
    new.refuses("init", "--password-file", "-", stdin="abcdefghijk")
    assert new.prints("init", "--password-file", "-", stdin="abcdefghijkl").startswith("store made in ")
