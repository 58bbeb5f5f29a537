"""What is trusted can be changed by its owner alone; each kind of it is refused where others could."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from resolver.bootstrap.embedded import open_service, root_keys
from resolver.bootstrap.initialise import initialise
from resolver.config.files import Trusted, called, demand_trusted, make_directory, write_private
from resolver.config.profile import Profile
from resolver.config.settings import Settings
from resolver.crypto.keyring import RootKey
from resolver.errors import AuthenticationError, PluginError, RootKeyError, StoreError, UsageError
from resolver.plugins.manager import Plugins
from resolver.rest.server import Listener
from tests.plugged import HEAD, TAKES, plant

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`folder/inner/file`, which only their owner can write."""
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "file").write_text("x")
    for path in (tmp_path / "folder", tmp_path / "folder" / "inner"):
        path.chmod(0o755)
    (tmp_path / "folder" / "inner" / "file").chmod(0o644)
    return tmp_path / "folder"


PARTS = ["", "inner", "inner/file"]


@pytest.mark.parametrize("mode", [0o022, 0o020, 0o002])
@pytest.mark.parametrize("part", PARTS)
def test_what_others_may_write_is_refused(folder: Path, part: str, mode: int) -> None:
    """Group or others, the file or any folder above it, straight or through a link."""
    path = folder / "inner" / "file"
    link = folder.parent / "link"
    link.symlink_to(folder / "inner")
    demand_trusted(path, Trusted.CONFIG)
    demand_trusted(link / "file", Trusted.CONFIG)
    bad = folder / part
    bad.chmod(stat.S_IMODE(bad.stat().st_mode) | mode)
    for way in (path, link / "file", folder / "inner" / ".." / "inner" / "file"):
        with pytest.raises(UsageError, match=r"can be written by others$") as caught:
            demand_trusted(way, Trusted.CONFIG)
        assert str(bad) in caught.value.hint
        assert str(way) in caught.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("part", PARTS)
def test_what_another_user_owns_is_refused(folder: Path, part: str) -> None:
    """Its owner may change it, whatever its mode says now; a link's owner may point it elsewhere."""
    link = folder.parent / "link"
    link.symlink_to(folder)
    os.lchown(link, 65534, 65534)
    with pytest.raises(UsageError, match=r"can be written by others$"):
        demand_trusted(link / "inner" / "file", Trusted.CONFIG)
    demand_trusted(folder / "inner" / "file", Trusted.CONFIG)
    os.chown(folder / part, 65534, 65534)
    with pytest.raises(UsageError, match=r"can be written by others$"):
        demand_trusted(folder / "inner" / "file", Trusted.CONFIG)


def test_a_sticky_folder_is_taken(folder: Path) -> None:
    """In a folder like /tmp, only the owner of what is there can replace it."""
    folder.chmod(0o1777)
    demand_trusted(folder / "inner" / "file", Trusted.CONFIG)


def test_what_is_mounted_read_only_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There nobody can write, whatever the modes."""
    folder.chmod(0o777)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    demand_trusted(folder / "inner" / "file", Trusted.CONFIG)


def test_a_group_of_ones_own_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of a group in which nobody else is, where each user has one; a file, or others, are not."""
    folder.chmod(0o775)
    status = folder.stat()
    user = SimpleNamespace(pw_name="ada", pw_gid=status.st_gid)
    group = SimpleNamespace(gr_name="ada", gr_gid=status.st_gid, gr_mem=[])
    monkeypatch.setattr("pwd.getpwuid", lambda _: user)
    monkeypatch.setattr("grp.getgrgid", lambda _: group)
    monkeypatch.setattr(os, "geteuid", lambda: status.st_uid or 1)
    if status.st_uid == 0:  # as root, nothing is ours but root's, which is
        monkeypatch.setattr("resolver.config.files.os.geteuid", lambda: 1)
    demand_trusted(folder / "inner" / "file", Trusted.CONFIG)
    group.gr_mem = ["eve"]
    with pytest.raises(UsageError):
        demand_trusted(folder / "inner" / "file", Trusted.CONFIG)
    group.gr_mem = []
    with monkeypatch.context() as listed:
        listed.setattr(os, "listxattr", lambda path: ["system.posix_acl_access"] * (path == folder))
        with pytest.raises(UsageError):
            demand_trusted(folder / "inner" / "file", Trusted.CONFIG)
    demand_trusted(folder / "inner" / "file", Trusted.CONFIG)
    folder.chmod(0o777)
    with pytest.raises(UsageError):
        demand_trusted(folder / "inner" / "file", Trusted.CONFIG)
    folder.chmod(0o755)
    (folder / "inner" / "file").chmod(0o664)
    with pytest.raises(UsageError):
        demand_trusted(folder / "inner" / "file", Trusted.CONFIG)


def test_what_is_not_there_is_judged_by_what_is_above(folder: Path) -> None:
    """So a state directory can be refused before it is made."""
    demand_trusted(folder / "none" / "file", Trusted.HOME)
    folder.chmod(0o777)
    with pytest.raises(UsageError):
        demand_trusted(folder / "none" / "file", Trusted.HOME)


@pytest.mark.parametrize("kind", sorted(set(Trusted) - {Trusted.HOME, Trusted.DATABASE, Trusted.SOCKET}))
def test_what_was_taken_away_after_it_was_read_is_refused(folder: Path, kind: Trusted) -> None:
    """In a folder like /tmp its owner, who may be anybody, can; nor is it trusted before it is there."""
    folder.chmod(0o1777)
    for missing in (folder / "other" / "file", folder / "inner" / "other"):
        with pytest.raises(UsageError, match=r"can't be read: No such file or directory$"):
            demand_trusted(missing, kind)


def test_a_file_that_is_swapped_while_it_is_read_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner renames the folder once its file was read; whoever sees no folder must not take the file."""
    home = folder / "home"
    home.mkdir()
    (home / "config.yaml").write_text("key_command: evil")
    read = Path.read_text

    def swapped(path: Path, encoding: str) -> str:
        text = read(path, encoding=encoding)
        home.rename(folder / "away")
        return text

    monkeypatch.setattr(Path, "read_text", swapped)
    with pytest.raises(UsageError, match="can't be read"):
        Settings({"RESOLVER_HOME": str(home)})


def test_links_without_an_end(folder: Path) -> None:
    """Are an error in words."""
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    with pytest.raises(
        UsageError, match=r"^the settings file '.*' can't be looked at: it has too many links$"
    ):
        demand_trusted(folder / "one", Trusted.CONFIG)


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """All that are made, whatever the mask."""
    before = os.umask(0)
    try:
        make_directory(tmp_path / "one" / "two")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "one", tmp_path / "one" / "two")] == [
        0o700
    ] * 2


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    """It is no folder, and nothing can be made in it."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^the folder '.*/file' can't be made: Not a directory$"):
        make_directory(tmp_path / "file")
    with pytest.raises(StoreError, match=r"^the file '.*/file/profile' can't be made: Not a directory$"):
        write_private(tmp_path / "file" / "profile", "x")


@pytest.mark.parametrize("name", ["here", "./none", "../none/none", "/dev/none", "/dev/none/none"])
def test_a_name_that_leads_somewhere_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is there, or begins with a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    assert called("token file", name, holds_credential=True) == (f"the token file {name!r}", "")


@pytest.mark.parametrize(
    "name", ["hunter2", "ab/cd=", "/ab=", "/ab/cd=", "//x/y", "here\n", "./a\nb", "a\0b", "./" + 300 * "a"]
)
def test_what_may_be_a_credential_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A bare word, base64 with slashes in it, and several lines are no path that anyone has."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    named, hint = called("token file", name, holds_credential=True)
    assert (named, hint[:26]) == ("the token file", "give the name of a file, l")


# Each thing that is trusted.


@pytest.fixture
def home(folder: Path) -> Path:
    """A store in `folder/inner`, with all that can be in a state directory."""
    home = folder / "inner" / "home"
    initialise(Settings({}, home), password=lambda: None, profile=True)
    (home / "config.yaml").write_text("tenant: other\n")
    return home


@pytest.fixture(params=["the thing itself", "a folder above"])
def spoil(request: pytest.FixtureRequest, folder: Path) -> Callable[[Path], None]:
    """Lets others write a file or folder, or the folder that all of them are in."""
    return lambda path: (path if request.param == "the thing itself" else folder).chmod(0o777)


def test_settings_file(home: Path, spoil: Callable[[Path], None]) -> None:
    """`config.yaml` may name a command to run."""
    assert Settings({}, home).home == home
    spoil(home / "config.yaml")
    with pytest.raises(UsageError, match=r"the settings file .* can be written by others"):
        Settings({}, home)


def test_home(home: Path, spoil: Callable[[Path], None]) -> None:
    """A store is neither opened nor made in a state directory that others may write."""
    (home / "config.yaml").unlink()
    spoil(home)
    with pytest.raises(StoreError, match=r"of the database's folder .* can be written by others"):
        open_service(Settings({}, home))
    shutil.rmtree(home)
    home.mkdir()
    spoil(home)
    with pytest.raises(StoreError, match=r"the state directory .* can be written by others"):
        initialise(Settings({}, home), password=lambda: None, profile=True)


def test_profile(home: Path, folder: Path) -> None:
    """The profile says which server gets the token, and which authorities vouch for it."""
    (home / "config.yaml").unlink()
    settings = Settings({}, home)
    folder.chmod(0o777)
    with pytest.raises(AuthenticationError, match=r"of the profile .* can be written by others"):
        settings.profile()


def test_root_key(home: Path, spoil: Callable[[Path], None]) -> None:
    """A key that is put in would seal what is written next."""
    settings = Settings({}, home)
    spoil(home / "keys" / "root.key")
    with pytest.raises(RootKeyError, match=r"the root key file .* can be written by others"):
        root_keys(settings)


def test_key_command(folder: Path, spoil: Callable[[Path], None]) -> None:
    """The program that prints the root key runs as us."""
    program = folder / "inner" / "print-key"
    program.write_text(f"#!/bin/sh\necho {RootKey.generate()}\n")
    program.chmod(0o755)
    settings = Settings({"RESOLVER_KEY_COMMAND": str(program)}, folder / "home")
    assert len(root_keys(settings)) == 1
    spoil(program)
    with pytest.raises(RootKeyError, match=r"the root key command .* can be written by others"):
        root_keys(settings)


def test_authorities(home: Path, folder: Path, spoil: Callable[[Path], None]) -> None:
    """Who can name an authority can be any server."""
    (home / "config.yaml").unlink()
    file = folder / "inner" / "file"
    by_variable = Settings({"RESOLVER_CA_FILE": str(file), "RESOLVER_URL": "https://a.example"}, home)
    assert by_variable.ca_file == by_variable.named_ca_file == str(file)
    (home / "profile").write_text(Profile("t", "", "https://a.example", str(file)).encode())
    by_profile = Settings({}, home)
    assert by_profile.ca_file == str(file)
    spoil(file)
    for settings in (by_variable, by_profile):
        with pytest.raises(UsageError, match=r"the file of authorities .* can be written by others"):
            _ = settings.ca_file


def test_token_file(home: Path, folder: Path, spoil: Callable[[Path], None]) -> None:
    """Who can write it chooses as whom we act."""
    settings = Settings({}, home)
    assert settings.token(folder / "inner" / "file") == "x"
    spoil(folder / "inner" / "file")
    with pytest.raises(AuthenticationError, match=r"the token file .* can be written by others"):
        settings.token(folder / "inner" / "file")


def test_private_key_of_a_server(folder: Path, spoil: Callable[[Path], None]) -> None:
    """Certificate and key are judged before they are read."""
    file = folder / "inner" / "file"
    with pytest.raises(UsageError, match="there is no certificate"):
        Listener(certificate=file, private_key=file).check()
    spoil(file)
    with pytest.raises(UsageError, match=r"the certificate .* can be written by others"):
        Listener(certificate=file, private_key=file).check()


def test_plugin(folder: Path, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plugin consists of runs as us, so it is not loaded where others may write it."""
    path = folder / "inner" / "site"
    module = plant(path, f"trusted-{folder.parent.name}", f"{HEAD}{TAKES}pass\n", package=folder.parent.name)
    monkeypatch.syspath_prepend(str(path))
    Plugins([f"trusted-{folder.parent.name}"])
    spoil(path / f"{module}.py")
    with pytest.raises(PluginError, match=r"the plugin .* can be written by others"):
        Plugins([f"trusted-{folder.parent.name}"])


def test_each_kind_is_documented() -> None:
    """The table in the documentation has each thing that is trusted."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    section = text.partition("\n## Files that are trusted\n")[2].partition("\n## ")[0]
    assert all(kind.value in section for kind in Trusted)
