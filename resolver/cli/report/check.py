"""The report of `resolve --check`: each call with what it would use, what is missing, what is wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from resolver.cli.output import count, put, put_table, table_lines
from resolver.cli.report.items import location_of
from resolver.core.location import format_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.cli.report.report import Report
    from resolver.resolution.check import Check, CheckedCall

NO_CALLS: dict[str, Any] = {"calls": [], "imports": [], "inputs": [], "kept": 0}
"""What the JSON report has besides the problems, when a check ends before it knows any call."""

DEPENDS = "(depends on a value)"


def put_check(check: Check, report: Report, *, offline: bool) -> None:
    """Report what a check found.

    Args:
        check: what it found.
        report: takes it, in the format that the reader asked for; text is written at once.
        offline: whether no store was asked.
    """
    if report.is_text and check.calls:
        _put_calls(check.calls, offline=offline)
    report.put(check.problems, check.warnings)
    if report.is_text:
        put(_summary(check, offline=offline))
    report.extra = {
        "calls": [_call_as_json(call) for call in check.calls],
        "imports": [{"source": source, "import": name} for source, name in check.imports],
        "inputs": [{"source": source, "input": name} for source, name in check.inputs],
        "kept": check.deferred,
    }
    for note in check.notes:
        report.note(note)
    for source, name in check.inputs:
        report.note(f"{source}: input {name!r} has no value yet")
    if check.deferred:
        report.note(f"{count(check.deferred, 'call')} would be kept for the orchestrator")


def _call_as_json(call: CheckedCall) -> dict[str, Any]:
    at, secret = call.location.position, call.secret
    return {
        "source": call.location.source,
        "line": at.line if at else None,
        "column": at.column if at else None,
        "path": list(call.location.path),
        "key": call.key or None,
        "steps": call.value_path,
        "depends_on_value": call.depends_on_value,
        "kept": call.deferred,
        "exists": call.exists,
        "usable": call.usable,
        "version": secret.version if secret else None,
        "hidden": secret.hidden if secret else None,
        "expires_at": secret.expires_at if secret else None,
        "expired": call.expired,
        "rotate_at": secret.rotate_at if secret else None,
        "due": call.due,
        "reasons": [str(problem.reason) for problem in call.problems],
    }


def _summary(check: Check, *, offline: bool) -> str:
    calls, bad = len(check.calls), len(check.problems)
    asked = "no store was asked" if offline else "nothing was decrypted"
    if bad:
        return f"{count(bad, 'problem')} found in {count(calls, 'call')}; {asked}"
    return (
        f"{count(calls, 'call')}; {asked}" if offline else f"{count(calls, 'call')} can be resolved; {asked}"
    )


def _put_calls(calls: Sequence[CheckedCall], *, offline: bool) -> None:
    """One line for each call. For a person's eyes, files become headings, and long words are cut to fit."""
    headers = ["KEY", "STEPS", *([] if offline else ["VERSION", "HIDDEN"]), "STATE", "PATH"]
    rows = [_row(call, offline=offline) for call in calls]
    if not sys.stdout.isatty():
        put_table(
            ["CALL", *headers],
            [[location_of(call.location), *row] for call, row in zip(calls, rows, strict=True)],
        )
        return
    lines = [location_of(call.location).removeprefix(f"{call.location.source}:") for call in calls]
    header, *printed = table_lines(
        ["  LINE", *headers],
        [[f"  {line}", *row] for line, row in zip(lines, rows, strict=True)],
        # No path is easier to read than a piece of one: each problem below the table has its own.
        spare=["PATH", "STEPS"],
    )
    put(header)
    source = ""
    for call, line in zip(calls, printed, strict=True):
        if call.location.source != source:
            source = call.location.source
            put(source)
        put(line)


def _row(call: CheckedCall, *, offline: bool) -> list[object]:
    """The table's cells for a call, but for its location."""
    key = call.key or (DEPENDS if call.depends_on_value else "-")
    secret = call.secret
    stored = [secret.version, secret.hidden] if secret else [None, None]
    return [
        key,
        call.value_path or "-",
        *([] if offline else stored),
        _state(call),
        format_path(call.location.path),
    ]


def _state(call: CheckedCall) -> str:
    if call.problems:
        return ", ".join(dict.fromkeys(str(problem.reason) for problem in call.problems))
    if call.deferred:
        return "kept"
    if not call.usable:
        return "-"
    times = [word for word, is_so in (("expired", call.expired), ("due", call.due)) if is_so]
    return ", ".join(times) or "ok"
