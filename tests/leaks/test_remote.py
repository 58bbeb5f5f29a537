"""What commands that use a server write, seen from outside: a token to the profile, and nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.conftest import serving, token_of
from tests.conftest import SCRIPTS, TENANT
from tests.leaks.marks import Marks
from tests.leaks.trace import Result, Trace, needs_strace, trace
from tests.peer import answer
from tests.peer import serving as playing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    needs_strace,
]  # on a busy machine


@dataclass(frozen=True)
class Story:
    """A run of commands on a server.

    Args:
        marks: values and passwords.
        token: searches for the token of the profile.
        seen: what strace saw.
        results: how each step ended, by its name.
        desk: the state directory.
    """

    marks: Marks
    token: Marks
    seen: Trace
    results: dict[str, Result]
    desk: Path


@pytest.fixture(scope="module")
def story(_made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Log in, and use the server in each way, under one strace."""
    folder = tmp_path_factory.mktemp("story")
    desk, blueprint = folder / "desk", folder / "good.yaml"
    home = shutil.copytree(_made_home, folder / "home")
    blueprint.write_text("a: { get_secret: key }\n")
    marks = Marks()
    password, value, of_url = marks.new("password"), marks.new("value", wide=True), marks.new("URL password")
    resolver, resolve = str(SCRIPTS / "resolver"), str(SCRIPTS / "resolve")
    with serving(home) as url, playing(_echo) as hostile:
        admin = {"RESOLVER_URL": url, "RESOLVER_TOKEN": token_of(home)}
        other = {"RESOLVER_URL": hostile.url, "RESOLVER_TOKEN": token_of(home), "RESOLVER_TENANT": "t"}
        login = [resolver, "login", url, "-t", TENANT, "--expires", "+1h"]
        create = [resolver, "secrets", "create", "key", "--debug"]
        steps: dict[str, dict[str, Any]] = {
            "set password": {
                "command": [resolver, "users", "set-password", "admin", "--password-file", "-"],
                "stdin": password,
                "env": admin,
            },
            "login wrong": {"command": [*login, "-u", "admin"], "stdin": f"{password}x"},
            "login with a URL's password": {
                "command": [resolver, "login", f"https://una:{of_url}@secrets.example", "--debug"]
            },
            "login": {"command": login, "typed": [["User name", "admin"], ["Password", password]]},
            "create": {"command": create, "stdin": value},
            "create again": {"command": create, "stdin": f"{value}x"},
            "get": {"command": [resolver, "secrets", "get", "key"]},
            "resolve": {"command": [resolve, blueprint]},
            "check": {"command": [resolve, blueprint, "--check"]},
            "exec": {"command": [resolver, "exec", blueprint, "--", "sh", "-c", 'cat "$1"; env', "sh", "{}"]},
            "whoami": {"command": [resolver, "whoami"]},
            "tokens list": {"command": [resolver, "tokens", "list", "--format", "json"]},
            "audit list": {"command": [resolver, "audit", "list", "-t", TENANT, "--format", "json"]},
            "create at a hostile server": {"command": create, "stdin": value, "env": other},
            "resolve at a hostile server": {"command": [resolve, blueprint, "--debug"], "env": other},
        }
        for step in steps.values():
            step["command"] = list(map(str, step["command"]))
        seen, results = trace(
            list(steps.values()), folder, {"RESOLVER_HOME": str(desk), "TMPDIR": str(folder)}
        )
    token = Marks()
    token.know("token", token_of(desk).rpartition("-")[2])
    return Story(marks, token, seen, dict(zip(steps, results, strict=True)), desk)


def _echo(head: str) -> bytes:
    """An error that tells all that came."""
    told = {"message": "no", "error_code": head, "kind": "no such kind", "value": head}
    return answer(400, json.dumps(told).encode())


EXPECTED_CODES = {
    "login wrong": 4,
    "login with a URL's password": 2,
    "create again": 8,
    "create at a hostile server": 6,
    "resolve at a hostile server": 6,
}


def test_each_step_ends_as_it_should(story: Story) -> None:
    """The story is the one that is meant."""
    ended = {name: result.code for name, result in story.results.items()}
    assert ended == {name: EXPECTED_CODES.get(name, 0) for name in story.results}, story.results


def test_no_value_is_written_to_a_file(story: Story) -> None:
    """No value or password reaches a file; the token reaches the profile, and no other one."""
    assert story.seen.find(story.marks) == []
    files = {path for path, data in story.seen.files.items() if story.token.find(bytes(data))}
    assert {path.rpartition("/")[2].rpartition(".")[0] for path in files} == {".profile"}
    assert story.marks.find_in_tree(story.desk) == []
    assert [path.name for path in story.desk.iterdir()] == ["profile"]


def test_the_trace_sees_values(story: Story) -> None:
    """The canary: they are found in what went to pipes and sockets."""
    assert "value (plain)" in story.marks.find(bytes(story.seen.streams["pipe"]))
    assert story.token.find(bytes(story.seen.streams["socket"]))


def test_no_argument_and_no_message_holds_any(story: Story) -> None:
    """Output does where that is its purpose; the URL's password stands where its user wrote it."""
    assert story.seen.programs_with(story.marks) == ["resolver"]
    assert story.seen.programs_with(story.token) == []
    for name, result in story.results.items():
        assert story.marks.find(result.err) == [], name
        assert story.token.find(result.err + result.out) == [], name
    shown = {name for name, result in story.results.items() if story.marks.find(result.out)}
    assert shown == {"get", "resolve", "exec"}
