"""What a run has to say: as text, JSON, SARIF and workflow commands, in the same words and without values."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jsonschema
import pytest

from resolver.bootstrap.embedded import open_service
from resolver.cli.exit_codes import REASON_EXIT_CODES
from resolver.cli.report.check import put_check
from resolver.cli.report.github import workflow_commands
from resolver.cli.report.items import ReportFormat, RunFailure
from resolver.cli.report.reasons import HELP
from resolver.cli.report.report import Report
from resolver.cli.report.sarif import make_log
from resolver.cli.report.text import problem_lines
from resolver.config.settings import Settings
from resolver.core.location import Position
from resolver.dsl.problems import Problem, Reason
from resolver.errors import BlueprintError
from resolver.resolution import BlueprintText, check
from resolver.validation.json_schema import findings
from tests.cli.conftest import Cli
from tests.conftest import TENANT

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.query import Page
    from tests.cli.prefork import Prefork
    from tests.conftest import Run

ROOT = Path(__file__).parents[3]

TWO = """\
inputs: {name: {}}
a: {get_secret: db_pasword}
b: {get_secret: {get_input: name}}
"""
TWO_MESSAGES = [
    (
        "secret_not_found",
        f"secret 'db_pasword' was not found in tenant '{TENANT}'",
        f"did you mean 'db_password'? `resolver secrets list -t {TENANT}` shows what there is",
    ),
    (
        "bad_input",
        "input 'name' has no value",
        "give it with --inputs NAME=VALUE, or a default in the blueprint",
    ),
]


@pytest.fixture(scope="module")
def stored(prefork: Prefork, _made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with one secret, made once for all tests here."""
    home = tmp_path_factory.mktemp("stored") / "home"
    shutil.copytree(_made_home, home)
    Cli(prefork, home).prints("secrets", "create", "db_password", "-s", "a-secret-value")
    return home


@pytest.fixture
def home(stored: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(stored, tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `two.yaml`, which has two problems, and `good.yaml`, which has none."""
    (tmp_path / "two.yaml").write_text(TWO)
    (tmp_path / "good.yaml").write_text("a: {get_secret: db_password}\n")
    return tmp_path


def diagnose(cli: Cli, folder: Path, form: str, *arguments: str, name: str = "two.yaml") -> tuple[int, str]:
    """Resolve a blueprint that is refused; the exit code and what is on stderr, without the folder's name."""
    done = cli.run("resolve", f"{folder}/{name}", "-t", TENANT, "--diagnostics", form, *arguments)
    assert done.stdout == ""
    assert "a-secret-value" not in done.stderr
    return done.returncode, done.stderr.replace(f"{folder}/", "")


# Text


def test_text(admin: Cli, folder: Path) -> None:
    """Text shows each problem with its place, its line and a caret, and a hint."""
    assert diagnose(admin, folder, "text") == (
        3,
        (
            f"error: {TWO_MESSAGES[0][1]} [secret_not_found]\n"
            "  --> two.yaml:2:4  a\n"
            "2 | a: {get_secret: db_pasword}\n"
            "  |    ^\n"
            f"  hint: {TWO_MESSAGES[0][2]}\n"
            f"error: {TWO_MESSAGES[1][1]} [bad_input]\n"
            "  --> two.yaml:3:4  b\n"
            "3 | b: {get_secret: {get_input: name}}\n"
            "  |    ^\n"
            f"  hint: {TWO_MESSAGES[1][2]}\n"
            "error: 2 problems found, nothing was resolved\n"
        ),
    )


def test_a_long_line_is_cut_around_the_place() -> None:
    """Of a long line, the piece around the place is shown, with the caret under it."""
    text = "x" * 500 + "{get_secret: k}" + "y" * 500
    problem = Problem(Reason.SYNTAX, "wrong", "b.yaml", Position(7, 501), line_text=text)
    _, _, line, caret = problem_lines(problem)
    assert len(line) == len("7 | ") + 100
    assert line[caret.index("^")] == "{"


# JSON


def test_json(admin: Cli, folder: Path) -> None:
    """JSON has the same words, one line on stderr, as the schema says."""
    code, said = diagnose(admin, folder, "json")
    assert code == 3
    assert said.count("\n") == 1
    document = json.loads(said)
    assert list(findings(document, "diagnostics.schema.json")) == []
    assert [(each["reason"], each["message"], each["hint"]) for each in document["problems"]] == TWO_MESSAGES
    assert document["problems"][0] | {"message": "", "hint": ""} == {
        "reason": "secret_not_found",
        "message": "",
        "hint": "",
        "source": "two.yaml",
        "line": 2,
        "column": 4,
        "path": ["a"],
        "key": "db_pasword",
    }
    assert (document["failures"], document["notes"]) == ([], [])


def test_json_of_a_run_that_succeeds(admin: Cli, folder: Path) -> None:
    """The document is there when nothing is wrong, too, and notes are in it; stdout has the resolved text."""
    (folder / "good.yaml").write_text("imports: [plugin:x]\na: {get_secret: db_password}\n")
    done = admin.run("resolve", f"{folder}/good.yaml", "-t", TENANT, "--diagnostics", "json")
    assert (done.returncode, done.stdout) == (0, 'imports: [plugin:x]\na: "a-secret-value"\n')
    notes = [f"{folder}/good.yaml: imports left to the manager: plugin:x"]
    assert json.loads(done.stderr) == {"problems": [], "failures": [], "notes": notes}


def test_json_of_a_refused_caller(admin: Cli, folder: Path) -> None:
    """What is not about a blueprint is a failure."""
    code, said = diagnose(admin.with_token("nonsense"), folder, "json", name="good.yaml")
    assert code == 4
    document = json.loads(said)
    assert list(findings(document, "diagnostics.schema.json")) == []
    assert document["failures"] == [
        {
            "message": "the access token is malformed",
            "hint": "a token looks like ctok-<10 characters>-<40 characters>",
        },
    ]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"problems": []}, id="members are missing"),
        pytest.param({"problems": [], "failures": [], "notes": [], "value": "x"}, id="unknown member"),
        pytest.param({"problems": [{"reason": "x"}], "failures": [], "notes": []}, id="half a problem"),
    ],
)
def test_the_schema_refuses(broken: dict[str, Any]) -> None:
    """The schema is no rubber stamp."""
    assert list(findings(broken, "diagnostics.schema.json")) != []


def test_unknown_forms_are_refused(admin: Cli, folder: Path) -> None:
    """A form that there isn't is a usage error."""
    code, said = diagnose(admin, folder, "xml")
    assert code == 2
    assert "--diagnostics" in said
    assert "choose from text, json, sarif, github\n" in said


# Workflow commands


def test_workflow_commands(admin: Cli, folder: Path) -> None:
    """Each problem is an annotation of its file."""
    code, said = diagnose(admin, folder, "github")
    assert code == 3
    assert said == "".join(
        f"::error title={reason},file=two.yaml,line={line},col=4::{message}%0Ahint: {hint}\n"
        for line, (reason, message, hint) in enumerate(TWO_MESSAGES, 2)
    )


def test_workflow_commands_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends a command or a property is escaped, so that no name can begin a command of its own."""
    monkeypatch.chdir(tmp_path)
    name = "a,b:c%.yaml"
    Path(name).touch()
    problem = Problem(Reason.SYNTAX, "50% wrong\n::error::no", name, Position(1, 2))
    assert list(workflow_commands([problem], [], [])) == [
        "::error title=syntax,file=a%2Cb%3Ac%25.yaml,line=1,col=2::50%25 wrong%0A::error::no",
    ]


def test_workflow_commands_without_a_file() -> None:
    """What lies in no file names its source in the message; failures and notes have no place."""
    problem = Problem(Reason.SYNTAX, "wrong", "<stdin>", Position(1, 2))
    assert list(workflow_commands([problem], [RunFailure("refused", "ask")], ["by the way"])) == [
        "::error title=syntax::<stdin>: wrong",
        "::error::refused%0Ahint: ask",
        "::notice::by the way",
    ]


# SARIF


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of a log's only run."""
    (run,) = log["runs"]
    found: list[dict[str, Any]] = run["results"]
    return found


def only(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """The schema of an object that has these properties and no others."""
    rules = {"type": "object", "properties": properties, "additionalProperties": False}
    return rules | {"required": list(required)}


TEXT = {"type": "string", "minLength": 1}
NUMBER = {"type": "integer", "minimum": 1}
COUNT = {"type": "integer", "minimum": 0}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = only({"text": TEXT}, "text")
REGION = only(
    {
        **dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), NUMBER),
        **dict.fromkeys(("byteOffset", "byteLength"), COUNT),
        "snippet": only({"text": {"type": "string"}}),
    },
    "startLine",
)
ADDRESS = only({"uri": {"type": "string", "format": "uri-reference"}, "uriBaseId": TEXT}, "uri")
LOCATION = only(
    {
        "physicalLocation": only({"artifactLocation": ADDRESS, "region": REGION}, "artifactLocation"),
        "logicalLocations": {"type": "array", "items": only({"fullyQualifiedName": TEXT})},
        "message": MESSAGE,
    }
)
RESULT = only(
    {
        "ruleId": TEXT,
        "ruleIndex": COUNT,
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION},
    },
    "message",
)
RULE = only(
    {
        "id": TEXT,
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
        "defaultConfiguration": only({"level": LEVEL}),
    },
    "id",
)
NOTIFICATION = only({"level": LEVEL, "message": MESSAGE}, "message")
INVOCATION = only(
    {
        "executionSuccessful": {"type": "boolean"},
        "toolExecutionNotifications": {"type": "array", "items": NOTIFICATION},
    },
    "executionSuccessful",
)
DRIVER = only(
    {"name": TEXT, "version": TEXT, "rules": {"type": "array", "items": RULE, "uniqueItems": True}}, "name"
)
SARIF = only(
    {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": only(
                {
                    "tool": only({"driver": DRIVER}, "driver"),
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "newlineSequences": {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
                    "invocations": {"type": "array", "items": INVOCATION},
                    "results": {"type": "array", "items": RESULT},
                },
                "tool",
            ),
        },
    },
    "version",
    "runs",
)
"""The names, types and bounds that the standard gives to what a log of ours has; it has nothing else."""


def test_sarif(run: Run, folder: Path) -> None:
    """A log has one rule for each reason, and one result for each problem in the same words."""
    done = run("resolve", "two.yaml", "-t", TENANT, "--diagnostics", "sarif", cwd=folder)
    assert (done.returncode, done.stdout) == (3, "")
    log = json.loads(done.stderr)
    assert (log["version"], log["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    jsonschema.validate(log, SARIF)
    (only_run,) = log["runs"]
    rules = only_run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [str(reason) for reason in HELP]
    assert all(rule["help"]["text"] and rule["fullDescription"]["text"] for rule in rules)
    assert all(rule["shortDescription"] == rule["fullDescription"] for rule in rules)
    assert only_run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    for result, (reason, message, hint) in zip(results(log), TWO_MESSAGES, strict=True):
        assert (result["ruleId"], rules[result["ruleIndex"]]["id"]) == (reason, reason)
        assert result["message"]["text"] == f"{message}\nhint: {hint}"
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"] == {
            "uri": "two.yaml",
            "uriBaseId": "%SRCROOT%",
        }


def test_sarif_of_a_refused_caller(admin: Cli, folder: Path) -> None:
    """What is not about a blueprint is a notification, and the run no success."""
    code, said = diagnose(admin.with_token("nonsense"), folder, "sarif", name="good.yaml")
    log = json.loads(said)
    jsonschema.validate(log, SARIF)
    (only_run,) = log["runs"]
    assert (code, only_run["results"]) == (4, [])
    assert only_run["invocations"][0]["executionSuccessful"] is False
    (notification,) = only_run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"].startswith("the access token is malformed\nhint: ")


def regions(data: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The regions of the problems of one text."""
    monkeypatch.chdir(folder)
    Path("b.yaml").write_bytes(data)
    texts = [BlueprintText("b.yaml", data, folder)]
    try:
        problems = check(None, None, "", texts).problems
    except BlueprintError as error:
        problems = error.problems
    log = make_log(problems, [], [], texts)
    return [result["locations"][0]["physicalLocation"]["region"] for result in results(log)]


@pytest.mark.parametrize(
    ("data", "piece", "columns"),
    [
        pytest.param(b"a: {get_secret: 1} # c\n", b"{get_secret: 1}", (4, 19), id="flow"),
        pytest.param(b"a: \n  get_secret: 1\n\n# c\nb: 2\n", b"get_secret: 1", (3, 16), id="block"),
        pytest.param(b"\xef\xbb\xbfa: {get_secret: 1}", b"{get_secret: 1}", (4, 19), id="byte order mark"),
        pytest.param("ä😀: {get_secret: 1}".encode(), b"{get_secret: 1}", (6, 21), id="two units for one"),
        pytest.param(b"x: 1\r\na: {get_secret: 1}\r\n", b"{get_secret: 1}", (4, 19), id="CRLF"),
        pytest.param(b"x: 1\rfoo: {get_secret: 1}\r", b"{get_secret: 1}", (6, 21), id="CR"),
        pytest.param("x: 1\u2028a: {get_secret: 1}".encode(), b"{get_secret: 1}", (4, 19), id="separator"),
        pytest.param(b"a: &x !!map {get_secret: 1}", b"{get_secret: 1}", (13, 28), id="anchor and tag"),
        pytest.param(b"a: 1\nb: 2\na: 3 # c\n", b"a: 3 # c", (1, 9), id="to the end of the line"),
        pytest.param(b"a:\t{get_secret:\t1}\t# c", b"{get_secret:\t1}", (4, 19), id="tabs"),
        pytest.param(
            "\ufeffx: 1\r\n\u00e4:\t- 😀\r\nb:\t{get_secret:\t1}\r\n".replace("\t- ", " ").encode(),
            b"{get_secret:\t1}",
            (4, 19),
            id="everything at once",
        ),
        pytest.param(b"a: 1\nb: '", b"'", None, id="at the end of the text"),
    ],
)
def test_regions_are_exact(
    data: bytes,
    piece: bytes,
    columns: tuple[int, int] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A region's bytes are the call's own, and its columns count UTF-16 units."""
    (region,) = regions(data, tmp_path, monkeypatch)
    start, length = region["byteOffset"], region["byteLength"]
    if columns is not None:
        assert data[start : start + length] == piece
        assert (region["startColumn"], region["endColumn"]) == columns
        assert region["startLine"] == region["endLine"]
    assert region["snippet"]["text"] == data[start : start + length].decode()


def test_a_region_over_several_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that ends on another line ends there."""
    data = b"a:\n  get_secret:\n    - k\nb: 1\n"
    (region,) = regions(data, tmp_path, monkeypatch)
    assert [region[name] for name in ("startLine", "startColumn", "endLine", "endColumn")] == [2, 3, 3, 8]
    assert region["snippet"]["text"] == "get_secret:\n    - k"


def test_a_text_that_is_not_utf8_has_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bytes are no characters, line and column are all there is."""
    assert regions(b"a: 1\nb: \xff\n", tmp_path, monkeypatch) == [{"startLine": 2, "startColumn": 4}]


def test_a_file_that_was_changed_has_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the file is not what was read, no byte of it is pointed at."""
    monkeypatch.chdir(tmp_path)
    Path("b.yaml").write_text("something else\n")
    problem = Problem(Reason.SYNTAX, "wrong", "b.yaml", Position(1, 3), line_text="😀b: 1")
    (result,) = results(make_log([problem], [], [], []))
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 4}


def test_braces_are_doubled() -> None:
    """A brace in a SARIF message would be a placeholder."""
    (result,) = results(make_log([Problem(Reason.SYNTAX, "a {0}", hint="{b}")], [], [], []))
    assert result["message"] == {"text": "a {{0}}\nhint: {{b}}"}
    assert result["locations"] == []


@pytest.mark.parametrize(
    ("source", "uri", "base"),
    [
        pytest.param("./sub/./b.yaml", "sub/b.yaml", True, id="relative"),
        pytest.param("sub/../b ä:%.yaml", "b%20%C3%A4%3A%25.yaml", True, id="escaped"),
        pytest.param("../b.yaml", "", False, id="outside"),
    ],
)
def test_addresses(
    source: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, base: bool
) -> None:
    """An address is relative to the folder of the run; outside of it, it is the whole."""
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Path(source).touch()
    (result,) = results(make_log([Problem(Reason.SYNTAX, "wrong", source)], [], [], []))
    address = result["locations"][0]["physicalLocation"]["artifactLocation"]
    if base:
        assert address == {"uri": uri, "uriBaseId": "%SRCROOT%"}
    else:
        assert list(address) == ["uri"]
        assert unquote(address["uri"]) == f"file://{tmp_path / 'b.yaml'}"


def test_stdin_has_no_address(admin: Cli) -> None:
    """What came through stdin is named in words."""
    done = admin.run("resolve", "-", "-t", TENANT, "--diagnostics", "sarif", stdin=TWO)
    log = json.loads(done.stderr)
    jsonschema.validate(log, SARIF)
    for result in results(log):
        (location,) = result["locations"]
        assert sorted(location) == ["logicalLocations", "message"]
        assert location["message"] == {"text": "<stdin>"}


# Very many problems


@pytest.mark.parametrize("report_format", list(ReportFormat))
@pytest.mark.parametrize("many", [3, 5])
def test_a_report_has_an_end(
    report_format: ReportFormat,
    many: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Beyond a number of problems a report says how many more there are, in whatever format."""
    monkeypatch.setattr("resolver.cli.report.items.MAX_REPORTED", 3)
    report = Report(report_format)
    with report.reporting():
        report.add([Problem(Reason.SYNTAX, "it is wrong")] * many)
    said = capsys.readouterr().err
    assert said.count("it is wrong") == 3
    assert ("2 more problems not shown" in said) is (many > 3)


def test_a_check_s_text_has_an_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sum below is that of all problems."""
    monkeypatch.setattr("resolver.cli.report.items.MAX_REPORTED", 1)
    found = check(None, None, "", [BlueprintText("b", b"- {get_secret: 1}\n- {get_secret: 2}\n", None)])
    put_check(found, Report(ReportFormat.TEXT, on_stdout=True), offline=True)
    printed = capsys.readouterr().out
    assert printed.count("error: ") == 1
    assert printed.endswith(
        "note: 1 more problem not shown\n2 problems found in 2 calls; no store was asked\n"
    )


# Suggestions


def test_keys_that_the_caller_may_not_see_are_not_suggested(admin: Cli, tmp_path: Path) -> None:
    """Someone's private key, another tenant's, and one out of a narrowed token's reach are not offered."""
    admin.prints("secrets", "create", "api_token_1", "-s", "v", "-l", "private")
    admin.prints("tenants", "create", "other")
    admin.prints("secrets", "create", "api_token_2", "-s", "v", "-t", "other")
    admin.prints("secrets", "create", "api_token_3", "-s", "v")
    narrowed = admin.prints("tokens", "create", "--key", "api_tokem", "--quiet").strip()
    (tmp_path / "b.yaml").write_text("a: {get_secret: api_tokem}\n")
    hints = []
    for cli in (admin, admin.as_user("eve", role="user"), admin.with_token(narrowed)):
        code, said = diagnose(cli, tmp_path, "text", name="b.yaml")
        assert code == 5
        hints += re.findall("hint: (.*)", said)
    listing = f"`resolver secrets list -t {TENANT}` shows what there is"
    assert hints == [
        f"did you mean 'api_token_3' or 'api_token_1'? {listing}",
        f"did you mean 'api_token_3'? {listing}",
        listing,
    ]


def test_one_who_may_use_but_not_list_gets_no_suggestion(admin: Cli, folder: Path) -> None:
    """Suggesting is listing."""
    token = admin.prints("tokens", "create", "--permission", "secret:use", "--quiet").strip()
    code, said = diagnose(admin.with_token(token), folder, "text")
    assert code == 3
    assert "secret 'db_pasword' was not found" in said
    assert "did you mean" not in said


def test_a_run_in_which_nothing_is_missing_lists_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are asked for when a missing one makes them of use, and then once."""
    monkeypatch.delenv("RESOLVER_TOKEN", raising=False)
    monkeypatch.setenv("RESOLVER_HOME", str(home))
    asked: list[str] = []
    with closing(open_service(Settings(os.environ))) as service:
        caller = service.gate.authenticate_token(Settings(os.environ).token(None))
        listed = service.secrets.list

        def listing(who: Caller, tenant: str) -> Page:
            asked.append(tenant)
            return listed(who, tenant)

        monkeypatch.setattr(service.secrets, "list", listing)
        for text, times in ((b"a: {get_secret: db_password}", 0), (b"[{get_secret: x}, {get_secret: y}]", 1)):
            check(service, caller, TENANT, [BlueprintText("b.yaml", text, tmp_path)])
            assert len(asked) == times


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        pytest.param("a: {get_secret: {get_secret: which}}\n", (), id="out of a secret"),
        pytest.param("a: {get_secret: {get_input: i}}\n", ("-i", "i=db_pasword"), id="a given input"),
        pytest.param("a: {get_secret: [json, paswords]}\n", (), id="a step"),
    ],
)
def test_what_was_not_written_gets_no_suggestion(
    admin: Cli, folder: Path, text: str, arguments: tuple[str, ...]
) -> None:
    """A key out of a secret or an input is compared with nothing, nor is a step with a secret's content."""
    admin.prints("secrets", "create", "which", "-s", "db_pasword")
    admin.prints("secrets", "create", "json", "-s", '{"passwords": 1}')
    (folder / "b.yaml").write_text(text)
    code, said = diagnose(admin, folder, "text", *arguments, name="b.yaml")
    assert code in {3, 5}
    assert "did you mean" not in said
    assert "db_password" not in said
    assert "passwords" not in said


# Reasons


def test_every_reason_is_explained() -> None:
    """Reports explain every code, in words that begin and end as they should."""
    assert set(HELP) == set(Reason)
    for explained in HELP.values():
        assert explained.means
        assert explained.means[-1] != "."
        assert explained.remedy[0].isupper() or explained.remedy[0] in "`-s"
        assert explained.remedy[-1] == "."


def test_every_reason_is_documented() -> None:
    """The page on blueprints has a row for every code, with its exit code."""
    page = (ROOT / "docs" / "blueprints.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z0-9_]+)` \| (\d) \| .+ \|$", page, re.MULTILINE))
    assert rows == {str(reason): str(REASON_EXIT_CODES.get(reason, 3)) for reason in Reason}
