"""Memory files: sealed, recognised, and refused by name where there are none."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from pathlib import Path

import pytest

from resolver.delivery.memfd import is_memfd, require_memfd, seal
from resolver.errors import UnavailableError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory files are Linux's"),
]

TEXT = b"password: open sesame\n"
ALL_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def test_sealed_descriptor() -> None:
    """The descriptor is read-only, at offset 0, not inheritable, above 50; the file has all seals."""
    descriptor = seal(TEXT)
    try:
        assert descriptor >= 50
        assert not os.get_inheritable(descriptor)
        assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & ALL_SEALS == ALL_SEALS
        assert os.fstat(descriptor).st_mode & 0o777 == 0o400
        assert os.read(descriptor, 100) == TEXT
    finally:
        os.close(descriptor)


def test_one_descriptor_is_left() -> None:
    """Sealing leaves exactly the descriptor that it returns."""
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the numbers are wanted
    descriptor = seal(TEXT)
    try:
        after = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as above
        assert after - before == {str(descriptor)}
    finally:
        os.close(descriptor)


def test_other_platform_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no memory files, the error names the platform, and nothing is written anywhere."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError) as caught:
        seal(TEXT)
    assert caught.value.message == "a command can't be given a blueprint in memory on darwin"
    assert "memfd_create" in caught.value.hint
    with pytest.raises(UnavailableError):
        require_memfd()


def test_this_platform_is_accepted() -> None:
    """On Linux the check passes."""
    require_memfd()


def test_refused_memfd_create_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that forbids memory files gives a clear error without the text; there is no fallback."""

    def refuse(_name: str, _flags: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refuse)
    with pytest.raises(UnavailableError) as caught:
        seal(TEXT)
    assert caught.value.message == ("no sealed memory file could be made: Operation not permitted")
    assert caught.value.__cause__ is None


def test_older_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that does not know MFD_NOEXEC_SEAL still gives a sealed file."""
    create = os.memfd_create

    def create_as_before_6_3(name: str, flags: int) -> int:
        if flags & 0x0008:
            raise OSError(22, "Invalid argument")
        return create(name, flags)

    monkeypatch.setattr(os, "memfd_create", create_as_before_6_3)
    descriptor = seal(TEXT)
    try:
        assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) == ALL_SEALS
    finally:
        os.close(descriptor)


def test_never_executable() -> None:
    """Where the kernel can, the file is sealed against ever becoming executable."""
    try:
        os.close(os.memfd_create("probe", 0x0008))
    except OSError:
        pytest.skip("MFD_NOEXEC_SEAL came with Linux 6.3")
    descriptor = seal(TEXT)
    try:
        assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & 0x0020  # F_SEAL_EXEC
    finally:
        os.close(descriptor)


def test_refused_seals_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be sealed is not used."""
    create = os.memfd_create
    monkeypatch.setattr(os, "memfd_create", lambda name, _flags: create(name, os.MFD_CLOEXEC))
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the numbers are wanted
    with pytest.raises(UnavailableError, match="no sealed memory file could be made"):
        seal(TEXT)
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


@pytest.mark.parametrize("flags", [0, 2])
def test_memfd_is_recognised(flags: int) -> None:
    """A memory file is one with and without the right to be sealed."""
    descriptor = os.memfd_create("any", flags)
    try:
        assert is_memfd(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("folder", ["", "/dev/shm"])
def test_unlinked_file_is_no_memfd(tmp_path: Path, folder: str) -> None:
    """A file without a name is a file still, on disk and on a tmpfs."""
    if folder and not Path(folder).is_dir():
        pytest.skip(f"no {folder} here")
    with tempfile.TemporaryFile(dir=folder or tmp_path) as file:
        assert os.fstat(file.fileno()).st_nlink == 0
        assert not is_memfd(file.fileno())


def test_file_with_a_memfds_name_is_no_memfd(tmp_path: Path) -> None:
    """A name made to look like a memory file's does not make one."""
    path = tmp_path / "memfd:fake (deleted)"
    with path.open("wb") as file:
        path.unlink()
        assert not is_memfd(file.fileno())
