"""The report of a run: what it has, where it ends, and what it never tells."""

from __future__ import annotations

import os
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from resolver.bootstrap.embedded import open_service
from resolver.cli.report.items import ReportFormat
from resolver.cli.report.report import Report
from resolver.config.settings import Settings
from resolver.dsl.problems import Problem, Reason
from resolver.resolution import BlueprintText, check
from tests.cli.report.conftest import diagnose
from tests.conftest import TENANT

if TYPE_CHECKING:
    from pathlib import Path

    from resolver.core.model import Caller
    from resolver.core.query import Page
    from tests.cli.conftest import Cli


def test_unknown_forms_are_refused(admin: Cli, folder: Path) -> None:
    """A form that there isn't is a usage error."""
    code, said = diagnose(admin, folder, "xml")
    assert code == 2
    assert "--diagnostics" in said
    assert "choose from text, json, sarif, github, gitlab\n" in said


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

        def listing(who: Caller, tenant: str, *given: Any, **more: Any) -> Page:  # noqa: ANN401 - passed on
            asked.append(tenant)
            return listed(who, tenant, *given, **more)

        monkeypatch.setattr(service.secrets, "list", listing)
        for text, times in ((b"a: {get_secret: db_password}", 0), (b"[{get_secret: x}, {get_secret: y}]", 1)):
            check(service, caller, TENANT, [BlueprintText("b.yaml", text, tmp_path)])
            assert asked.count(TENANT) == times
            assert asked.count("") == 2 * times  # whether another tenant has it, for each that is missing


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
