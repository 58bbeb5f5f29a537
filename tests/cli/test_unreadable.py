"""State directories that can't be used as they are: told in words, with the file and the cause."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
import pytest

from resolver.bootstrap.embedded import from_file, root_keys
from resolver.cli.files import read_text
from resolver.cli.main import resolver_group
from resolver.config.identity import parse_source, read_jwt
from resolver.config.profile import read_profile
from resolver.config.settings import Settings
from resolver.errors import ResolverError, RootKeyError, UsageError
from resolver.resolution.run import BlueprintText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def folder(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink(missing_ok=True)
    path.mkdir(mode=0o700)


def loop(path: Path) -> None:
    """Put a link to itself in the place of a folder: nobody can look into that, not even root."""
    if path.exists():
        shutil.rmtree(path)
    path.symlink_to(path.name)


def binary(path: Path) -> None:
    """Put what is no text in the place of a file."""
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("part", "spoil", "code", "message"),
    [
        ("config.yaml", folder, 2, "'{home}/config.yaml' can't be read: Is a directory"),
        ("config.yaml", binary, 2, "'{home}/config.yaml' can't be read: it is not UTF-8 text"),
        ("profile", folder, 4, "the profile '{home}/profile' can't be read: Is a directory"),
        ("profile", binary, 4, "the profile '{home}/profile' can't be read: it is not UTF-8 text"),
        (
            "data",
            loop,
            6,
            "'{home}/data/resolver.db' can't be looked at: Too many levels of symbolic links",
        ),
        ("keys", loop, 6, "the folder '{home}/keys' can't be read: Too many levels of symbolic links"),
    ],
)
def test_what_is_unreadable_is_named(
    admin: Cli, part: str, spoil: Callable[[Path], None], code: int, message: str
) -> None:
    """A command says which file or folder can't be read and why, and nothing of Python."""
    spoil(admin.home / part)
    found, said = admin.refuses("secrets", "list", "-t", "default_tenant")
    hint = "  hint: RESOLVER_HOME names another state directory\n" if part == "config.yaml" else ""
    assert (found, said) == (code, f"error: {message.format(home=admin.home)}\n{hint}")


@pytest.mark.parametrize("closed", ["root.key", "."])
def test_a_key_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    """It is said whose it is, and its mode; `init`, which makes keys, is named only where there is none."""
    keys = tmp_path / "keys"
    keys.mkdir()
    path = keys / "root.key"
    path.touch(mode=0o640)
    (keys / closed).chmod(0o740)
    owner = pwd.getpwuid(os.geteuid()).pw_name

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    settings = Settings({"RESOLVER_HOME": str(tmp_path)})
    monkeypatch.setattr(os, "geteuid", lambda: 4294967)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        if closed == ".":
            patch.setattr(Path, "iterdir", refuse)
        with pytest.raises(RootKeyError, match="can't be read: Permission denied") as refused:
            root_keys(settings)
    whose = f"'{keys / closed}' belongs to user {owner}, mode 0740, and this runs as user 4294967: "
    assert refused.value.hint == f"{whose}run it as user {owner}, or have the owner let you read it"
    with pytest.raises(RootKeyError, match="No such file") as missing:
        from_file(keys / "other.key")
    assert missing.value.hint == "`resolver init` makes one for a new store"


@pytest.mark.parametrize(
    "read",
    [
        lambda path: Settings({"RESOLVER_HOME": str(path.parent)}).server_url,
        read_profile,
        lambda path: Settings({"RESOLVER_HOME": str(path.parent / "none")}).token(path),
        lambda path: read_jwt(parse_source(f"file:{path}"), {}, "https://host.example"),
        BlueprintText.read,
        lambda path: read_text(str(path), 9),
    ],
    ids=["settings", "profile", "token", "identity", "blueprint", "other"],
)
def test_a_file_without_the_right_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    """Whatever it is for, it is said whose it is and its mode; its owner gets the command that helps."""
    path = tmp_path / "config.yaml"
    path.touch(mode=0o600)

    def refuse(asked: Path, *_: object, **__: object) -> NoReturn:
        if asked == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        patch.setattr(Path, "read_text", refuse)
        with pytest.raises(ResolverError, match=r"can't be read: Permission denied$") as refused:
            read(path)
    owner = pwd.getpwuid(os.geteuid()).pw_name
    assert refused.value.hint == f"{str(path)!r} belongs to user {owner}, mode 0600: chmod u+r {path}"


def test_a_user_without_a_home_can_use_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers that run with any number: no state directory is looked for or made up."""
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where there is neither HOME nor a user
    settings = Settings(
        {"RESOLVER_URL": "https://host.example", "RESOLVER_TOKEN": "t", "RESOLVER_TENANT": "x"}
    )
    assert (settings.server_url, settings.token(), settings.tenant(None)) == (
        "https://host.example",
        "t",
        "x",
    )
    assert (settings.ca_file, settings.profile(), settings.plugins) == (None, None, [])
    with pytest.raises(UsageError) as refused:
        Settings({}).data_directory  # noqa: B018 - to be refused is what it is asked for
    assert refused.value.message == "this user has no home folder, and RESOLVER_HOME names none"
    assert "RESOLVER_URL" in refused.value.hint


def test_files_that_options_name_are_opened_by_us() -> None:
    """Click would say of a file without the right to read that the option's value is invalid, and not why."""
    context = click.Context(resolver_group)

    def paths(command: click.Command | None) -> Iterator[click.Path]:
        assert command is not None
        yield from (parameter.type for parameter in command.params if isinstance(parameter.type, click.Path))
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            yield from paths(command.get_command(context, name))

    assert {path.readable for path in paths(resolver_group)} == {False}


@pytest.mark.parametrize(
    ("part", "spoil", "message"),
    [
        (".lock", folder, "the file '{home}/.lock' can't be made: Is a directory"),
        ("data", loop, "the folder '{home}/data' can't be made: File exists"),
    ],
)
def test_init_names_what_is_in_its_way(
    admin: Cli, tmp_path: Path, part: str, spoil: Callable[[Path], None], message: str
) -> None:
    """`init` says which file or folder it can't make and why, and makes no key."""
    new = tmp_path / "new"
    new.mkdir()
    spoil(new / part)
    found, said = admin.at(new).refuses("init")
    assert (found, said) == (6, f"error: {message.format(home=new)}\n")
    assert [path.name for path in new.iterdir() if path.name not in (".lock", "data")] == []
