"""Warnings in each form of the report, and `--fail-on`."""

from __future__ import annotations

import json
from contextlib import closing
from sqlite3 import connect
from typing import TYPE_CHECKING

import pytest

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.validation.json_schema import findings
from tests.conftest import TENANT, run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

MISS = "a: {get_secret: db_password}\nb: {getSecret: db_password}\n"
RESOLVED = 'a: "a-secret-value"\nb: {getSecret: db_password}\n'
SAID = """\
{level}: 'getSecret' is no function, and nothing is resolved here [near_miss]
  --> miss.yaml:2:5  b.getSecret
2 | b: {{getSecret: db_password}}
  |     ^
  hint: did you mean 'get_secret'?
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `miss.yaml`, which has a near miss."""
    (tmp_path / "miss.yaml").write_text(MISS)
    return tmp_path


def run(cli: Cli, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a run, without the folder's name."""
    done = cli.run("resolve", f"{folder}/miss.yaml", "-t", TENANT, *arguments)
    return done.returncode, done.stdout.replace(f"{folder}/", ""), done.stderr.replace(f"{folder}/", "")


def test_text(admin: Cli, folder: Path) -> None:
    """A warning looks like an error but for its level; the run goes on."""
    assert run(admin, folder) == (0, RESOLVED, SAID.format(level="warning"))


def test_a_run_that_fails(admin: Cli, folder: Path) -> None:
    """It tells its warnings, too, before what it failed for."""
    with (folder / "miss.yaml").open("a") as file:
        file.write("none: { get_secret: none }\n")
    code, printed, said = run(admin, folder)
    assert (code, printed) == (5, "")
    assert said.index("warning: ") < said.index("[secret_not_found]")


def test_text_of_a_check(admin: Cli, folder: Path) -> None:
    """A check prints warnings among its findings, and is content."""
    code, printed, said = run(admin, folder, "--check")
    assert (code, said) == (0, "")
    assert SAID.format(level="warning") in printed


@pytest.mark.parametrize("kind", ["near-miss", "any"])
def test_fail_on(kind: str, admin: Cli, folder: Path) -> None:
    """With `--fail-on` nothing is written, and the exit code is that of a bad blueprint."""
    code, printed, said = run(admin, folder, "--fail-on", "text-for-type", "--fail-on", kind)
    assert (code, printed) == (3, "")
    assert said.startswith(SAID.format(level="error"))
    assert run(admin, folder, "--check", "--fail-on", kind)[0] == 3


def test_fail_on_another_kind(admin: Cli, folder: Path) -> None:
    """Another kind changes nothing; one that there is none of is refused."""
    assert run(admin, folder, "--fail-on", "undeclared-input") == (0, RESOLVED, SAID.format(level="warning"))
    code, _, said = run(admin, folder, "--fail-on", "near_miss")
    assert code == 2
    assert said.split("choose from ")[1].split("\n")[0] == (
        "near-miss, undeclared-input, text-for-type, due, unused, duplicate-key, custom-tag, expired, any; "
        "did you mean 'near-miss'?"
    )


def test_json(admin: Cli, folder: Path) -> None:
    """JSON has warnings in a list of their own, in the form of problems."""
    _, _, said = run(admin, folder, "--diagnostics", "json")
    document = json.loads(said)
    assert list(findings(document, "diagnostics.schema.json")) == []
    assert document["problems"] == []
    (warning,) = document["warnings"]
    assert (warning["reason"], warning["line"], warning["path"]) == ("near_miss", 2, ["b", "getSecret"])
    checked = json.loads(run(admin, folder, "--check", "--diagnostics", "json")[1])
    assert list(findings(checked, "check.schema.json")) == []
    assert checked["warnings"] == document["warnings"]


def test_gitlab(admin: Cli, folder: Path) -> None:
    """GitLab's report has an entry for each, with a fingerprint that the line is not part of."""

    def entries() -> list[dict[str, object]]:
        return list(json.loads(run(admin, folder, "--check", "--diagnostics", "gitlab")[1]))

    (entry,) = entries()
    assert entry | {"fingerprint": ""} == {
        "description": "'getSecret' is no function, and nothing is resolved here; did you mean 'get_secret'?",
        "check_name": "near_miss",
        "fingerprint": "",
        "severity": "minor",
        "location": {"path": "miss.yaml", "lines": {"begin": 2}},
    }
    (folder / "miss.yaml").write_text(f"# more\n{MISS}")
    (moved,) = entries()
    assert moved["fingerprint"] == entry["fingerprint"]
    (folder / "miss.yaml").write_text(f"{MISS}c: {{getSecret: db_password}}\nd: {{get_secret: missing}}\n")
    found = entries()
    assert [one["severity"] for one in found] == ["major", "minor", "minor"]
    assert len({str(one["fingerprint"]) for one in found}) == 3


PAST = "2020-01-01T00:00:00.000Z"
LATE = "a: {get_secret: gone}\nb: {get_secret: stale}\n"


def test_late_secrets_in_gitlab(admin: Cli, folder: Path) -> None:
    """GitLab is told of expired secrets and of values that are due, and whether that fails the run."""
    admin.prints("secrets", "create", "gone", "-s", "x", "--expires", "+1h")
    admin.prints("secrets", "create", "stale", "-s", "x", "--rotate-after", "1")
    with closing(open_service(Settings({"RESOLVER_HOME": str(admin.home)}))) as service:
        with closing(connect(admin.home / "data" / "resolver.db")) as database, database:
            for column in ("expires_at", "rotate_at"):
                database.execute(f"UPDATE secret SET {column} = ? WHERE {column} IS NOT NULL", [PAST])
        with service._store.managed.write() as session:  # noqa: SLF001 - as if it had been stored so
            session.vouch_for_rows("secret", limit=100)
    (folder / "miss.yaml").write_text(LATE)

    def told(*more: str) -> tuple[int, list[tuple[object, ...]]]:
        code, printed, _ = run(admin, folder, "--check", "--diagnostics", "gitlab", *more)
        entries = json.loads(printed)
        assert len({one["fingerprint"] for one in entries}) == len(entries)
        return code, [
            (one["check_name"], one["severity"], one["location"]["lines"]["begin"]) for one in entries
        ]

    assert told() == (0, [("secret_expired", "minor", 1), ("secret_due", "minor", 2)])
    assert told("--fail-on", "expired") == (4, [("secret_expired", "major", 1), ("secret_due", "minor", 2)])
    assert told("--fail-on", "due") == (3, [("secret_due", "major", 2), ("secret_expired", "minor", 1)])


def test_late_and_unused_secrets(admin: Cli, folder: Path) -> None:
    """Kinds about secrets have short names; unused ones are for a check, and `any` leaves them out."""
    code, said = admin.refuses("secrets", "list", "--expiring", "yesterday")
    assert (code, "--expiring" in said) == (2, True)
    admin.prints("secrets", "create", "soon", "-s", "x", "--expires", "+1h")
    done = run(admin, folder, "--check", "--fail-on", "unused")
    assert (done[0], "[secret_unused]" in done[1]) == (3, True)
    assert "[secret_unused]" not in run(admin, folder, "--check", "--fail-on", "any")[1]
    assert run(admin, folder, "--fail-on", "unused")[::2] == (
        2,
        "error: --fail-on unused goes with --check\n",
    )
    assert [row.split()[0] for row in admin.prints("secrets", "list", "--expiring", "1d").splitlines()] == [
        "KEY",
        "soon",
    ]


def test_sarif_and_github(admin: Cli, folder: Path) -> None:
    """SARIF has results of the level warning, whose rule says so, and GitHub's annotations are warnings."""
    (sarif,) = json.loads(run(admin, folder, "--diagnostics", "sarif")[2])["runs"]
    (result,) = sarif["results"]
    assert (result["level"], result["ruleId"]) == ("warning", "near_miss")
    rule = sarif["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert (rule["id"], rule["defaultConfiguration"]) == ("near_miss", {"level": "warning"})
    said = run(admin, folder, "--diagnostics", "github")[2]
    assert said.startswith("::warning title=near_miss,file=miss.yaml,line=2,col=5::")


@pytest.mark.slow
def test_exec_says_so_too(admin: Cli, folder: Path) -> None:
    """`exec` starts its command all the same, and doesn't with `--fail-on`."""
    arguments = ["exec", f"{folder}/miss.yaml", "-t", TENANT]
    done = run_script(admin.home, "resolver", *arguments, "--", "true")
    assert (done.returncode, "[near_miss]" in done.stderr) == (0, True)
    done = run_script(admin.home, "resolver", *arguments, "--fail-on", "near-miss", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (125, "")
