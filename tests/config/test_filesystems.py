"""SQLite on file systems that machines share: told by whoever makes, looks at or serves a store."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from resolver.cli.exit_codes import run
from resolver.cli.main import resolver_group
from resolver.config import filesystems
from resolver.config.filesystems import network_file_system, sqlite_warning
from resolver.config.settings import Settings
from resolver.rest.server import warn_of_place

if TYPE_CHECKING:
    from pathlib import Path


def mounts(folder: Path, kind: str) -> Path:
    """A list of mounts in which a folder's device is of this type, after another one."""
    device = folder.stat().st_dev
    listed = folder / "mountinfo"
    listed.write_text(
        "21 1 0:999999 / / rw - nfs4 server:/x rw\n"
        f"22 21 {os.major(device)}:{os.minor(device)} / /data rw,relatime shared:1 - {kind} source rw\n"
    )
    return listed


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs", "fuse.s3fs", "ceph"])
def test_a_network_file_system_is_told(tmp_path: Path, kind: str) -> None:
    """By its type, with what to do instead."""
    warning = sqlite_warning(tmp_path, mounts(tmp_path, kind))
    assert f"is on a network file system ({kind})" in warning
    assert "use PostgreSQL" in warning


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "overlay", "btrfs", "fuse.gocryptfs", "fuseblk"])
def test_a_local_one_is_not(tmp_path: Path, kind: str) -> None:
    """Nor one that is not there, or not in the list, as on other systems; nor a database server."""
    listed = mounts(tmp_path, kind)
    assert sqlite_warning(tmp_path, listed) == ""
    assert network_file_system(tmp_path / "absent", listed) == ""
    assert network_file_system(tmp_path, tmp_path / "absent") == ""
    assert sqlite_warning(None) == ""


def test_init_status_and_serve_warn(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The commands that look at where the store is; a use does not."""
    home = tmp_path / "home"
    monkeypatch.setenv("RESOLVER_HOME", str(home))
    monkeypatch.setattr(filesystems, "MOUNTS", mounts(tmp_path, "nfs4"))
    for command, warned in ((["init"], 1), (["status"], 1), (["secrets", "list"], 0)):
        assert run(resolver_group, command) == 0
        assert capsys.readouterr().err.count("(nfs4)") == warned, command
    with caplog.at_level(logging.WARNING, "resolver.server"):
        warn_of_place(Settings(os.environ))
    assert "(nfs4)" in caplog.text
