"""`resolver keys` as it is typed: what it prints, what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resolver.crypto.keyring import RootKey
from tests.databases import raw_connection

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def add_root_key(admin: Cli) -> str:
    """Lay another root key beside the first; its id."""
    text = RootKey.generate()
    path = admin.home / "keys" / "second.key"
    path.write_text(text)
    path.chmod(0o600)
    return RootKey(text, "").id


def test_data_keys_are_rotated(admin: Cli) -> None:
    """Counts are printed; afterwards the value is the same and the status shows one active key each."""
    admin.prints("secrets", "create", "k", "-s", "first")
    admin.prints("secrets", "update", "k", "-s", "second")
    assert admin.prints("keys", "rotate-data") == (
        "2 data keys replaced, 2 stored values encrypted anew; "
        "2 stored values proved to open with the new key alone\n"
    )
    again = admin.prints("keys", "rotate-data", "-t", "default_tenant", "--format", "json")
    assert json.loads(again) == {
        "keys": 1,
        "resealed": 2,
        "proved": 2,
        "resumed": False,
        "wiped": True,
        "unreadable": [],
    }
    assert "second" in admin.prints("secrets", "get", "k")
    found = json.loads(admin.prints("keys", "status", "--format", "json"))
    assert [(key["tenant"], key["state"], key["sealed"]) for key in found["data_keys"]] == [
        (None, "active", 2),
        ("default_tenant", "active", 2),
    ]


def test_the_root_key_is_rotated(admin: Cli) -> None:
    """Once the new key wraps, the old file can go; what remains opens everything."""
    admin.prints("secrets", "create", "k", "-s", "the value")
    new = add_root_key(admin)
    shown = admin.prints("keys", "status")
    assert f"{new}  opens  0 " in shown
    assert admin.prints("keys", "rotate-root", "--to", new) == (
        f"Root key {new} wraps all data keys, 2 of them anew; "
        "1 stored value proved to open with the new key alone\n"
    )
    (admin.home / "keys" / "root.key").unlink()
    assert "the value" in admin.prints("secrets", "get", "k")
    table = admin.prints("keys", "status").splitlines()
    assert table[0].split() == ["ROOT", "KEY", "USE", "DATA", "KEYS", "SINCE", "AT", "HAND", "FROM"]
    assert [line.split()[1:3] for line in table[1:3]] == [["opens", "0"], ["wraps", "2"]]
    assert table[5].startswith("(system) ")


def test_a_key_that_is_not_there_is_refused(admin: Cli) -> None:
    """An unknown root key ends with 6, an unknown tenant with 5, and nothing changes."""
    before = admin.prints("keys", "status")
    code, said = admin.refuses("keys", "rotate-root", "--to", "0123456789abcdef")
    assert code == 6
    assert said.startswith("error: root key '0123456789abcdef' is not at hand (at hand: ")
    assert "hint: give it to this and every other resolver of the store first" in said
    code, said = admin.refuses("keys", "rotate-data", "-t", "nowhere")
    assert (code, said) == (5, "error: tenant 'nowhere' does not exist\n")
    assert admin.prints("keys", "status") == before


@pytest.mark.parametrize("command", [["status"], ["rotate-root", "--to", "x"], ["rotate-data"]])
def test_a_manager_is_refused(admin: Cli, command: list[str]) -> None:
    """Keys are a sys_admin's."""
    manager = admin.as_user("boss", role="manager")
    assert manager.refuses("keys", *command) == (
        4,
        (
            "error: user 'boss' is not permitted to see or rotate keys\n"
            "  hint: `resolver whoami` shows what this user and token may do\n"
        ),
    )


def test_what_does_not_decrypt_is_told(admin: Cli) -> None:
    """The rest is done, the damaged version is named without its content, and the exit code is 6."""
    admin.prints("secrets", "create", "k", "-s", "first")
    admin.prints("secrets", "update", "k", "-s", "second")
    with raw_connection(f"sqlite:///{admin.home / 'data' / 'resolver.db'}") as connection:
        connection.exec_driver_sql("UPDATE secret_version SET token = 'gAAAAn0nsense' WHERE version = 1")
    done = admin.run("resolver", "keys", "rotate-data")
    assert (done.returncode, done.stdout) == (
        6,
        (
            "1 data key replaced, 1 stored value encrypted anew; "
            "1 stored value proved to open with the new key alone\n"
        ),
    )
    assert done.stderr == (
        "error: version 1 of secret 'k' in tenant 'default_tenant' is unreadable: DecryptionError\n"
        "error: 1 stored token does not decrypt, and stayed as found\n"
        "  hint: `resolver audit list` names them; bring these rows back from a backup, then run this again\n"
    )
    assert admin.run("resolver", "keys", "status").stderr == (
        "note: a rotation is under way or was interrupted; running it again takes it up\n"
    )
