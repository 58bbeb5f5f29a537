"""File systems on which SQLite does not keep its promises."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = (
    "9p afs beegfs ceph cifs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs prl_fs smb3 smbfs "
    "vboxsf virtiofs vmhgfs"
)
"""Types of file systems, as mountinfo names them, which several machines can have mounted."""

_NETWORK_FUSE = (
    "beegfs blobfuse ceph curlftpfs davfs gcsfuse gluster goofys grpcfuse juicefs mountpoint-s3 osxfs rclone "
    "s3fs seaweedfs sshfs vmhgfs"
)
"""What such types begin with behind `fuse.`."""


def network_file_system(path: Path, mounts: Path | None = None) -> str:
    """The type of a network file system that a file or folder is on; empty for another, or an unknown one.

    Args:
        path: the file or folder.
        mounts: the list of mounts; by default the kernel's, proc(5).
    """
    name = file_system(path, mounts)
    fuse = name.removeprefix("fuse.").startswith(tuple(_NETWORK_FUSE.split()))
    return name if fuse or name in _NETWORK.split() else ""


def file_system(path: Path, mounts: Path | None = None) -> str:
    """The type of the file system that a file or folder is on; empty for an unknown one.

    Args:
        path: the file or folder.
        mounts: as above.
    """
    try:
        device = path.stat().st_dev
        lines = (mounts or MOUNTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # another system, or nothing there yet
        return ""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        mount, _, kind = line.partition(" - ")
        if mount.split(" ")[2:3] == [wanted]:
            return kind.split(" ")[0]
    return ""


def sqlite_warning(file: Path | None, mounts: Path | None = None) -> str:
    """A sentence about an SQLite database on a network file system; empty without need.

    Args:
        file: the database; None for one that is no file.
        mounts: as above.
    """
    kind = "" if file is None else network_file_system(file, mounts)
    if not kind:
        return ""
    return (
        f"the database {str(file)!r} is on a network file system ({kind}), where SQLite's locks "
        "and shared memory do not hold between machines, so it may be damaged: keep it on a local disk, or "
        "use PostgreSQL"
    )
