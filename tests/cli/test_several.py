"""Several blueprints in one run: all of them or none, and what --keep-going makes of that."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.errors import BlueprintError
from resolver.resolution import BlueprintText, resolve, resolve_good
from resolver.validation.json_schema import findings
from tests.cli.conftest import Cli
from tests.conftest import TENANT
from tests.databases import statements_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from resolver.core.model import Caller
    from resolver.service import Service
    from tests.cli.prefork import Prefork

pytestmark = pytest.mark.slow

CAT = (sys.executable, "-c", "import sys; sys.stdout.write(open(sys.argv[1]).read())", "{}")
JOINED = '# source: good.yaml\n---\na: "value-1"\n# source: fine.yaml\n---\nb: "value-2"\n'
MISSING = (
    f"error: secret 'absent' was not found in tenant '{TENANT}' [secret_not_found]\n"
    "  --> bad.yaml:1:4  a\n"
    "1 | a: {get_secret: absent}\n"
    "  |    ^\n"
    f"  hint: `resolver secrets list -t {TENANT}` shows what there is\n"
)


@pytest.fixture(scope="module")
def stored(prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with two secrets, made once for all tests here."""
    home = tmp_path_factory.mktemp("stored") / "home"
    shutil.copytree(_made_home, home)
    admin = Cli(prefork, home)
    admin.prints("secrets", "create", "one", "-s", "value-1")
    admin.prints("secrets", "create", "two", "-s", '{"x": "value-2"}')
    return home


@pytest.fixture
def home(stored: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(stored, tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with good blueprints and bad ones."""
    for name, text in {
        "good.yaml": "a: {get_secret: one}\n",
        "fine.yaml": "b: {get_secret: [two, x]}\n",
        "bad.yaml": "a: {get_secret: absent}\n",
        "step.yaml": "a: {get_secret: [two, y]}\n",
        "broken.yaml": "a: [\n",
        "importing.yaml": "imports: [held.yaml]\na: {get_secret: one}\n",
        "held.yaml": "a: {get_secret: absent}\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(
    cli: Cli, folder: Path, words: str, *arguments: str, script: tuple[str, ...] = ("resolve",)
) -> subprocess.CompletedProcess[str]:
    """Run a command on blueprints of the folder; in what it says, the folder's name is left out."""
    done = cli.run(*script, *(f"{folder}/{name}" for name in words.split()), "-t", TENANT, *arguments)
    done.stdout = done.stdout.replace(f"{folder}/", "")
    done.stderr = done.stderr.replace(f"{folder}/", "")
    return done


def execute(cli: Cli, folder: Path, words: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `resolver exec` on blueprints of the folder, with a command that prints what it gets."""
    command = () if "--" in arguments else ("--", *CAT)
    return run(cli, folder, words, *arguments, *command, script=("resolver", "exec"))


# All or none


def test_good_ones_are_joined(admin: Cli, folder: Path) -> None:
    """Their texts become one stream, each after its name."""
    done = run(admin, folder, "good.yaml fine.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == JOINED


@pytest.mark.parametrize("runner", [run, execute], ids=["resolve", "exec"])
def test_one_bad_one_stops_all(runner: type(run), admin: Cli, folder: Path) -> None:  # type: ignore[valid-type]
    """The problem names its blueprint, and nothing of the others is put out; no command is started."""
    done = runner(admin, folder, "good.yaml bad.yaml fine.yaml")
    assert done.stdout == ""
    assert done.stderr == f"{MISSING}error: 1 problem found, nothing was resolved\n"
    assert done.returncode == (5 if runner is run else 125)


def test_problems_of_all_are_reported_together(admin: Cli, folder: Path) -> None:
    """A text that can't be read does not hide what is wrong with the others; the lowest code counts."""
    done = run(admin, folder, "broken.yaml good.yaml bad.yaml", "--diagnostics", "json")
    assert (done.returncode, done.stdout) == (3, "")
    problems = json.loads(done.stderr)["problems"]
    assert [(problem["source"], problem["reason"]) for problem in problems] == [
        ("broken.yaml", "syntax"),
        ("bad.yaml", "secret_not_found"),
    ]


@pytest.fixture
def service(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The service on the store."""
    monkeypatch.delenv("RESOLVER_TOKEN", raising=False)
    monkeypatch.setenv("RESOLVER_HOME", str(home))
    with closing(open_service(Settings(os.environ))) as opened:
        yield opened


@pytest.fixture
def caller(service: Service) -> Caller:
    """User admin."""
    return service.gate.authenticate_token(Settings(os.environ).token(None))


@pytest.fixture
def statements(service: Service, caller: Caller) -> Iterator[list[str]]:
    """The statements that are sent to the store, while a test runs."""
    assert caller
    with statements_of(service._store) as sent:  # noqa: SLF001 - the one place to listen at
        yield sent


def texts(folder: Path, words: str) -> list[BlueprintText]:
    """Blueprints of the folder."""
    return [BlueprintText(name, (folder / name).read_bytes(), folder) for name in words.split()]


def test_one_select_for_all(service: Service, caller: Caller, folder: Path, statements: list[str]) -> None:
    """The secrets of all blueprints are asked for together."""
    resolution = resolve(service, caller, TENANT, texts(folder, "good.yaml fine.yaml"))
    assert [blueprint.name for blueprint in resolution.blueprints] == ["good.yaml", "fine.yaml"]
    assert len([sent for sent in statements if "secret_version" in sent and sent.startswith("SELECT")]) == 1


# Keeping going


def test_exec_goes_on_with_the_good_ones(admin: Cli, folder: Path) -> None:
    """The command gets the good ones; the bad ones are named, and a success of the command ends as 125."""
    done = execute(admin, folder, "good.yaml bad.yaml fine.yaml", "--keep-going")
    assert done.stdout == JOINED
    assert done.stderr == f"{MISSING}error: 1 blueprint left out: bad.yaml\n"
    assert done.returncode == 125


def test_exec_keeps_the_exit_code_of_a_command_that_fails(admin: Cli, folder: Path) -> None:
    """A code that tells of a failure already stays what it is."""
    done = execute(admin, folder, "good.yaml bad.yaml", "--keep-going", "--", "sh", "-c", "exit 7")
    assert done.returncode == 7


def test_exec_with_good_ones_only(admin: Cli, folder: Path) -> None:
    """When nothing was left out, --keep-going changes nothing."""
    done = execute(admin, folder, "good.yaml", "--keep-going")
    assert (done.returncode, done.stdout, done.stderr) == (0, 'a: "value-1"\n', "")


def test_exec_without_a_good_one(admin: Cli, folder: Path) -> None:
    """With nothing left the command does not start."""
    done = execute(admin, folder, "bad.yaml", "--keep-going")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == f"{MISSING}error: 1 problem found, nothing was resolved\n"


def test_exec_finds_what_shows_late(admin: Cli, folder: Path) -> None:
    """A step that leads nowhere shows once the values are there; what can't be read, before."""
    done = execute(
        admin, folder, "broken.yaml none.yaml step.yaml good.yaml", "--keep-going", "--diagnostics", "json"
    )
    assert (done.returncode, done.stdout) == (125, 'a: "value-1"\n')
    document = json.loads(done.stderr)
    assert list(findings(document, "diagnostics.schema.json")) == []
    assert [(problem["source"], problem["reason"]) for problem in document["problems"]] == [
        ("broken.yaml", "syntax"),
        ("step.yaml", "no_such_step"),
    ]
    assert [failure["message"] for failure in document["failures"]] == [
        "blueprint 'none.yaml' can't be read: No such file or directory",
        "2 blueprints left out: broken.yaml, step.yaml",
    ]


def test_a_file_that_cannot_be_read_stops_all(admin: Cli, folder: Path) -> None:
    """Without --keep-going it is a usage error, as it is when no other file is left."""
    message = "error: blueprint 'none.yaml' can't be read: No such file or directory\n"
    done = run(admin, folder, "good.yaml none.yaml", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
    done = run(admin, folder, "none.yaml", "--check", "--keep-going")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{message}error: no blueprint can be read\n"


def test_check_keeps_going(admin: Cli, folder: Path) -> None:
    """With --keep-going a check reports the others, and its exit code still tells."""
    done = run(admin, folder, "none.yaml good.yaml", "--check", "--keep-going")
    assert done.returncode == 2
    assert done.stdout.splitlines()[1].split()[:2] == ["good.yaml:1:4", "one"]
    assert done.stderr == "error: blueprint 'none.yaml' can't be read: No such file or directory\n"
    assert run(admin, folder, "none.yaml bad.yaml", "--check", "--keep-going").returncode == 5


def test_who_imports_a_bad_file_is_left_out(service: Service, caller: Caller, folder: Path) -> None:
    """A problem that names an imported file is held against the blueprint that imports it."""
    (folder / "held.yaml").write_text("a: [\n")
    given = texts(folder, "good.yaml importing.yaml")
    resolution, problems = resolve_good(service, caller, TENANT, given)
    assert [blueprint.name for blueprint in resolution.blueprints] == ["good.yaml"]
    assert [problem.source for problem in problems] == ["held.yaml"]
    with pytest.raises(BlueprintError) as caught:
        resolve_good(service, caller, TENANT, given[1:])
    assert [problem.source for problem in caught.value.problems] == ["held.yaml"]


def test_nothing_is_left_out_for_what_no_blueprint_did(admin: Cli, folder: Path) -> None:
    """One who may not use secrets gets nothing, however many blueprints there are."""
    viewer = admin.as_user("eve", role="viewer")
    done = execute(viewer, folder, "good.yaml fine.yaml", "--keep-going")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith(f"error: user 'eve' is not permitted to use secrets in tenant '{TENANT}'\n")
