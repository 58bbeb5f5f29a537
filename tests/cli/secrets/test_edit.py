"""`resolver secrets edit`: the editor's file is in memory and gone afterwards; what it leaves is checked."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.cli.secrets.edit import folders_in_memory
from resolver.delivery.editor import editor_command
from resolver.errors import UsageError

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def editing(admin: Cli, folder: Path, script: str, name: str = "ed") -> Cli:
    """Go on with an editor: a script, called like one that is known; `$1` is the file."""
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return type(admin)(admin.prefork, admin.home, {**admin.env, "EDITOR": str(program)})


def test_a_new_value_is_a_new_version(admin: Cli, tmp_path: Path) -> None:
    """The line break that editors add does not count; the file was private, in memory, and is gone."""
    admin.prints("secrets", "create", "k", "-s", "before")
    seen = tmp_path / "seen"
    script = f'{{ stat -f -c %T "$1"; stat -c %a "$1" "${{1%/*}}"; ulimit -c; echo "$1"; }} > {seen}\n'
    script += 'grep -qx before "$1" && echo after > "$1"'
    someone = editing(admin, tmp_path, script)
    assert someone.prints("secrets", "edit", "k") == "Secret `k` updated, version 2\n"
    assert admin.prints("secrets", "get", "k", "--raw") == "after"
    kind, mode, folder_mode, cores, path = seen.read_text().split()
    assert (kind, mode, folder_mode, cores) == ("tmpfs", "600", "700", "0")
    assert not Path(path).parent.exists()


def test_an_unchanged_value_makes_no_version(admin: Cli, tmp_path: Path) -> None:
    """Nor does one that the editor has only put a line break behind."""
    admin.prints("secrets", "create", "k", "-s", "same")
    for script in ("true", 'echo same > "$1"', 'cp "$1" "$1.new"; mv "$1.new" "$1"'):
        told = editing(admin, tmp_path, script).prints("secrets", "edit", "k")
        assert told == "Secret `k`: value unchanged, version 1\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "the editor ended with 3: nothing is changed"),
        ('rm "$1"', "the editor has left no file: nothing is changed"),
        ('rm "$1"; ln -s /etc/hostname "$1"', "the editor has left no file: nothing is changed"),
        ('rm "$1"; mkfifo "$1"', "the editor has left no file: nothing is changed"),
        (': > "$1"', "the value is empty"),
        ("printf 'a\\0b' > \"$1\"", "the value is not valid UTF-8 text"),
        (
            "head -c 2000000 /dev/zero | tr '\\0' x > \"$1\"",
            "the value is too large: at most 1048576 bytes are allowed",
        ),
        ('echo \'{"a": 1\' > "$1"', "the value was JSON, and is none any more"),
    ],
)
def test_what_can_not_be_stored_is_not(admin: Cli, tmp_path: Path, script: str, message: str) -> None:
    """The value stays, and no message has anything of it."""
    admin.prints("secrets", "create", "k", "-s", '{"kept": "shown?"}')
    code, said = editing(admin, tmp_path, script).refuses("secrets", "edit", "k")
    assert (code, said.splitlines()[0]) == (2, f"error: {message}")
    assert "shown?" not in said
    assert admin.prints("secrets", "get", "k", "--raw") == '{"kept": "shown?"}'


def test_a_schema_still_holds(admin: Cli, tmp_path: Path) -> None:
    """JSON of another form is refused as by any change."""
    admin.prints("secrets", "create", "k", "--dict", "-s", '{"a": 1}')
    assert editing(admin, tmp_path, "echo '[1]' > \"$1\"").refuses("secrets", "edit", "k")[0] == 2


def test_what_somebody_else_changed_meanwhile_stays(admin: Cli, tmp_path: Path) -> None:
    """The version that was edited has to be the current one."""
    admin.prints("secrets", "create", "k", "-s", "before")
    resolver = shutil.which("resolver") or str(Path(os.sys.executable).with_name("resolver"))  # type: ignore[attr-defined] - of os
    meanwhile = f'{resolver} secrets update k -s theirs >&2; echo mine > "$1"'
    someone = editing(admin, tmp_path, meanwhile)
    assert someone.refuses("secrets", "edit", "k")[0] == 8
    assert admin.prints("secrets", "get", "k", "--raw") == "theirs"


def test_a_hidden_value_is_not_edited_by_others(admin: Cli, tmp_path: Path) -> None:
    """No editor is started: it would leave a mark."""
    admin.prints("secrets", "create", "k", "-s", "kept", "--hidden-value")
    mark = tmp_path / "mark"
    eve = editing(admin.as_user("eve", role="user"), tmp_path, f"touch {mark}")
    code, said = eve.refuses("secrets", "edit", "k")
    assert (code, said.splitlines()[0]) == (4, "error: the value of secret 'k' is hidden")
    assert not mark.exists()


def test_an_editor_gets_nothing_that_opens_the_store(admin: Cli, tmp_path: Path) -> None:
    """Neither the token nor the key; and not the value in its arguments or environment."""
    admin.prints("secrets", "create", "k", "-s", "shown?")
    token = admin.prints("tokens", "create", "--quiet").strip()
    seen = tmp_path / "seen"
    someone = editing(admin.with_token(token), tmp_path, f'{{ env; echo "$@"; }} > {seen}')
    someone.prints("secrets", "edit", "k")
    assert token not in seen.read_text()
    assert "shown?" not in seen.read_text()


def test_unknown_editors_get_no_value(admin: Cli, tmp_path: Path) -> None:
    """They may keep backups, swap files or histories; by whatever name they are called."""
    code, said = editing(admin, tmp_path, "true", "code").refuses("secrets", "edit", "k")
    assert code == 2
    assert "may keep copies of what it edits on a disk" in said
    (tmp_path / "bin" / "vim").symlink_to("code")
    with pytest.raises(UsageError, match="may keep copies"):
        editor_command({"EDITOR": str(tmp_path / "bin" / "vim")})
    for none in ("/absent", "'", " "):
        with pytest.raises(UsageError, match="there is no editor"):
            editor_command({"EDITOR": none})


def test_vim_leaves_no_copies(admin: Cli, tmp_path: Path) -> None:
    """Though its user's settings ask for them; nor does what a value says to vim (a modeline) count."""
    if not shutil.which("vim"):
        pytest.skip("there is no vim")
    assert "set nomodeline" in editor_command({"EDITOR": "vim", "PATH": os.environ["PATH"]})
    admin.prints("secrets", "create", "k", "-s", "shown?")
    copies = tmp_path / "copies"
    copies.mkdir()
    (tmp_path / ".vimrc").write_text(
        f"set swapfile directory={copies} updatecount=1 backup backupdir={copies} undofile undodir={copies}\n"
        f"set viminfo='100,n{copies}/info\n"
    )
    env = {"EDITOR": f"vim -es -u {tmp_path}/.vimrc -S {tmp_path}/script", "HOME": str(tmp_path)}
    (tmp_path / "script").write_text("normal yyAnew\nwq\n")
    someone = type(admin)(admin.prefork, admin.home, env)
    someone.run("resolver", "secrets", "edit", "k")
    assert admin.prints("secrets", "get", "k", "--raw") == "shown?new"
    assert list(copies.iterdir()) == []
    assert not (tmp_path / ".viminfo").exists()


def test_folders_on_disks_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel's list of mounts calls something else than memory gets no value."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    status = tmp_path.stat()
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    mounts = tmp_path / "mounts"
    for kind, expected in (("ext4", False), ("tmpfs", True), ("overlay", False)):
        mounts.write_text(f"1 1 {device} / / rw - {kind} none rw\n")
        assert (str(tmp_path) in folders_in_memory(mounts)) is expected


def test_json_answers(admin: Cli, tmp_path: Path) -> None:
    """Programs see whether there is a new version."""
    admin.prints("secrets", "create", "k", "-s", "x")
    done = json.loads(
        editing(admin, tmp_path, 'echo y > "$1"').prints("secrets", "edit", "k", "--format", "json")
    )
    assert (done["version"], done["unchanged"]) == (2, False)
