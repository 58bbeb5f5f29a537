"""`resolver extract`: credentials in blueprints become secrets, and no value is printed on the way."""

from __future__ import annotations

import json
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

TEXT = "a: {password: hunter2, user: root}  # ours\nb: {password: hunter2, pin: 123456}\n"
NEW = TEXT.replace("hunter2", "{ get_secret: a_password }")
DONE = "1 secret stored in tenant 'default_tenant', 1 file changed\n"
ROTATE = "note: version control still has the old values in its history: rotate these credentials\n"


@pytest.fixture
def blueprint(tmp_path: Path) -> Path:
    """A blueprint with two credentials that are one, and one that has to stay."""
    path = tmp_path / "b.yaml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def extracted(admin: Cli, *arguments: str, code: int = 0) -> tuple[str, str]:
    """What a run prints, and what it says beside."""
    done = admin.run("resolver", "extract", *arguments)
    assert done.returncode == code, done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    return done.stdout, done.stderr


def test_the_whole_way(admin: Cli, blueprint: Path) -> None:
    """The file changes where the values stood, the secret is there, and the blueprint resolves as before."""
    printed, said = extracted(admin, str(blueprint), "--yes", "--hidden")
    assert said == DONE + ROTATE
    assert printed.splitlines() == [
        f"{blueprint}:1:15: the value of 'password' becomes a_password",
        f"{blueprint}:2:15: the value of 'password' becomes a_password",
        f"{blueprint}:2:29: the value of 'pin' stays: it is a number, and a secret is text: quote it first",
        f"--- {blueprint}",
        f"+++ {blueprint}",
        "@@ -1,2 +1,2 @@",
        "-a: {password: ********, user: root}  # ours",
        "-b: {password: ********, pin: ********}",
        "+a: {password: { get_secret: a_password }, user: root}  # ours",
        "+b: {password: { get_secret: a_password }, pin: ********}",
    ]
    assert blueprint.read_text() == NEW
    assert stat.S_IMODE(blueprint.stat().st_mode) == 0o640
    assert [path.name for path in blueprint.parent.iterdir() if path.name.startswith(".b")] == []
    assert admin.prints("secrets", "get", "a_password", "--raw") == "hunter2"
    assert json.loads(admin.prints("secrets", "get", "a_password", "--format", "json"))["hidden"]
    resolved = admin.run("resolve", str(blueprint))
    assert resolved.stdout == TEXT.replace("hunter2", '"hunter2"')


def test_to_look_first(admin: Cli, blueprint: Path) -> None:
    """--dry-run shows the same and does nothing; --check needs no store, and has exit code 3."""
    printed, said = extracted(admin, str(blueprint), "--dry-run", "--format", "json")
    answer = json.loads(printed)
    assert (said, answer["changed"]) == ("", [])
    assert [(one["line"], one["column"], one["sign"], one["key"]) for one in answer["credentials"]] == [
        (1, 15, "name", "a_password"),
        (2, 15, "name", "a_password"),
        (2, 29, "name", None),
    ]
    nowhere = admin.at(blueprint.parent / "nowhere")
    printed, said = extracted(nowhere, str(blueprint), "--check", code=3)
    assert said == ""
    assert printed.count("this is most likely a credential: the value of 'password' [credential]") == 2
    printed, _ = extracted(nowhere, str(blueprint), "--check", "--diagnostics", "sarif", code=3)
    assert len(json.loads(printed)["runs"][0]["results"]) == 3
    assert blueprint.read_text() == TEXT
    actions = {one["action"] for one in json.loads(admin.prints("audit", "list", "--format", "json"))}
    assert actions.isdisjoint({"secret:show", "secret:create"})
    assert admin.refuses("secrets", "get", "a_password")[0] == 5
    clean = blueprint.with_name("clean.yaml")
    clean.write_text("a: { get_secret: k }\n")
    assert extracted(nowhere, str(clean), "--check") == ("1 blueprint without credentials\n", "")
    assert extracted(admin, str(clean)) == ("1 blueprint without credentials\n", "")


def test_nobody_is_asked(admin: Cli, blueprint: Path) -> None:
    """Without a terminal it takes --yes."""
    assert extracted(admin, str(blueprint), code=2) == (
        "",
        "error: nobody is asked here whether to go on\n  hint: look with --dry-run, then give --yes\n",
    )
    assert blueprint.read_text() == TEXT


@pytest.mark.parametrize("more", [["--check"], ["--check", "--diagnostics", "sarif"], ["--dry-run"]])
def test_a_mistake_beside_a_credential(admin: Cli, tmp_path: Path, more: list[str]) -> None:
    """The line of a syntax error is not shown: this is the command for files with credentials in them."""
    path = tmp_path / "b.yaml"
    path.write_text("a: {password: hunter2\nb: 1\n? {password: hunter2}\n: 1\n")
    printed, said = extracted(admin, *more, str(path), code=3)
    assert "b.yaml" in printed + said


def test_after_an_interruption(admin: Cli, blueprint: Path) -> None:
    """What was stored before the file could be changed is taken as it is."""
    admin.prints("secrets", "create", "a_password", "-s", "hunter2")
    _, said = extracted(admin, str(blueprint), "--yes")
    assert said == "0 secrets stored in tenant 'default_tenant', 1 file changed\n" + ROTATE
    assert json.loads(admin.prints("secrets", "get", "a_password", "--format", "json"))["version"] == 1


def test_keys_by_a_map(admin: Cli, blueprint: Path) -> None:
    """Another key; a map that is none is refused, and nothing is done."""
    names = blueprint.with_name("names.json")
    names.write_text('{"a_password": "db"}')
    extracted(admin, str(blueprint), "--yes", "--map", str(names))
    assert "{ get_secret: db }" in blueprint.read_text()
    for text, message in (("[1]", "must be a JSON object with keys or null"), ("x", "is not JSON")):
        names.write_text(text)
        _, said = extracted(admin, str(blueprint), "--yes", "--map", str(names), code=2)
        assert message in said


def test_a_link_and_a_folder(admin: Cli, blueprint: Path) -> None:
    """The file that a link leads to is changed; what is no file, or stdin, is refused."""
    link = blueprint.with_name("link.yaml")
    link.symlink_to(blueprint)
    extracted(admin, str(link), "--yes")
    assert link.is_symlink()
    assert blueprint.read_text() == NEW
    assert "can't be read: Is a directory" in extracted(admin, str(blueprint.parent), "--yes", code=2)[1]
    assert "a blueprint from stdin can't be rewritten" in extracted(admin, "-", "--yes", code=2)[1]


def test_names_of_one_file(admin: Cli, blueprint: Path) -> None:
    """Two names are one file, which is changed once; a hard link keeps the old text, which is said."""
    link, other = blueprint.with_name("link.yaml"), blueprint.with_name("other.yaml")
    link.symlink_to(blueprint)
    other.hardlink_to(blueprint)
    _, said = extracted(admin, str(blueprint), str(link), "--yes")
    assert "1 file changed" in said
    assert "a hard link, under which the old text stays" in said
    assert (blueprint.read_text(), other.read_text()) == (NEW, TEXT)


def test_nothing_is_stored_for_what_is_no_file(admin: Cli, tmp_path: Path) -> None:
    """A pipe, as `<(command)` makes it, is read and can't be written."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(TEXT,))
    writer.start()
    assert "it is no regular file" in extracted(admin, str(pipe), "--yes", code=2)[1]
    writer.join()
    assert admin.run("resolver", "secrets", "list").stderr == "no secrets\n"


def test_who_may_not(admin: Cli, blueprint: Path) -> None:
    """Without the right to create secrets nothing is stored, and the file stays."""
    viewer = admin.as_user("vi", role="viewer")
    code, said = viewer.refuses("extract", str(blueprint), "--yes")
    assert code == 4
    assert "hunter2" not in said
    assert blueprint.read_text() == TEXT
