"""`resolver extract`: credentials that are written in blueprints become secrets."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import App, choice_option, common_options, format_option, tenant_option
from resolver.cli.exit_codes import ExitCode
from resolver.cli.files import demand_replaceable, read_map, replace_file
from resolver.cli.output import OutputFormat, count, put, put_answer, say
from resolver.cli.prompts import demand_asked, demand_yes
from resolver.cli.report.items import ReportFormat
from resolver.cli.report.report import Report
from resolver.cli.request import dialect_option
from resolver.cli.secrets.options import visibility_option
from resolver.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.formats import DialectName
    from resolver.core.model import Caller, SecretValue, Visibility
    from resolver.core.ports.service import AnyService
    from resolver.resolution.extraction import Extraction, Rewritten

_AFTERWARDS = "version control still has the old values in its history: rotate these credentials"


@click.command
@click.argument("blueprints", nargs=-1, required=True, metavar="BLUEPRINT...")
@click.option(
    "--check", is_flag=True, help="Only say where credentials are; exits with 3 when there are any."
)
@click.option("--dry-run", is_flag=True, help="Show what would be stored and changed, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--map",
    "names",
    metavar="FILE",
    help='JSON file {"key as it is proposed": "key to use"}; null leaves the credential in the text.',
)
@click.option("--hidden", is_flag=True, help="Others may use the secrets, and not see them.")
@visibility_option
@dialect_option
@choice_option(
    "--diagnostics", choices=ReportFormat, default=ReportFormat.TEXT, help="With --check: how to report."
)
@format_option
@tenant_option
@common_options
def extract(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    blueprints: tuple[str, ...],
    check: bool,
    dry_run: bool,
    yes: bool,
    names: str | None,
    hidden: bool,
    visibility: Visibility,
    dialect: DialectName | None,
    diagnostics: ReportFormat,
    output_format: OutputFormat,
    tenant: str | None,
) -> int:
    """Make secrets of credentials that are written in blueprints.

    Each credential becomes a secret, and { get_secret: KEY } takes its place in the file. All else in the
    file stays as it is, comments and layout included. Values are stored before any file is changed, and are
    never printed.
    """
    if "-" in blueprints:
        raise UsageError("a blueprint from stdin can't be rewritten", hint="name its file")
    dialect = dialect or app.settings.dialect
    if check:
        return _check(blueprints, dialect, Report(diagnostics, on_stdout=True))
    from resolver.resolution.extraction import Extraction  # noqa: PLC0415 - not for a page of help

    service, caller, where = app.service, app.caller, app.settings.tenant(tenant)
    found = Extraction(_read(blueprints), dialect)
    store = _Store(service, caller, where)
    keys = found.keys(read_map(names, "map", "keys or null", str | None), store.is_free)
    rewritten = found.rewrite(keys)
    by_value: _Keys = {value: key for key, value in keys.items()}
    answer = _answer(found, by_value, rewritten, done=not dry_run)
    if dry_run or not rewritten:
        put_answer(output_format, answer, lambda: _put_plan(found, by_value, rewritten))
        return ExitCode.DONE
    if not yes:
        demand_asked(output_format)
        _put_plan(found, by_value, rewritten)
        demand_yes(f"Store them in tenant {where!r}, and change {count(len(rewritten), 'file')}?")
    linked = [each.blueprint.name for each in rewritten if demand_replaceable(each.blueprint.name) > 1]
    store.create(keys, visibility, hidden=hidden)
    for each in rewritten:
        replace_file(each.blueprint.name, each.blueprint.digest, each.text.encode())
    put_answer(output_format, answer, lambda: _put_plan(found, by_value, rewritten) if yes else None)
    if output_format is not OutputFormat.JSON:
        new = len(keys) - len(store.existing)
        say(f"{count(new, 'secret')} stored in tenant {where!r}, {count(len(rewritten), 'file')} changed")
        for name in linked:
            say(f"note: the file {name!r} has another name, a hard link, under which the old text stays")
        say(f"note: {_AFTERWARDS}")
    return ExitCode.DONE


def _read(names: Sequence[str]) -> Sequence[Any]:
    from resolver.resolution import BlueprintText  # noqa: PLC0415 - not for a page of help

    files: dict[str, str] = {}  # several names may lead to one file
    for name in names:
        files.setdefault(os.path.realpath(name), name)
    return [BlueprintText.read(name) for name in files.values()]


def _check(blueprints: Sequence[str], dialect: DialectName | None, report: Report) -> int:
    """Report each credential at its place."""
    from resolver.resolution.extraction import Extraction  # noqa: PLC0415 - not for a page of help

    with report.reporting():
        texts = _read(blueprints)
        report.texts = texts
        found = Extraction(texts, dialect)
        report.put([place.problem() for place in found.places])
        if report.is_text and not found.places:
            put(f"{count(len(found.blueprints), 'blueprint')} without credentials")
    return ExitCode.INVALID_BLUEPRINT if found.places else ExitCode.DONE


class _Store:
    """The secrets of the tenant that credentials are stored in.

    Args:
        service: where the secrets are.
        caller: who asks.
        tenant: the tenant's name.

    Attributes:
        existing: the keys that have the wanted value already, as after a run that was interrupted.
    """

    def __init__(self, service: AnyService, caller: Caller, tenant: str) -> None:
        self._secrets = service.secrets
        self._caller = caller
        self._tenant = tenant
        self.existing: set[str] = set()

    @functools.cached_property
    def _keys(self) -> frozenset[str]:
        """The keys that are there, as far as the caller may know of them."""
        listed = self._secrets.list(self._caller, self._tenant).items
        return frozenset(secret.key for secret in listed)

    def is_free(self, key: str, value: SecretValue) -> bool:
        """Whether no secret has a key, or one that has this very value and may be shown to the caller."""
        if key not in self._keys:
            return True
        try:
            _, current = self._secrets.show(self._caller, self._tenant, key)
        except NotFoundError:
            return True
        if current == value:
            self.existing.add(key)
        return current == value

    def create(self, keys: Mapping[str, SecretValue], visibility: Visibility, *, hidden: bool) -> None:
        """Store what is not there yet."""
        from resolver.core.secret_changes import NewSecret  # noqa: PLC0415 - not for a page of help

        for key, value in keys.items():
            if key not in self.existing:
                new = NewSecret(value=value, visibility=visibility, hidden=hidden)
                self._secrets.create(self._caller, self._tenant, key, new)


_Keys = dict["SecretValue | None", str]
"""The key of each value that becomes a secret."""


def _answer(
    found: Extraction, by_value: _Keys, rewritten: Sequence[Rewritten], *, done: bool
) -> dict[str, Any]:
    """What was found and done, as data without any value."""
    return {
        "credentials": [
            {
                "source": problem.source,
                "line": problem.position.line if problem.position else None,
                "column": problem.position.column if problem.position else None,
                "path": list(problem.path),
                "sign": place.credential.sign.value,
                "key": by_value.get(place.value),
                "kept": place.credential.kept or None,
            }
            for place in found.places
            for problem in [place.problem()]
        ],
        "changed": [each.blueprint.name for each in rewritten] if done else [],
    }


def _put_plan(found: Extraction, by_value: _Keys, rewritten: Sequence[Rewritten]) -> None:
    """Say where credentials are, which stay and why, and what changes."""
    from resolver.resolution.extraction import changed_lines  # noqa: PLC0415

    if not found.places:
        put(f"{count(len(found.blueprints), 'blueprint')} without credentials")
        return
    for place in found.places:
        problem = place.problem()
        at = problem.position
        key = by_value.get(place.value)
        where = f"{problem.source}:{at.line}:{at.column}" if at else problem.source
        what = f"becomes {key}" if key else f"stays: {place.credential.kept or 'by the map'}"
        put(f"{where}: {place.what} {what}")
    for each in rewritten:
        for line in changed_lines(each):
            put(line)
