"""`resolver lint`: all blueprints of a repository, together with a tenant's secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, choice_option, common_options, tenant_option
from resolver.cli.exit_codes import ExitCode, problems_exit_code
from resolver.cli.output import count, put
from resolver.cli.report.items import ReportFormat
from resolver.cli.report.report import Report
from resolver.cli.request import dialect_option, root_option
from resolver.dsl.reasons import ONLY_LINT, WARNINGS, kind_named
from resolver.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.core.formats import DialectName
    from resolver.resolution import BlueprintText

MAX_FILES = 10_000
"""Most files that one run looks at."""

_KINDS = {kind_named(reason): reason for reason in (*WARNINGS, *ONLY_LINT)}


@click.command
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...")
@dialect_option
@root_option
@click.option(
    "--merge-imports",
    is_flag=True,
    help="Blueprints are resolved together with the local files that they import.",
)
@choice_option("--diagnostics", choices=ReportFormat, default=ReportFormat.TEXT, help="How to report.")
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice([*_KINDS, "any"]),
    metavar="KIND",
    help=f"Exit with 3 for warnings of a kind: {', '.join(_KINDS)}, or any. Repeatable.",
)
@tenant_option
@common_options
def lint(
    app: App,
    *,
    paths: tuple[str, ...],
    dialect: DialectName | None,
    root: str | None,
    merge_imports: bool,
    diagnostics: ReportFormat,
    fail_on: tuple[str, ...],
    tenant: str | None,
) -> int:
    """Look at all blueprints of a repository, and at a tenant's secrets with them.

    Finds what `resolve --check` finds in each, and secrets that none asks for, keys that are nearly the same,
    secrets that more may know of than use them, and those that could be one. Nothing is decrypted.
    """
    from resolver.resolution import Options  # noqa: PLC0415 - not for a page of help
    from resolver.resolution.lint import lint as look  # noqa: PLC0415

    report = Report(diagnostics, on_stdout=True)
    with report.reporting():
        service, caller, where = app.service, app.caller, app.settings.tenant(tenant)
        texts = list(_blueprints(paths, None if root is None else Path(root)))
        report.texts = texts
        if not texts:
            raise UsageError("there is no blueprint", hint="a blueprint states its tosca_definitions_version")
        options = Options(partial=True, merge_imports=merge_imports, dialect=dialect or app.settings.dialect)
        found = look(service, caller, where, texts, options)
        report.put(found.problems, found.warnings)
        for note in found.notes:
            report.note(note)
        if report.is_text:
            many = f"{count(len(found.problems), 'problem')} and {count(len(found.warnings), 'warning')}"
            put(f"{many} in {count(found.blueprints, 'blueprint')}")
    wanted = set(_KINDS.values()) if "any" in fail_on else {_KINDS[kind] for kind in fail_on}
    if any(warning.reason in wanted for warning in found.warnings):
        return problems_exit_code(found.problems) or ExitCode.INVALID_BLUEPRINT
    return problems_exit_code(found.problems) or ExitCode.DONE


def _blueprints(paths: Sequence[str], root: Path | None) -> Iterator[BlueprintText]:
    """The blueprints among some files, and in folders and those below them."""
    from resolver.resolution import BlueprintText  # noqa: PLC0415 - not for a page of help

    seen: set[str] = set()
    for path in paths:
        for name in _files(path):
            if name in seen:
                continue
            seen.add(name)
            if len(seen) > MAX_FILES:
                raise UsageError(
                    f"there are more than {MAX_FILES} files", hint="look at fewer folders at once"
                )
            text = BlueprintText.read(name, root)
            if name in paths or b"tosca_definitions_version" in text.data:
                yield text


def _files(path: str) -> Iterator[str]:
    """A file itself, or the YAML files of a folder, but hidden ones; links to folders are not followed."""
    if not os.path.isdir(path):  # noqa: PTH112 - as it was written
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith((".yaml", ".yml")) and not name.startswith("."):
                yield str(Path(folder, name))
