"""A command that has a terminal of its own, because all it shows is masked on its way to ours."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.delivery.conftest import SHELL, Terminal
from tests.delivery.test_signals import counting, state_of, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.delivery.conftest import Supervised

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are run on Linux only"),
]

VALUE = "open-sesame"

# As the other one, but the job starts in the background, while the terminal is set as at a shell's prompt.
# A line typed puts it into the foreground, in which a job that was not stopped gets no signal.
BACKGROUND = """
import fcntl, os, signal, subprocess, sys, termios, time, tty
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
before = termios.tcgetattr(0)
tty.setraw(0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
default = lambda: signal.signal(signal.SIGTTOU, signal.SIG_DFL)
job = subprocess.Popen(sys.argv[1:], process_group=0, preexec_fn=default)
sys.stdin.readline()
time.sleep(0.2)  # a process is stopped once all of its threads are
_, status = os.waitpid(job.pid, os.WUNTRACED | os.WNOHANG)
termios.tcsetattr(0, termios.TCSANOW, before)
print("job is stopped" if os.WIFSTOPPED(status) else "job runs", flush=True)
os.tcsetpgrp(0, job.pid)
if os.WIFSTOPPED(status):
    os.killpg(job.pid, signal.SIGCONT)
os.waitpid(job.pid, 0)
os.tcsetpgrp(0, os.getpgrp())
print("job ended", flush=True)
"""

# Reads keys one by one from the terminal that it was started at, as full-screen programs do.
FULL_SCREEN = """
import os, termios, tty
keyboard = os.open("/dev/tty", os.O_RDWR)
before = termios.tcgetattr(keyboard)
tty.setraw(keyboard)
os.write(keyboard, b"raw")
key = os.read(keyboard, 1)
termios.tcsetattr(keyboard, termios.TCSANOW, before)
os.write(1, b"key %d\\n" % key[0])
"""


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A pseudo-terminal."""
    made = Terminal()
    yield made
    for end in (made.leader, made.follower):
        if end >= 0:
            os.close(end)


@pytest.fixture
def job(start: Callable[..., Supervised], terminal: Terminal) -> Callable[..., Supervised]:
    """Start a masking supervisor as the job of a shell at the terminal."""

    def start_job(command: list[str], shell: str = SHELL, **streams: object) -> Supervised:
        ends = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.follower) | streams
        return start(
            command, masked=VALUE, before=(sys.executable, "-c", shell), start_new_session=True, **ends
        )

    return start_job


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits only for a parent that may never look."""
    try:
        return state_of(pid) == "Z"
    except OSError:
        return True


def settings(terminal: Terminal) -> list[object]:
    """The terminal's settings."""
    return termios.tcgetattr(terminal.follower)


def test_full_screen(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """A program that reads single keys from /dev/tty gets them, ^C as any other; /dev/tty is masked."""
    job([sys.executable, "-c", FULL_SCREEN + f"os.write(keyboard, b'{VALUE}')"])
    terminal.expect("raw")
    terminal.type("\x03")
    assert terminal.expect("***") == "key 3\r\n"
    terminal.expect("job ended")


def test_our_terminal_is_as_before(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """While the command runs our terminal gives us each key; afterwards it is as it was."""
    before = settings(terminal)
    job(["sh", "-c", "echo ready; read word; stty -a"])
    terminal.expect("ready")
    until(lambda: settings(terminal) != before)
    terminal.type("\n")
    inner = terminal.expect("job ended")
    assert "isig icanon" in inner
    assert settings(terminal) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_our_terminal_after_a_signal(
    job: Callable[..., Supervised], terminal: Terminal, number: signal.Signals
) -> None:
    """A signal that ends command and supervisor leaves our terminal as it was."""
    before = settings(terminal)
    job(["sh", "-c", "cut -d' ' -f4 /proc/$PPID/stat; exec sleep 20"])
    supervisor = int(terminal.expect("\r\n"))
    until(lambda: settings(terminal) != before)
    os.kill(supervisor, number)
    terminal.expect("job ended")
    assert settings(terminal) == before


def test_stopped(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """While the job is stopped our terminal is as it was, and keys are ours again when it goes on."""
    before = settings(terminal)
    job(["sh", "-c", "echo ready; read word; echo got $word"])
    terminal.expect("ready")
    until(lambda: settings(terminal) != before)
    terminal.type("\x1a")
    terminal.expect("job stopped")
    assert settings(terminal) == before
    terminal.type("\n")
    terminal.expect("job continued")
    until(lambda: settings(terminal) != before)
    terminal.type("word\n")
    terminal.expect("got word")
    terminal.expect("job ended")


def test_stop_signal_that_nobody_sees(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """A supervisor that was stopped by SIGSTOP takes the keys again when it is continued."""
    before = settings(terminal)
    job(["sh", "-c", "cut -d' ' -f4 /proc/$PPID/stat; read word; echo got $word"])
    supervisor = int(terminal.expect("\r\n"))
    until(lambda: settings(terminal) != before)
    os.kill(supervisor, signal.SIGSTOP)
    terminal.expect("job stopped")
    termios.tcsetattr(terminal.follower, termios.TCSANOW, before)
    terminal.type("\n")
    terminal.expect("job continued")
    until(lambda: settings(terminal) != before)
    terminal.type("word\n")
    terminal.expect("got word")
    terminal.expect("job ended")


def test_keys_reach_the_foreground_group(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """^C and ^Z go to all processes of the command, not only to the first, and all are continued."""
    second = "trap 'echo two; exit' INT; echo ready; while :; do sleep 0.1; done"
    job(["sh", "-c", "trap 'echo one' INT; sh -c \"$0\"", second])
    terminal.expect("ready\r\n")
    terminal.type("\x1a")
    terminal.expect("job stopped")
    terminal.type("\n")
    terminal.expect("job continued")
    time.sleep(0.1)
    terminal.type("\x03")
    terminal.expect("two\r\none\r\n")
    terminal.expect("job ended")


def test_the_rest_of_the_job_is_interrupted(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """A script that starts us is stopped by ^Z and ended by ^C, as if the terminal had sent both to all."""
    script = 'trap "echo script interrupted; exit" INT; "$@"; echo not reached'
    shell = SHELL.replace("sys.argv[1:]", f"['sh', '-c', {script!r}, 'sh', *sys.argv[1:]]")
    before = settings(terminal)
    job(["sh", "-c", "echo ready; exec sleep 20"], shell)
    terminal.expect("ready")
    until(lambda: settings(terminal) != before)
    terminal.type("\x1a")
    terminal.expect(f"job stopped by {int(signal.SIGTSTP)}")
    terminal.type("\n")
    terminal.expect("job continued")
    until(lambda: settings(terminal) != before)
    terminal.type("\x03")
    assert "not reached" not in terminal.expect("script interrupted\r\n")
    terminal.expect("job ended")


def test_no_stop_where_no_shell_is(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """Where no shell could continue us (`ssh -t`, a container) ^Z changes nothing, as at any terminal."""
    alone = (
        "import fcntl, os, sys; fcntl.ioctl(0, 0x540E, 0); os.execv(sys.argv[1], sys.argv[1:])"  # TIOCSCTTY
    )
    before = settings(terminal)
    job(["sh", "-c", "echo ready; read word; echo got $word"], alone)
    terminal.expect("ready")
    until(lambda: settings(terminal) != before)
    terminal.type("\x1a")
    terminal.expect("^Z")
    until(lambda: settings(terminal) != before)
    terminal.type("word\n")
    terminal.expect("got word")


def test_large_paste(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """100 kB of keys arrive whole, while the command writes as much and does not read for a while."""
    code = (
        "import os, sys, time\nprint('ready', flush=True)\ntime.sleep(0.3)\nfor n in range(1000):\n"
        " print('x' * 99)\n assert sys.stdin.readline() == 'y' * 99 + chr(10), n\nprint('all read')"
    )
    job(["sh", "-c", 'stty -echo; exec "$@"', "sh", sys.executable, "-c", code])
    terminal.expect("ready")
    left = b"".join([b"y" * 99 + b"\n"] * 1000)
    os.set_blocking(terminal.leader, False)
    seen = b""
    deadline = time.monotonic() + 120
    while b"all read" not in seen:
        assert time.monotonic() < deadline, (len(left), seen[-200:])
        with suppress(BlockingIOError):
            left = left[os.write(terminal.leader, left) :] if left else left
        try:
            seen += os.read(terminal.leader, 1 << 16)
        except BlockingIOError:
            time.sleep(0.001)
    assert not left
    assert seen.count(b"x") == 99_000


def test_end_of_file_and_password(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """^D ends the input; a password prompt reads without echo; other keys are shown as they are pressed."""
    code = "import getpass, sys; print(len(sys.stdin.read())); print(getpass.getpass('secret? ') == 'ä b')"
    job([sys.executable, "-c", f"print('ready', flush=True); {code}"])
    terminal.expect("ready\r\n")
    terminal.type("ö\n")
    terminal.expect("ö\r\n")
    terminal.type("\x04")
    terminal.expect("2\r\n")
    terminal.expect("secret? ")
    time.sleep(0.1)
    terminal.type("ä b\n")
    assert terminal.expect("True") == "\r\n"
    terminal.expect("job ended")


def test_echo_does_not_wait_for_the_next_key(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """A key with which a value begins is shown all the same, and the rest of the value is not."""
    job(["sh", "-c", "echo ready; read word; echo $word"])
    terminal.expect("ready\r\n")
    for shown, key in (("o", "o"), ("p", "p"), ("***", VALUE[2:])):
        terminal.type(key)
        assert terminal.expect(shown) == ""
    terminal.type("\n")
    assert terminal.expect("***") == "\r\n"
    terminal.expect("job ended")


def test_background(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """In the background our terminal is left alone; a command that asks for keys stops, until `fg`."""
    before = settings(terminal)
    supervised = job(["sh", "-c", "echo ready; read word; echo got $word"], BACKGROUND)
    terminal.expect("ready")
    at_the_prompt = settings(terminal)
    children = f"/proc/{supervised.process.pid}/task/{supervised.process.pid}/children"
    with open(children) as file:  # noqa: PTH123 - a one-line file
        supervisor = int(file.read())
    until(lambda: state_of(supervisor) == "T")
    assert settings(terminal) == at_the_prompt != before
    terminal.type("\n")
    terminal.expect("job is stopped")
    until(lambda: settings(terminal) != before)
    terminal.type("word\n")
    assert terminal.expect("got word") == "\r\nword\r\n"
    terminal.expect("job ended")
    assert settings(terminal) == before


def test_running_job_comes_to_the_front(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """A shell sends a running job no signal at `fg`; we see it ourselves, and ^C works."""
    before = settings(terminal)
    job(counting(signal.SIGINT), BACKGROUND)
    terminal.expect("ready")
    terminal.type("\n")
    terminal.expect("job runs")
    until(lambda: settings(terminal) != before)
    terminal.type("\x03")
    terminal.expect("^C")
    terminal.expect("1\r\n")
    terminal.expect("job ended")


def test_two_at_once(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """Of two in one job one has the keys, and the other one's command waits for them."""
    both = (
        "import subprocess, sys, time\nfirst = subprocess.Popen([*sys.argv[1:], 'sleep 1.5'])\n"
        "time.sleep(0.7)\nsecond = subprocess.Popen([*sys.argv[1:], 'read word; echo got $word'])\n"
        "first.wait()\nprint('first ended', flush=True)\nsecond.wait()"
    )
    shell = SHELL.replace("sys.argv[1:]", f"[sys.executable, '-c', {both!r}, *sys.argv[1:]]")
    before = settings(terminal)
    job(["sh", "-c"], shell)
    terminal.expect("first ended")
    terminal.type("word\n")
    terminal.expect("got word")
    terminal.expect("job ended")
    assert settings(terminal) == before


def test_hangup(job: Callable[..., Supervised], terminal: Terminal, tmp_path: Path) -> None:
    """When our terminal goes away, the command's group gets SIGHUP, once."""
    reported = tmp_path / "hung-up"
    script = f"trap 'echo hup >> {reported}' HUP; cut -d' ' -f4 /proc/$PPID/stat; "
    job(["sh", "-c", script + f"while ! test -s {reported}; do sleep 0.05; done; sleep 0.5"])
    supervisor = int(terminal.expect("\r\n"))
    time.sleep(0.1)
    os.close(terminal.follower)
    os.close(terminal.leader)
    terminal.leader = terminal.follower = -1
    until(reported.exists)
    os.kill(supervisor, signal.SIGHUP)  # as a shell signals its jobs
    time.sleep(0.5)
    assert reported.read_text() == "hup\n"


def test_the_supervisor_is_killed(job: Callable[..., Supervised], terminal: Terminal, tmp_path: Path) -> None:
    """The command goes on, nothing that it writes comes out unmasked, and with it the session ends."""
    reported, go = tmp_path / "went-on", tmp_path / "go"
    script = f"while ! test -e {go}; do sleep 0.05; done; echo {VALUE}; echo on > {reported}"
    job(["sh", "-c", f"echo $PPID; cut -d' ' -f4 /proc/$PPID/stat; {script}"])
    between, supervisor = (int(terminal.expect("\r\n")) for _ in range(2))
    os.kill(supervisor, signal.SIGKILL)
    terminal.expect("job ended")
    go.touch()
    until(reported.exists)
    until(lambda: has_ended(between))
    assert VALUE not in terminal.seen


def test_processes_left_behind(job: Callable[..., Supervised], terminal: Terminal, tmp_path: Path) -> None:
    """The end of the command is no hangup for what it leaves behind."""
    reported = tmp_path / "lived"
    job(["sh", "-c", f"(sleep 0.3; echo lived > {reported}) > /dev/null 2>&1 & echo ready"])
    terminal.expect("job ended")
    until(reported.exists)


def test_command_that_cannot_start(job: Callable[..., Supervised], terminal: Terminal) -> None:
    """It is reported as ever, and our terminal is as it was."""
    before = settings(terminal)
    supervised = job(["no-such-program"])
    terminal.expect("job ended")
    assert supervised.finish().ending["code"] == 127
    assert settings(terminal) == before


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_pipelines(job: Callable[..., Supervised], terminal: Terminal, stream: str) -> None:
    """Where stdin or stdout is a pipe the keys may be another program's: our terminal is left alone."""
    before = settings(terminal)
    # The shell's part needs the terminal as its stdin.
    shell = SHELL.replace("sys.argv[1:]", f"sys.argv[1:], {stream}=subprocess.PIPE")
    script = "echo ready > /dev/tty; tty < /dev/tty; stty -a < /dev/tty; read word < /dev/tty"
    job(["sh", "-c", script], shell)
    terminal.expect("ready")
    assert settings(terminal) == before
    terminal.type("\n")
    terminal.expect("job ended")
