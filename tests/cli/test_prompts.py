"""What commands ask and show on a terminal, where nothing that is typed is seen."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING

from resolver import open_resolver
from tests.conftest import SCRIPTS, clean_environment
from tests.waiting import terminal_output

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli
import pytest

pytestmark = pytest.mark.slow


def converse(home: Path, *arguments: str, answers: dict[str, str]) -> tuple[int, str]:
    """Run `resolver` on a terminal, typing each answer when its question appears; exit code and all shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [SCRIPTS / "resolver", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environment() | {"RESOLVER_HOME": str(home)},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = ""
        waiting = list(answers.items())
        for piece in terminal_output(ours):
            shown += piece.decode()
            if waiting and shown.rstrip().endswith(waiting[0][0]):
                os.write(ours, waiting.pop(0)[1].encode() + b"\n")
        process.wait(timeout=200)
    assert waiting == [], shown
    return process.returncode, shown.replace("\r\n", "\n")


def test_a_value_is_typed_unseen(admin: Cli) -> None:
    """`secrets create` asks twice and shows neither answer."""
    answers = {"Value:": "typed_value", "Repeat for confirmation:": "typed_value"}
    code, shown = converse(admin.home, "secrets", "create", "test", answers=answers)
    assert (code, shown.splitlines()[-1]) == (0, "Secret `test` created")
    assert "typed_value" not in shown
    assert "value:      typed_value\n" in admin.prints("secrets", "get", "test")


def test_a_slip_is_asked_again(admin: Cli) -> None:
    """Two answers that differ store nothing until they are the same."""
    answers = {
        "Value:": "one",
        "Repeat for confirmation:": "other",
        "error: the two answers do not match, give both again\r\nValue:": "same",
        "Value: \r\nRepeat for confirmation:": "same",
    }
    code, shown = converse(admin.home, "secrets", "create", "test", answers=answers)
    assert code == 0, shown
    assert "value:      same\n" in admin.prints("secrets", "get", "test")


def test_deleting_asks(admin: Cli) -> None:
    """`secrets delete` deletes when the answer is yes, and only then."""
    admin.prints("secrets", "create", "test", "-s", "value")
    question = "Delete secret 'test' with all its versions? [y/N]:"
    code, _ = converse(admin.home, "secrets", "delete", "test", answers={question: "n"})
    assert code != 0
    assert admin.prints("secrets", "get", "test")
    answers = {question: "perhaps", f"error: answer y or n\r\n{question}": "y"}
    code, shown = converse(admin.home, "secrets", "delete", "test", answers=answers)
    assert (code, shown.splitlines()[-1]) == (0, "Secret `test` deleted")
    assert admin.refuses("secrets", "get", "test")[0] == 5


def test_init_shows_a_password_once(tmp_path: Path) -> None:
    """On a terminal `init` makes a password for user admin, which lets the user in."""
    home = tmp_path / "new"
    code, shown = converse(home, "init", answers={})
    found = re.search(r"^password of admin, shown this once: (\S{24})$", shown, flags=re.MULTILINE)
    assert code == 0
    assert found is not None, shown
    with open_resolver(home) as resolver:
        assert resolver.authenticate(username="admin", password=found[1]).username == "admin"
    assert "password of" not in converse(home, "init", answers={})[1]


def test_a_password_is_typed_unseen(admin: Cli) -> None:
    """`users set-password` asks twice, and for the old one if there is one; the new one lets the user in."""
    answers = {"New password:": "first password", "Repeat for confirmation:": "first password"}
    assert converse(admin.home, "users", "set-password", "admin", answers=answers)[0] == 0
    answers = {"New password:": "typed password", "Repeat for confirmation:": "typed password"}
    answers["Your password as it is now:"] = "first password"
    code, shown = converse(admin.home, "users", "set-password", "admin", answers=answers)
    assert code == 0
    assert "Password of user `admin` changed" in shown.splitlines()
    assert "typed password" not in shown
    with open_resolver(admin.home) as resolver:
        assert resolver.authenticate(username="admin", password="typed password").username == "admin"
