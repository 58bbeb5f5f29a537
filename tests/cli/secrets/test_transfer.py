"""`resolver secrets export` and `import`: words and exit codes."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

PASSPHRASE = "correct horse\n"


def test_sealed_there_and_back(admin: Cli, tmp_path: Path) -> None:
    """A file that only its owner reads holds no value; what was deleted comes back with its versions."""
    admin.prints("secrets", "create", "k", "-s", "kept_first")
    admin.prints("secrets", "update", "k", "-s", "kept_second")
    path = tmp_path / "out.sealed"
    export = ("secrets", "export", "--passphrase-file", "-", "-o", str(path))
    assert admin.prints(*export, stdin=PASSPHRASE, note="1 secret exported\n") == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "kept" not in path.read_text()
    assert [entry.name for entry in tmp_path.iterdir() if "sealed" in entry.name] == ["out.sealed"]
    admin.prints("secrets", "delete", "k", "--yes")
    back = ("secrets", "import", "-i", str(path), "--passphrase-file", "-")
    assert admin.prints(*back, stdin=PASSPHRASE) == "1 secret imported into tenant 'default_tenant'\n"
    history = json.loads(admin.prints("secrets", "history", "k", "--format", "json"))
    assert [(one["version"], one["current"]) for one in history] == [(1, False), (2, True)]
    assert admin.refuses(*back, stdin="another horse") == (
        2,
        (
            "error: the file does not open with this passphrase\n"
            "  hint: check the passphrase; or the file was damaged or changed\n"
        ),
    )
    done = admin.run("resolver", *back, stdin=PASSPHRASE)
    assert (done.returncode, done.stdout, done.stderr) == (
        8,
        "0 secrets imported into tenant 'default_tenant'\n",
        "note: tenant 'default_tenant': 1 secret there already, left as they are: k\n",
    )


def test_plain_values_in_a_file_are_refused(admin: Cli, tmp_path: Path) -> None:
    """Exit code 7 and no file, unless it was said in so many words."""
    admin.prints("secrets", "create", "k", "-s", "kept_back")
    path = tmp_path / "plain.json"
    plain = ("secrets", "export", "--cloudify", "--non-encrypted", "-o", str(path))
    assert admin.refuses(*plain) == (
        7,
        (
            "error: the values would lie in a regular file, readable by whoever gets it\n"
            "  hint: leave out --non-encrypted; --allow-plaintext-file writes them to disk all the same\n"
        ),
    )
    assert not path.exists()
    admin.prints(*plain, "--allow-plaintext-file", note="1 secret exported\n")
    (entry,) = json.loads(path.read_text())
    assert (entry["value"], entry["encrypted"]) == ("kept_back", False)
    printed = admin.prints("secrets", "export", "--cloudify", "--non-encrypted", note="1 secret exported\n")
    assert json.loads(printed) == [entry]


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (
            ("export", "--passphrase-file", "-"),
            "short\n",
            "the passphrase is too short: it needs 8 characters",
        ),
        (("export",), "", "no passphrase was given"),
        (("export", "--non-encrypted"), "", "--non-encrypted goes with --cloudify"),
        (("import", "-i", "-"), "{}", "the file is no export of secrets"),
        (("import", "-i", "-"), "[", "the file is not JSON"),
        (
            ("import", "-i", "-"),
            '{"a": "x", "b": 5, "c": null}',
            "each of the entries 1, 2 of the file is no text",
        ),
        (("import", "-i", "-"), '{"a": "x", "b": {"c": "d"}}', "entry 1 of the file is no text"),
        (
            ("import", "-i", "-"),
            '[{"key": "a", "value": "x"}, {"kye": "b", "value": "y"}]',
            "entry 1 of the list has not",
        ),
        (("import", "-i", "-"), '{"format": "another/1", "data": 5}', "the file is no export of secrets"),
        (("import", "-i", "-", "--passphrase-file", "-"), "", "stdin ('-') can be named only once"),
        (("import", "-i", "-"), '[{"encrypted": true}]', "the values are encrypted, and no passphrase was"),
        (("import", "-i", "missing"), "", "the file 'missing' can't be read: No such file or directory"),
        (("list", "--sort-by", "value"), "", "secrets can't be sorted by this field"),
        (("create", "k", "-s", "x", "--expires", "2001-01-01"), "", "--expires has passed already"),
        (("create", "k", "-s", "x", "--rotate-after", "soon"), "", "--rotate-after is a number of days"),
        (("create", "k", "-s", "1", "--dict", "--list"), "", "more than one schema was given"),
        (("delete", "k"), "", "there is no terminal to ask on whether to delete"),
    ],
)
def test_usage_errors(admin: Cli, arguments: tuple[str, ...], stdin: str, message: str) -> None:
    """Each with exit code 2 and a sentence of its own."""
    code, said = admin.refuses("secrets", *arguments, stdin=stdin)
    assert (code, said.startswith(f"error: {message}")) == (2, True), said


def test_wrong_entries(admin: Cli) -> None:
    """Good entries are stored, the others told by position, with exit code 3."""
    good = {
        "key": "good",
        "value": "kept_back",
        "visibility": "tenant",
        "tenant_name": "default_tenant",
        "is_hidden_value": False,
        "encrypted": False,
    }
    text = json.dumps([good | {"visibility": "world", "key": None}, good])
    done = admin.run("resolver", "secrets", "import", "-i", "-", stdin=text)
    assert (done.returncode, done.stdout) == (3, "1 secret imported into tenant 'default_tenant'\n")
    assert done.stderr == (
        "error: entry 0: missing secret fields: key\nerror: entry 0: visibility: Not a valid visibility\n"
    )
    done = admin.run("resolver", "secrets", "import", "-i", "-", "--format", "json", stdin=text)
    assert json.loads(done.stdout) == {
        "imported": 0,
        "unchanged": 0,
        "colliding_secrets": {"default_tenant": ["good"]},
        "secrets_errors": {"0": {"missing secret fields": ["key"], "visibility": "Not a valid visibility"}},
    }


def test_what_is_left_out_is_counted(admin: Cli) -> None:
    """Another user's hidden secret does not leave, by its key neither."""
    admin.prints("secrets", "create", "hid", "-s", "kept_back", "--hidden-value")
    user = admin.as_user("eve", role="user")
    note = "0 secrets exported\nnote: 1 hidden or protected secret left out: not for you to see\n"
    assert user.prints("secrets", "export", "--cloudify", "--non-encrypted", note=note) == "[]\n"


def test_backup_and_restore(admin: Cli, tmp_path: Path) -> None:
    """A copy made while the store is open, with the keys, is a store as it was at that moment."""
    admin.prints("secrets", "create", "k", "-s", "before")
    restored = tmp_path / "restored"
    (restored / "data").mkdir(parents=True, mode=0o700)
    with (
        closing(sqlite3.connect(admin.home / "data" / "resolver.db")) as live,
        closing(sqlite3.connect(restored / "data" / "resolver.db")) as copy,
    ):
        live.backup(copy)
    shutil.copytree(admin.home / "keys", restored / "keys")
    shutil.copy2(admin.home / "profile", restored / "profile")
    admin.prints("secrets", "update", "k", "-s", "after")
    there = admin.at(restored)
    got = json.loads(there.prints("secrets", "get", "k", "--format", "json"))
    assert (got["value"], got["version"]) == ("before", 1)
    assert there.run("resolver", "audit", "verify", "-t", "default_tenant").returncode == 0
    there.prints("secrets", "update", "k", "-s", "gone on")
    shutil.rmtree(restored / "keys")
    assert there.refuses("secrets", "get", "k")[0] == 6


@pytest.mark.parametrize(
    "text", ['{"A": "b", "C": "d"}', '[{"key": "A", "value": "b"}, {"key": "C", "value": "d"}]']
)
def test_keys_and_values_are_imported(admin: Cli, text: str) -> None:
    """A JSON object, or a list of pairs; secrets that are there stay as they are."""
    command = ("secrets", "import", "-i", "-")
    admin.prints("secrets", "create", "C", "-s", "mine", "--hidden-value")
    done = admin.run("resolver", *command, stdin=text)
    assert (done.returncode, done.stdout) == (8, "1 secret imported into tenant 'default_tenant'\n")
    values = json.loads(admin.prints("secrets", "get", "A", "C", "--format", "json"))
    assert [(one["value"], one["visibility"]) for one in values] == [("b", "tenant"), ("mine", "tenant")]
    code, said = admin.refuses(*command, "--override-collisions", stdin=text)
    assert (code, said.startswith("error: --override-collisions goes with an export")) == (2, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=b\nC=d\n", "it looks like a .env file"),
        ("export A=b\n", "it looks like a .env file"),
        ('{"A": "ENC[]", "sops": {"version": "3"}}', "import --from sops FILE"),
        ("A: ENC[]\nsops:\n  version: 3\n", "import --from sops FILE"),
        ('{"A": "b", "A": "c"}', "a key stands twice"),
        ('{"A": {"B": "c"}}', "must be from `resolver`"),
        ("hello", "must be from `resolver`"),
    ],
)
def test_other_files_are_refused_with_a_way(admin: Cli, text: str, said: str) -> None:
    """What a file seems to be is said, with what to do; nothing of it is repeated."""
    code, told = admin.refuses("secrets", "import", "-i", "-", stdin=text)
    assert (code, said in told) == (2, True), told


def test_a_long_list_of_collisions_is_cut(admin: Cli) -> None:
    """A re-import names some of the keys and counts all; JSON has them all."""
    text = json.dumps({f"key_{number:02}": "value" for number in range(30)})
    command = ("secrets", "import", "-i", "-")
    assert admin.prints(*command, stdin=text) == "30 secrets imported into tenant 'default_tenant'\n"
    said = admin.run("resolver", *command, stdin=text).stderr
    assert "30 secrets there already" in said
    assert said.endswith("key_19 and 10 more\n")
    everything = json.loads(admin.run("resolver", *command, "--format", "json", stdin=text).stdout)
    assert len(everything["colliding_secrets"]["default_tenant"]) == 30
