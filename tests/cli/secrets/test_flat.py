"""`resolver secrets import --from` and `export --to`: what is printed, what is refused, what is stored."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow

ENV = "# shop\nDB_PASSWORD=hidden1\nexport API_KEY='hidden2 $x'\n_TOKEN=hidden3\nNOTHING=\n"
IMPORT = ("secrets", "import", "--from", "dotenv")


def write(path: Path, text: str) -> str:
    """Write a file; its path."""
    path.write_text(text)
    return str(path)


def test_a_plan_and_then_all_of_it(admin: Cli, tmp_path: Path) -> None:
    """What is new, what is there already, and what was renamed; never a value."""
    file = write(tmp_path / ".env", ENV)
    new = (
        "line 2: DB_PASSWORD is new\nline 3: API_KEY is new\nline 4: TOKEN (from _TOKEN) is new\n"
        "line 5: has no value, and is left out\n"
    )
    note = "note: values with a $ are taken as they stand, and nothing in them is expanded\n"
    assert admin.prints(*IMPORT, file, "--dry-run", note=note) == new
    assert json.loads(admin.prints("secrets", "list", "--format", "json")) == []
    assert admin.prints(*IMPORT, file, "--yes", note=note) == f"{new}3 secrets imported\n"
    assert admin.prints("secrets", "get", "API_KEY", "--raw") == "hidden2 $x"
    write(tmp_path / ".env", ENV.replace("hidden1", "hidden9"))
    again = admin.run("resolver", *IMPORT, file, "--yes")
    assert (again.returncode, again.stdout) == (
        8,
        (
            "line 2: DB_PASSWORD is there, with another value\nline 3: API_KEY is there, with this value\n"
            "line 4: TOKEN (from _TOKEN) is there, with this value\nline 5: has no value, and is left out\n"
            "0 secrets imported\n"
        ),
    )
    assert "1 secret there already, left as they are\n  hint: --override-collisions gives" in again.stderr
    admin.prints(*IMPORT, file, "--yes", "--override-collisions", note=note)
    assert admin.prints("secrets", "get", "DB_PASSWORD", "--raw") == "hidden9"


def test_prefix_map_and_json(admin: Cli) -> None:
    """Keys are chosen with options; a program reads the plan."""
    text = json.dumps({"a b": "hidden1", "port": 5432, "none": None})
    where = ("secrets", "import", "--from", "json", "-", "--yes", "--prefix", "p.", "--format", "json")
    answer = json.loads(admin.prints(*where, "--map", "port=PORT", stdin=text))
    assert answer["imported"] == 2
    assert [(one["name"], one["key"], one["state"]) for one in answer["plan"]] == [
        ("a b", "p.a_b", "new"),
        ("port", "p.PORT", "new"),
        (None, None, "empty"),
    ]
    assert admin.prints("secrets", "get", "p.PORT", "--raw") == "5432"
    yaml = "n: 0123\nl: [1, 2]\n"
    admin.prints("secrets", "import", "--from", "yaml", "-", "--yes", stdin=yaml)
    assert admin.prints("secrets", "get", "n", "--raw") == "0123"


def test_one_wrong_entry_stops_all(admin: Cli, tmp_path: Path) -> None:
    """Each is told at its line, and nothing is stored."""
    file = write(tmp_path / "f", f"A=hidden1\nA=hidden2\n1=hidden3\nB={'x' * 1024**2}y\nC=hidden4\n")
    done = admin.run("resolver", *IMPORT, file, "--yes")
    assert (done.returncode, done.stderr) == (
        3,
        (
            "error: line 2: its key is that of line 1 already\n"
            "error: line 3: its name makes no key\n"
            "error: line 4: value: the value is too large: at most 1048576 bytes are allowed\n"
            "error: nothing is stored, since entries are wrong\n"
            "  hint: mend them in the file, or name keys with --map OLD=NEW\n"
        ),
    )
    assert json.loads(admin.prints("secrets", "list", "--format", "json")) == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (("-",), "A=hidden1\n", 2, "nobody is asked here whether to go on"),
        (("-", "--yes"), "A=hidden1\n\0", 2, "the file is not UTF-8 text, or has a null character in it"),
        (("/dev/zero", "--yes"), "", 2, "'/dev/zero' is no file"),
        (("/", "--yes"), "", 2, "'/' is no file"),
        (("/absent", "--yes"), "", 2, "the file '/absent' can't be read: No such file or directory"),
        (("-", "--rotated"), "", 2, "--from reads names and values"),
        (("-", "--map", "A"), "A=1", 2, "--map takes OLD=NEW: a name in the file, and the key to use"),
        (("-", "--map", "A=B", "--map", "A=C"), "A=1", 2, "--map names 'A' twice"),
        (("-", "-t", "absent", "--dry-run"), "A=1", 5, "tenant 'absent' does not exist"),
    ],
)
def test_refusals(admin: Cli, arguments: tuple[str, ...], stdin: str, code: int, message: str) -> None:
    """What can't be read or asked is said before anything is stored."""
    ended, said = admin.refuses(*IMPORT, *arguments, stdin=stdin)
    assert (ended, said.splitlines()[0]) == (code, f"error: {message}")
    assert "hidden" not in said


def test_options_that_belong_to_the_other_form(admin: Cli) -> None:
    """A plan is made of names and values only; a file is named once."""
    assert admin.refuses("secrets", "import", "x", "--dry-run")[0] == 2
    assert admin.refuses("secrets", "import", "x", "-i", "y")[0] == 2
    assert admin.refuses("secrets", "import")[1].startswith("error: no file was given\n")


def test_links_and_marks_at_the_beginning_are_followed(admin: Cli, tmp_path: Path) -> None:
    """A symbolic link to a file is that file; a byte order mark is no part of the first name."""
    write(tmp_path / "f", "\ufeffA=1\n")
    (tmp_path / "link").symlink_to("f")
    assert admin.prints(*IMPORT, str(tmp_path / "link"), "--dry-run") == "line 1: A is new\n"


def test_sops_decrypts_through_a_pipe(admin: Cli, tmp_path: Path) -> None:
    """The user's own command gets the file's name, and nothing that opens the store."""
    program = tmp_path / "bin" / "sops"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\n[ "$1 $2 $3" = "--decrypt --output-type json" ] || exit 9\n'
        'test -z "$RESOLVER_TOKEN" || exit 8\ngrep -q ENC "$4" || { echo no key >&2; exit 1; }\n'
        'echo \'{"A": "hidden1"}\'\n'
    )
    program.chmod(0o755)
    token = admin.prints("tokens", "create", "--quiet").strip()
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}", "RESOLVER_TOKEN": token}
    someone = type(admin)(admin.prefork, admin.home, env)
    good, bad = write(tmp_path / "good.yaml", "A: ENC[x]\n"), write(tmp_path / "bad.yaml", "A: x\n")
    where = ("secrets", "import", "--from", "sops")
    assert someone.prints(*where, good, "--yes") == "entry 0: A is new\n1 secret imported\n"
    code, said = someone.refuses(*where, bad, "--yes")
    assert (code, said.splitlines()[1]) == (6, "error: `sops` ended with 1, and nothing is imported")
    assert someone.refuses(*where, "-")[0] == 2
    assert admin.with_token(token).run("resolver", *where, good).returncode in (2, 6)


def test_out_to_a_pipe_and_to_a_command(admin: Cli) -> None:
    """And back in; a command gets a path in memory, or its stdin, and its exit code passes through."""
    admin.prints(*IMPORT, "-", "--yes", stdin='A=\'a "b"\'\nB="1\n2"\n')
    note = "2 secrets exported\n"
    text = admin.prints("secrets", "export", "--to", "dotenv", note=note)
    assert text == "A='a \"b\"'\nB='1\n2'\n"
    export = ("secrets", "export", "--to", "json")
    assert json.loads(admin.prints(*export, note=note)) == {"A": 'a "b"', "B": "1\n2"}
    assert json.loads(admin.prints(*export, "--", "cat", "{}", note=note))["B"] == "1\n2"
    assert json.loads(admin.prints(*export, "--filter-by", "A", "--", "cat", note="1 secret exported\n")) == {
        "A": 'a "b"'
    }
    assert admin.run("resolver", *export, "--", "sh", "-c", "exit 9").returncode == 9


@pytest.mark.parametrize("target", ["json", "dotenv"])
def test_a_command_prints_no_value_on_a_terminal(admin: Cli, target: str) -> None:
    """What exec masks there is masked here as well, however the file has it."""
    values = ("plain value", "two\nlong lines", 'a "quoted" back\\slash', "$dollar's")
    for number, value in enumerate(values):
        admin.prints("secrets", "create", f"K{number}", "-f", "-", stdin=value)
    leader, follower = pty.openpty()
    words = [str(SCRIPTS / "resolver"), "secrets", "export", "--to", target, "--", "cat"]
    env = clean_environment() | {"RESOLVER_HOME": str(admin.home), **admin.env}
    with subprocess.Popen(words, stdin=follower, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        shown = ""
        with contextlib.suppress(OSError):  # the terminal is gone with the last who had it
            while got := os.read(leader, 65536):
                shown += got.decode()
    os.close(leader)
    assert process.returncode == 0, shown
    assert "K1" in shown
    assert "***" in shown
    for piece in ("plain value", "two", "long lines", "quoted", "slash", "dollar"):
        assert piece not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--to", "json", "-o", "x"),
            "--to hands the plain values of one tenant to a pipe or a command only",
        ),
        (("--to", "json", "--allow-plaintext-file"), "--to hands the plain values of one tenant"),
        (("--to", "json", "-a"), "--to hands the plain values of one tenant"),
        (("--", "cat"), "a command goes with --to"),
        (("--to", "json", "cat"), "a command stands behind `--`"),
    ],
)
def test_out_elsewhere_is_refused(admin: Cli, arguments: tuple[str, ...], message: str) -> None:
    """Neither a file nor several tenants."""
    code, said = admin.refuses("secrets", "export", *arguments)
    assert code == 2
    assert message in said


def test_who_may_not_is_refused_alike(admin: Cli) -> None:
    """A viewer neither brings in nor takes out, and learns of no key."""
    admin.prints("secrets", "create", "k", "-s", "kept")
    viewer = admin.as_user("eve", role="viewer")
    assert viewer.refuses(*IMPORT, "-", "--yes", stdin="k=kept")[0] == 4
    assert viewer.refuses("secrets", "export", "--to", "json")[0] == 4
