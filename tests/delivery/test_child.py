"""Commands really run: what they get, what they don't, and how their end is reported."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from resolver.delivery import child
from resolver.delivery.child_input import MemoryFiles
from resolver.delivery.child_output import ChildOutput
from resolver.delivery.masking import Needles
from resolver.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory files are Linux's"),
]

TEXT = b"password: open sesame\n"
READ_IN_GRANDCHILD = f"""'{sys.executable}' -c '
import os, sys
os.closerange(3, 1000)
sys.stdout.write(open(sys.argv[1]).read())
' "$0"; exit $?"""


def test_command_reads_the_path_twice(supervise: Callable[..., Any]) -> None:
    """Each opening of the path starts at the beginning of the text."""
    finished = supervise(["cat", "{}", "{}"])
    assert finished.out == TEXT * 2
    assert finished.ending == {"code": 0, "signal": None, "problem": ""}


def test_placeholder_inside_an_argument(supervise: Callable[..., Any]) -> None:
    """`{}` is replaced wherever it stands in an argument, and equals RESOLVED_BLUEPRINT."""
    finished = supervise(["sh", "-c", 'echo "$1 $RESOLVED_BLUEPRINT"', "sh", "--file={}"])
    argument, variable = finished.out.decode().split()
    assert argument == f"--file={variable}"


def test_path_names_the_command_by_its_process_id(supervise: Callable[..., Any]) -> None:
    """The path leads through the command's own process id, not through `self` or our id."""
    finished = supervise(["sh", "-c", "echo $$ {}"])
    pid, path = finished.out.decode().split()
    assert path.startswith(f"/proc/{pid}/fd/")


def test_program_name_is_not_replaced(supervise: Callable[..., Any]) -> None:
    """The blueprint is never run as a program."""
    finished = supervise(["{}"])
    assert finished.ending == {"code": 127, "signal": None, "problem": "the command '{}' was not found"}


def test_command_without_placeholder_uses_the_variable(supervise: Callable[..., Any]) -> None:
    """A command that has no `{}` finds the path in RESOLVED_BLUEPRINT."""
    assert supervise(["sh", "-c", 'cat "$RESOLVED_BLUEPRINT"']).out == TEXT


def test_grandchild_without_descriptors_reads_the_path(supervise: Callable[..., Any]) -> None:
    """A process that the command starts, and that has closed all descriptors, can read the path."""
    assert supervise(["sh", "-c", READ_IN_GRANDCHILD, "{}"]).out == TEXT


def test_grandchild_without_descriptors_has_no_path_of_its_own(supervise: Callable[..., Any]) -> None:
    """In such a process the same path through `self` would be gone: the process id in it is needed."""
    finished = supervise(
        ["sh", "-c", "p={}; set -- /proc/self/fd/${p##*/}; " + READ_IN_GRANDCHILD.replace("$0", "$1")]
    )
    assert finished.out == b""
    assert b"FileNotFoundError" in finished.err


def test_text_cannot_be_changed(supervise: Callable[..., Any]) -> None:
    """Neither writing, growing, shrinking, mapping nor new seals change the text, also not for root."""
    code = """
import fcntl, mmap, os, sys
path = sys.argv[1]
os.chmod(path, 0o600)
fd = os.open(path, os.O_RDWR)
def attempt(action):
    try:
        action()
    except OSError as error:
        return
    sys.exit("changed")
attempt(lambda: os.pwrite(fd, b"x", 0))
attempt(lambda: os.ftruncate(fd, 1))
attempt(lambda: os.ftruncate(fd, 1000))
attempt(lambda: os.open(path, os.O_RDWR | os.O_TRUNC))
attempt(lambda: mmap.mmap(fd, 0))
attempt(lambda: fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0))
attempt(lambda: os.write(int(path.rpartition("/")[2]), b"x"))
sys.stdout.write(open(path).read())
"""
    finished = supervise([sys.executable, "-c", code, "{}"])
    assert (finished.out, finished.err) == (TEXT, b"")


def test_mode_and_owner(supervise: Callable[..., Any]) -> None:
    """The file is readable by its owner only, and belongs to no path."""
    finished = supervise(["stat", "-L", "-c", "%a %u %h", "{}"])
    assert finished.out.decode().split() == ["400", str(os.getuid()), "0"]


def test_what_opens_the_store_is_withheld(supervise: Callable[..., Any]) -> None:
    """Token, keys and database URL are not in the command's environment; everything else is."""
    opening = {
        "RESOLVER_TOKEN",
        "RESOLVER_KEY",
        "RESOLVER_KEY_FILE",
        "RESOLVER_KEY_COMMAND",
        "RESOLVER_DATABASE_URL",
    }
    withheld = dict.fromkeys(opening, "hush")
    passed = {"RESOLVER_TENANT": "acme", "OTHER": "o"}
    out = supervise(["env"], environ={**withheld, **passed}).out.decode()
    names = {line.partition("=")[0] for line in out.splitlines()}
    assert "hush" not in out
    assert not names & opening
    assert {*passed, "PATH", "RESOLVED_BLUEPRINT"} <= names


@pytest.mark.parametrize("mode", ["path", "stdin"])
def test_no_other_descriptor_is_inherited(supervise: Callable[..., Any], mode: str) -> None:
    """A descriptor that was left inheritable does not reach the command; the blueprint's does."""
    reading, writing = os.pipe()
    try:
        finished = supervise(["ls", "-l", "/proc/self/fd"], mode=mode, pass_fds=[reading, writing])
    finally:
        os.close(reading)
        os.close(writing)
    lines = [line for line in finished.out.decode().splitlines() if " -> " in line]
    above = [line for line in lines if int(line.split(" -> ")[0].split()[-1]) > 2 and "/proc/" not in line]
    assert len([line for line in lines if "memfd:resolved-blueprint" in line]) == 1
    assert len(above) == (1 if mode == "path" else 0)


def test_supervisor_keeps_no_descriptor_of_the_text(supervise: Callable[..., Any]) -> None:
    """While the command runs, only the command holds the memory file."""
    finished = supervise(["sh", "-c", "ls -l /proc/$PPID/fd; echo; ls -l /proc/$$/fd"])
    ours, _, its = finished.out.partition(b"\n\n")
    assert b"->" in ours
    assert b"memfd" not in ours
    assert b"memfd" in its


@pytest.mark.parametrize("code", [0, 3, 125, 255])
def test_exit_code_passes_through(supervise: Callable[..., Any], code: int) -> None:
    """The command's exit code is reported as it is."""
    ending = supervise(["sh", "-c", f"exit {code}"]).ending
    assert ending == {"code": code, "signal": None, "problem": ""}


@pytest.mark.parametrize(("name", "number"), [("TERM", 15), ("KILL", 9), ("PIPE", 13)])
def test_signal_that_ended_the_command_is_told(supervise: Callable[..., Any], name: str, number: int) -> None:
    """A command ended by a signal is reported as that signal, and as the code that a shell reports."""
    ending = supervise(["sh", "-c", f"kill -{name} $$"]).ending
    assert ending == {"code": 128 + number, "signal": number, "problem": ""}


def test_missing_command_is_127(
    supervise: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that is nowhere, or whose interpreter is nowhere, is 127 as in a shell."""
    assert supervise(["no-such-program"]).ending == {
        "code": 127,
        "signal": None,
        "problem": "the command 'no-such-program' was not found",
    }
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no-such-program").touch()
    problem = supervise(["no-such-program"]).ending["problem"]
    assert problem.endswith("was not found; there is one in this folder, which is './no-such-program'")
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert supervise([str(script)]).ending["code"] == 127


def test_command_that_cannot_be_executed_is_126(supervise: Callable[..., Any], tmp_path: Path) -> None:
    """A file without permission to execute, a directory and a word with a null character are 126."""
    plain = tmp_path / "plain"
    plain.write_text("")
    assert supervise([str(plain)]).ending == {
        "code": 126,
        "signal": None,
        "problem": f"the command {str(plain)!r} can't be executed: permission denied",
    }
    assert supervise([str(tmp_path)]).ending["code"] == 126


def test_only_a_file_in_the_path_is_a_program(supervise: Callable[..., Any], tmp_path: Path) -> None:
    """A folder that the PATH search stumbles over is not a program (127); a plain file is one (126)."""
    folder = tmp_path / "bin"
    (folder / "deploy").mkdir(parents=True)
    assert supervise(["deploy"], environ={"PATH": str(folder)}).ending["code"] == 127
    (folder / "deploy").rmdir()
    (folder / "deploy").write_text("")
    assert supervise(["deploy"], environ={"PATH": str(folder)}).ending["code"] == 126


def test_program_is_looked_up_in_the_given_path(supervise: Callable[..., Any], tmp_path: Path) -> None:
    """The program comes from the PATH of the environment that the command gets."""
    script = tmp_path / "deploy"
    script.write_text(f"#!{sys.executable}\nprint('found')\n")
    script.chmod(0o755)
    assert supervise(["deploy"]).ending["code"] == 127
    assert supervise(["deploy"], environ={"PATH": str(tmp_path)}).out == b"found\n"


def test_empty_command_is_refused() -> None:
    """No command is a mistake in usage, found before anything is done."""
    with pytest.raises(UsageError, match="no command was given"):
        child.run([], MemoryFiles({}), environ={})


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_failed_fork_is_our_own_failure(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Where no process can be started, the error says so, holds no text, and no descriptor stays open."""

    def refuse() -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the numbers are wanted
    child_input, output = MemoryFiles({0: TEXT}), ChildOutput(Needles([b"sesame"]))
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(UnavailableError) as caught:
        child.run(["true"], child_input, environ={}, supervisor=output)
    assert caught.value.message == "no process could be started: Resource temporarily unavailable"
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_without_threads_nothing_starts(package_environ: dict[str, str], tmp_path: Path) -> None:
    """Where no thread can be started for a masked output, the command does not start, and it is said."""
    script = f"""
import threading
from resolver.delivery import child
from resolver.delivery.masking import Needles
from resolver.delivery.child_input import MemoryFiles
from resolver.delivery.child_output import ChildOutput
from resolver.errors import UnavailableError
def fail(*_):
    raise RuntimeError("can't start new thread")
threading.Thread.start = fail
try:
    output = ChildOutput(Needles([b"sesame"]))
    child_input = MemoryFiles({{0: b"open sesame"}})
    child.run(["touch", "{tmp_path}/started"], child_input, environ={{}}, supervisor=output)
except UnavailableError as error:
    print(error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=package_environ, capture_output=True, check=True
    )
    assert done.stdout == b"the command was not started: can't start new thread\n"
    assert not (tmp_path / "started").exists()


def test_failure_before_the_command_is_our_own(package_environ: dict[str, str]) -> None:
    """What goes wrong in the child before it becomes the command is an error of ours, not an exit code."""
    script = """
import sys
from resolver.delivery import child
from resolver.delivery.child_input import MemoryFiles
from resolver.errors import UnavailableError
def fail(*passed):
    raise OSError(24, "x")
child.close_all_but = fail
try:
    child.run(["true"], MemoryFiles({0: b"password: open sesame"}), environ={})
except UnavailableError as error:
    print(error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=package_environ, capture_output=True, check=True
    )
    assert done.stdout == b"the command 'true' could not be started: too many open files\n"
    assert done.stderr == b""


def test_null_character_is_told_as_126(package_environ: dict[str, str]) -> None:
    """A word that the system can't pass on is reported without a traceback and without the word."""
    script = """
from resolver.delivery import child
from resolver.delivery.child_input import MemoryFiles
print(child.run(["true", "a\\0b"], MemoryFiles({0: b"t"}), environ={}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=package_environ, capture_output=True, check=True
    )
    assert b"code=126" in done.stdout
    assert b"a word of it can't be passed on" in done.stdout
    assert done.stderr == b""


def test_stdin_mode_feeds_the_text(supervise: Callable[..., Any]) -> None:
    """As stdin, the text is read from its start, `{}` is like any other argument, and there is no path."""
    finished = supervise(
        ["sh", "-c", 'cat; echo "$1 ${RESOLVED_BLUEPRINT-unset}"', "sh", "{}"],
        mode="stdin",
        environ={"RESOLVED_BLUEPRINT": "/stale"},
        standard_input=b"ours",
    )
    assert finished.out == TEXT + b"{} unset\n"


def test_path_mode_keeps_our_stdin(supervise: Callable[..., Any]) -> None:
    """With the text as a path, the command reads the stdin that we were given."""
    assert supervise(["cat", "-", "{}"], standard_input=b"ours\n").out == b"ours\n" + TEXT


def test_works_with_stdin_closed(supervise: Callable[..., Any]) -> None:
    """A closed stdin stays closed, and its number is not taken by the text."""
    closed = ("sh", "-c", 'exec "$@" <&-', "sh")
    assert supervise(["cat", "{}"], before=closed).out == TEXT
    assert b"Bad file descriptor" in supervise(["cat", "-"], before=closed, environ={"LC_ALL": "C"}).err
    assert supervise(["cat"], before=closed, mode="stdin").out == TEXT


@pytest.mark.parametrize("mode", ["path", "stdin"])
def test_any_bytes_of_any_size(supervise: Callable[..., Any], mode: str) -> None:
    """20 MB of all byte values arrive unchanged; so does nothing at all."""
    text = bytes(range(256)) * 80_000
    command = ["sha256sum", "{}"] if mode == "path" else ["sha256sum"]
    assert supervise(command, text=text, mode=mode).out.decode()[:64] == hashlib.sha256(text).hexdigest()
    assert supervise(command, text=b"", mode=mode).out.decode()[:64] == hashlib.sha256(b"").hexdigest()


def test_command_outlives_a_killed_supervisor(start: Callable[..., Any]) -> None:
    """When we are killed outright, the command goes on and can still read the text."""
    supervised = start(["sh", "-c", "echo ready; read go; cat {}"], stdin=subprocess.PIPE)
    assert supervised.process.stdout.readline() == b"ready\n"
    supervised.process.kill()
    assert supervised.process.wait(200) == -9
    finished = supervised.finish(b"go\n")
    assert finished.out == TEXT
    assert finished.ending == {}


def test_hardened_supervisor(supervise: Callable[..., Any]) -> None:
    """A supervisor that is not dumpable delivers all the same, and the command starts dumpable."""
    code = "import ctypes, sys; print(open(sys.argv[1]).read(), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert supervise([sys.executable, "-c", code, "{}"], hardened=True).out == TEXT + b" 1\n"
