"""FIFOs: one reader, no trace afterwards, whoever is killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resolver.delivery import fifo, fifo_cleanup
from resolver.delivery.fifo import PrivateFolder, candidate_folders
from resolver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are run on Linux only"),
]

TEXT = b"password: open sesame\n"


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def cleaners(base: Path) -> list[int]:
    """The clean-up processes of a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(base) in arguments and any(
                word.endswith(b"fifo_cleanup.py") for word in arguments
            ):
                found.append(int(entry.name))
    return found


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where the private folder is made."""
    made = tmp_path / "runtime"
    made.mkdir()
    return made


def run_options(base: Path) -> dict[str, Any]:
    """What makes a supervisor serve a FIFO in a folder of the test's own."""
    return {"mode": "fifo", "environ": {"XDG_RUNTIME_DIR": str(base)}}


def test_one_read(supervise: Callable[..., Any], base: Path) -> None:
    """The path gives the text once, by a plain name; a second open is an error, and does not wait."""
    finished = supervise(
        ["sh", "-c", 'echo {} "$RESOLVED_BLUEPRINT"; cat {}; cat {}; echo $?'],
        **run_options(base),
    )
    path, variable, *rest = finished.out.decode().split(maxsplit=2)
    assert path == variable
    assert Path(path).parent.parent == base
    assert rest == [TEXT.decode() + "1\n"]
    assert b"No such file or directory" in finished.err
    assert list(base.iterdir()) == []
    assert cleaners(base) == []


def test_modes(supervise: Callable[..., Any], base: Path) -> None:
    """The folder is its owner's alone, whatever the umask; the FIFO, too."""
    command = ["sh", "-c", "stat -c '%a %F' $(dirname {}) {}"]
    out = supervise(command, before=("sh", "-c", 'umask 777; exec "$@"', "sh"), **run_options(base)).out
    assert out == b"700 directory\n600 fifo\n"


def test_large_texts(supervise: Callable[..., Any], base: Path) -> None:
    """A text that no pipe can hold arrives whole."""
    text = bytes(range(256)) * 20_000
    finished = supervise(["cat", "{}"], text=text, **run_options(base))
    assert finished.out == text


def test_a_reader_that_goes_away(supervise: Callable[..., Any], base: Path) -> None:
    """One that reads only the beginning, or nothing at all, ends as it likes, and nothing is left."""
    text = TEXT * 200_000
    assert supervise(["head", "-n", "1", "{}"], text=text, **run_options(base)).out == TEXT
    assert supervise(["true", "{}"], **run_options(base)).ending["code"] == 0
    assert list(base.iterdir()) == []


@pytest.mark.parametrize("victim", ["command", "supervisor", "both"])
@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
def test_nothing_is_left_when_someone_is_killed(
    start: Callable[..., Any], base: Path, victim: str, *, read: bool
) -> None:
    """SIGKILL of the command, of us or of both leaves neither folder nor process."""
    script = f"echo $$; {'cat {} >/dev/null; ' if read else ''}exec 3</dev/null; echo ready; exec sleep 30"
    supervised = start(["sh", "-c", script], **run_options(base))
    command = int(supervised.process.stdout.readline())
    assert supervised.process.stdout.readline() == b"ready\n"
    assert len(list(base.iterdir())) == 1
    assert len(cleaners(base)) == 1
    if victim != "command":
        supervised.process.kill()
    if victim != "supervisor":
        os.kill(command, signal.SIGKILL)
    until(lambda: not list(base.iterdir()) and not cleaners(base))
    if victim == "supervisor":
        os.kill(command, signal.SIGKILL)  # it goes on without us, as it should
    supervised.process.wait(100)


def test_the_cleaner_is_killed(base: Path) -> None:
    """Then we remove the folder ourselves."""
    with PrivateFolder(["a", "b"], [str(base)]) as folder:
        assert {path.name for path in folder.path.iterdir()} == {"a", "b"}
        (pid,) = cleaners(base)
        os.kill(pid, signal.SIGKILL)
    assert list(base.iterdir()) == []


def test_the_cleaner_stands_aside(base: Path) -> None:
    """It leads a session of its own, has no environment and no other descriptor, and ignores signals."""
    with PrivateFolder(["a"], [str(base)]):
        (pid,) = cleaners(base)
        until(lambda: Path(f"/proc/{pid}/cwd").readlink() == Path("/"))
        assert os.getsid(pid) == pid
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
        assert {entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()} == {"0", "2"}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        time.sleep(0.05)
        assert cleaners(base) == [pid]
    assert cleaners(base) == []


def test_what_a_command_puts_there_is_removed(base: Path) -> None:
    """A file or a folder that was put into the private folder goes with it; a link is not followed."""
    kept = base.with_name("kept")
    kept.mkdir()
    (kept / "file").write_text("stays")
    with PrivateFolder(["a"], [str(base)]) as folder:
        (folder.path / "deep" / "er").mkdir(parents=True)
        (folder.path / "deep" / "er" / "copy").write_text("value")
        (folder.path / "link").symlink_to(kept)
    assert list(base.iterdir()) == []
    assert (kept / "file").read_text() == "stays"


def test_the_first_place_that_can_be_written_to(base: Path) -> None:
    """A folder that is missing, or is none, is passed over."""
    (base / "file").write_text("")
    with PrivateFolder(["a"], ["/no/such/place", str(base / "file"), str(base)]) as folder:
        assert folder.path.parent == base
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_no_folder(base: Path) -> None:
    """Where there is none, the error names those that were tried, and no process is left."""
    with pytest.raises(UnavailableError) as caught:
        PrivateFolder(["a"], [f"{base}/no", "/no/such/place"])
    assert caught.value.message == f"no folder for a FIFO could be made in {base}/no, /no/such/place"
    assert cleaners(base) == []


def test_a_place_that_others_can_change(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in which someone else could exchange the folder is passed over; a sticky bit keeps them from it."""
    for mode, is_safe in ((0o700, True), (0o755, True), (0o1777, True), (0o777, False), (0o775, False)):
        base.chmod(mode)
        assert fifo_cleanup.is_safe(str(base)) is is_safe
    with pytest.raises(UnavailableError) as caught:
        PrivateFolder(["a"], [str(base)])
    assert caught.value.hint == "let XDG_RUNTIME_DIR or TMPDIR name a folder that only you can write to"
    base.chmod(0o1777)
    assert fifo_cleanup.is_safe(str(base))
    if os.geteuid() == 0:
        os.chown(base, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: base.stat().st_uid + 1)
    assert not fifo_cleanup.is_safe(str(base))


def test_what_is_put_in_the_place_of_a_fifo(base: Path) -> None:
    """A file or link that replaces it gets nothing, nor does what has its path once it was moved."""
    for kind in ("file", "link", "moved"):
        with PrivateFolder(["a"], [str(base)]) as folder:
            fifo_path, caught = folder.path / "a", base.with_name("caught")
            caught.write_bytes(b"")
            if kind == "moved":
                folder.path.rename(base / "aside")
                folder.path.mkdir()
            else:
                fifo_path.unlink()
            if kind == "link":
                fifo_path.symlink_to(caught)
            else:
                fifo_path.write_bytes(b"")
            folder.feed("a", TEXT)
            if kind == "moved":
                assert (base / "aside" / "a").read_bytes() == TEXT
                (base / "aside").rmdir()
            time.sleep(0.1)
            assert fifo_path.read_bytes() + caught.read_bytes() == b""
    assert list(base.iterdir()) == []


def test_a_folder_that_takes_no_fifo_is_passed_over(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none; the folder is removed again."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "x")

    monkeypatch.setattr(os, "mkfifo", refuse)
    assert fifo_cleanup.make_folder([str(base)], ["a"]) == ""
    assert list(base.iterdir()) == []


def test_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's own folder, then memory, then the one for temporary files; relative names are ignored."""
    monkeypatch.setattr(fifo.tempfile, "gettempdir", lambda: "/tmp")
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": "/var/tmp"}
    assert candidate_folders(environ) == [str(tmp_path), "/dev/shm", "/var/tmp", "/tmp"]
    assert candidate_folders({"XDG_RUNTIME_DIR": "here", "TMPDIR": "there"}) == ["/dev/shm", "/tmp"]
    assert candidate_folders({"TMPDIR": "/tmp"}) == ["/dev/shm", "/tmp"]


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system is read-only and has no such folder, the others are still tried."""

    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert candidate_folders({"XDG_RUNTIME_DIR": "/run/user/1"}) == ["/run/user/1", "/dev/shm"]


def test_no_process_can_be_started(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the error says so, and no descriptor stays open."""
    monkeypatch.setattr(sys, "executable", str(base / "none"))
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the numbers are wanted
    with pytest.raises(UnavailableError, match="no process could be started: No such file or directory"):
        PrivateFolder(["a"], [str(base)])
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_the_program_alone(base: Path) -> None:
    """Run by hand with its stdin at an end, it makes the folder, writes its path, and removes it."""
    done = subprocess.run(
        [sys.executable, fifo_cleanup.__file__, "a/b", str(base)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(os.fsencode(base) + b"/resolver-")
    assert list(base.iterdir()) == []


def test_stdin_pipe(supervise: Callable[..., Any]) -> None:
    """Without memory files stdin is a pipe: any text of any size, also one that is not read."""
    text = bytes(range(256)) * 20_000
    assert supervise(["cat"], text=text, mode="pipe").out == text
    assert supervise(["cat"], text=b"", mode="pipe").out == b""
    assert supervise(["true"], text=text, mode="pipe").ending["code"] == 0
    finished = supervise(["sh", "-c", 'echo "$1 ${RESOLVED_BLUEPRINT-unset}"', "sh", "{}"], mode="pipe")
    assert finished.out == b"{} unset\n"
