"""Problems as JSON, as the schema describes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resolver.validation.json_schema import findings
from tests.cli.report.conftest import TWO_MESSAGES, diagnose
from tests.conftest import TENANT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli


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
    assert json.loads(done.stderr) == {"problems": [], "warnings": [], "failures": [], "notes": notes}


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
        pytest.param(
            {"problems": [], "warnings": [], "failures": [], "notes": [], "value": "x"}, id="unknown member"
        ),
        pytest.param(
            {"problems": [{"reason": "x"}], "warnings": [], "failures": [], "notes": []}, id="half a problem"
        ),
    ],
)
def test_the_schema_refuses(broken: dict[str, Any]) -> None:
    """The schema is no rubber stamp."""
    assert list(findings(broken, "diagnostics.schema.json")) != []
