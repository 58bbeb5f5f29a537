"""Problems as a SARIF 2.1.0 log, the form that code scanning services take.

The rules are those of the OASIS standard "Static Analysis Results Interchange Format (SARIF) 2.1.0".
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from resolver.cli.report.items import Level, is_file
from resolver.cli.report.reasons import HELP
from resolver.cli.report.regions import Regions
from resolver.core.location import format_path
from resolver.dsl.problems import ONLY_WARNINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.cli.report.items import Found
    from resolver.dsl.problems import Problem, Reason
    from resolver.resolution import BlueprintText

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

NEWLINES = ["\r\n", "\r", "\n", "\x85", "\u2028", "\u2029"]
"""What ends a line in YAML 1.1, section 4.1.4; without this a viewer would count lines otherwise."""

ROOT = "%SRCROOT%"
"""What relative addresses are relative to: the folder of the run, which services take for the checkout."""


def make_log(found: Found, texts: Sequence[BlueprintText]) -> dict[str, Any]:
    """The log of one run.

    Args:
        found: what is reported: problems and warnings are the results, what else went wrong and notes are
            notifications of the run.
        texts: the blueprints, for regions in bytes.
    """
    numbers = {reason: number for number, reason in enumerate(HELP)}
    regions = Regions(texts)
    address = cache(_address)  # a run may have very many problems, in few files
    notifications = [{"level": "note", "message": _message(note)} for note in found.notes]
    notifications += [
        {"level": "error", "message": _message(failure.message, failure.hint)} for failure in found.failures
    ]
    run = {
        "tool": {
            "driver": {
                "name": "blueprint-resolver",
                "version": version("blueprint-resolver"),
                "rules": [
                    {
                        "id": str(reason),
                        "shortDescription": means,
                        "fullDescription": means,  # GitHub's code scanning requires one
                        "help": {"text": explained.remedy},
                        "defaultConfiguration": {"level": str(_default_level(reason))},
                    }
                    for reason, explained in HELP.items()
                    for means in ({"text": f"{explained.means[:1].upper()}{explained.means[1:]}."},)
                ],
            },
        },
        "columnKind": "utf16CodeUnits",
        "newlineSequences": NEWLINES,
        "invocations": [
            {"executionSuccessful": not found.failures, "toolExecutionNotifications": notifications}
        ],
        "results": [
            {
                "ruleId": str(problem.reason),
                "ruleIndex": numbers[problem.reason],
                "level": str(level),
                "message": _message(problem.message, problem.hint),
                "locations": _locations(problem, regions, address),
            }
            for level, problem in found.levelled
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _default_level(reason: Reason) -> Level:
    """The level of most results of a reason; one that has another says so itself."""
    return Level.WARNING if reason in ONLY_WARNINGS else Level.ERROR


def _message(text: str, hint: str = "") -> dict[str, str]:
    whole = f"{text}\nhint: {hint}" if hint else text
    # Braces mark placeholders in a message, so they are doubled (section 3.11.5).
    return {"text": whole.replace("{", "{{").replace("}", "}}")}


def _locations(
    problem: Problem, regions: Regions, address: Callable[[str], dict[str, str] | None]
) -> list[dict[str, Any]]:
    location: dict[str, Any] = {}
    if at := address(problem.source):
        location["physicalLocation"] = {"artifactLocation": at}
        if region := regions.of(problem):
            location["physicalLocation"]["region"] = region
    elif problem.source:
        location["message"] = _message(problem.source)
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": format_path(problem.path)}]
    return [location] if location else []


def _address(source: str) -> dict[str, str] | None:
    """A file's address, relative within the folder of the run; None for what is no file."""
    if not is_file(source):
        return None
    folder = Path.cwd()
    path = folder / source
    if ".." in path.parts:
        path = path.resolve()
    if path.is_relative_to(folder):
        return {"uri": quote(path.relative_to(folder).as_posix()), "uriBaseId": ROOT}
    return {"uri": path.as_uri()}
