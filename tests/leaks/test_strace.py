"""What the commands write, seen from outside the process: no value reaches a file."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from resolver.cli.main import resolver_group
from resolver.config.filesystems import file_system
from resolver.crypto.keyring import RootKey
from tests.conftest import SCRIPTS, TENANT, run_script
from tests.leaks.marks import Marks
from tests.leaks.trace import Result, Trace, needs_strace, trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    needs_strace,
]  # on a busy machine

ELSEWHERE = {("serve",), ("login",)}
"""One runs until it is told to end; the other has a story of its own, `test_remote`."""

STARTED = {
    "init",
    "create -s",
    "get",
    "yaml",
    "masked",
    "exec",
    "internal error",
    "export",
}
"""The steps that are started as a user starts them; the others are forked from a process that has it all."""

IN_MEMORY = re.compile(r"/dev/shm/resolver-[0-9a-f]{16}/value: ")
"""The one file with a name that may hold a value: that of `secrets edit`."""

SABOTAGE = Path(__file__).with_name("sabotage")
READ_TWICE = 'cp -r "$1" "$2" && cat {} && cat "$RESOLVED_BLUEPRINT"'


@dataclass(frozen=True)
class Story:
    """A run of many commands on one store, made within it.

    Args:
        marks: every value, password and token that was in play.
        seen: what strace saw.
        results: how each step ended, by its name.
        home: the state directory, as the last step left it.
        during: a copy of the state directory, made while a command of `exec` ran.
        temporary: the folder for temporary files, and the working directory.
    """

    marks: Marks
    seen: Trace
    results: dict[str, Result]
    home: Path
    during: Path
    temporary: Path


def resolver(*arguments: object) -> list[str]:
    """A `resolver` command."""
    return [str(SCRIPTS / "resolver"), *map(str, arguments)]


def resolve(*arguments: object) -> list[str]:
    """A `resolve` command."""
    return [str(SCRIPTS / "resolve"), *map(str, arguments), "-t", TENANT]


def environment(home: Path, temporary: Path) -> dict[str, str]:
    """The state directory, and where temporary files go."""
    return {"RESOLVER_HOME": str(home), "TMPDIR": str(temporary), "PWD": str(temporary)}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Every command once, under one strace."""
    folder = tmp_path_factory.mktemp("story")
    sources, home, temporary = folder / "sources", folder / "home", folder / "temporary"
    for path in (sources, temporary):
        path.mkdir()
    marks = Marks()
    steps = {step.pop("name"): step for step in _steps(marks, sources, home, folder / "during")}
    seen, results = trace(list(steps.values()), folder, environment(home, temporary))
    named = dict(zip(steps, results, strict=True))
    marks.know("the access token", named["tokens create"].out.strip().rpartition("-")[2])
    yield Story(marks, seen, named, home, folder / "during", temporary)
    shutil.rmtree(folder)


def _steps(marks: Marks, sources: Path, home: Path, during: Path) -> list[dict[str, Any]]:
    string, piped, typed = marks.new("-s"), marks.new("stdin", wide=True), marks.new("typed")
    filed, newer, leaf = marks.new("-f"), marks.new("update"), marks.new("JSON leaf", wide=True)
    hidden, given = marks.new("hidden"), marks.new("input")
    passwords = [marks.new("password of admin"), marks.new("password of eve"), marks.new("typed password")]
    (sources / "password").write_text(passwords[0] + "\n")
    (sources / "value").write_text(f"-----BEGIN KEY-----\n{filed}\n-----END KEY-----\n")
    document = json.dumps({"login": {"password": leaf, "quote": f'"{leaf}\\'}, "number": 5})
    (sources / "inputs.yaml").write_text(f"note: {given}\nwhich: string\n")
    texts = {
        "good": "a: { get_secret: string }  # kept\nb: { get_secret: [document, login] }\n"
        "c: { get_secret: file }\nd: { get_secret: { get_input: which } }\ne: { get_secret: piped }\n"
        "f: { get_secret: typed }\ng: { get_secret: hidden }\n",
        "partial": "a: { get_secret: string }\nb: { get_secret: { get_attribute: [vm, ip] } }\n",
        "step": "a: { get_secret: [document, login, nowhere] }\nb: { get_secret: string }\n",
        "not_json": "a: { get_secret: [string, password] }\n",
        "missing": "a: { get_secret: string }\nb: { get_secret: absent }\n",
        "evaluated": "a: { concat: [x, { get_secret: string }] }\nb: { get_attribute: [vm, ip] }\n",
        "imported": "node_types: { t: { properties: { p: { default: { get_secret: string } } } } }\n",
        "importing": "tosca_definitions_version: cloudify_dsl_1_3\nimports: [imported.yaml]\n",
    }
    (sources / "context.yaml").write_text(f"attributes: {{vm: {{ip: {marks.new('fact')}}}}}\n")
    for name, text in texts.items():
        (sources / f"{name}.yaml").write_text(text)
    good, inputs = sources / "good.yaml", ["-i", sources / "inputs.yaml"]
    root_key = RootKey.generate()
    marks.know("the second root key", root_key)
    create = ("secrets", "create")
    eve = {"RESOLVER_TOKEN": "<token>"}

    def step(name: str, command: Sequence[object], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON data
        forked = name not in STARTED and str(command[0]).startswith(str(SCRIPTS))
        return {"name": name, "command": list(map(str, command)), "fork": forked, **more}

    return [
        step("init", resolver("init", "--password-file", sources / "password")),
        step("create -s", resolver(*create, "string", "-s", string)),
        step("create -f", resolver(*create, "file", "-f", sources / "value")),
        step("create stdin", resolver(*create, "piped"), stdin=f"{piped}\n"),
        step("create -f -", resolver(*create, "document", "-f", "-"), stdin=document),
        step(
            "create typed",
            resolver(*create, "typed"),
            typed=[["Value", typed], ["Repeat", typed]],
        ),
        step("create hidden", resolver(*create, "hidden", "--hidden-value"), stdin=hidden),
        step("create again", resolver(*create, "string"), stdin=newer),
        step("update", resolver("secrets", "update", "string", "-f", "-"), stdin=newer),
        step("get", resolver("secrets", "get", "string")),
        step("get json", resolver("secrets", "get", "document", "--format", "json")),
        step("who-can", resolver("who-can", "string")),
        step("list", resolver("secrets", "list")),
        step("users create", resolver("users", "create", "eve", "--password-file", "-"), stdin=passwords[1]),
        step(
            "users set-password",
            resolver("users", "set-password", "eve"),
            typed=[["New password", passwords[2]], ["Repeat", passwords[2]]],
        ),
        step("users list", resolver("users", "list")),
        step("tenants create", resolver("tenants", "create", "other")),
        step("secrets diff", resolver("secrets", "diff", TENANT, "other")),
        step("tenants add-user", resolver("tenants", "add-user", "eve", "-t", TENANT)),
        step("tenants list", resolver("tenants", "list")),
        step("tokens create", resolver("tokens", "create", "--user", "eve", "--quiet"), keep="token"),
        step("tokens list", resolver("tokens", "list")),
        step("whoami", resolver("whoami"), env=eve),
        step("use", resolver("use", "default_tenant")),
        step("yaml", resolve(good, *inputs), hold=str(home / "data" / "resolver.db")),
        step("json", resolve(good, *inputs, "--format", "json")),
        step("check", resolve(good, *inputs, "--check")),
        step("partial", resolve(sources / "partial.yaml", "--partial")),
        step("evaluated", resolve(sources / "evaluated.yaml", "--evaluate", "-c", sources / "context.yaml")),
        step("merged", resolve(sources / "importing.yaml", "--merge-imports")),
        step("masked", resolve(good, *inputs), typed=[]),
        step("shown", resolve(good, *inputs, "--show-values"), typed=[]),
        step("shown to eve", resolve(good, *inputs, "--show-values"), typed=[], env=eve),
        step("to a file", resolve(good, *inputs), file=str(during.with_name("sink"))),
        step(
            "exec",
            resolver("exec", good, "-t", TENANT, *inputs, "--", "sh", "-c", READ_TWICE, "sh", home, during),
        ),
        step("exec --stdin", resolver("exec", good, "-t", TENANT, *inputs, "--stdin", "--", "cat")),
        step("exec fails", resolver("exec", good, "-t", TENANT, *inputs, "--", "/absent", "{}")),
        step("step", resolve(sources / "step.yaml", "--debug"), hold=""),
        step("not JSON", resolve(sources / "not_json.yaml", "--debug")),
        step("missing", resolve(sources / "missing.yaml", *inputs, "--debug")),
        *(
            step(f"step as {form}", resolve(sources / "step.yaml", *inputs, "--diagnostics", form))
            for form in ("json", "sarif", "github")
        ),
        step(
            "exec --keep-going",
            resolver(
                *("exec", "--keep-going", sources / "missing.yaml", good, "-t", TENANT, *inputs),
                *("--", "cat", "{}"),
            ),
        ),
        step("hidden from eve", resolver("secrets", "get", "hidden", "-t", TENANT), env=eve),
        step(
            "update refused",
            resolver("secrets", "update", "hidden", "-t", TENANT, "--debug"),
            stdin=newer,
            env=eve,
        ),
        step(
            "internal error",
            resolve(good, *inputs, "--debug"),
            env={"SABOTAGE": "raise", "PYTHONPATH": str(SABOTAGE)},
        ),
        step("audit list", resolver("audit", "list", "-t", TENANT, "--format", "json")),
        step("audit verify", resolver("audit", "verify", "-t", TENANT)),
        step("audit head", resolver("audit", "head", "--system")),
        step("audit reindex", resolver("audit", "reindex", "-t", TENANT)),
        step("db upgrade", resolver("db", "upgrade", "--finish", "--yes")),
        step("db vacuum", resolver("db", "vacuum")),
        step("users set-role", resolver("users", "set-role", "eve", "-r", "sys_admin")),
        step("tenants remove-user", resolver("tenants", "remove-user", "eve", "-t", TENANT)),
        *_moving_steps(step, create, document, marks.new("passphrase"), during.with_name("sealed")),
        step("delete", resolver("secrets", "delete", "string", "--yes")),
        step("tokens revoke", resolver("tokens", "revoke", "0000000000")),
        step("keys status", resolver("keys", "status")),
        step("keys rotate-data", resolver("keys", "rotate-data")),
        step(
            "keys rotate-root",
            resolver("keys", "rotate-root", "--to", RootKey(root_key, "here").id),
            env={"RESOLVER_KEY": root_key, "RESOLVER_KEY_FILE": str(home / "keys" / "root.key")},
        ),
        *(
            {**told, "env": {"RESOLVER_KEY": root_key}}
            for told in (
                *_provider_steps(step, marks.new("credential"), sources),
                *_webhook_steps(step),
                *_approval_steps(step, marks.new("protected"), sources),
                *_trust_steps(step, sources),
                *_extracting_steps(step, marks.new("in a blueprint"), sources),
                *_last_steps(step, sources),
            )
        ),
    ]


def _provider_steps(
    step: Callable[..., dict[str, Any]], credential: str, sources: Path
) -> Iterator[dict[str, Any]]:
    """A provider with a credential, at a place that does not answer."""
    connection = {"url": "http://vault.invalid:8200", "token": credential, "path": "team"}
    (sources / "connection.json").write_text(json.dumps(connection))
    providers = ("secrets", "providers")
    create = (*providers, "create", "v", "-y", "vault", "-f", sources / "connection.json")
    yield step("providers create", resolver(*create, "--skip-check"))
    yield step("providers list", resolver(*providers, "list"))
    yield step("providers get", resolver(*providers, "get", "v"))
    changed = json.dumps({"token": credential})
    yield step("providers update", resolver(*providers, "update", "v", "-f", "-"), stdin=changed)
    yield step("providers test", resolver(*providers, "test", "v", "--debug"))
    yield step("create elsewhere", resolver("secrets", "create", "away", "-p", "v", "-o", '{"path": "a"}'))
    yield step("get from elsewhere", resolver("secrets", "get", "away", "--debug"))
    yield step("delete elsewhere", resolver("secrets", "delete", "away", "--yes"))
    yield step("providers delete", resolver(*providers, "delete", "v", "--yes"))


def _webhook_steps(step: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A webhook, at a place that does not answer."""
    allowed = 'echo "webhook_destinations: [127.0.0.0/8]" >> "$RESOLVER_HOME/config.yaml"'
    yield step("webhook_destinations", ["sh", "-c", allowed])
    yield step("webhooks create", resolver("webhooks", "create", "hook", "--url", "http://127.0.0.1:9/"))
    yield step("webhooks list", resolver("webhooks", "list"))
    for doing in ("get", "update", "test", "rotate-secret"):
        more = ("--event", "secret.deleted") if doing == "update" else ()
        yield step(f"webhooks {doing}", resolver("webhooks", doing, "hook", *more))
    yield step("webhooks delete", resolver("webhooks", "delete", "hook", "--yes"))


def _approval_steps(
    step: Callable[..., dict[str, Any]], value: str, sources: Path
) -> Iterator[dict[str, Any]]:
    """A protected secret, whose use is asked for and denied; nobody else is there to grant it."""
    blueprint, unknown = sources / "guarded.yaml", "00000000-0000-0000-0000-000000000000"
    blueprint.write_text("a: { get_secret: guarded }\n")
    yield step("create protected", resolver("secrets", "create", "guarded", "--protected"), stdin=value)
    yield step("get protected", resolver("secrets", "get", "guarded"))
    yield step("approvals request", resolver("approvals", "request", blueprint))
    yield step("approvals list", resolver("approvals", "list"))
    yield step("wait for approval", resolve(blueprint, "--wait-approval", "0"))
    for doing in ("show", "grant", "deny"):
        yield step(f"approvals {doing}", resolver("approvals", doing, unknown))


def _trust_steps(step: Callable[..., dict[str, Any]], sources: Path) -> Iterator[dict[str, Any]]:
    """A trust, with keys of its own."""
    key = {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    (sources / "jwks.json").write_text(json.dumps({"keys": [key]}))
    yield step("users create a service", resolver("users", "create", "robot"))
    who = ("--issuer", "https://issuer.invalid", "--audience", "https://resolver.invalid", "--claim", "sub=x")
    what = ("--user", "robot", "-t", TENANT, "--key", "k*", "--permission", "secret:use")
    keys = ("--kind", "generic", "--jwks-file", sources / "jwks.json")
    yield step("trusts create", resolver("trusts", "create", "ci", *who, *what, *keys))
    yield step("trusts list", resolver("trusts", "list"))
    for doing in ("get", "update", "test"):
        more = ("--lifetime", "10m") if doing == "update" else ()
        yield step(f"trusts {doing}", resolver("trusts", doing, "ci", *more))
    yield step("trusts delete", resolver("trusts", "delete", "ci", "--yes"))


def _extracting_steps(
    step: Callable[..., dict[str, Any]], credential: str, sources: Path
) -> Iterator[dict[str, Any]]:
    """A credential in a blueprint: looked for, and taken out of it."""
    blueprint = sources / "credential.yaml"
    blueprint.write_text(f"a: {{password: {credential}, b: 1}}\n")
    yield step("extract --check", resolver("extract", blueprint, "--check"))
    yield step("extract --dry-run", resolver("extract", blueprint, "--dry-run"))
    yield step("extract", resolver("extract", blueprint, "--yes"))


def _last_steps(step: Callable[..., dict[str, Any]], sources: Path) -> Iterator[dict[str, Any]]:
    """What is left to do with users, tenants, tokens and the trail."""
    yield step("status", resolver("status"))
    yield step("doctor", resolver("doctor"))
    yield step("completion", resolver("completion", "fish"))
    yield step("config show", resolver("config", "show", "--all"))
    yield step("db status", resolver("db", "status"))
    yield step("no profile", ["sh", "-c", 'rm "$RESOLVER_HOME/profile"'])
    yield step("recover", resolver("recover", "--user", "admin"))
    for doing in ("get", "deactivate", "activate", "unlock"):
        yield step(f"users {doing}", resolver("users", doing, "eve"))
    yield step("users link", resolver("users", "link", "eve", "--remove"))
    yield step("users delete", resolver("users", "delete", "eve", "--reassign-to", "admin", "--yes"))
    yield step("tenants get", resolver("tenants", "get", "other"))
    yield step("tenants delete", resolver("tenants", "delete", "other", "--yes"))
    yield step("tokens get", resolver("tokens", "get", "0000000000"))
    yield step("tokens rotate", resolver("tokens", "rotate", "0000000000"))
    yield step("tokens delete", resolver("tokens", "delete", "0000000000"))
    yield step("audit unused", resolver("audit", "unused", "-t", TENANT))
    yield step("access", resolver("access", "-t", TENANT))
    yield step("lint", resolver("lint", sources / "credential.yaml", "-t", TENANT))
    yield step("stale", resolver("stale", "-t", TENANT))
    yield step("audit export", resolver("audit", "export", "-t", TENANT))


def _moving_steps(
    step: Callable[..., dict[str, Any]],
    create: Sequence[object],
    document: str,
    passphrase: str,
    sealed: Path,
) -> Iterator[dict[str, Any]]:
    """Schemas, versions, exports and imports; the values pass through a process that checks them."""
    yield step("create schema", resolver(*create, "checked", "--dict", "-l", "private"), stdin=document)
    yield step("update schema", resolver("secrets", "update", "checked", "--debug"), stdin=document[:-1])
    yield step("update checked", resolver("secrets", "update", "checked", "--rotated"), stdin=document)
    yield step("history", resolver("secrets", "history", "checked"))
    yield step("rollback", resolver("secrets", "rollback", "checked", "--to", "1"))
    yield step("set-visibility", resolver("secrets", "set-visibility", "checked", "-l", "tenant"))
    yield step("set-owner", resolver("secrets", "set-owner", "checked", "-s", "eve"))
    export = ("secrets", "export", "--passphrase-file", "-")
    yield step("export", resolver(*export, "-o", sealed), stdin=passphrase)
    yield step(
        "export typed",
        resolver("secrets", "export"),
        typed=[["Passphrase", passphrase], ["Repeat", passphrase]],
    )
    plain = ("secrets", "export", "--cloudify", "--non-encrypted")
    yield step("export plain", resolver(*plain))
    yield step("export plain to a file", resolver(*plain, "-o", sealed.with_name("plain")))
    yield from _flat_steps(step, document, sealed)
    yield step(
        "import",
        resolver("secrets", "import", "-i", sealed, "--passphrase-file", "-", "--override-collisions"),
        stdin=passphrase,
    )


def _flat_steps(step: Callable[..., dict[str, Any]], document: str, sealed: Path) -> Iterator[dict[str, Any]]:
    """Names and values in and out, with mistakes."""
    come = ("secrets", "import", "--from")
    yield step("import dotenv", resolver(*come, "dotenv", "-", "--yes"), stdin=f"FLAT='{document}'\n")
    yield step(
        "import dotenv wrong", resolver(*come, "dotenv", "-", "--yes", "--debug"), stdin=f"F='{document}"
    )
    yield step("import json", resolver(*come, "json", "-", "--dry-run"), stdin=document)
    yield step(
        "import yaml wrong", resolver(*come, "yaml", "-", "--yes", "--debug"), stdin=f"a: {document}}}"
    )
    editor = {"EDITOR": str(sealed.with_name("editor") / "ed")}
    made = f"mkdir {sealed.with_name('editor')}; printf '#!/bin/sh\\necho >> \"$1\"\\n' > {editor['EDITOR']}"
    yield step("an editor", ["sh", "-c", f"{made}; chmod +x {editor['EDITOR']}"])
    yield step("edit", resolver("secrets", "edit", "document"), env=editor)
    yield step("generate", resolver("secrets", "generate", "made"))
    yield step("generate a pair", resolver("secrets", "generate", "pair", "--kind", "tls", "--host", "a"))
    out = ("secrets", "export", "--to", "json")
    yield step("export flat", resolver(*out))
    yield step("export flat to a command", resolver(*out, "--", "cat", "{}"))
    yield step("export flat to a file", resolver(*out), file=str(sealed.with_name("flat")))


EXPECTED_CODES = {
    "import dotenv wrong": 2,
    "import yaml wrong": 3,
    "export flat to a file": 7,
    "update schema": 2,
    "export plain to a file": 7,
    "create again": 8,
    "users link": 8,
    "to a file": 7,
    "extract --check": 3,
    "stale": 10,
    "exec fails": 127,
    "step": 3,
    "not JSON": 3,
    "missing": 5,
    "step as json": 3,
    "step as sarif": 3,
    "step as github": 3,
    "exec --keep-going": 125,
    "update refused": 4,
    "internal error": 1,
    "tokens revoke": 5,
    "providers test": 6,
    "get from elsewhere": 6,
    "tokens get": 5,
    "tokens rotate": 5,
    "tokens delete": 5,
    "webhooks test": 6,
    "get protected": 4,
    "wait for approval": 4,
    "approvals show": 5,
    "approvals grant": 4,
    "approvals deny": 5,
}
"""The steps that shall fail; all others end in 0."""

SHOWS_VALUES = {
    "get",
    "get json",
    "export plain",
    "export flat",
    "export flat to a command",
    "providers get",
    "tokens create",
    "yaml",
    "json",
    "partial",
    "shown",
    "shown to eve",
    "exec",
    "exec --stdin",
    "exec --keep-going",
    "evaluated",
    "merged",
}
"""The steps whose stdout is to hold values."""


def test_each_step_ends_as_it_should(story: Story) -> None:
    """The story is the one that is meant: each command succeeds, or fails with its code."""
    ended = {name: result.code for name, result in story.results.items()}
    assert ended == {name: EXPECTED_CODES.get(name, 0) for name in story.results}


def test_no_value_is_written_to_a_file(story: Story) -> None:
    """Nothing that any command wrote to a file, or named a file, holds a value, password or token."""
    found = story.seen.find(story.marks)
    edited = [one for one in found if IN_MEMORY.match(one)]
    assert [one for one in found if one not in edited] == []
    # What the editor gets is in memory, and gone.
    assert len(edited) == 1
    assert file_system(Path("/dev/shm")) == "tmpfs"
    assert not Path(edited[0].partition(": ")[0]).parent.exists()


def test_the_trace_sees_values(story: Story) -> None:
    """The canary: the same search finds the values in what went to pipes, memory files and terminals."""
    for kind in ("pipe", "memfd", "char"):
        found = story.marks.find(bytes(story.seen.streams[kind]))
        assert {"-f (plain)", "JSON leaf (plain)", "hidden (plain)", "update (plain)"} <= set(found), kind
    assert any(path.endswith("resolver.db-wal") for path in story.seen.files)
    assert any(path.endswith("resolver.db") for path in story.seen.files)


def test_files_that_are_mapped_are_among_those_searched(story: Story) -> None:
    """Only SQLite's index of its WAL is written through a mapping, and the copy made meanwhile has it."""
    assert {Path(path).name for path in story.seen.mapped} == {"resolver.db-shm"}
    assert {"resolver.db", "resolver.db-shm", "resolver.db-wal"} <= {
        path.name for path in (story.during / "data").iterdir()
    }


def test_no_value_is_in_the_state_directory(story: Story) -> None:
    """Neither afterwards nor while a command of `exec` runs does a file below it hold a value."""
    assert story.marks.find_in_tree(story.home, story.during) == []


def test_nothing_is_left_in_temporary_files(story: Story) -> None:
    """The folder for temporary files is empty."""
    assert list(story.temporary.iterdir()) == []


def test_the_refused_file_is_empty(story: Story) -> None:
    """A file that stdout led to was made by the shell and got nothing."""
    assert story.during.with_name("sink").read_bytes() == b""


def test_no_value_is_in_arguments_of_programs(story: Story) -> None:
    """No program was started with a value in its arguments, but for the one whose user wrote it there."""
    assert story.seen.programs_with(story.marks) == ["resolver"]
    assert len(story.seen.programs) > len(STARTED)
    assert {name for name, result in story.results.items()} > STARTED


def test_only_what_shall_show_values_does(story: Story) -> None:
    """Messages never hold a value; output does where that is its purpose, and is found to."""
    assert {name: found for name, r in story.results.items() if (found := story.marks.find(r.err))} == {}
    showing = {name for name, result in story.results.items() if story.marks.find(result.out)}
    assert showing == SHOWS_VALUES


def test_a_terminal_masks_what_may_not_be_seen(story: Story) -> None:
    """On a terminal nothing is shown; with --show-values all but what is hidden from the caller."""
    assert "!masked string" in story.results["masked"].out
    assert "hidden (plain)" in story.marks.find(story.results["shown"].out)
    shown_to_eve = story.marks.find(story.results["shown to eve"].out)
    assert "-f (plain)" in shown_to_eve
    assert not [found for found in shown_to_eve if found.startswith("hidden")]
    assert "g: !masked hidden" in story.results["shown to eve"].out


def test_values_stay_out_of_stdout_that_fails(story: Story) -> None:
    """A command that fails writes nothing to stdout; those of which it is the answer do not fail."""
    answers = {"stale", "extract --check"}
    failed = {name for name in EXPECTED_CODES.keys() - SHOWS_VALUES if story.results[name].out}
    assert failed == answers


def test_the_story_has_every_command(tmp_path: Path) -> None:
    """No command is left out, so none writes what nobody looks for."""
    told = [step["command"][1:] for step in _steps(Marks(), tmp_path, tmp_path, tmp_path)]
    paths = set(_commands(resolver_group)) - ELSEWHERE
    left_out = [path for path in paths if not any(tuple(words[: len(path)]) == path for words in told)]
    assert left_out == []


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name)


# All leaks at once, put in on purpose: the search finds each


@dataclass(frozen=True)
class Leaked:
    """A run that leaks in many ways.

    Args:
        marks: the one value.
        seen: what strace saw.
        result: how the run ended.
        home: its state directory.
        temporary: its folder for temporary files.
    """

    marks: Marks
    seen: Trace
    result: Result
    home: Path
    temporary: Path


LEAKS = (
    *(
        "temporary_file",
        "two_writes",
        "log",
        "mapped",
        "moved",
        "file_name",
        "argument",
        "database",
        "stderr",
    ),
)


@pytest.fixture(scope="module")
def leaked(_made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaked]:
    """A resolve in a sabotaged program."""
    folder = tmp_path_factory.mktemp("leaked")
    home, temporary = folder / "home", folder / "temporary"
    temporary.mkdir()
    shutil.copytree(_made_home, home)
    marks = Marks()
    created = run_script(home, "resolver", "secrets", "create", "k", stdin=marks.new("value"))
    assert created.returncode == 0, created.stderr
    (folder / "b.yaml").write_text("a: { get_secret: k }\n")
    env = environment(home, temporary) | {"SABOTAGE": " ".join(LEAKS), "PYTHONPATH": str(SABOTAGE)}
    seen, (result,) = trace([{"command": resolve(folder / "b.yaml"), "env": env}], folder, {})
    yield Leaked(marks, seen, result, home, temporary)
    shutil.rmtree(folder)


def test_leaks_do_not_disturb_the_run(leaked: Leaked) -> None:
    """The run resolved all the same, so what is found are the leaks and not a failure."""
    assert leaked.result.code == 0
    assert leaked.marks.find(leaked.result.out) == ["value (plain)"]


def test_the_trace_shows_each_leak(leaked: Leaked) -> None:
    """What a program writes to a file, even to one that it removes again, is found in the trace."""
    findings = leaked.seen.find(leaked.marks)
    named = {
        f"{leaked.temporary / 'debug.log'}: value (base64 at 1)",
        "a file name: value (plain)",
        f"{leaked.home / 'data' / 'resolver.db-wal'}: value (hex)",
    }
    assert named <= set(findings)
    for begin in (f"{leaked.temporary}/one-", f"{leaked.temporary}/two-", "sendfile to "):
        assert len([found for found in findings if found.startswith(begin)]) == 1, begin


def test_a_mapped_file_is_reported(leaked: Leaked) -> None:
    """A file that is written through a mapping is named, and its content is found in the directory."""
    cache = leaked.home / "cache"
    assert str(cache) in leaked.seen.mapped
    assert f"{cache}: value (plain)" in leaked.marks.find_in_tree(leaked.home)
    assert not [found for found in leaked.seen.find(leaked.marks) if str(cache) in found]


def test_an_argument_is_reported(leaked: Leaked) -> None:
    """A value among the arguments of a program is found."""
    assert leaked.seen.programs_with(leaked.marks) == ["true"]


def test_a_message_is_reported(leaked: Leaked) -> None:
    """A value on stderr is found."""
    assert leaked.marks.find(leaked.result.err) == ["value (plain)"]


def test_the_directories_show_what_is_left(leaked: Leaked) -> None:
    """Leaks that stay are found in the directories afterwards; those that were removed again are not."""
    left = {Path(found.partition(": ")[0]).name for found in leaked.marks.find_in_tree(leaked.home)}
    assert left == {"cache", "resolver.db"}
    left = {Path(found.partition(": ")[0]).name for found in leaked.marks.find_in_tree(leaked.temporary)}
    assert left == {"debug.log"}
