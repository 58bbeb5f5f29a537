"""`resolver exec`, seen from outside: no value reaches anything but memory files, pipes, the private FIFO."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SCRIPTS, TENANT, run_script
from tests.leaks.marks import Marks
from tests.leaks.trace import Result, Trace, needs_strace, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    needs_strace,
]  # on a busy machine

VALUE = "not-a-real-"
"""Every sample value begins with it, or has it in every line or leaf that matters."""

SAMPLES = Path(__file__).parents[2] / "sample_blueprints"
NAMES = (
    *("quickstart", "shared_credentials", "agent_key", "database_cluster", "secret_name_from_input"),
    *("connection_strings", "web_shop"),
)
PATHS = [f"{{{number}}}" for number in range(1, len(NAMES) + 1)]

IN_GRANDCHILD = """
import os, sys
os.closerange(3, 1000)
for path in sys.argv[1:]:
    sys.stdout.write(open(path).read())
"""

DEPLOY = f"""
set -e
cat "$@" {{}}; cat "$@" "$RESOLVED_BLUEPRINT" >&2
'{sys.executable}' -c '{IN_GRANDCHILD}' "$@"
(exec 3>&- 4>&- 5>&-; sh -c 'cat "$@"' sh "$@")
kill -SEGV $$
"""
"""Reads each path twice, has grandchildren that close descriptors read it again, and crashes."""

ONCE = """cat "$@"; cat {} | wc -c; printf %s "$APP_KEY" | cat; kill -SEGV $$"""
"""The same where a path can be read once, with a variable."""

PRIVATE_FIFO = re.compile(r".*/resolver-[0-9a-f]{16}/blueprint(-\d+)?\.yaml: ")


@dataclass(frozen=True)
class Deployed:
    """Runs of `exec` on all sample blueprints.

    Args:
        marks: what is searched for.
        seen: what strace saw.
        results: how each run ended, by its name.
        home: the state directory.
        temporary: the working directory, and the folder for temporary files and the private FIFO.
    """

    marks: Marks
    seen: Trace
    results: dict[str, Result]
    home: Path
    temporary: Path


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """All runs under one strace."""
    folder = tmp_path_factory.mktemp("deployed")
    home, temporary = folder / "home", folder / "temporary"
    temporary.mkdir()
    made = run_script(home, "resolver", "init", "--sample")
    assert made.returncode == 0, made.stderr
    blueprints = [str(SAMPLES / f"{name}.yaml") for name in NAMES]
    begin = [str(SCRIPTS / "resolver"), "exec", *blueprints, "-t", TENANT]
    steps = {
        "paths": [*begin, "--", "sh", "-c", DEPLOY, "sh", *PATHS],
        "masked": [*begin, "--mask", "--", "sh", "-c", DEPLOY, "sh", *PATHS],
        "stdin": [*begin, "--stdin", "--", "sh", "-c", "cat; kill -SEGV $$"],
        "fifo": [*begin, "--fifo", "--env", "APP_KEY=db_password", "--", "sh", "-c", ONCE, "sh", *PATHS],
        "terminal": [*begin, "--", "sh", "-c", "cat {}; kill -SEGV $$"],
    }
    env = {"RESOLVER_HOME": str(home), "TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(temporary)}
    commands = [
        {"command": ["/bin/sh", "-c", f"cd '{temporary}'; exec \"$@\"", "sh", *command]}
        | ({"typed": []} if name == "terminal" else {})
        for name, command in steps.items()
    ]
    seen, results = trace(commands, folder, env)
    marks = Marks()
    marks.know("value", VALUE)
    yield Deployed(marks, seen, dict(zip(steps, results, strict=True)), home, temporary)
    shutil.rmtree(folder)


def test_each_command_got_what_it_was_to_get(deployed: Deployed) -> None:
    """Each read its paths as often as it wanted and crashed, and the crash is told as it was."""
    assert {result.code for result in deployed.results.values()} == {-signal.SIGSEGV}
    out = {name: result.out for name, result in deployed.results.items()}
    key = '"-----BEGIN RSA PRIVATE KEY-----'
    once = out["stdin"].count(key)
    assert once >= 2
    assert out["paths"].count(key) == 4 * once
    assert deployed.results["paths"].err.count(key) == 2 * once
    assert out["fifo"].count(key) == once
    assert out["fifo"].endswith("\nnot-a-real-password")


def test_no_file_gets_a_value(deployed: Deployed) -> None:
    """What is written to files, or names them, holds no value, but for what goes through the private FIFO."""
    found = deployed.seen.find(deployed.marks)
    beside = [what for what in found if not PRIVATE_FIFO.match(what)]
    assert beside == []
    fifos = {Path(what.rpartition(": ")[0]) for what in found}
    assert {path.name for path in fifos} == {
        "blueprint.yaml",
        *(f"blueprint-{n}.yaml" for n in range(1, len(NAMES) + 1)),
    }
    assert {path.parent.parent for path in fifos} == {deployed.temporary}
    # Each is named in one call that makes something, mknod: so it is a FIFO, and never was a file.
    names = [os.fsdecode(name) for name in deployed.seen.names]
    assert {path: names.count(str(path)) for path in fifos} == dict.fromkeys(fifos, 1)


def test_the_trace_sees_values(deployed: Deployed) -> None:
    """The canary: the same search finds values in what went to memory files, pipes and the terminal."""
    for kind in ("memfd", "pipe"):
        assert deployed.marks.find(bytes(deployed.seen.streams[kind])) == ["value (plain)"], kind
    assert b"***" in deployed.seen.streams["char"]


def test_no_program_has_a_value_in_its_arguments(deployed: Deployed) -> None:
    """Neither the commands nor the FIFO clean-up are started with one."""
    assert deployed.seen.programs_with(deployed.marks) == []
    assert [words for words in deployed.seen.programs if any(b"fifo_cleanup.py" in word for word in words)]


def test_masked_output_holds_none(deployed: Deployed) -> None:
    """With --mask, and on a terminal, neither stream holds a value; the rest of the text is there."""
    for name in ("masked", "terminal"):
        result = deployed.results[name]
        assert deployed.marks.find(result.out + result.err) == []
        assert "tosca_definitions_version" in result.out
        assert 'password: "***"' in result.out


def test_only_short_ones_are_named(deployed: Deployed) -> None:
    """Where output is masked, what is too short for it is named by key on stderr, and no value is."""
    assert deployed.marks.find("".join(r.err for n, r in deployed.results.items() if n != "paths")) == []
    note = "note: masking is best effort; too short to be masked is something of: db_config, registry_login\n"
    assert note in deployed.results["masked"].err


def test_nothing_is_left(deployed: Deployed) -> None:
    """No core file, FIFO or folder is left, and the state directory holds no value in plain.

    What remembers the notes that a terminal session has had are empty files, named by digests.
    """
    notes = deployed.temporary / "blueprint-resolver-notes"
    left = {path for path in deployed.temporary.rglob("*") if path.parent != notes or path.stat().st_size}
    assert left <= {notes}
    assert deployed.marks.find_in_tree(deployed.home) == []
