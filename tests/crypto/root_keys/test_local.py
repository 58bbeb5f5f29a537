"""Where root keys come from: files that others can't write, and commands run without a shell."""

from __future__ import annotations

import os
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from resolver.bootstrap.embedded import from_file
from resolver.crypto.keyring import RootKey
from resolver.crypto.root_keys import local
from resolver.crypto.root_keys.local import from_command, from_text
from resolver.errors import RootKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@pytest.fixture
def key() -> str:
    """A root key."""
    return RootKey.generate()


def ids(keys: Iterable[RootKey]) -> list[str]:
    """The ids of keys."""
    return [key.id for key in keys]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_is_read(tmp_path: Path, key: str, mode: int) -> None:
    """A file of one's own is read, with or without a line break at its end, and nothing is said."""
    path = tmp_path / "root.key"
    for text in (key, f"{key}\n"):
        path.write_text(text)
        path.chmod(mode)
        assert from_file(path, strict=True, warn=pytest.fail).id == RootKey(key, "a test").id
        path.chmod(0o600)


@pytest.mark.parametrize("mode", [0o440, 0o604, 0o644])
def test_a_key_file_that_others_can_read_is_warned_of_or_refused(tmp_path: Path, key: str, mode: int) -> None:
    """By default it is used, with a warning; with `strict_key_file` it is not used."""
    path = tmp_path / "root.key"
    path.write_text(key)
    path.chmod(mode)
    warnings: list[str] = []
    assert from_file(path, warn=warnings.append).id == RootKey(key, "a test").id
    assert warnings == [f"the root key file {str(path)!r} can be read by others: chmod 600 {path}"]
    with pytest.raises(RootKeyError) as caught:
        from_file(path, strict=True, warn=pytest.fail)
    assert caught.value.message == (
        f"the root key file {str(path)!r} can be read by others, which strict_key_file forbids"
    )
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_key_file_that_others_can_write_is_refused(tmp_path: Path, key: str, mode: int) -> None:
    """Whoever can write the file could put in a key of their own; the hint says what to do."""
    path = tmp_path / "root key"
    path.write_text(key)
    path.chmod(mode)
    with pytest.raises(RootKeyError) as caught:
        from_file(path)
    assert caught.value.message == f"the root key file {str(path)!r} can be written by others"
    assert caught.value.hint == f"chmod 600 '{path}'"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_that_others_can_write_is_refused(tmp_path: Path, key: str, mode: int) -> None:
    """Whoever can write the directory could put another file in its place, also where a link leads to."""
    folder = tmp_path / "open"
    folder.mkdir()
    path = folder / "root.key"
    path.write_text(key)
    path.chmod(0o600)
    folder.chmod(mode)
    link = tmp_path / "link.key"
    link.symlink_to(path)
    for way in (path, link):
        with pytest.raises(RootKeyError) as caught:
            from_file(way)
        assert caught.value.message == (
            f"the directory {str(folder)!r} of the root key file {str(way)!r} can be written by others"
        )
        assert caught.value.hint == f"chmod go-w {folder}, or keep it in a directory of your own"
    folder.chmod(0o1777)  # like /tmp: others can't remove what is not theirs
    assert from_file(path).id == from_file(link).id


def test_a_link_in_a_directory_that_others_can_write_is_refused(tmp_path: Path, key: str) -> None:
    """A safe file behind a link that others could point to another file is not safe."""
    path = tmp_path / "root.key"
    path.write_text(key)
    path.chmod(0o600)
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "link").symlink_to(path)
    with pytest.raises(RootKeyError, match=r"^the directory '.*open' of the root key file "):
        from_file(folder / "link")


def test_a_mounted_secret_is_taken(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """0444 links in a directory that all may write, on a read-only mount, as containers get them, will do."""
    data = tmp_path / "..2030_01_01"
    data.mkdir()
    (data / "root.key").write_text(key)
    (data / "root.key").chmod(0o444)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "root.key").symlink_to("..data/root.key")
    warnings: list[str] = []
    tmp_path.chmod(0o777)
    with pytest.raises(RootKeyError, match=r"can be written by others$"):
        from_file(tmp_path / "root.key")
    real = os.statvfs(tmp_path)
    read_only = SimpleNamespace(f_flag=real.f_flag | os.ST_RDONLY)
    monkeypatch.setattr("resolver.crypto.root_keys.local.os.statvfs", lambda _path: read_only)
    assert from_file(tmp_path / "root.key", warn=warnings.append).id == RootKey(key, "").id
    assert len(warnings) == 1
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("which", ["file", "directory"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, key: str, which: str) -> None:
    """Its owner may write it, and that is neither this user nor root."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    path = folder / "root.key"
    path.write_text(key)
    path.chmod(0o600)
    assert from_file(path).id == RootKey(key, "").id
    os.chown(path if which == "file" else folder, 65534, 65534)
    with pytest.raises(RootKeyError, match=r"can be written by others$"):
        from_file(path)


def test_several_keys_in_a_text(key: str) -> None:
    """White space stands between keys; one that is malformed, or none, is an error that shows none."""
    other = RootKey.generate()
    assert ids(from_text(f"{key}\n {other}\n", "a test")) == [RootKey(key, "").id, RootKey(other, "").id]
    for text in (f"{key} {other[:-3]}", " ", f"{key},{other}"):
        with pytest.raises(RootKeyError, match=r"^the root key from a test is malformed$") as caught:
            from_text(text, "a test")
        assert key[:20] not in str(caught.value) + caught.value.hint


def test_a_key_file_that_is_not_there_or_holds_no_key_is_named(tmp_path: Path, key: str) -> None:
    """The file's path is in the message, its content never."""
    path = tmp_path / "root.key"
    with pytest.raises(RootKeyError, match=r"root\.key' can't be read: No such file or directory$"):
        from_file(path)
    with pytest.raises(RootKeyError, match=r"can't be read: Is a directory$"):
        from_file(tmp_path)
    for content in (b"", b"\xff\xfe", key[:-2].encode(), key.encode() * 100_000):
        path.write_bytes(content)
        with pytest.raises(RootKeyError, match=r"^the root key from file '.*' is malformed$") as caught:
            from_file(path)
        assert key[:20] not in str(caught.value) + caught.value.hint


def test_a_command_prints_a_key(key: str) -> None:
    """The key is what the command prints; its words are split as a shell would, and no shell runs."""
    program = f"print({key!r})"
    assert ids(from_command(f'{sys.executable} -c "{program}"')) == [RootKey(key, "a test").id]
    assert ids(from_command([sys.executable, "-c", f"{program}; {program}"])) == [RootKey(key, "").id] * 2
    with pytest.raises(RootKeyError):
        from_command(f"echo {key} | cat")
    with pytest.raises(RootKeyError):
        from_command([f"echo {key}"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/nonexistent/command", "the root key command can't be run: FileNotFoundError"),
        ("false", "the root key command failed with exit code 1"),
        ("echo hunter2", "the root key from the root key command is malformed"),
        ("true", "the root key from the root key command is malformed"),
        ("echo 'hunter2", "the root key command can't be run: ValueError"),
        (" ", "the root key command can't be run: IndexError"),
    ],
)
def test_a_command_that_gives_no_key_is_refused(line: str, message: str) -> None:
    """Whatever goes wrong is a RootKeyError that repeats neither the command nor its output."""
    with pytest.raises(RootKeyError) as caught:
        from_command(line)
    assert caught.value.message == message
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_command_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command is not waited for without an end."""
    monkeypatch.setattr(local, "COMMAND_TIMEOUT_SECONDS", 0.2)
    started = time.monotonic()
    for command in ("sleep 30", ["sh", "-c", "sleep 30 & wait"]):  # and what it started
        with pytest.raises(RootKeyError, match=r"^the root key command can't be run: TimeoutExpired$"):
            from_command(command)
    assert time.monotonic() - started < 15
