"""A command whose output is masked: what it sees, and what comes out."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

import pytest

from resolver.delivery.child_output import ChildOutput
from resolver.delivery.masking import Needles
from resolver.errors import UnavailableError
from tests.delivery.conftest import SHELL, Terminal
from tests.delivery.test_signals import counting, state_of, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.delivery.conftest import Supervised

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are run on Linux only"),
]

VALUE = "open-sesame"


def start_job(start: Callable[..., Supervised], terminal: Terminal, command: list[str]) -> Supervised:
    """Start a masking supervisor as the foreground job of a shell at a terminal."""
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.follower)
    before = (sys.executable, "-c", SHELL)
    return start(command, masked=VALUE, before=before, start_new_session=True, **ends)


def test_both_streams_are_masked(supervise: Callable[..., Any]) -> None:
    """Stdout and stderr are masked, each for itself, and the exit code is the command's."""
    finished = supervise(["sh", "-c", f"echo a {VALUE} b; echo c {VALUE} >&2; exit 3"], masked=VALUE)
    assert (finished.out, finished.err) == (b"a *** b\n", b"c ***\n")
    assert finished.ending == {"code": 3, "signal": None, "problem": ""}


def test_a_value_in_pieces(supervise: Callable[..., Any]) -> None:
    """A value that is written bit by bit is masked all the same."""
    script = "for piece in op en- ses ame; do printf %s $piece; sleep 0.02; done"
    assert supervise(["sh", "-c", script], masked=VALUE).out == b"***"


def test_the_beginning_of_a_value(supervise: Callable[..., Any]) -> None:
    """What only began like a value is put out at the end."""
    assert supervise(["printf", "a open-ses"], masked=VALUE).out == b"a open-ses"


def test_all_bytes_pass(supervise: Callable[..., Any]) -> None:
    """What is no value arrives as it was."""
    code = "import os; os.write(1, bytes(range(256)) * 200); os.write(1, bytes(range(256)) * 200)"
    assert supervise([sys.executable, "-c", code], masked=VALUE).out == bytes(range(256)) * 400


def test_it_streams(start: Callable[..., Supervised]) -> None:
    """A line, or a prompt without a line break, is put out while the command still runs."""
    script = "printf 'name? '; read name; echo hello $name"
    supervised = start(["sh", "-c", script], masked=VALUE, stdin=subprocess.PIPE)
    assert supervised.process.stdout is not None
    assert os.read(supervised.process.stdout.fileno(), 100) == b"name? "
    assert supervised.finish(b"you\n").out == b"hello you\n"


def test_one_place_keeps_its_order(start: Callable[..., Supervised]) -> None:
    """When stdout and stderr are one pipe for us they are one for the command."""
    script = "for n in 1 2 3 4 5 6 7 8 9; do echo out $n; echo err $n >&2; done"
    finished = start(["sh", "-c", script], masked=VALUE, stderr=subprocess.STDOUT).finish()
    assert finished.out == b"".join(b"out %d\nerr %d\n" % (n, n) for n in range(1, 10))


def test_a_file_is_appended_to(start: Callable[..., Supervised], tmp_path: Path) -> None:
    """A log file that both streams go to gets both, masked."""
    with (tmp_path / "log").open("ab") as log:
        start(["sh", "-c", f"echo {VALUE}; echo x >&2"], masked=VALUE, stdout=log, stderr=log).finish()
    assert (tmp_path / "log").read_bytes() == b"***\nx\n"


def test_closed_streams_stay_closed(supervise: Callable[..., Any]) -> None:
    """A stream that we do not have the command does not get."""
    closed = ("sh", "-c", 'exec "$@" >&-', "sh")
    finished = supervise(["sh", "-c", f"echo x; echo {VALUE} >&2"], masked=VALUE, before=closed)
    assert finished.out == b""
    assert finished.err.endswith(b"***\n")


def test_a_command_that_cannot_start(supervise: Callable[..., Any]) -> None:
    """It is reported as without masking."""
    assert supervise(["no-such-program"], masked=VALUE).ending["code"] == 127


def test_a_reader_that_goes_away_ends_the_command(start: Callable[..., Supervised]) -> None:
    """As without us the command learns, by SIGPIPE, that nobody reads its output."""
    supervised = start(["yes"], masked=VALUE)
    assert supervised.process.stdout is not None
    supervised.process.stdout.close()
    supervised.process.stdout = None
    assert supervised.finish().ending["signal"] == signal.SIGPIPE


def test_output_after_the_end_is_waited_for(supervise: Callable[..., Any]) -> None:
    """What processes of the command write shortly after its end still comes out."""
    assert supervise(["sh", "-c", "(sleep 0.2; echo late) & exit 4"], masked=VALUE).out == b"late\n"


def test_a_process_left_behind_does_not_hold_us(supervise: Callable[..., Any]) -> None:
    """One that keeps our streams open for long is not waited for."""
    started = time.monotonic()
    finished = supervise(["sh", "-c", "sleep 15 <&- & echo $!; exit 4"], masked=VALUE)
    os.kill(int(finished.out), signal.SIGKILL)
    assert finished.ending["code"] == 4
    assert time.monotonic() - started < 10


def test_a_stalled_reader_and_a_signal(start: Callable[..., Supervised]) -> None:
    """When the output is not read, SIGTERM ends command and supervisor all the same."""
    supervised = start(["sh", "-c", "echo ready >&2; exec yes"], masked=VALUE)
    assert supervised.process.stderr is not None
    assert supervised.process.stderr.readline() == b"ready\n"
    time.sleep(0.2)
    supervised.process.terminate()
    time.sleep(0.2)
    supervised.process.terminate()
    assert supervised.process.wait(100) is not None


def test_the_supervisor_is_killed(start: Callable[..., Supervised]) -> None:
    """A command whose output has nobody left to mask it can't write, and nothing unmasked comes out."""
    script = f"echo ready; read go; while echo {VALUE}; do :; done"
    supervised = start(["sh", "-c", script], masked=VALUE, stdin=subprocess.PIPE)
    assert supervised.process.stdout is not None
    assert supervised.process.stdout.readline() == b"ready\n"
    supervised.process.kill()
    assert supervised.finish(b"go\n").out == b""


def test_the_command_sees_one_terminal(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """All three streams are the same terminal, with our size; the value is masked."""
    fcntl.ioctl(terminal.leader, termios.TIOCSWINSZ, b"\x1e\x00\x50\x00\x00\x00\x00\x00")
    code = (
        "import os; print(*map(os.isatty, range(3)), os.ttyname(0) == os.ttyname(1) == os.ttyname(2),"
        f" *os.get_terminal_size(1), 'x', '{VALUE}')"
    )
    start_job(start, terminal, [sys.executable, "-c", code])
    assert terminal.expect("\r\n") == "True True True True 80 30 x ***"
    terminal.expect("job ended")


def test_order_on_a_terminal(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """What goes to stdout and stderr appears in the order in which it was written."""
    start_job(start, terminal, ["sh", "-c", "for n in 1 2 3 4; do echo o$n; echo e$n >&2; done"])
    before = terminal.expect("job ended")
    assert before == "o1\r\ne1\r\no2\r\ne2\r\no3\r\ne3\r\no4\r\ne4\r\n"


def test_a_new_window_size(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """When the command gets a signal for a new size, its terminal has it."""
    code = (
        "import os, signal, time\n"
        "def resized(*_):\n"
        "    if os.get_terminal_size(1).columns == 100:\n"
        "        print('is', *os.get_terminal_size(1), flush=True)\n        os._exit(0)\n"
        "signal.signal(signal.SIGWINCH, resized)\nprint('ready', flush=True)\ntime.sleep(15)"
    )
    start_job(start, terminal, [sys.executable, "-c", code])
    terminal.expect("ready\r\n")
    fcntl.ioctl(terminal.leader, termios.TIOCSWINSZ, b"\x28\x00\x64\x00\x00\x00\x00\x00")
    terminal.expect("is 100 40")
    terminal.expect("job ended")


def test_interrupt(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """^C reaches the command, once."""
    start_job(start, terminal, counting(signal.SIGINT))
    terminal.expect("ready\r\n")
    terminal.type("\x03")
    terminal.expect("^C")
    terminal.expect("1\r\n")
    terminal.expect("job ended")


def test_stop_and_continue(start: Callable[..., Supervised], terminal: Terminal) -> None:
    """^Z stops command and supervisor, after what was written is shown; continued, both go on."""
    start_job(start, terminal, ["sh", "-c", f"echo $$.{VALUE}.; read word; echo got $word; exit 4"])
    command = int(terminal.expect(".***."))
    until(lambda: state_of(command) == "S")
    time.sleep(0.1)
    terminal.type("\x1a")
    terminal.expect(f"job stopped by {int(signal.SIGTSTP)}")
    terminal.type("\n")
    terminal.expect("job continued")
    terminal.type("word\n")
    terminal.expect("got word")
    terminal.expect("job ended")


def test_an_output_that_does_not_wait(start: Callable[..., Supervised]) -> None:
    """When whoever shares our stdout has made it non-blocking, nothing is lost."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    supervised = start(["sh", "-c", "seq 30000; sleep 0.2; seq 30000"], masked=VALUE, stdout=writing)
    os.close(writing)
    time.sleep(0.5)
    with os.fdopen(reading, "rb") as reader:
        assert reader.read().split() == [b"%d" % number for number in range(1, 30001)] * 2
    finished = supervised.finish()
    assert finished.ending["code"] == 0, finished


def test_nothing_left_to_mask_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no pipe can be had for the output, the error says so and what to do."""

    def refuse() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe", refuse)
    with pytest.raises(UnavailableError) as caught:
        ChildOutput(Needles([b"sesame"]))
    assert caught.value.message == "what the command prints can't be masked: Too many open files"


def test_a_terminal_and_a_pipe(start: Callable[..., Supervised]) -> None:
    """With stdout a terminal and stderr a pipe, the command has the same."""
    leader, follower = pty.openpty()
    code = f"import os; print(os.isatty(1), os.isatty(2)); os.write(2, b'{VALUE}')"
    supervised = start([sys.executable, "-c", code], masked=VALUE, stdout=follower)
    assert supervised.process.stderr is not None
    assert supervised.process.stderr.read() == b"***"
    assert os.read(leader, 100) == b"True False\r\n"
    os.close(leader)
    os.close(follower)
