"""Every kind of stdout, and what is decided about it."""

from __future__ import annotations

import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.delivery.log_sources import CI_VARIABLES, is_ci
from resolver.delivery.stdout_policy import StdoutKind, check_stdout
from resolver.errors import SinkRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux's")
CLOSED = 1_000_000
"""No process here has that many descriptors."""
JOURNAL = "stdout is the system journal"
SHARED = "stdout is the same pipe or socket as stderr, which is how logs are collected"
CI_LOG = "stdout is the output of the CI job's own shell, which CI systems keep as a log"


@contextmanager
def pipe() -> Iterator[int]:
    """The writing end of a pipe."""
    reading, writing = os.pipe()
    try:
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


@contextmanager
def opened(path: str | Path, flags: int = os.O_WRONLY) -> Iterator[int]:
    """A descriptor of a path."""
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def null() -> Iterator[int]:
    """A descriptor of the null device."""
    with opened(os.devnull) as descriptor:
        yield descriptor


def look(
    fd: int,
    stderr_fd: int | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    allow_plaintext_file: bool = False,
    allow_log: bool = False,
) -> StdoutKind:
    """`judge` with everything refused and nothing suspicious unless said."""
    with null() as silent:
        return check_stdout(
            fd,
            silent if stderr_fd is None else stderr_fd,
            environ or {},
            allow_plaintext_file=allow_plaintext_file,
            allow_log=allow_log,
        )


def refusal(look_again: Callable[[], StdoutKind]) -> SinkRefusedError:
    """The error that a look ends in; its hint always names the way out."""
    with pytest.raises(SinkRefusedError) as caught:
        look_again()
    assert "`resolver exec BLUEPRINT" in caught.value.hint
    return caught.value


def identity(fd: int) -> str:
    """Device and inode, as systemd writes them."""
    status = os.fstat(fd)
    return f"{status.st_dev}:{status.st_ino}"


def test_pipe_is_a_stream() -> None:
    """A pipe gets the resolved text."""
    with pipe() as fd:
        assert look(fd) is StdoutKind.STREAM


def test_socket_is_a_stream() -> None:
    """A socket gets the resolved text."""
    one, other = socket.socketpair()
    with one, other:
        assert look(one.fileno(), other.fileno()) is StdoutKind.STREAM


def test_named_pipe_is_a_stream(tmp_path: Path) -> None:
    """A named pipe is a pipe: what goes through it is not stored on disk."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with opened(path, os.O_RDWR) as fd:
        assert look(fd) is StdoutKind.STREAM


@linux_only
def test_memory_file_is_a_stream() -> None:
    """An anonymous memory file is not a file on disk."""
    fd = os.memfd_create("caller's")
    try:
        assert look(fd) is StdoutKind.STREAM
    finally:
        os.close(fd)


def test_terminal_is_a_terminal() -> None:
    """A terminal is recognised, so that values are masked there, also when stderr and CI are on it."""
    leader, follower = pty.openpty()
    try:
        assert (
            look(follower, follower, {"CI": "1", "JOURNAL_STREAM": identity(follower)}) is StdoutKind.TERMINAL
        )
    finally:
        os.close(leader)
        os.close(follower)


def test_null_device_is_a_stream() -> None:
    """The null device keeps nothing, and is no log when stderr goes there, too."""
    with null() as fd:
        assert look(fd, fd, {"CI": "1"}) is StdoutKind.STREAM


@linux_only
@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero"])
def test_other_devices_are_refused(device: str) -> None:
    """Any other device is refused, also with permission to write files and logs."""
    with opened(device) as fd:
        error = refusal(lambda: look(fd, allow_plaintext_file=True, allow_log=True))
    assert error.message == "stdout is a device other than /dev/null"


def test_directory_is_refused(tmp_path: Path) -> None:
    """A directory is refused."""
    with opened(tmp_path, os.O_RDONLY) as fd:
        assert refusal(lambda: look(fd, allow_plaintext_file=True)).message == "stdout is a directory"


@linux_only
def test_kernel_object_is_refused() -> None:
    """What is no file at all is refused."""
    fd = os.eventfd(0)
    try:
        assert refusal(lambda: look(fd)).message == "stdout is neither a pipe, a socket nor a terminal"
    finally:
        os.close(fd)


def test_closed_is_refused() -> None:
    """A closed stdout is named, whatever is allowed."""
    error = refusal(lambda: look(CLOSED, 2, allow_plaintext_file=True, allow_log=True))
    assert error.message == "stdout is closed"


def test_closed_stderr_is_no_log() -> None:
    """Without a stderr nothing can be the same as it."""
    with pipe() as fd:
        assert look(fd, CLOSED) is StdoutKind.STREAM


def test_regular_file_is_refused(tmp_path: Path) -> None:
    """A regular file is refused; --allow-plaintext-file accepts it, --allow-log does not."""
    with (tmp_path / "out.yaml").open("wb") as file:
        fd = file.fileno()
        error = refusal(lambda: look(fd, allow_log=True))
        assert error.message == "stdout is a regular file"
        assert "--allow-plaintext-file" in error.hint
        assert look(fd, allow_plaintext_file=True) is StdoutKind.STREAM


@pytest.mark.parametrize("folder", ["", "/dev/shm"])
def test_unlinked_file_is_refused(tmp_path: Path, folder: str) -> None:
    """A file without a name, as a shell's here-string is, is a file, on disk and on a tmpfs."""
    if folder and not Path(folder).is_dir():
        pytest.skip(f"no {folder} here")
    with tempfile.TemporaryFile(dir=folder or tmp_path) as file:
        assert refusal(lambda: look(file.fileno())).message == "stdout is a regular file"


@linux_only
def test_file_on_tmpfs_is_refused() -> None:
    """A named file on a tmpfs is a file."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("no /dev/shm here")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        assert refusal(lambda: look(file.fileno())).message == "stdout is a regular file"


@pytest.fixture(params=["pipe", "socket"])
def stream(request: pytest.FixtureRequest) -> Iterator[int]:
    """A descriptor of a pipe, and then one of a socket."""
    if request.param == "pipe":
        with pipe() as fd:
            yield fd
    else:
        one, other = socket.socketpair()
        with one, other:
            yield one.fileno()


def test_journal_is_refused(stream: int) -> None:
    """What $JOURNAL_STREAM names is refused, unless logs are allowed."""
    environ = {"JOURNAL_STREAM": identity(stream)}
    error = refusal(lambda: look(stream, None, environ, allow_plaintext_file=True))
    assert error.message == JOURNAL
    assert "--allow-log" in error.hint
    assert look(stream, None, environ, allow_log=True) is StdoutKind.STREAM


@pytest.mark.parametrize("name", ["0:0", "", "nonsense", "1:2:3"])
def test_other_journal_is_no_log(name: str) -> None:
    """A $JOURNAL_STREAM that names something else, or nothing, says nothing about stdout."""
    with pipe() as fd:
        assert look(fd, None, {"JOURNAL_STREAM": name}) is StdoutKind.STREAM


def test_stream_shared_with_stderr_is_refused(stream: int) -> None:
    """One pipe, or one socket, for stdout and stderr is a log, unless logs are allowed."""
    copy = os.dup(stream)
    try:
        assert refusal(lambda: look(stream, copy, allow_plaintext_file=True)).message == SHARED
        assert look(stream, copy, allow_log=True) is StdoutKind.STREAM
    finally:
        os.close(copy)


def test_pipe_beside_another_is_no_log() -> None:
    """Two pipes are two pipes."""
    with pipe() as fd, pipe() as stderr:
        assert look(fd, stderr) is StdoutKind.STREAM


JUDGE = """
import os, sys
from resolver.delivery.stdout_policy import check_stdout
from resolver.errors import SinkRefusedError
try:
    sink = check_stdout(1, 2, os.environ, allow_plaintext_file=False, allow_log="log" in sys.argv)
    print(sink.name, file=sys.stderr)
except SinkRefusedError as error:
    print(error.message, file=sys.stderr)
"""
AS_JOB = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"
AS_PIPELINE = (
    "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE)"
)


def judged_in_job(environ: dict[str, str], ci: str, job: str, *arguments: str) -> str:
    """What a process says of its stdout when a parent process started it."""
    done = subprocess.run(
        [sys.executable, "-c", job, "-c", JUDGE, *arguments],
        env={**environ, "CI": ci},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stderr.strip()


@linux_only
def test_stdout_of_a_ci_job_is_refused(package_environ: dict[str, str]) -> None:
    """In CI, the pipe that the parent process itself writes to is the job's log."""
    assert judged_in_job(package_environ, "true", AS_JOB) == CI_LOG
    assert judged_in_job(package_environ, "true", AS_JOB, "log") == "STREAM"


@linux_only
def test_pipe_within_a_ci_job_is_no_log(package_environ: dict[str, str]) -> None:
    """In CI, a pipe that the parent made for us is a stream."""
    assert judged_in_job(package_environ, "true", AS_PIPELINE) == "STREAM"


@linux_only
def test_stdout_of_the_parent_outside_ci_is_no_log(package_environ: dict[str, str]) -> None:
    """Without $CI, or with an empty one, the parent's pipe says nothing."""
    assert judged_in_job(package_environ, "", AS_JOB) == "STREAM"


@linux_only
@pytest.mark.parametrize("name", sorted(CI_VARIABLES - {"CI"}))
def test_each_ci_system_is_known(name: str) -> None:
    """One variable of a CI system is enough, and `CI` has no say in it; an empty one is none."""
    assert is_ci({name: "x", "CI": "false"})
    assert not is_ci({name: "", "HOME": "/"})


@linux_only
def test_output_of_a_job_is_known_without_ci(package_environ: dict[str, str]) -> None:
    """A job's own stdout or stderr is a log where only the CI system's own variable says so."""
    environ = {**package_environ, "TF_BUILD": "True"}
    assert judged_in_job(environ, "", AS_JOB) == CI_LOG
    assert judged_in_job(environ, "false", AS_JOB) == CI_LOG


@linux_only
def test_stderr_of_a_job_is_a_log(package_environ: dict[str, str], tmp_path: Path) -> None:
    """What goes to the job's stderr does, too."""
    subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 3>&2 2>"$2" >&3; :', sys.executable, JUDGE, tmp_path / "said"],
        env={**package_environ, "TF_BUILD": "True"},
        capture_output=True,
        check=True,
    )
    assert (tmp_path / "said").read_text().strip() == CI_LOG


@linux_only
@pytest.mark.parametrize(
    "line",
    [
        '"$0" -c "$1" | cat',
        '(cd /; "$0" -c "$1") | cat',
        'timeout 60 "$0" -c "$1" | cat',
        '{ (sh -c \'"$0" -c "$1"; :\' "$0" "$1"); } | cat',
    ],
)
def test_pipe_to_a_program_of_the_job_is_no_log(package_environ: dict[str, str], line: str) -> None:
    """In CI, what another program of the job reads is no log, also when a shell stands between it and us."""
    done = subprocess.run(
        ["sh", "-c", f"{line}; :", sys.executable, JUDGE],
        env={**package_environ, "CI": "true", "GITLAB_CI": "true"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr.strip() == "STREAM"


MAIN_LOG = "stdout is the output of the container's main process, which container runtimes keep as a log"


def judged_in_container(environ: dict[str, str], *command: str) -> str:
    """What a process says of its stdout in a PID namespace whose first process is a command."""
    done = subprocess.run(
        ["unshare", "-pf", "--mount-proc", *command], env=environ, capture_output=True, check=True, text=True
    )
    return done.stderr.strip()


needs_namespaces = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(
        ["unshare", "-pf", "--mount-proc", "true"], capture_output=True, check=False
    ).returncode,
    reason="this user may not make PID namespaces",
)


@needs_namespaces
def test_output_of_the_main_process_is_refused(package_environ: dict[str, str]) -> None:
    """In a container, what process 1 writes to is a log: as process 1, below it, and when it is hidden."""
    plain = (sys.executable, "-c", JUDGE)
    assert judged_in_container(package_environ, *plain) == MAIN_LOG
    assert judged_in_container(package_environ, *plain, "log") == "STREAM"
    script = ("sh", "-c", '"$0" -c "$1"; :', sys.executable, JUDGE)
    assert judged_in_container(package_environ, *script) == MAIN_LOG
    hidden = (sys.executable, "-c", HIDDEN, sys.executable, "-c", JUDGE)
    assert judged_in_container(package_environ, *hidden) == MAIN_LOG


HIDDEN = """
import ctypes, subprocess, sys
prctl = ctypes.CDLL(None).prctl
prctl(4, 0, 0, 0, 0)  # not dumpable
subprocess.run(sys.argv[1:], preexec_fn=lambda: prctl(24, 19, 0, 0, 0), check=True)  # without CAP_SYS_PTRACE
"""
"""As process 1: runs a command that may not look at process 1."""


@needs_namespaces
@pytest.mark.parametrize("line", ['"$0" -c "$1" | cat', '(cd /; "$0" -c "$1"; :) | cat'])
def test_pipe_within_a_container_is_no_log(package_environ: dict[str, str], line: str) -> None:
    """In a container, a pipe to another program is none."""
    script = ("sh", "-c", f"{line}; :", sys.executable, JUDGE)
    assert judged_in_container(package_environ, *script) == "STREAM"
    hidden = (sys.executable, "-c", HIDDEN)
    assert judged_in_container(package_environ, *hidden, *script) == "STREAM"


@linux_only
def test_a_file_of_the_job_is_a_log_to_mask_for(package_environ: dict[str, str], tmp_path: Path) -> None:
    """What a job's shell writes to may be a file: what a command prints there is masked."""
    ask = "import os, sys; from resolver.delivery.stdout_policy import is_terminal_or_log as f; "
    ask += "sys.stderr.write(str(f(1, 2, os.environ)))"
    for environ, expected in (({"JENKINS_URL": "x"}, "True"), ({}, "False")):
        with (tmp_path / "log").open("wb") as log:
            done = subprocess.run(
                ["sh", "-c", '"$0" -c "$1"; :', sys.executable, ask],
                env=package_environ | environ,
                stdout=log,
                stderr=subprocess.PIPE,
                check=True,
                text=True,
            )
        assert done.stderr == expected


def test_unreadable_parent_is_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI, a parent that can't be looked at (another PID namespace: id 0) does not make a pipe a log."""
    monkeypatch.setattr(os, "getppid", lambda: 0)
    with pipe() as fd:
        assert look(fd, None, {"CI": "1"}) is StdoutKind.STREAM
