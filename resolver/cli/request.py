"""A request to resolve blueprints: the options that `resolve` and `exec` share, and how it is carried out."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from resolver.cli.context import App, choice_option, common_options, options, tenant_option
from resolver.cli.output import count
from resolver.cli.report.items import ReportFormat
from resolver.cli.streams import read_stdin
from resolver.core.formats import DialectName, DocumentFormat
from resolver.dsl.reasons import WARNINGS, Reason, kind_named
from resolver.errors import BlueprintError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.cli.arguments import ResolveArguments
    from resolver.cli.report.report import Report
    from resolver.dsl.context import DeploymentContext
    from resolver.plugins.manager import Plugins
    from resolver.resolution import BlueprintText, Options, Resolution

R = TypeVar("R")


_KINDS = {kind_named(reason): reason for reason in WARNINGS}
"""The kinds of warnings, as options name them."""

dialect_option = choice_option(
    "--dialect",
    choices=DialectName,
    default=None,
    help="What blueprints are read as whose version leaves that open.",
)
"""Says what blueprints are whose version does not."""

root_option = click.option(
    "--root",
    metavar="DIR",
    help="A folder around the blueprints, within which imports may lead out of theirs by '..'.",
)
"""Says how far imports may lead."""

_OPTIONS = options(
    tenant_option,
    click.option(
        "-i",
        "--inputs",
        multiple=True,
        metavar="FILE|NAME=VALUE",
        help="Inputs: a YAML or JSON file, NAME=VALUE, or NAME:=YAML. Repeatable, a later one wins.",
    ),
    click.option(
        "-c",
        "--context",
        metavar="FILE",
        help="Facts about the deployment: labels, capabilities, attributes.",
    ),
    choice_option(
        "--format",
        "output_format",
        choices=DocumentFormat,
        default=DocumentFormat.YAML,
        help="yaml keeps the text as it is but for the calls; json is the loaded document.",
    ),
    click.option(
        "--evaluate",
        is_flag=True,
        help="Evaluate the other functions too, where all their arguments are known.",
    ),
    click.option(
        "--merge-imports",
        is_flag=True,
        help="Make one document of the blueprint and the local files that it imports.",
    ),
    root_option,
    click.option(
        "--partial",
        is_flag=True,
        help="Keep calls whose argument is not known before deployment; their number is on stderr.",
    ),
    dialect_option,
    choice_option(
        "--diagnostics",
        choices=ReportFormat,
        default=ReportFormat.TEXT,
        help="How to say what is wrong, on stderr; with --check, how to report, on stdout.",
    ),
    click.option(
        "--keep-going",
        is_flag=True,
        help="With --check and exec: go on with the good blueprints; the exit code still tells.",
    ),
    click.option(
        "--allow-duplicate-keys",
        is_flag=True,
        help="Where a key stands twice in one mapping, the last one counts, as Cloudify has it.",
    ),
    click.option(
        "--fail-on",
        multiple=True,
        type=click.Choice([*_KINDS, "any"]),
        metavar="KIND",
        help=f"Make warnings of a kind errors: {', '.join(_KINDS)}, or any but unused. Repeatable.",
    ),
)


def request_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the shared options, which it gets as `ResolveArguments` behind the `App`."""

    @functools.wraps(command)
    def collect(app: App, **named: Any) -> R:  # noqa: ANN401 - whatever the options are
        from resolver.cli.arguments import ResolveArguments  # noqa: PLC0415 - not for a page of help

        shared = {name: named.pop(name) for name in ResolveArguments.__struct_fields__ if name in named}
        return command(app, ResolveArguments(**shared), **named)

    return common_options(_OPTIONS(collect))


def read_blueprints(request: ResolveArguments, report: Report) -> Sequence[BlueprintText]:
    """Read the blueprints; `-` is stdin.

    Raises:
        UsageError: one can't be read, unless the run keeps going; none can; or stdin is named twice.
    """
    from resolver.cli.progress import Counted  # noqa: PLC0415 - not for a page of help

    if request.blueprints.count("-") > 1:
        raise UsageError("stdin ('-') can be named only once")
    texts: list[BlueprintText] = []
    for name in request.blueprints:
        try:
            texts.append(_read_blueprint(name, None if request.root is None else Path(request.root)))
        except UsageError as error:
            if not request.keep_going:
                raise
            report.fail(error.message, error.hint)
    if request.blueprints and not texts:
        raise UsageError("no blueprint can be read")
    report.texts = texts
    return Counted(texts, "blueprints read")


def _read_blueprint(name: str, root: Path | None) -> BlueprintText:
    from resolver.blueprint import DEFAULT_LIMITS  # noqa: PLC0415
    from resolver.resolution import BlueprintText  # noqa: PLC0415

    if name == "-":
        return BlueprintText("<stdin>", read_stdin(DEFAULT_LIMITS.size + 1), Path.cwd(), root)
    return BlueprintText.read(name, root)


def _context(request: ResolveArguments, tenant: str, plugins: Plugins | None) -> DeploymentContext:
    """The context that the file gives, and plugins where the file gives none."""
    from resolver.dsl.context import DeploymentContext  # noqa: PLC0415

    context = DeploymentContext(tenant)
    if request.context is not None:
        from resolver.blueprint.context_file import read_context  # noqa: PLC0415

        context = read_context(request.context, tenant)
    return context if plugins is None else context.or_else(plugins.facts(tenant, request.blueprints))


def make_options(app: App, request: ResolveArguments, tenant: str, plugins: Plugins | None) -> Options:
    """The options of a run."""
    from resolver.blueprint.inputs import parse_inputs  # noqa: PLC0415
    from resolver.resolution import Options  # noqa: PLC0415

    return Options(
        parse_inputs(request.inputs),
        _context(request, tenant, plugins),
        request.partial,
        request.evaluate,
        request.merge_imports,
        fail_on=_fail_on(request.fail_on),
        dialect=request.dialect or app.settings.dialect,
        allow_duplicate_keys=request.allow_duplicate_keys,
        environment=dict(request.environment),
    )


def _fail_on(kinds: Sequence[str]) -> frozenset[Reason]:
    """The reasons of these kinds of warnings."""
    named = frozenset(_KINDS[kind] for kind in kinds if kind != "any")
    return named | (frozenset(WARNINGS) - {Reason.UNUSED} if "any" in kinds else frozenset())


def run_request(app: App, request: ResolveArguments, report: Report) -> Resolution:
    """Resolve the blueprints, and report what the reader should know."""
    from resolver.resolution import resolve, resolve_good  # noqa: PLC0415

    tenant = app.settings.tenant(request.tenant)
    texts = read_blueprints(request, report)
    options = make_options(app, request, tenant, app.plugins)
    if Reason.UNUSED in options.fail_on:
        raise UsageError("--fail-on unused goes with --check")
    if request.keep_going:
        resolution, problems = resolve_good(app.service, app.caller, tenant, texts, options)
        report.add(problems)
        good = {blueprint.name for blueprint in resolution.blueprints}
        if left_out := [text.name for text in texts if text.name not in good]:
            report.fail(f"{count(len(left_out), 'blueprint')} left out: {', '.join(left_out)}")
    else:
        try:
            resolution = resolve(app.service, app.caller, tenant, texts, options)
        except BlueprintError as error:
            report.warn(error.warnings)
            raise
    report.warn(resolution.warnings)
    for note in resolution.notes:
        from resolver.cli.session_notes import is_told  # noqa: PLC0415 - many runs have no note

        if not report.is_text or not is_told(note, os.environ):
            report.note(note)
    if resolution.deferred:
        report.note(f"{count(resolution.deferred, 'call')} kept for the orchestrator")
    for blueprint in resolution.blueprints:
        for position in blueprint.written_out:
            report.note(f"{blueprint.name}:{position.line}:{position.column}: alias written out")
    return resolution


def resolved_text(resolution: Resolution, output_format: DocumentFormat) -> str:
    """The text of all blueprints of a run, with the values in their places."""
    from resolver.cli.progress import Counted  # noqa: PLC0415
    from resolver.resolution.resolved import joined_text  # noqa: PLC0415

    return joined_text(Counted(resolution.blueprints, "blueprints written"), output_format)
