"""Where stdout leads: what `resolve` and `secrets get` write there, seen from a user's shell."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.core.account_changes import NewToken, NewUser
from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.secret_changes import NewSecret
from tests.conftest import SCRIPTS, TENANT, clean_environment, run_script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux's ways to pass descriptors on"),
]

VALUE = "open-sesame-1"
RESOLVED = f'a: "{VALUE}"\nb: "never-shown-2"\n'
_EXEC = "`resolver exec BLUEPRINT ... -- COMMAND {}` hands the blueprint to a command in memory"
FILE = (
    "error: stdout is a regular file\n"
    f"  hint: {_EXEC}; --allow-plaintext-file writes the values to disk all the same\n"
)
PIPE = "`resolver secrets get KEY --raw | COMMAND` gives the value to a command"
_LOG = f"  hint: {_EXEC}; --allow-log writes the values there all the same\n"
JOURNAL = f"error: stdout is the system journal\n{_LOG}"
SHARED = f"error: stdout is the same pipe or socket as stderr, which is how logs are collected\n{_LOG}"
CI_LOG = f"error: stdout is the output of the CI job's own shell, which CI systems keep as a log\n{_LOG}"


def _for(command: tuple[str, ...] | None, said: str) -> str:
    """What is said for a command: a blueprint is for `exec`, one value for a pipe."""
    return said if command is None else said.replace(_EXEC, PIPE)


class Store(NamedTuple):
    """A store with a secret that everyone may see and one that only its creator may see."""

    home: Path
    blueprint: Path
    eve: str


@pytest.fixture(scope="module")
def store(_made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Nothing in this module changes what is in it."""
    folder = tmp_path_factory.mktemp("sinks")
    home = folder / "home"
    shutil.copytree(_made_home, home)
    settings = Settings({"RESOLVER_HOME": str(home)})
    service = open_service(settings)
    profile = settings.profile()
    assert profile is not None
    admin = service.gate.authenticate_token(profile.token)
    service.secrets.create(admin, TENANT, "open", NewSecret(value=SecretValue(VALUE)))
    service.secrets.create(
        admin, TENANT, "hidden", NewSecret(value=SecretValue("never-shown-2"), hidden=True)
    )
    service.users.create(admin, "eve", NewUser())
    service.tenants.add_member(admin, TENANT, "eve", TenantRole.USER)
    token = service.tokens.create(admin, NewToken(username="eve")).token
    service.close()
    blueprint = folder / "b.yaml"
    blueprint.write_text("a: { get_secret: open }\nb: { get_secret: hidden }\n")
    return Store(home, blueprint, token)


def _environment(store: Store, env: Mapping[str, str] | None) -> dict[str, str]:
    return clean_environment() | {"RESOLVER_HOME": str(store.home)} | dict(env or {})


def _run(
    store: Store,
    *options: str,
    stdout: int,
    stderr: int = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    command: tuple[str, ...] | None = None,
) -> tuple[int, str]:
    """Run a command, by default `resolve`, with a stdout of the test's own; exit code and stderr."""
    script, *rest = command or ("resolve", str(store.blueprint), "-t", TENANT)
    done = subprocess.run(
        [SCRIPTS / script, *rest, *options],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=_environment(store, env),
        timeout=60,
        check=False,
    )
    return done.returncode, (done.stderr or b"").decode()


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def _content(reading: int) -> str:
    """What is in a pipe now."""
    try:
        return os.read(reading, 65536).decode()
    except BlockingIOError:
        return ""


def _on_terminal(store: Store, *options: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run `resolve` on a terminal; exit code and all that appeared."""
    command = [str(SCRIPTS / "resolve"), str(store.blueprint), "-t", TENANT, *options]
    environment = _environment(store, env)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, environment)
    seen = b""
    with suppress(OSError):  # what reading ends in when the other side is closed
        while piece := os.read(terminal, 65536):
            seen += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode().replace("\r\n", "\n")


def test_pipe_gets_the_values(store: Store) -> None:
    """A pipe is what `resolve` is for."""
    with _pipe() as (reading, writing):
        assert _run(store, stdout=writing) == (0, "")
        assert _content(reading) == RESOLVED


@pytest.mark.parametrize("command", [None, ("resolver", "secrets", "get", "open")], ids=["resolve", "get"])
def test_regular_file_is_refused(store: Store, tmp_path: Path, command: tuple[str, ...] | None) -> None:
    """A file gets nothing, neither from `resolve` nor from `secrets get`, unless it is allowed."""
    with (tmp_path / "out").open("wb") as file:
        assert _run(store, stdout=file.fileno(), command=command) == (7, _for(command, FILE))
        assert os.fstat(file.fileno()).st_size == 0
        assert _run(store, "--allow-plaintext-file", stdout=file.fileno(), command=command) == (0, "")
    assert VALUE in (tmp_path / "out").read_text()


def test_nothing_is_used_for_a_refused_sink(store: Store, tmp_path: Path) -> None:
    """The sink is judged before anything is asked for, so the audit trail has no record of a use."""
    with (tmp_path / "out").open("wb") as file:
        before = run_script(store.home, "resolver", "audit", "head", "-t", TENANT).stdout
        assert _run(store, stdout=file.fileno())[0] == 7
        assert run_script(store.home, "resolver", "audit", "head", "-t", TENANT).stdout == before


def test_unlinked_file_is_refused(store: Store, tmp_path: Path) -> None:
    """A file without a name, as some shells use for here-strings, is on a disk all the same."""
    path = tmp_path / "out"
    with path.open("w+b") as file:
        path.unlink()
        assert _run(store, stdout=file.fileno()) == (7, FILE)
        assert file.read() == b""


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no tmpfs")  # a fixed place of Linux
def test_file_on_a_tmpfs_is_refused(store: Store) -> None:
    """A tmpfs has files that stay, and that are swapped out."""
    path = Path("/dev/shm", f"resolver-test-{os.getpid()}")
    try:
        with path.open("w+b") as file:
            assert _run(store, stdout=file.fileno()) == (7, FILE)
        assert path.read_bytes() == b""
    finally:
        path.unlink()


def test_memory_file_gets_the_values(store: Store) -> None:
    """An anonymous memory file has no place on a disk."""
    memory = os.memfd_create("test")
    assert _run(store, stdout=memory) == (0, "")
    assert os.pread(memory, 1000, 0).decode() == RESOLVED
    os.close(memory)


def test_null_device_gets_the_values(store: Store) -> None:
    """What goes to /dev/null stays nowhere: a dry run."""
    with Path(os.devnull).open("wb") as null:
        assert _run(store, stdout=null.fileno()) == (0, "")


def test_closed_stdout_is_refused(store: Store) -> None:
    """With no stdout at all nobody would get the text."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" >&-', SCRIPTS / "resolve", store.blueprint, "-t", TENANT],
        stderr=subprocess.PIPE,
        env=_environment(store, None),
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (7, "error: stdout is closed")


def test_terminal_shows_masks(store: Store) -> None:
    """A terminal shows which secret stands where, in a text that no loader accepts."""
    code, seen = _on_terminal(store)
    assert (code, seen) == (0, "a: !masked open\nb: !masked hidden\n")
    with pytest.raises(yaml.constructor.ConstructorError, match="!masked"):
        yaml.safe_load(seen)


def test_terminal_shows_values_on_request(store: Store) -> None:
    """With --show-values the creator of both secrets sees both."""
    assert _on_terminal(store, "--show-values") == (0, RESOLVED)


def test_terminal_never_shows_what_is_hidden_from_the_caller(store: Store) -> None:
    """One who may use but not see a hidden value gets it masked, with --show-values too."""
    env = {"RESOLVER_TOKEN": store.eve}
    assert _on_terminal(store, "--show-values", env=env) == (0, f'a: "{VALUE}"\nb: !masked hidden\n')


def test_json_on_a_terminal_needs_a_word(store: Store) -> None:
    """JSON can't mark a masked value, so a terminal gets it with --show-values only."""
    refused = (
        "error: stdout is a terminal, and JSON has no way to mark a masked value\n"
        "  hint: pipe it into the command that needs it, or give --show-values\n"
    )
    assert _on_terminal(store, "--format", "json") == (7, refused)
    code, seen = _on_terminal(store, "--format", "json", "--show-values")
    assert (code, json.loads(seen)) == (0, {"a": VALUE, "b": "never-shown-2"})


def test_json_on_a_terminal_is_refused_over_a_hidden_value(store: Store) -> None:
    """Nor are values shown in JSON when one of them is hidden from the caller."""
    env = {"RESOLVER_TOKEN": store.eve}
    assert _on_terminal(store, "--format", "json", "--show-values", env=env) == (
        7,
        (
            "error: stdout is a terminal, and you may use but not see: hidden\n"
            "  hint: leave out --format json to see the rest; JSON has no way to mark a masked value\n"
        ),
    )


@pytest.mark.parametrize("command", [None, ("resolver", "secrets", "get", "open")], ids=["resolve", "get"])
def test_journal_is_refused(store: Store, command: tuple[str, ...] | None) -> None:
    """A pipe that systemd says is the journal's is a log; another one is not."""
    with _pipe() as (reading, writing):
        status = os.fstat(writing)
        env = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert _run(store, stdout=writing, env=env, command=command) == (7, _for(command, JOURNAL))
        assert _content(reading) == ""
        assert _run(store, "--allow-log", stdout=writing, env=env, command=command) == (0, "")
        assert VALUE in _content(reading)
        other = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"}
        assert _run(store, stdout=writing, env=other, command=command) == (0, "")


def test_one_pipe_for_both_is_refused(store: Store) -> None:
    """`2>&1` into one pipe is how logs are collected: the message goes there, the values do not."""
    with _pipe() as (reading, writing):
        assert _run(store, stdout=writing, stderr=writing)[0] == 7
        assert _content(reading) == SHARED
        assert _run(store, "--allow-log", stdout=writing, stderr=writing)[0] == 0
        assert _content(reading) == RESOLVED


def _in_job(store: Store, env: Mapping[str, str], line: str) -> tuple[int, str, str]:
    """Run a line of a CI job's shell, whose stdout is a pipe of its own."""
    done = subprocess.run(
        ["sh", "-c", f"{line}; exit $?", SCRIPTS / "resolve", store.blueprint, "-t", TENANT],
        capture_output=True,
        env=_environment(store, env),
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_job_log_is_refused(store: Store) -> None:
    """Where CI is set, the stdout of the job's own shell is its log."""
    assert _in_job(store, {"CI": "true"}, '"$0" "$@"') == (7, "", CI_LOG)
    assert _in_job(store, {"CI": "true"}, '"$0" "$@" --allow-log') == (0, RESOLVED, "")


def test_pipe_within_a_job_gets_the_values(store: Store) -> None:
    """Within the job, a pipe into a command is a pipe; and without CI the shell's stdout is one as well."""
    assert _in_job(store, {"CI": "true"}, '"$0" "$@" | cat') == (0, RESOLVED, "")
    assert _in_job(store, {}, '"$0" "$@"') == (0, RESOLVED, "")


def test_check_goes_anywhere(store: Store, tmp_path: Path) -> None:
    """`--check` shows no value, so a file may have it."""
    with (tmp_path / "out").open("wb") as file:
        assert _run(store, "--check", stdout=file.fileno()) == (0, "")
    assert "2 calls can be resolved; nothing was decrypted" in (tmp_path / "out").read_text()
    assert VALUE not in (tmp_path / "out").read_text()
