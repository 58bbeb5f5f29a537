"""Every error that the package raises on purpose has an exit code, found by its class."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import resolver
from resolver.cli.exit_codes import EXIT_CODES, REASON_EXIT_CODES, ExitCode, exit_code, run
from resolver.dsl.problems import Problem, Reason
from resolver.errors import (
    AuthenticationError,
    BlueprintError,
    MisplacedTokenError,
    NoSuchUserError,
    ResolverError,
    SchemaMismatchError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


SERVER_ONLY = {"RefusedUseError"}
"""Errors that only routes of the server raise, which answers with a status instead of an exit code."""


def bases() -> dict[str, list[str]]:
    """The names of the bases of each class of the package, as its source has them: imports nothing."""
    return {
        node.name: [base.id for base in node.bases if isinstance(base, ast.Name)]
        for path in Path(resolver.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }


def below(name: str, classes: Mapping[str, list[str]]) -> Iterator[str]:
    """All classes below one."""
    for each, its_bases in classes.items():
        if name in its_bases:
            yield each
            yield from below(each, classes)


def test_every_error_has_a_code() -> None:
    """Each class of errors, wherever it is defined, is one of the table's or below one of them."""
    classes = bases()
    found = {kind.__name__ for kind in EXIT_CODES}
    found |= {name for kind in EXIT_CODES for name in below(kind.__name__, classes)}
    assert set(below(ResolverError.__name__, classes)) - found == SERVER_ONLY


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SchemaMismatchError("x"), ExitCode.USAGE),
        (AuthenticationError("x"), ExitCode.NOT_PERMITTED),
        (NoSuchUserError("x"), ExitCode.NOT_FOUND),
        (MisplacedTokenError("x"), ExitCode.UNAVAILABLE),
    ],
)
def test_a_subclass_has_the_code_of_its_branch(error: ResolverError, code: ExitCode) -> None:
    """The nearest class of the table decides."""
    assert exit_code(error) is code


def test_an_error_of_no_branch_is_an_internal_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin may derive one; it is reported in its words, and exits with 1."""

    class OtherError(ResolverError):
        pass

    @click.command(name="fails")
    def fails() -> None:
        raise OtherError("something else", hint="ask")

    assert run(fails, []) == 1
    assert capsys.readouterr().err == "error: something else\n  hint: ask\n"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_code(reason: Reason) -> None:
    """A problem that is not about access, secrets or the store is one of the blueprint."""
    code = exit_code(BlueprintError([Problem(reason, "wrong")]))
    assert code is REASON_EXIT_CODES.get(reason, ExitCode.INVALID_BLUEPRINT)


def test_of_several_problems_the_lowest_code_counts() -> None:
    """A blueprint that is invalid is that, whatever else is missing."""
    problems = [Problem(reason, "wrong") for reason in (Reason.UNAVAILABLE, Reason.NOT_FOUND, Reason.SYNTAX)]
    assert exit_code(BlueprintError(problems)) is ExitCode.INVALID_BLUEPRINT
    assert exit_code(BlueprintError(problems[:2])) is ExitCode.NOT_FOUND
