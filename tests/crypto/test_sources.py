"""Where root keys come from: files that others can't write, and commands run without a shell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from resolver.crypto import sources
from resolver.crypto.keyring import RootKey
from resolver.crypto.sources import from_command, from_file
from resolver.errors import RootKeyError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def key() -> str:
    """A root key."""
    return RootKey.generate()


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o644])
def test_a_key_file_is_read(tmp_path: Path, key: str, mode: int) -> None:
    """A file that no one else can write is read, with or without a line break at its end."""
    path = tmp_path / "root.key"
    for text in (key, f"{key}\n"):
        path.write_text(text)
        path.chmod(mode)
        assert from_file(path).id == RootKey(key, "a test").id
        path.chmod(0o600)


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
    assert from_command(f'{sys.executable} -c "{program}"').id == RootKey(key, "a test").id
    with pytest.raises(RootKeyError):
        from_command(f"echo {key} | cat")


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
    monkeypatch.setattr(sources, "COMMAND_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(RootKeyError, match=r"^the root key command can't be run: TimeoutExpired$"):
        from_command("sleep 30")
