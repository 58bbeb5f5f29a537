"""`resolve --check`: what would be used, what is missing and what is wrong, in each form of the report."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from resolver.cli.output import cut, width
from resolver.cli.report.check import put_check
from resolver.cli.report.items import ReportFormat
from resolver.cli.report.report import Report
from resolver.resolution import BlueprintText
from resolver.resolution import check as check_texts
from resolver.validation.json_schema import findings
from tests.cli.conftest import Cli
from tests.conftest import SCRIPTS, TENANT, clean_environment
from tests.waiting import terminal_output

if TYPE_CHECKING:
    from tests.cli.prefork import Prefork
    from tests.conftest import Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
VALUE = "a-secret-value"

MIXED = """\
inputs: {given: {}, missing: {}, optional: {required: false}, defaulted: {default: 1}}
imports: [plugin:x]
a: {get_secret: key}
b: {get_secret: [hidden, 0, x]}
c: {get_secret: {get_secret: key}}
d: {get_secret: hiddn}
e: {get_secret: [key]}
f: {get_secret: {get_input: given}}
"""


@pytest.fixture(scope="module")
def stored(prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with two secrets, made once for all tests here."""
    home = tmp_path_factory.mktemp("stored") / "home"
    shutil.copytree(_made_home, home)
    admin = Cli(prefork, home)
    admin.prints("secrets", "create", "key", "-s", VALUE)
    admin.prints("secrets", "create", "hidden", "-s", VALUE, "--hidden-value")
    admin.prints("secrets", "update", "key", "-s", VALUE, "--rotated")
    return home


@pytest.fixture
def home(stored: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(stored, tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `mixed.yaml`, which has calls of all kinds, and `good.yaml`."""
    (tmp_path / "mixed.yaml").write_text(MIXED)
    (tmp_path / "good.yaml").write_text("a: {get_secret: key}\n")
    return tmp_path


def check(cli: Cli, folder: Path, name: str, *arguments: str) -> tuple[int, str, str]:
    """Check a blueprint; exit code, stdout and stderr, without the folder's name."""
    done = cli.run("resolve", f"{folder}/{name}", "--check", *arguments)
    assert VALUE not in done.stdout + done.stderr
    return done.returncode, done.stdout.replace(f"{folder}/", ""), done.stderr.replace(f"{folder}/", "")


def report(cli: Cli, folder: Path, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Check a blueprint; exit code and the JSON report, which is all that is printed."""
    code, printed, said = check(cli, folder, name, "--diagnostics", "json", *arguments)
    assert said == ""
    document: dict[str, Any] = json.loads(printed)
    assert list(findings(document, "check.schema.json")) == []
    return code, document


# Text


def test_a_good_blueprint(admin: Cli, folder: Path) -> None:
    """Each call is a line, and the sum below."""
    assert check(admin, folder, "good.yaml", "-t", TENANT)[0::2] == (0, "")
    printed = check(admin, folder, "good.yaml", "-t", TENANT)[1]
    assert [line.split() for line in printed.splitlines()[:2]] == [
        ["CALL", "KEY", "STEPS", "VERSION", "HIDDEN", "STATE", "PATH"],
        ["good.yaml:1:4", "key", "-", "2", "no", "ok", "a"],
    ]
    assert printed.splitlines()[2:] == ["1 call can be resolved; nothing was decrypted"]


def test_all_calls_are_listed(admin: Cli, folder: Path) -> None:
    """Good and refused calls stand in one table, then come the problems; the exit code is the lowest."""
    code, printed, said = check(admin, folder, "mixed.yaml", "-t", TENANT, "-i", "given=secret-input")
    assert code == 3
    lines = printed.splitlines()
    table = [line.split() for line in lines[:8]]
    assert table[1:] == [
        ["mixed.yaml:3:4", "key", "-", "2", "no", "ok", "a"],
        ["mixed.yaml:4:4", "hidden", "[0].x", "1", "yes", "ok", "b"],
        ["mixed.yaml:5:4", "(depends", "on", "a", "value)", "-", "-", "-", "-", "c"],
        ["mixed.yaml:5:17", "key", "-", "2", "no", "ok", "c"],
        ["mixed.yaml:6:4", "hiddn", "-", "-", "-", "secret_not_found", "d"],
        ["mixed.yaml:7:4", "-", "-", "-", "-", "bad_argument", "e"],
        ["mixed.yaml:8:4", "<from", "input", "given>", "-", "-", "-", "secret_not_found", "f"],
    ]
    assert lines[8:13] == [
        f"error: secret 'hiddn' was not found in tenant '{TENANT}' [secret_not_found]",
        "  --> mixed.yaml:6:4  d",
        "6 | d: {get_secret: hiddn}",
        "  |    ^",
        f"  hint: did you mean 'hidden'? `resolver secrets list -t {TENANT}` shows what there is",
    ]
    assert lines[-1] == "3 problems found in 7 calls; nothing was decrypted"
    assert said == (
        "note: mixed.yaml: imports left to the manager: plugin:x\n"
        "note: mixed.yaml: input 'missing' has no value yet\n"
    )
    assert "secret-input" not in printed + said


def test_a_missing_secret_alone(admin: Cli, folder: Path) -> None:
    """The exit code of a missing secret is 5, and of one that may not be used 4, as they are of `resolve`."""
    (folder / "b.yaml").write_text("a: {get_secret: absent_one}\n")
    code, printed, _ = check(admin, folder, "b.yaml", "-t", TENANT)
    assert (code, printed.splitlines()[-1]) == (5, "1 problem found in 1 call; nothing was decrypted")


def test_kept_calls(admin: Cli, folder: Path) -> None:
    """A call that --partial keeps is listed as kept."""
    (folder / "b.yaml").write_text("a: {get_secret: {get_attribute: [n, x]}}\n")
    code, printed, said = check(admin, folder, "b.yaml", "-t", TENANT, "--partial")
    assert (code, said) == (0, "note: 1 call would be kept for the orchestrator\n")
    assert printed.splitlines()[1].split() == ["b.yaml:1:4", "-", "-", "-", "-", "kept", "a"]


def test_calls_in_other_functions(admin: Cli, folder: Path) -> None:
    """With --evaluate the calls within a concat are listed, too."""
    (folder / "b.yaml").write_text("a: {concat: [x, {get_secret: key}]}\n")
    for arguments, path in ((), "a.concat[1]"), (("--evaluate",), "a"):
        code, printed, _ = check(admin, folder, "b.yaml", "-t", TENANT, *arguments)
        assert code == 0
        assert printed.splitlines()[1].split() == ["b.yaml:1:17", "key", "-", "2", "no", "ok", path]


def test_a_blueprint_without_calls(admin: Cli, folder: Path) -> None:
    """Nothing to list is no table."""
    (folder / "b.yaml").write_text("a: 1\n")
    assert check(admin, folder, "b.yaml", "-t", TENANT) == (
        0,
        "0 calls can be resolved; nothing was decrypted\n",
        "",
    )


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_the_table_fits_a_terminal(home: Path, folder: Path, columns: int) -> None:
    """On a terminal, files are headings and no line of the table is wider than the terminal."""
    deep = "x: {get_secret: key}"
    for name in ("relationships", "interfaces", "properties", "credentials"):
        deep = f"{name}: {{{deep}}}"
    (folder / "deep.yaml").write_text(f"{deep}\nb: {{get_secret: hidden}}\n")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [SCRIPTS / "resolve", "deep.yaml", "good.yaml", "--check", "-t", TENANT],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=clean_environment() | {"RESOLVER_HOME": str(home), "COLUMNS": str(columns)},
    ) as process:
        os.close(theirs)
        shown = b"".join(terminal_output(ours))
        assert process.wait(timeout=60) == 0
    lines = shown.decode().splitlines()
    assert lines[1] == "deep.yaml"
    assert lines[4] == "good.yaml"
    assert lines[2].split()[:6] == ["1:60", "key", "-", "2", "no", "ok"]
    assert all(len(line) <= columns for line in lines)
    assert ("PATH" in lines[0]) == (columns > 60)
    assert ("…" in lines[2]) == (60 < columns < 100)


# JSON, SARIF, annotations


def test_json(admin: Cli, folder: Path) -> None:
    """The JSON report tells of each call what the table tells, and what is missing."""
    code, found = report(admin, folder, "mixed.yaml", "-t", TENANT, "-i", "given=x")
    assert code == 3
    assert found["calls"][0] == {
        "source": "mixed.yaml",
        "line": 3,
        "column": 4,
        "path": ["a"],
        "key": "key",
        "steps": "",
        "depends_on_value": False,
        "kept": False,
        "exists": True,
        "usable": True,
        "version": 2,
        "hidden": False,
        "expires_at": None,
        "expired": False,
        "rotate_at": None,
        "due": False,
        "reasons": [],
    }
    told = ("key", "steps", "depends_on_value", "exists", "usable", "version", "hidden", "reasons")
    assert [[call[name] for name in told] for call in found["calls"][1:]] == [
        ["hidden", "[0].x", False, True, True, 1, True, []],
        [None, "", True, None, None, None, None, []],
        ["key", "", False, True, True, 2, False, []],
        ["hiddn", "", False, False, False, None, None, ["secret_not_found"]],
        [None, "", False, None, None, None, None, ["bad_argument"]],
        ["<from input given>", "", False, False, False, None, None, ["secret_not_found"]],
    ]
    assert [problem["line"] for problem in found["problems"]] == [6, 7, 8]
    assert found["imports"] == [{"source": "mixed.yaml", "import": "plugin:x"}]
    assert found["inputs"] == [{"source": "mixed.yaml", "input": "missing"}]
    assert (found["failures"], found["kept"]) == ([], 0)


def test_a_key_from_an_input_that_exists_is_a_key(admin: Cli, folder: Path) -> None:
    """An input's value is told when it is the key of a secret that the caller may see."""
    _, found = report(admin, folder, "mixed.yaml", "-t", TENANT, "-i", "given=hidden")
    assert found["calls"][-1]["key"] == "hidden"


def test_one_who_may_list_but_not_use(admin: Cli, folder: Path) -> None:
    """A viewer learns that the secret exists, and that it may not be used: exit code 4."""
    code, found = report(admin.as_user("eve", role="viewer"), folder, "good.yaml")
    (call,) = found["calls"]
    assert (code, call["exists"], call["usable"], call["version"]) == (4, True, False, 2)
    assert [problem["message"] for problem in found["problems"]] == [
        f"secret 'key' may not be used in tenant '{TENANT}' by this user and token",
    ]


def test_one_who_may_use_but_not_list(admin: Cli, folder: Path) -> None:
    """The permission to use is enough for a check."""
    token = admin.prints("tokens", "create", "--permission", "secret:use", "--quiet").strip()
    code, found = report(admin.with_token(token), folder, "good.yaml")
    assert (code, found["calls"][0]["usable"]) == (0, True)


def test_a_key_out_of_reach_is_not_looked_up(admin: Cli, folder: Path) -> None:
    """Whether a key exists that a narrowed token may not name is not known."""
    token = admin.prints("tokens", "create", "--key", "other_*", "--quiet").strip()
    code, found = report(admin.with_token(token), folder, "good.yaml")
    (call,) = found["calls"]
    assert (code, call["exists"], call["usable"], call["version"]) == (4, None, False, None)


def test_a_stranger_is_refused(admin: Cli, folder: Path) -> None:
    """One who may neither list nor use gets no report of calls, in whatever form."""
    stranger = admin.as_user("eve")
    message = f"user 'eve' is not permitted to use secrets in tenant '{TENANT}'"
    hint = "`resolver whoami` shows what this user and token may do"
    assert check(stranger, folder, "good.yaml") == (4, "", f"error: {message}\n  hint: {hint}\n")
    code, found = report(stranger, folder, "good.yaml")
    assert (code, found["failures"]) == (4, [{"message": message, "hint": hint}])
    assert found["calls"] == found["problems"] == []


def test_sarif(run: Run, folder: Path) -> None:
    """The log is what stdout gets."""
    done = run("resolve", "mixed.yaml", "--check", "-t", TENANT, "--diagnostics", "sarif", cwd=folder)
    assert (done.returncode, done.stderr) == (3, "")
    (only,) = json.loads(done.stdout)["runs"]
    assert [result["ruleId"] for result in only["results"]] == [
        "secret_not_found",
        "bad_argument",
        "bad_input",
    ]
    snippets = [result["locations"][0]["physicalLocation"]["region"]["snippet"] for result in only["results"]]
    assert [snippet["text"] for snippet in snippets] == [line[3:] for line in MIXED.splitlines()[5:]]
    notifications = only["invocations"][0]["toolExecutionNotifications"]
    assert [each["message"]["text"] for each in notifications] == [
        "mixed.yaml: imports left to the manager: plugin:x",
        "mixed.yaml: input 'given' has no value yet",
        "mixed.yaml: input 'missing' has no value yet",
    ]


def test_workflow_commands(admin: Cli, folder: Path) -> None:
    """Annotations are what stdout gets; a good blueprint has none."""
    code, printed, said = check(admin, folder, "mixed.yaml", "-t", TENANT, "--diagnostics", "github")
    assert (code, said) == (3, "")
    assert [line.split("::")[1].partition(",")[0] for line in printed.splitlines()] == [
        "error title=secret_not_found",
        "error title=bad_argument",
        "error title=bad_input",
        "notice",
        "notice",
        "notice",
    ]
    assert check(admin, folder, "good.yaml", "-t", TENANT, "--diagnostics", "github") == (0, "", "")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"version": "2"}, id="wrong type"),
        pytest.param({"value": "x"}, id="unknown member"),
        pytest.param({"line": 0}, id="out of range"),
    ],
)
def test_the_schema_refuses(admin: Cli, folder: Path, broken: dict[str, Any]) -> None:
    """The schema is no rubber stamp."""
    _, found = report(admin, folder, "good.yaml", "-t", TENANT)
    found["calls"][0] |= broken
    assert list(findings(found, "check.schema.json")) != []


# Offline


def test_offline(admin: Cli, folder: Path, tmp_path: Path) -> None:
    """Without a store, text and arguments are looked at, and nothing else is claimed."""
    nowhere = admin.at(tmp_path / "nowhere")
    code, printed, _ = check(nowhere, folder, "mixed.yaml", "--offline", "-i", "given=secret-input")
    assert code == 3
    lines = printed.splitlines()
    assert lines[0].split() == ["CALL", "KEY", "STEPS", "STATE", "PATH"]
    assert [line.split()[-2] for line in lines[1:8]] == ["-", "-", "-", "-", "-", "bad_argument", "-"]
    assert lines[-1] == "1 problem found in 7 calls; no store was asked"
    assert "secret-input" not in printed
    assert (
        check(nowhere, folder, "good.yaml", "--offline")[1].splitlines()[-1] == "1 call; no store was asked"
    )


def test_offline_looks_at_all_files(admin: Cli, folder: Path) -> None:
    """As a hook for many files, it reports those that are wrong, and the others' calls."""
    (folder / "bad.yaml").write_text("a: [\n")
    code, found = report(admin, folder, "bad.yaml", f"{folder}/good.yaml", "--offline")
    assert code == 3
    assert [problem["reason"] for problem in found["problems"]] == ["syntax"]
    assert [call["source"] for call in found["calls"]] == ["good.yaml"]
    assert [call["exists"] for call in found["calls"]] == [None]


def test_the_hook(run: Run, folder: Path) -> None:
    """What `.pre-commit-hooks.yaml` runs works with files behind it, and its exit code tells."""
    (folder / "bad.yaml").write_text("a: [\n")
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        for names, code in ((("good.yaml", "good.yaml"), 0), (("good.yaml", "bad.yaml"), 3)):
            env = {"RESOLVER_HOME": str(folder / "nowhere")}
            done = run(*hook["entry"].split(), *names, cwd=folder, env=env)
            assert done.returncode == code
            assert (done.stderr == "") == (code == 0 or hook["id"] == "check-blueprints")


# Usage


def test_combinations_that_make_no_sense(admin: Cli, folder: Path) -> None:
    """--offline and --keep-going without --check, and a format for a text that is not made, are refused."""
    blueprint = f"{folder}/good.yaml"

    def refused(*arguments: str) -> str:
        done = admin.run("resolve", blueprint, "-t", TENANT, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr

    assert refused("--offline") == "error: --offline goes with --check\n"
    assert refused("--keep-going") == "error: --keep-going goes with --check, and with `resolver exec`\n"
    assert refused("--check", "--format", "json") == (
        "error: --check resolves nothing\n  hint: --diagnostics json reports as JSON\n"
    )


def test_a_check_s_text_has_an_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sum below is that of all problems."""
    monkeypatch.setattr("resolver.cli.report.items.MAX_REPORTED", 1)
    found = check_texts(None, None, "", [BlueprintText("b", b"- {get_secret: 1}\n- {get_secret: 2}\n", None)])
    put_check(found, Report(ReportFormat.TEXT, on_stdout=True), offline=True)
    printed = capsys.readouterr().out
    assert printed.count("error: ") == 1
    assert printed.endswith(
        "note: 1 more problem not shown\n2 problems found in 2 calls; no store was asked\n"
    )


@pytest.mark.parametrize("columns", range(4, 12))
def test_what_is_cut_fits(columns: int) -> None:
    """Beginning and end stay, and no more columns are taken than there are."""
    for text in ("abcdefghijklmnop", "密码密码密码密码", "a密b码c密d码e"):
        short = cut(text, columns)
        assert columns - 2 <= width(short) <= columns
        assert (short[0], short[-1]) == (text[0], text[-1]) or columns < 6
        assert short.count("…") == 1
