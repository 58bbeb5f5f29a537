"""Problems as workflow commands of GitHub Actions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resolver.cli.report.github import workflow_commands
from resolver.cli.report.items import Found, RunFailure
from resolver.core.location import Position
from resolver.dsl.problems import Problem, Reason
from tests.cli.report.conftest import TWO_MESSAGES, diagnose

if TYPE_CHECKING:
    import pytest

    from tests.cli.conftest import Cli


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
    assert list(workflow_commands(Found([problem]))) == [
        "::error title=syntax,file=a%2Cb%3Ac%25.yaml,line=1,col=2::50%25 wrong%0A::error::no",
    ]


def test_workflow_commands_without_a_file() -> None:
    """What lies in no file names its source in the message; failures and notes have no place."""
    problem = Problem(Reason.SYNTAX, "wrong", "<stdin>", Position(1, 2))
    warning = Problem(Reason.NEAR_MISS, "odd", "<stdin>", Position(2, 1), hint="look")
    found = Found([problem], [warning], [RunFailure("refused", "ask")], ["by the way"])
    assert list(workflow_commands(found)) == [
        "::error title=syntax::<stdin>: wrong",
        "::warning title=near_miss::<stdin>: odd%0Ahint: look",
        "::error::refused%0Ahint: ask",
        "::notice::by the way",
    ]
