"""`resolver exec`: what its options give a command, and what it says when something can't be had."""

from __future__ import annotations

import json
import os
import platform
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import denied
from tests.cli.conftest import Cli
from tests.conftest import SCRIPTS, TENANT, clean_environment
from tests.delivery.test_pty_proxy import FULL_SCREEN
from tests.waiting import receive_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cli.prefork import Prefork

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are run on Linux only"),
]

PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def stored(prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with secrets, made once for all tests here."""
    home = tmp_path_factory.mktemp("stored") / "home"
    shutil.copytree(_made_home, home)
    admin = Cli(prefork, home)
    admin.prints("secrets", "create", "password", "-s", PASSWORD)
    admin.prints("secrets", "create", "pin", "-s", "1234")
    admin.prints("secrets", "create", "odd", "-f", "-", stdin="null\0character")
    admin.prints(
        "secrets", "create", "login", "-f", "-", stdin='{"user": "app", "key": "line-one\\nline-two"}'
    )
    return home


@pytest.fixture
def home(stored: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(stored, tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with blueprints."""
    made = tmp_path / "blueprints"
    made.mkdir()
    for name, text in {
        "one.yaml": "a: {get_secret: password}\n",
        "two.yaml": "b: {get_secret: [login, key]}\n",
        "pin.yaml": "p: {get_secret: pin}\nq: {get_secret: password}\n",
        "plain.yaml": "c: 1\n",
        "bad.yaml": "d: {get_secret: absent}\n",
    }.items():
        (made / name).write_text(text)
    return made


def execute(cli: Cli, folder: Path, words: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `resolver exec` on blueprints of the folder."""
    blueprints = [f"{folder}/{name}" for name in words.split()]
    done = cli.run("resolver", "exec", *blueprints, "-t", TENANT, *arguments)
    done.stdout = done.stdout.replace(f"{folder}/", "")
    done.stderr = done.stderr.replace(f"{folder}/", "")
    return done


# Several blueprints


def test_several_paths(admin: Cli, folder: Path) -> None:
    """`{}` is all in one text, a number the blueprint at that place, each in any argument."""
    command = ("--", "sh", "-c", 'cat "$@"; echo --; cat "$RESOLVED_BLUEPRINT"', "sh", "{2}", "{1}")
    done = execute(admin, folder, "one.yaml two.yaml", *command)
    one, two = f'a: "{PASSWORD}"\n', 'b: "line-one\\nline-two"\n'
    whole = f"# source: one.yaml\n---\n{one}# source: two.yaml\n---\n{two}"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{two}{one}--\n{whole}"


def test_json_paths(admin: Cli, folder: Path) -> None:
    """With --format json each path is one document."""
    command = ("--format", "json", "--", "sh", "-c", "cat {1}")
    done = execute(admin, folder, "one.yaml two.yaml", *command)
    assert json.loads(done.stdout) == {"a": PASSWORD}


def test_a_number_without_a_blueprint(admin: Cli, folder: Path) -> None:
    """With several blueprints it is a mistake; with one it is a part of a pattern, and stays."""
    done = execute(admin, folder, "one.yaml two.yaml", "--", "cat", "{3}")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == (
        "error: the command names {3}, and there are 2 blueprints\n"
        "  hint: to keep such a word as it is, put the command into a script\n"
    )
    assert execute(admin, folder, "plain.yaml", "--", "echo", "x{3}y{0}{01}{ }").stdout == "x{3}y{0}{01}{ }\n"
    assert execute(admin, folder, "plain.yaml", "--", "cat", "{1}").stdout == "c: 1\n"


def test_numbers_count_what_was_given(admin: Cli, folder: Path) -> None:
    """With --keep-going the others keep their numbers, and one that was left out stops the run."""
    words = ("bad.yaml one.yaml bad.yaml two.yaml", "--keep-going", "--", "cat")
    done = execute(admin, folder, *words, "{4}", "{2}")
    assert done.stdout == f'b: "line-one\\nline-two"\na: "{PASSWORD}"\n'
    done = execute(admin, folder, *words, "{3}")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.endswith("error: the command names {3}, and 'bad.yaml' was left out\n")


def test_folder_of_the_blueprint(admin: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RESOLVED_BLUEPRINT_DIR is where the first blueprint stands, absolute, however it was named."""
    monkeypatch.chdir(folder.parent)
    script = ("--", "sh", "-c", 'echo "$RESOLVED_BLUEPRINT_DIR"')
    for extra in ((), ("--stdin",), ("--fifo",)):
        done = admin.run("resolver", "exec", f"{folder}/plain.yaml", "-t", TENANT, *extra, *script)
        assert done.stdout == f"{folder}\n"
    done = admin.run("resolver", "exec", "-", "-t", TENANT, *script, stdin="a: 1\n")
    assert done.stdout == f"{folder.parent}\n"


# --fifo


def test_fifo(admin: Cli, folder: Path, tmp_path: Path) -> None:
    """Each blueprint has a path of its own that gives its text once, and all are gone afterwards."""
    user = Cli(admin.prefork, admin.home, {"XDG_RUNTIME_DIR": str(tmp_path)})
    before = set(tmp_path.iterdir())
    script = ("--", "sh", "-c", "cat {1} {2}; dirname {1}; cat {1}")
    done = execute(user, folder, "one.yaml two.yaml", "--fifo", *script)
    first, second, where = done.stdout.splitlines()
    assert (first, second) == (f'a: "{PASSWORD}"', 'b: "line-one\\nline-two"')
    assert Path(where).parent == tmp_path
    assert "No such file or directory" in done.stderr
    assert set(tmp_path.iterdir()) == before


def test_a_path_has_a_name(admin: Cli, folder: Path, tmp_path: Path) -> None:
    """It ends as its format does, or as --name says, which is a name and no path."""
    user = Cli(admin.prefork, admin.home, {"XDG_RUNTIME_DIR": str(tmp_path)})
    show = ("--", "sh", "-c", 'basename "$1"; cat "$1"', "sh", "{}")
    text = f'a: "{PASSWORD}"\n'
    assert execute(user, folder, "one.yaml", "--fifo", *show).stdout == f"blueprint.yaml\n{text}"
    named = execute(user, folder, "one.yaml", "--name", "app.tfvars.json", "--format", "json", *show)
    assert named.stdout == f"app.tfvars.json\n{json.dumps({'a': PASSWORD})}\n"
    for name in ("../app", "/tmp/app", "", ".", "..", "a\nb", "a" * 256):
        done = execute(user, folder, "one.yaml", "--name", name, *show)
        assert (done.returncode, done.stdout) == (125, ""), name
        assert done.stderr.startswith("error: --name takes a file's name, without a folder\n")


def test_variables_alone(admin: Cli) -> None:
    """Without a blueprint a command gets what --env says, nothing else, and not before that is allowed."""
    script = (
        "--",
        "sh",
        "-c",
        'echo "$DB_PASSWORD {} ${RESOLVED_BLUEPRINT-none} ${RESOLVED_BLUEPRINT_DIR-none}"',
    )
    given = ("resolver", "exec", "-t", TENANT, "--env", "DB_PASSWORD=password")
    done = admin.run(*given, *script)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{PASSWORD} {{}} none none\n", "")
    records = json.loads(
        admin.prints("audit", "list", "-t", TENANT, "--action", "secret:use", "--format", "json")
    )
    assert records[-1]["decision"] == "allowed"
    viewer = admin.as_user("vic", role="viewer")
    for who, arguments in (
        (viewer, given),
        (admin, (*given, "--env", "X_TOKEN=absent")),
        (admin, (*given, "--stdin")),
        (admin, (*given, "--fifo")),
        (admin, ("resolver", "exec", "-t", TENANT)),
    ):
        done = who.run(*arguments, *script)
        assert (done.returncode, done.stdout) == (125, ""), arguments


def test_fifo_without_a_place(admin: Cli, folder: Path, tmp_path: Path) -> None:
    """When nothing can be resolved no folder stays; --stdin beside it is a mistake."""
    user = Cli(admin.prefork, admin.home, {"XDG_RUNTIME_DIR": str(tmp_path)})
    before = set(tmp_path.iterdir())
    assert execute(user, folder, "bad.yaml", "--fifo", "--", "true").returncode == 125
    assert set(tmp_path.iterdir()) == before
    done = execute(user, folder, "one.yaml", "--fifo", "--stdin", "--", "true")
    assert (done.returncode, done.stderr) == (125, "error: give either --stdin or --fifo\n")


# --env


def uses(cli: Cli) -> dict[str, str]:
    """The recorded uses: each key with the reason of the decision."""
    records = json.loads(cli.prints("audit", "list", "-t", TENANT, "--format", "json"))
    used = [record for record in records if record["action"] == "secret:use"]
    return {key["key"]: key["reason"] for record in used for key in record["keys"]}


def test_env(admin: Cli, folder: Path) -> None:
    """The command finds the value in its environment; nothing of it is said."""
    script = ("--", "sh", "-c", 'echo "$APP_KEY"; cat {}')
    done = execute(admin, folder, "plain.yaml", "--env", "APP_KEY=password", *script)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{PASSWORD}\nc: 1\n", "")


def test_env_is_one_round_with_the_blueprint(admin: Cli, folder: Path) -> None:
    """It is decided, recorded and refused together with the calls of the blueprints."""
    done = execute(
        admin, folder, "bad.yaml one.yaml", "--env", "A_KEY=login", "--env", "B_KEY=missing", "--", "true"
    )
    assert (done.returncode, done.stdout) == (125, "")
    assert (
        "error: secret 'missing' was not found in tenant 'default_tenant' [secret_not_found]\n" in done.stderr
    )
    assert "  --> --env  variables.B_KEY\n" in done.stderr
    assert done.stderr.endswith("error: 2 problems found, nothing was resolved\n")
    assert uses(admin) == {
        "login": "allowed",
        "missing": "does_not_exist",
        "absent": "does_not_exist",
        "password": "allowed",
    }


def test_env_is_authorized(admin: Cli, folder: Path) -> None:
    """A token that is narrowed to other keys does not get it, and the command does not start."""
    admin.as_user("dev", role="user")
    token = admin.prints("tokens", "create", "--user", "dev", "--key", "pass*", "--quiet").strip()
    user = admin.with_token(token)
    assert execute(user, folder, "one.yaml", "--env", "A_KEY=password", "--", "true").returncode == 0
    done = execute(user, folder, "one.yaml", "--env", "A_KEY=login", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (125, "")
    assert (
        "error: secret 'login' may not be used in tenant 'default_tenant' by this user and token"
        in done.stderr
    )


def test_env_is_no_blueprint_to_leave_out(admin: Cli, folder: Path) -> None:
    """With --keep-going a variable that can't be had still stops the run."""
    done = execute(
        admin, folder, "one.yaml", "--env", "A_KEY=missing", "--keep-going", "--", "echo", "started"
    )
    assert (done.returncode, done.stdout) == (125, "")


def test_env_refuses_names(admin: Cli, folder: Path) -> None:
    """Before anything is looked up, unless the user asks for that name; our own are never set."""
    done = execute(admin, folder, "one.yaml", "--env", "LESSOPEN=password", "--", "true")
    assert done.returncode == 125
    assert done.stderr == (
        "error: --env may not set 'LESSOPEN': it is not called like a credential, and variables can decide "
        "what programs run or how\n"
        "  hint: choose a name like LESSOPEN_TOKEN; or --allow-env LESSOPEN, if whoever may change the "
        "secret may decide that\n"
    )
    allow = ("--allow-env", "LESSOPEN", "--allow-env", "RESOLVER_TOKEN")
    script = ("--", "sh", "-c", 'echo "$LESSOPEN"')
    done = execute(admin, folder, "one.yaml", "--env", "LESSOPEN=password", *allow, *script)
    assert (done.returncode, done.stdout) == (0, f"{PASSWORD}\n")
    done = execute(admin, folder, "one.yaml", "--env", "RESOLVER_TOKEN=password", *allow, "--", "true")
    assert done.returncode == 125
    assert done.stderr == (
        "error: --env may not set 'RESOLVER_TOKEN', which is the resolver's own\n"
        "  hint: choose another name\n"
    )


@pytest.mark.parametrize(
    "word", ["A", "=password", "1A=password", "A B=password", "A-B=password", f"A:{PASSWORD}"]
)
def test_env_malformed(admin: Cli, folder: Path, word: str) -> None:
    """What is not NAME=KEY is refused, and not repeated: it may be a value."""
    done = execute(admin, folder, "one.yaml", "--env", word, "--", "true")
    assert done.returncode == 125
    assert done.stderr == (
        "error: --env takes NAME=KEY, a variable's name and a secret's key\n"
        "  hint: a name has letters, digits and '_', and does not begin with a digit\n"
    )


def test_env_mistakes(admin: Cli, folder: Path) -> None:
    """A name twice, a word that can't be a key, and a value that no variable can hold."""
    done = execute(admin, folder, "one.yaml", "--env", "A_KEY=pin", "--env", "A_KEY=odd", "--", "true")
    assert (done.returncode, done.stderr) == (125, "error: --env sets 'A_KEY' twice\n")
    done = execute(admin, folder, "one.yaml", "--env", "A_KEY=no key", "--", "true")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        125,
        "error: --env A_KEY: the key has characters that are not allowed",
    )
    done = execute(admin, folder, "one.yaml", "--env", "A_KEY=odd", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == "error: the secret for --env A_KEY holds a null character, which no variable can\n"


# Masking

LEAK = ("--", "sh", "-c", f"echo {PASSWORD}; echo {PASSWORD} >&2; printf {PASSWORD} | base64; cat {{}}")


def test_mask(admin: Cli, folder: Path) -> None:
    """Both streams are masked, the blueprint's own text, too, and it is said how many times."""
    done = execute(admin, folder, "one.yaml", "--mask", *LEAK)
    assert (done.returncode, done.stdout) == (0, '***\n***\na: "***"\n')
    assert done.stderr == "***\nnote: 4 values masked in what the command printed; this is best effort\n"


def test_mask_variables(admin: Cli, folder: Path) -> None:
    """What --env gives is masked, too."""
    script = ("--", "sh", "-c", "echo $A_KEY")
    done = execute(admin, folder, "plain.yaml", "--mask", "--env", "A_KEY=password", *script)
    assert done.stdout == "***\n"


def test_mask_parts_of_what_was_evaluated(admin: Cli, folder: Path) -> None:
    """With --evaluate the secret within a placed text is masked by itself, too; lines of a value as well."""
    (folder / "url.yaml").write_text(
        "a: {concat: ['db://u:', {get_secret: password}, '@h']}\n"
        "b: {string_upper: {get_secret: password}}\nc: {get_secret: [login, key]}\n"
    )
    script = f"echo {PASSWORD} {PASSWORD.upper()} db://u:{PASSWORD}@h line-one line-two"
    done = execute(admin, folder, "url.yaml", "--evaluate", "--mask", "--", "sh", "-c", script)
    assert done.stdout == "*** *** *** *** ***\n"


def test_short_values_are_named(admin: Cli, folder: Path) -> None:
    """A value under six characters is let through and named by its key."""
    done = execute(admin, folder, "pin.yaml", "--mask", "--", "echo", f"1234 {PASSWORD}")
    assert done.stdout == "1234 ***\n"
    assert done.stderr.splitlines() == [
        "note: masking is best effort; too short to be masked is something of: pin",
        "note: 1 value masked in what the command printed; this is best effort",
    ]
    done = execute(admin, folder, "pin.yaml", "--mask", "--diagnostics", "json", "--", "echo", PASSWORD)
    assert json.loads(done.stderr)["notes"] == [
        "masking is best effort; too short to be masked is something of: pin"
    ]


def test_pipes_are_not_masked(admin: Cli, folder: Path) -> None:
    """Where another program reads stdout nothing is changed."""
    done = execute(admin, folder, "one.yaml", *LEAK)
    assert done.stdout.startswith(f"{PASSWORD}\n")
    assert done.stderr == f"{PASSWORD}\n"


def start(
    home: Path, folder: Path, words: Sequence[str], before: Sequence[str] = (), **options: object
) -> subprocess.Popen[bytes]:
    """Start `resolver exec` on the first blueprint."""
    return subprocess.Popen(
        [*before, SCRIPTS / "resolver", "exec", folder / "one.yaml", "-t", TENANT, *words],
        env=clean_environment() | {"RESOLVER_HOME": str(home)} | dict(options.pop("env", {})),  # type: ignore[call-overload]
        **options,  # type: ignore[arg-type]
    )


def test_a_terminal_is_masked(home: Path, folder: Path) -> None:
    """On a terminal values are masked; --no-mask lets them through."""
    for extra, shown in ((), b"***"), (("--no-mask",), PASSWORD.encode()):
        leader, follower = pty.openpty()
        process = start(home, folder, [*extra, "--", "cat", "{}"], stdout=follower, stderr=subprocess.PIPE)
        os.close(follower)
        assert os.read(leader, 100) == b'a: "%s"\r\n' % shown
        process.communicate(timeout=200)
        os.close(leader)


def test_a_session_at_a_terminal(home: Path, folder: Path) -> None:
    """At the terminal that we were started at a full-screen program works with masking on."""
    leader, follower = pty.openpty()
    begin = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    script = FULL_SCREEN + "os.write(keyboard, open(os.environ['RESOLVED_BLUEPRINT'], 'rb').read())"
    process = start(
        home,
        folder,
        ["--", sys.executable, "-c", script],
        before=[sys.executable, "-c", begin],
        start_new_session=True,
        **dict.fromkeys(("stdin", "stdout", "stderr"), follower),
    )
    seen = receive_until(leader, lambda shown: b"raw" in shown)
    os.write(leader, b"\x1a")
    seen += receive_until(leader, lambda shown: b"best effort" in shown)
    assert process.wait(200) == 0
    assert seen.replace(b"\r\n", b"\n").split(b"raw")[1].startswith(b'key 26\na: "***"\nnote: 1 value masked')
    os.close(leader)
    os.close(follower)


def test_a_log_is_masked(home: Path, folder: Path, tmp_path: Path) -> None:
    """What is known to be kept is masked: one pipe or file for both streams, and a CI job's output."""
    process = start(home, folder, LEAK, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, _ = process.communicate(timeout=200)
    assert PASSWORD.encode() not in out
    assert out.startswith(b"***\n***\n***\n")
    with (tmp_path / "log").open("wb") as log:
        assert start(home, folder, LEAK, stdout=log, stderr=log).wait(200) == 0
    assert PASSWORD.encode() not in (tmp_path / "log").read_bytes()
    words = [SCRIPTS / "resolver", "exec", folder / "one.yaml", "-t", TENANT, *LEAK]
    done = subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", *words],
        env=clean_environment() | {"RESOLVER_HOME": str(home), "CI": "true"},
        capture_output=True,
        check=True,
    )
    assert PASSWORD.encode() not in done.stdout + done.stderr


# Where memory files or prctl are not allowed


def confined(home: Path, names: str, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `resolver exec` where the kernel refuses some system calls."""
    if platform.machine() not in denied.NUMBERS:
        pytest.skip("the numbers of system calls are not known for this machine")
    words = [SCRIPTS / "resolver", "exec", folder / "one.yaml", "-t", TENANT, *arguments]
    return subprocess.run(
        [sys.executable, denied.__file__, names, *words],
        env=clean_environment() | {"RESOLVER_HOME": str(home), "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


NO_MEMFD = "no sealed memory file could be made: Operation not permitted"
NO_PRCTL = (
    "other processes of the same user could not be kept from reading this one's memory: prctl was refused"
)


def test_without_memory_files(home: Path, folder: Path) -> None:
    """The command gets a FIFO instead, which is said; with --stdin a pipe."""
    done = confined(home, "memfd_create", "--", "sh", "-c", "cat {}; stat -c %F {} 2>&1", folder=folder)
    assert done.stderr == f"warning: {NO_MEMFD}: the command gets a FIFO, which can be read once\n"
    first, second = done.stdout.splitlines()
    assert first == f'a: "{PASSWORD}"'
    assert "No such file" in second
    assert not [path for path in folder.iterdir() if path.name.startswith("resolver-")]
    done = confined(home, "memfd_create", "--stdin", "--", "cat", folder=folder)
    assert done.stderr == f"warning: {NO_MEMFD}: its stdin is a pipe\n"
    assert (done.returncode, done.stdout) == (0, f'a: "{PASSWORD}"\n')


def test_fifo_needs_no_memory_files(home: Path, folder: Path) -> None:
    """Who asked for a FIFO gets one, and no warning."""
    done = confined(home, "memfd_create", "--fifo", "--require-hardening", "--", "cat", "{}", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, f'a: "{PASSWORD}"\n', "")


def test_without_prctl(home: Path, folder: Path) -> None:
    """Dumpability stays on, which is said, and the rest is as ever."""
    done = confined(home, "prctl", "--", "cat", "{}", folder=folder)
    assert (done.returncode, done.stdout) == (0, f'a: "{PASSWORD}"\n')
    assert done.stderr == f"warning: {NO_PRCTL}\n"


@pytest.mark.parametrize(("name", "lack"), [("memfd_create", NO_MEMFD), ("prctl", NO_PRCTL)])
def test_require_hardening(home: Path, folder: Path, name: str, lack: str) -> None:
    """With --require-hardening either lack ends the run, and the command does not start."""
    done = confined(home, name, "--require-hardening", "--", "echo", "started", folder=folder)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.endswith(f"error: this process is not hardened: {lack}\n")
