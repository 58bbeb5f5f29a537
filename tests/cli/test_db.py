"""`resolver db` as it is typed: the schema, and the end of the upgrade to rows with MACs."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.releases.snapshot import RELEASES, load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

WARNING = (
    "warning: an older release made this store, and rows changed by hand are not refused yet; "
    "`resolver db upgrade --finish`, run where the root key is, ends its upgrade\n"
)


def test_a_new_store_needs_no_upgrade(admin: Cli) -> None:
    """Its rows are refused without a MAC from the start."""
    assert admin.prints("db", "upgrade") == "the schema is up to date\n"
    status = json.loads(admin.prints("db", "status", "--format", "json"))
    assert (status["schema"], status["due"], status["rows_enforced"]) == (status["needed"], [], True)
    assert admin.prints("db", "upgrade", "--finish") == "rows that were changed by hand are refused already\n"
    admin.prints("status")
    assert re.fullmatch(r"[\d,]+ bytes before, [\d,]+ now\n", admin.prints("db", "vacuum"))


def test_what_is_no_store_is_not_upgraded(admin: Cli, tmp_path: Path) -> None:
    """A database of something else, whose name was mistyped, gets no tables."""
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE customer (id)")
    cli = replace(admin, env={"RESOLVER_DATABASE_URL": f"sqlite:///{file}"})
    done = cli.run("resolver", "db", "upgrade")
    assert done.returncode == 6
    assert "there is no store in" in done.stderr
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("customer",)]


def test_a_forged_row_ends_a_command_with_6(admin: Cli) -> None:
    """It says which row it is, on one line, and what to do."""
    with closing(sqlite3.connect(admin.home / "data" / "resolver.db")) as database, database:
        database.execute("UPDATE user_account SET system_role = 'default', active = 1")
    code, said = admin.refuses("secrets", "list")
    assert code == 6
    assert said.startswith("error: the database was changed by hand: user ")
    assert "`resolver audit verify` tells more" in said


def test_a_store_of_the_first_release_is_finished(admin: Cli, tmp_path: Path) -> None:
    """It works before with a warning; what it vouches for is printed, and asked about."""
    home = tmp_path / "old"
    contents = json.loads((RELEASES / "0.1.0" / "contents.json").read_text(encoding="utf-8"))["sqlite"]
    (home / "data").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    store = (RELEASES / "0.1.0" / "store.sqlite.sql").read_text(encoding="utf-8")
    load(store, f"sqlite:///{home / 'data' / 'resolver.db'}")
    keys = " ".join(contents["root_keys_for_tests_only"].values())
    token = contents["tokens"]["admin"]["token"]
    old = replace(admin, home=home, env={"RESOLVER_KEY": keys, "RESOLVER_TOKEN": token})
    note = "note: `resolver db upgrade --finish` has rows refused that were changed by hand\n"
    code, said = old.refuses("init", "--no-profile")
    assert (code, "brings it up to date; back it up before" in said) == (6, True)
    status = json.loads(old.prints("db", "status", "--format", "json"))
    assert (status["schema"], status["due"][0]["revision"], status["rows_enforced"]) == ("0001", "0002", None)
    due = "note: back the store up, then `resolver db upgrade` does this\n"
    assert "0002  A description for each secret." in old.prints("db", "status", note=due)
    assert old.prints("db", "upgrade", note=note) == "the schema is up to date\n"
    old.prints("status", note=WARNING)
    done = old.run("resolver", "db", "upgrade", "--finish")
    assert done.returncode == 2
    assert "there is no terminal to ask on whether this is meant to be there" in done.stderr
    shown = old.prints("db", "upgrade", "--finish", "--yes")
    for word in ("admin", "second_admin", token.split("-")[1], "http://127.0.0.1:8200"):
        assert word in shown
    assert token not in shown
    assert shown.splitlines()[-1].endswith("vouched for; rows without a genuine MAC are refused now")
    old.prints("status")
    old.prints("audit", "verify", "--system", note=old.run("resolver", "audit", "verify", "--system").stderr)
