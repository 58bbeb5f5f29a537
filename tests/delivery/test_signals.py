"""Signals on their way between a supervisor, its command and a terminal."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.conftest import SHELL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.delivery.conftest import Supervised, Terminal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are run on Linux only"),
]

# Counts one signal until 0.3 s have passed since the last one, then prints how many there were.
COUNT = """
import os, signal, sys, time
number = int(sys.argv[1])
seen = []
signal.signal(number, lambda *_: seen.append(time.monotonic()))
print("ready", flush=True)
started = time.monotonic()
if "parent" in sys.argv:
    os.kill(os.getppid(), number)
    started -= 4.5
while time.monotonic() < (seen[-1] + 0.3 if seen else started + 5):
    time.sleep(0.02)
print(len(seen))
"""


def counting(number: int, *more: str) -> list[str]:
    """The command that counts a signal."""
    return [sys.executable, "-c", COUNT, str(int(number)), *more]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGWINCH,
        signal.SIGCONT,
        signal.SIGRTMIN,
    ],
)
def test_signal_to_us_reaches_the_command_once(start: Callable[..., Supervised], number: int) -> None:
    """What someone sends to us alone is passed on, once, and does not end us."""
    supervised = start(counting(number))
    assert supervised.process.stdout is not None
    assert supervised.process.stdout.readline() == b"ready\n"
    supervised.process.send_signal(number)
    finished = supervised.finish()
    assert finished.out == b"1\n"
    assert finished.ending["code"] == 0


def test_command_ended_by_a_forwarded_signal(start: Callable[..., Supervised]) -> None:
    """A command that does nothing about a signal sent to us ends by it."""
    supervised = start(["sh", "-c", "echo ready; exec sleep 20"])
    assert supervised.process.stdout is not None
    assert supervised.process.stdout.readline() == b"ready\n"
    supervised.process.terminate()
    assert supervised.finish().ending == {"code": 143, "signal": 15, "problem": ""}


def test_signal_from_the_command_is_not_returned(start: Callable[..., Supervised]) -> None:
    """What the command itself sends to us is not sent back to it."""
    assert start(counting(signal.SIGUSR1, "parent")).finish().out == b"ready\n0\n"


def signals_of(finished: Any) -> dict[str, int]:  # noqa: ANN401 - what the fixture gives
    """The sets of blocked and ignored signals that the command printed, by their names in /proc."""
    lines = finished.out.decode().splitlines()
    return {line.split(":")[0]: int(line.split()[1], 16) for line in lines}


SHOW = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]


def bit(number: int) -> int:
    """A signal's bit in such a set."""
    return 1 << (number - 1)


def test_command_starts_with_clean_signals(supervise: Callable[..., Any]) -> None:
    """Nothing is blocked, and the signals that Python ignores are not ignored."""

    def block() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})

    seen = signals_of(supervise(SHOW, preexec_fn=block))
    assert seen["SigBlk"] == 0
    assert not seen["SigIgn"] & (bit(signal.SIGPIPE) | bit(signal.SIGXFSZ))


def test_ignored_signals_stay_ignored(supervise: Callable[..., Any]) -> None:
    """What was ignored when we were started (as `nohup` does) the command ignores; nothing else."""
    ignoring = ("sh", "-c", 'trap "" USR1; exec "$@"', "sh")
    # Without the two above the standard ones: the C library's own, which posix_spawn(3) ignores for itself.
    standard = bit(32) - 1
    with_it = signals_of(supervise(SHOW, before=ignoring))["SigIgn"] & standard
    without = signals_of(supervise(SHOW))["SigIgn"] & standard
    assert with_it == without | bit(signal.SIGUSR1)
    assert not without & bit(signal.SIGUSR1)


def test_inherited_ignoring_of_child_signals_does_no_harm(supervise: Callable[..., Any]) -> None:
    """A supervisor started with SIGCHLD ignored still learns how its command ended."""

    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    assert supervise(["sh", "-c", "exit 3"], preexec_fn=ignore).ending["code"] == 3


def state_of(pid: int) -> str:
    """A process's state, as one letter."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_waiting(pid: int) -> bool:
    """Whether a process sleeps and has dealt with all its signals."""
    return state_of(pid) == "S" and "ShdPnd:\t0000000000000000" in Path(f"/proc/{pid}/status").read_text()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most 2 minutes."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_stop_where_nobody_could_continue_us(start: Callable[..., Supervised]) -> None:
    """Without a shell above us (an orphaned process group) a stopped command does not stop us."""
    supervised = start(["sh", "-c", "echo $$; kill -STOP $$; exit 5"], start_new_session=True)
    assert supervised.process.stdout is not None
    command = int(supervised.process.stdout.readline())
    until(lambda: state_of(command) == "T")
    time.sleep(0.1)
    assert state_of(supervised.process.pid) == "S"
    supervised.process.send_signal(signal.SIGCONT)
    assert supervised.finish().ending["code"] == 5


def start_job(start: Callable[..., Supervised], terminal: Terminal, command: list[str]) -> Supervised:
    """Start a supervisor as the foreground job of a shell at a terminal."""
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.follower)
    return start(command, before=(sys.executable, "-c", SHELL), start_new_session=True, **ends)


def test_interrupt_from_a_terminal_arrives_once(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """^C, which the terminal sends to us and to the command, is not forwarded a second time."""
    supervised = start_job(start, terminal, counting(signal.SIGINT))
    terminal.expect("ready\r\n")
    terminal.type("\x03")
    terminal.expect("^C")
    terminal.expect("1\r\n")
    terminal.expect("job ended")
    assert supervised.finish().ending["code"] == 0


def test_new_window_size_arrives_once(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """A new window size reaches the command once."""
    start_job(start, terminal, counting(signal.SIGWINCH))
    terminal.expect("ready\r\n")
    fcntl.ioctl(terminal.leader, termios.TIOCSWINSZ, b"\x28\x00\x64\x00\x00\x00\x00\x00")
    terminal.expect("1\r\n")
    terminal.expect("job ended")


def test_interrupt_reaches_a_command_outside_our_group(
    start: Callable[..., Supervised],
    terminal: Terminal,
) -> None:
    """A command that has left the terminal's process group gets ^C from us, since nobody else sends it."""
    program = "import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])"
    start_job(start, terminal, [sys.executable, "-c", program, *counting(signal.SIGINT)])
    terminal.expect("ready\r\n")
    terminal.type("\x03")
    terminal.expect("^C")
    terminal.expect("1\r\n")


def test_stop_and_continue_at_a_terminal(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """^Z stops command and supervisor, so that the shell sees a stopped job; continued, both go on."""
    script = "echo supervisor $PPID.; read word; echo got $word; exit 4"
    supervised = start_job(start, terminal, ["sh", "-c", script])
    terminal.expect("supervisor ")
    supervisor = int(terminal.expect("."))
    for _ in range(2):
        # Nobody types faster than this; a test that does finds us between two signals.
        until(lambda: is_waiting(supervisor))
        terminal.type("\x1a")
        terminal.expect(f"job stopped by {int(signal.SIGTSTP)}")
        terminal.type("\n")
        terminal.expect("job continued")
    terminal.type("word\n")
    terminal.expect("got word")
    terminal.expect("job ended")
    assert supervised.finish().ending["code"] == 4


def test_supervisor_follows_a_command_that_stops_itself(
    start: Callable[..., Supervised],
    terminal: Terminal,
) -> None:
    """A command that stops on its own account, as an editor does, stops us too."""
    supervised = start_job(start, terminal, ["sh", "-c", "kill -STOP $$; exit 4"])
    terminal.expect(f"job stopped by {int(signal.SIGTSTP)}")
    terminal.type("\n")
    terminal.expect("job ended")
    assert supervised.finish().ending["code"] == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGKILL])
def test_die_by_a_signal(package_environ: dict[str, str], tmp_path: Path, number: int) -> None:
    """Our parent sees the signal, also one that Python handles, and there is no core file."""
    script = f"""
import signal
from resolver.delivery.hardening import harden
from resolver.delivery.signals import die_by
harden()
if {int(number)} != signal.SIGKILL:
    signal.signal({int(number)}, lambda *_: None)
die_by({int(number)})
"""
    done = subprocess.run([sys.executable, "-c", script], env=package_environ, cwd=tmp_path, check=False)
    assert done.returncode == -number
    assert list(tmp_path.iterdir()) == []


def test_die_by_a_harmless_signal_returns(package_environ: dict[str, str]) -> None:
    """A signal that does not end processes leaves us running, for an ordinary exit."""
    script = "from resolver.delivery.signals import die_by; die_by(28); print('here')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=package_environ, capture_output=True, check=True
    )
    assert done.stdout == b"here\n"


def test_signals_are_as_before_afterwards(package_environ: dict[str, str]) -> None:
    """After the command, mask and handlers are what they were; signals meant for it are dropped."""
    script = """
import os, signal
from resolver.delivery.signals import hold_signals
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
def handler(*_):
    print("handled")
signal.signal(signal.SIGCHLD, handler)
with hold_signals():
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR2)
    print("waits")
print(signal.getsignal(signal.SIGCHLD) is handler)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == {signal.SIGUSR2})
print(signal.sigpending() == {signal.SIGUSR2})
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=package_environ, capture_output=True, check=True
    )
    assert done.stdout == b"waits\nTrue\nTrue\nTrue\n"
