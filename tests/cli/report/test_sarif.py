"""Problems as a SARIF log: form, regions and addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jsonschema
import pytest

from resolver.cli.report.items import Found
from resolver.cli.report.reasons import HELP
from resolver.cli.report.sarif import make_log
from resolver.core.location import Position
from resolver.dsl.problems import Problem, Reason
from resolver.errors import BlueprintError
from resolver.resolution import BlueprintText, check
from tests.cli.report.conftest import TWO, TWO_MESSAGES, diagnose
from tests.conftest import TENANT

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
    from tests.conftest import Run


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
    log = make_log(Found(problems), texts)
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
    (result,) = results(make_log(Found([problem]), []))
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 4}


def test_braces_are_doubled() -> None:
    """A brace in a SARIF message would be a placeholder."""
    (result,) = results(make_log(Found([Problem(Reason.SYNTAX, "a {0}", hint="{b}")]), []))
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
    (result,) = results(make_log(Found([Problem(Reason.SYNTAX, "wrong", source)]), []))
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
