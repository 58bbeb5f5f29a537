"""The documents say what the program does: sessions run as printed, and every table agrees with the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import yaml

from resolver.blueprint.limits import DEFAULT_LIMITS, MIB
from resolver.blueprint.scalars import MAX_NUMBER
from resolver.cli.exit_codes import REASON_EXIT_CODES, ExitCode
from resolver.cli.main import resolver_group
from resolver.cli.report.items import MAX_REPORTED
from resolver.cli.resolve import resolve_command
from resolver.core.permissions import (
    SYSTEM_ROLE_PERMISSIONS,
    TENANT_ROLE_PERMISSIONS,
    Permission,
    SystemRole,
    TenantRole,
)
from resolver.dsl import budget
from resolver.dsl.evaluate import MAX_NESTING, MAX_STEPS
from resolver.dsl.functions import MAX_TEXT
from resolver.dsl.inheritance import MAX_ANCESTRY
from resolver.dsl.problems import Reason
from resolver.protocol import OWN_ROUTES
from resolver.rest.app import GROUPS
from resolver.rest.openapi import make_document
from resolver.validation.json_schema import findings, schema_text
from tests.conftest import clean_environment
from tests.sessions import SEPARATOR, blocks, pattern, run_on_terminal, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
SAMPLES = ROOT / "sample_blueprints"
OWN = [ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")]
PAGES = sorted(DOCS.rglob("*.md"))
DOCUMENTS = [README, *OWN, SAMPLES / "README.md", *PAGES]
IMPORT_NOTE = re.compile(r"^note: .* imports left to the manager: .*\n", re.MULTILINE)


def name_of(document: Path) -> str:
    """A test's name for a document."""
    return str(document.relative_to(ROOT))


def rows(document: Path, first: str) -> list[list[str]]:
    """The rows of the table whose header's first cell is `first`, as cells without code marks."""
    lines = iter(document.read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {first} |"):
            next(lines)
            break
    found: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    assert found, f"{document.name} has no table {first!r}"
    return found


@pytest.fixture
def sample_environ(tmp_path: Path) -> dict[str, str]:
    """The environment of someone who has pasted README's first line, with `sample_blueprints` beside them."""
    (tmp_path / "sample_blueprints").symlink_to(ROOT / "sample_blueprints")
    environ = clean_environment()
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}",
        "RESOLVER_HOME": str(tmp_path / "home"),
    }
    made = subprocess.run(["resolver", "init", "--sample"], env=environ, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    return environ


@pytest.mark.parametrize("document", [README, DOCS / "access.md", SAMPLES / "README.md"], ids=name_of)
def test_sessions_run_as_printed(document: Path, tmp_path: Path, sample_environ: dict[str, str]) -> None:
    """Every command of every session prints what the document says it prints."""
    sessions = blocks(document.read_text(), "console")
    assert sessions
    for session in sessions:
        script = "".join(f"printf '\\036'\n{command}\n" for command, _ in steps(session))
        outputs = run_on_terminal(script, tmp_path, sample_environ)[1].split(SEPARATOR)[1:]
        for (command, expected), shown in zip(steps(session), outputs, strict=True):
            # The samples' page says that it leaves this one out, which stands on every run.
            output = shown if document.parent != SAMPLES else IMPORT_NOTE.sub("", shown)
            assert pattern(expected).fullmatch(output), f"$ {command}\n{output}"


def test_a_session_that_prints_something_else_is_noticed() -> None:
    """The comparison is exact but for the three dots."""
    assert pattern("a ... c\n").fullmatch("a b c\n")
    assert not pattern("a ... c\n").fullmatch("a b d\n")
    assert not pattern("a\n").fullmatch("a\nb\n")
    assert steps("$ one\n1\n2\n$ two\n") == [("one", "1\n2\n"), ("two", "")]


def test_the_python_page_runs(tmp_path: Path, sample_environ: dict[str, str]) -> None:
    """The examples of the page run one after the other, and print what is wrong with a blueprint."""
    examples = blocks((DOCS / "python.md").read_text(), "python")
    token = json.loads((tmp_path / "home" / "profile").read_text())["token"]
    deploy = "def deploy(data):\n    print(data['node_templates']['database']['properties']['password'])\n\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", deploy + "\n".join(examples)],
        cwd=tmp_path,
        env=sample_environ | {"RESOLVER_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(examples) == 4
    first, *problems, last = done.stdout.splitlines()
    assert (first, last, done.stderr) == ("not-a-real-password", "not-a-real-password", "")
    assert [line.split()[:2] for line in problems] == [["secret_not_found", "1"], ["bad_argument", "2"]]
    assert "did you mean 'db_password'?" in problems[0]


def test_the_first_screen() -> None:
    """README's first 30 lines lead with exec, set up, resolve, and show a refusal."""
    lines = README.read_text().splitlines()[:30]
    first = blocks("\n".join(lines) + "\n", "sh")
    assert first[0] == "resolver exec blueprint.yaml -t prod -- deploy {}\n"
    assert first[1].count("\n") == 1
    assert "resolver init --sample" in first[1]
    assert any(line.startswith("error: ") for line in lines)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its full name."""
    yield "resolve", resolve_command
    context = click.Context(resolver_group)
    for name in resolver_group.list_commands(context):
        command = resolver_group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", subcommand) for sub, subcommand in command.commands.items())
        elif command is not None:
            yield name, command


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_documented(name: str) -> None:
    """README or a document below docs/ names every command in full."""
    text = README.read_text() + "".join(path.read_text() for path in PAGES if path.parent == DOCS)
    assert re.search(rf"(`|resolver |\$ ){name}\b", text)


MENTIONED = re.compile(r"`((?:resolver|resolve) [^`\n]+)`")
"""A command in the middle of a sentence: no page's run tries it."""


@pytest.mark.parametrize(
    "document", [README, OWN[0], *(page for page in PAGES if page.parent == DOCS)], ids=name_of
)
def test_commands_in_sentences_have_their_options(document: Path) -> None:
    """What a sentence tells to type is a command with these options."""
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    unknown = {mention: lack for mention in MENTIONED.findall(prose) if (lack := unknown_options(mention))}
    assert unknown == {}


def test_a_sentence_with_an_option_that_is_none_is_noticed() -> None:
    """An option of a neighbour, one that there was, and a whole command that there is not."""
    assert unknown_options("resolver tokens list --user admin") == {"--user"}
    assert unknown_options("resolve b.yaml --chek") == {"--chek"}
    assert unknown_options("resolver tokens show ID") == {"tokens"}
    assert unknown_options("resolver exec b.yaml -t prod -- deploy --force {}") == set()


def unknown_options(mention: str) -> set[str]:
    """The options of a mentioned command that it does not have, or its name if there is no such command."""
    program, *words = mention.partition(" -- ")[0].split()
    known = dict(commands())
    first = " ".join(words[:1])
    name = (
        "resolve"
        if program == "resolve"
        else next((full for full in (" ".join(words[:2]), first) if full in known), "")
    )
    if not name:
        is_group = any(full.startswith(f"{first} ") for full in known)
        return {first} if not is_group or len(words) > 1 else set()
    command = known[name]
    if isinstance(command, click.Group):
        return set()
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    named = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    return named - own - {"--help", "-h"}


OWN_PATHS = sorted({path for path in make_document(GROUPS)["paths"] if path.startswith(OWN_ROUTES)})


@pytest.mark.parametrize("path", OWN_PATHS)
def test_every_route_of_ours_is_documented(path: str) -> None:
    """docs/api.md, or the page of the console for its own, names the path, with capitals for what varies."""
    pattern = re.sub(r"\\{\w+\\}", "[A-Z]+", re.escape(path.removeprefix(OWN_ROUTES)))
    text = (DOCS / "api.md").read_text() + (DOCS / "console.md").read_text()
    assert re.search(rf"(?:(?<!\w)|(?<=/resolver)){pattern}(?![\w/-])", text)


def test_every_reason_is_documented() -> None:
    """The table of reasons has every code once, with its exit code."""
    documented = [(code, int(exit_code)) for code, exit_code, _ in rows(DOCS / "blueprints.md", "reason")]
    assert sorted(documented) == sorted(
        (reason.value, REASON_EXIT_CODES.get(reason, ExitCode.INVALID_BLUEPRINT)) for reason in Reason
    )


def test_every_exit_code_is_documented() -> None:
    """The page's table has every exit code once, and the help page names the same ones."""
    page = DOCS / "exit-codes.md"
    expected = set(ExitCode) - {ExitCode.EXEC_FAILURE}
    elsewhere = {ExitCode.INTERRUPTED, ExitCode.READER_GONE, ExitCode.CHANGED}
    assert [int(code) for code, _ in rows(page, "code")] == sorted(expected)
    helped = {int(code) for code in re.findall(r"\b(\d) [a-z]", str(resolve_command.help))}
    assert helped == expected - elsewhere
    assert f"{ExitCode.EXEC_FAILURE} is a failure of its own" in page.read_text()


def test_no_setting_is_documented_that_is_not_read() -> None:
    """The documents name variables that the program reads or sets, and no others."""
    source = "".join(path.read_text() for path in sorted((ROOT / "resolver").rglob("*.py")))
    users = [path for path in DOCUMENTS if path.name != "CONTRIBUTING.md"]
    text = "".join(path.read_text() for path in users)
    variable = r"RESOLV(?:ER|ED)_[A-Z_]*[A-Z]"
    assert set(re.findall(variable, text)) <= set(re.findall(variable, source))


def test_the_example_of_a_context_is_one() -> None:
    """The context shown is valid by its schema, and shows every name that there is."""
    example, *_ = blocks((DOCS / "blueprints.md").read_text(), "yaml")
    context = yaml.safe_load(example)
    assert list(findings(context, "context.schema.json")) == []
    assert set(context) == set(json.loads(schema_text("context.schema.json"))["properties"])


def test_limits_are_documented() -> None:
    """The table of limits has the numbers that hold."""
    numbers = [
        re.sub(r"[^0-9].*", "", cell.replace(",", "")) for _, cell in rows(DOCS / "blueprints.md", "what")
    ]
    limits = DEFAULT_LIMITS
    expected = [
        limits.size // MIB,
        limits.depth,
        limits.nodes,
        limits.second_reading,
        MAX_NUMBER,
        limits.imports,
    ]
    expected += [
        MAX_NESTING,
        MAX_ANCESTRY,
        MAX_STEPS,
        MAX_TEXT // MIB,
        budget.MAX_CHARACTERS // MIB,
        budget.MAX_STEPS,
    ]
    expected += [int(budget.CHILD_SECONDS), MAX_REPORTED]
    assert [int(number) for number in numbers] == expected


def test_the_role_table_is_the_programs() -> None:
    """The table of roles marks what the code permits, for every permission that the code asks about."""
    header = [SystemRole.SYS_ADMIN, *TenantRole]
    granted = {**SYSTEM_ROLE_PERMISSIONS, **TENANT_ROLE_PERMISSIONS}
    documented = {row[0]: [mark == "x" for mark in row[2:]] for row in rows(DOCS / "access.md", "permission")}
    for name, marks in documented.items():
        assert marks == [Permission(name) in granted[role] for role in header], name
    folders = [ROOT / "resolver" / folder for folder in ("core", "service", "cli")]
    source = "".join(path.read_text() for folder in folders for path in sorted(folder.glob("*.py")))
    source = source.replace((ROOT / "resolver" / "core" / "permissions.py").read_text(), "")
    asked = set(re.findall(r"\bPermission\.([A-Z_]+)", source))
    assert {Permission(name).name for name in documented} == asked


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_resolve(document: Path) -> None:
    """Every link leads to a file that is there, and to a heading in it."""
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        assert not anchor or path.suffix == ".png" or anchor in headings(path), target


def test_every_document_is_linked() -> None:
    """README leads to the documents beside it and to the first page; the site has each page once."""
    for document in [*OWN, SAMPLES / "README.md", DOCS / "index.md"]:
        assert f"]({document.relative_to(ROOT)})" in README.read_text()
    nav = (ROOT / "zensical.toml").read_text().partition("nav = [")[2].partition("[project.theme]")[0]
    assert sorted(re.findall(r'"([^"]+\.md)"', nav)) == [str(path.relative_to(DOCS)) for path in PAGES]


def test_every_sample_is_described() -> None:
    """The samples' page has a row for each blueprint."""
    described = [re.sub(r"^\[(.*)\]\(.*\)$", r"\1", name) for name, _ in rows(SAMPLES / "README.md", "file")]
    assert sorted(described) == sorted(path.name for path in SAMPLES.glob("*.yaml"))


def test_the_changelog_has_this_version() -> None:
    """The changelog's newest section is about the version being built, a `.dev0` until its release."""
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    version = built.removesuffix(".dev0")
    headings = re.findall(r"^## (\S+?), (.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0][0] == version
    assert (headings[0][1] == "not released yet") == (built != version)
