"""`resolve`: blueprints in, resolved text out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

import click

from resolver.cli.context import App, common_options, pass_app, tenant_option
from resolver.cli.output import count
from resolver.cli.progress import Counted
from resolver.cli.report.items import Form
from resolver.cli.report.report import Report
from resolver.cli.streams import read_stdin, write_bytes
from resolver.delivery.stdout_policy import StdoutKind, check_stdout
from resolver.errors import SinkRefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resolver.dsl.context import DeploymentContext
    from resolver.plugins.manager import Plugins
    from resolver.plugins.payloads import DeliveryTarget
    from resolver.resolution import BlueprintText, Options, Resolution

P = ParamSpec("P")
R = TypeVar("R")


class Request(NamedTuple):
    """What is to be resolved: the arguments that `resolve` and `exec` share."""

    blueprints: tuple[str, ...]
    tenant: str | None
    inputs: tuple[str, ...]
    context: str | None
    output_format: str
    partial: bool
    evaluate: bool
    merge_imports: bool
    diagnostics: str
    keep_going: bool
    environment: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Request({self.blueprints!r})"  # inputs may hold values


def request_options(command: Callable[P, R]) -> Callable[P, R]:
    """The options of `Request`, but for the blueprints."""
    for option in (
        click.option(
            "--keep-going",
            is_flag=True,
            help="With --check and exec: go on with the good blueprints; the exit code still tells.",
        ),
        click.option(
            "--diagnostics",
            type=click.Choice([str(form) for form in Form]),
            default=str(Form.TEXT),
            show_default=True,
            help="How to say what is wrong, on stderr; with --check, how to report, on stdout.",
        ),
        click.option(
            "--partial",
            is_flag=True,
            help="Keep calls whose argument is not known before deployment; their number is on stderr.",
        ),
        click.option(
            "--merge-imports",
            is_flag=True,
            help="Make one document of the blueprint and the local files that it imports.",
        ),
        click.option(
            "--evaluate",
            is_flag=True,
            help="Evaluate the other functions too, where all their arguments are known.",
        ),
        click.option(
            "--format",
            "output_format",
            type=click.Choice(["yaml", "json"]),
            default="yaml",
            show_default=True,
            help="yaml keeps the text as it is but for the calls; json is the loaded document.",
        ),
        click.option(
            "-c",
            "--context",
            metavar="FILE",
            help="Facts about the deployment: labels, capabilities, attributes.",
        ),
        click.option(
            "-i",
            "--inputs",
            multiple=True,
            metavar="FILE|NAME=VALUE",
            help="Inputs: a YAML or JSON file, NAME=VALUE, or NAME:=YAML. Repeatable, a later one wins.",
        ),
        tenant_option,
        common_options,
    ):
        command = option(command)
    return command


def read_blueprints(request: Request, report: Report) -> Sequence[BlueprintText]:
    """Read the blueprints that are asked for; `-` is stdin.

    Raises:
        UsageError: one can't be read, unless the run keeps going; none can; or stdin is named twice.
    """
    if request.blueprints.count("-") > 1:
        raise UsageError("stdin ('-') can be named only once")
    texts: list[BlueprintText] = []
    for name in request.blueprints:
        try:
            texts.append(_read_blueprint(name))
        except UsageError as error:
            if not request.keep_going:
                raise
            report.fail(error.message, error.hint)
    if not texts:
        raise UsageError("no blueprint can be read")
    report.texts = texts
    return Counted(texts, "blueprints read")


def _read_blueprint(name: str) -> BlueprintText:
    from resolver.blueprint import DEFAULT_LIMITS  # noqa: PLC0415
    from resolver.resolution import BlueprintText  # noqa: PLC0415

    if name == "-":
        return BlueprintText("<stdin>", read_stdin(DEFAULT_LIMITS.size + 1), Path.cwd())
    return BlueprintText.read(name)


def _context(request: Request, tenant: str, plugins: Plugins | None) -> DeploymentContext:
    """The facts of the file, and of plugins where the file has none."""
    from resolver.dsl.context import DeploymentContext  # noqa: PLC0415

    context = DeploymentContext(tenant)
    if request.context is not None:
        from resolver.blueprint.context_file import read_context  # noqa: PLC0415

        context = read_context(request.context, tenant)
    return context if plugins is None else context.or_else(plugins.facts(tenant, request.blueprints))


def _options(request: Request, tenant: str, plugins: Plugins | None) -> Options:
    from resolver.blueprint.inputs import parse_inputs  # noqa: PLC0415
    from resolver.resolution import Options  # noqa: PLC0415

    return Options(
        parse_inputs(request.inputs),
        _context(request, tenant, plugins),
        request.partial,
        request.evaluate,
        request.merge_imports,
        environment=dict(request.environment),
    )


def run_request(app: App, request: Request, report: Report) -> Resolution:
    """Resolve what is asked for, and report what the reader should know."""
    from resolver.resolution import resolve, resolve_good  # noqa: PLC0415

    tenant = app.settings.tenant(request.tenant)
    texts = read_blueprints(request, report)
    options = _options(request, tenant, app.plugins)
    if request.keep_going:
        resolution, problems = resolve_good(app.service, app.caller, tenant, texts, options)
        report.add(problems)
        good = {blueprint.name for blueprint in resolution.blueprints}
        if left_out := [text.name for text in texts if text.name not in good]:
            report.fail(f"{count(len(left_out), 'blueprint')} left out: {', '.join(left_out)}")
    else:
        resolution = resolve(app.service, app.caller, tenant, texts, options)
    for note in resolution.notes:
        report.note(note)
    if resolution.deferred:
        report.note(f"{count(resolution.deferred, 'call')} kept for the orchestrator")
    for blueprint in resolution.blueprints:
        for position in blueprint.written_out:
            report.note(f"{blueprint.name}:{position.line}:{position.column}: alias written out")
    return resolution


def resolved_text(resolution: Resolution, output_format: str) -> str:
    """The text of all blueprints of a run, with the values in their places."""
    from resolver.resolution.resolved import joined_text  # noqa: PLC0415

    return joined_text(Counted(resolution.blueprints, "blueprints written"), output_format)


def _terminal_text(resolution: Resolution, output_format: str, *, show_values: bool) -> str:
    """The text for a person's eyes: masked, but for what they asked for and may see."""
    from resolver.blueprint import join  # noqa: PLC0415

    blueprints = resolution.blueprints
    if output_format == "json":
        hidden = sorted({label for blueprint in blueprints for label in blueprint.hidden_labels})
        if hidden:
            raise SinkRefusedError(
                f"stdout is a terminal, and you may use but not see: {', '.join(hidden)}",
                hint="leave out --format json to see the rest; JSON has no way to mark a masked value",
            )
        return resolved_text(resolution, output_format)
    if len(blueprints) == 1:
        return blueprints[0].redacted(show=show_values)
    return join([(blueprint.name, blueprint.redacted(show=show_values)) for blueprint in blueprints])


def _run_check(app: App, request: Request, report: Report, *, offline: bool, strict: bool) -> int:
    from resolver.cli.exit_codes import EXIT_CODES, problems_exit_code  # noqa: PLC0415
    from resolver.cli.report.check import NO_CALLS, put_check  # noqa: PLC0415
    from resolver.resolution import check  # noqa: PLC0415

    if request.output_format == "json":
        raise UsageError("--check resolves nothing", hint="--diagnostics json reports as JSON")
    report.extra = NO_CALLS
    tenant = request.tenant or "" if offline else app.settings.tenant(request.tenant)
    found = check(
        None if offline else app.service,
        None if offline else app.caller,
        tenant,
        read_blueprints(request, report),
        replace(_options(request, tenant, None if offline else app.plugins), strict=strict),
    )
    put_check(found, report, offline=offline)
    return problems_exit_code(found.problems) or (EXIT_CODES[UsageError] if report.failed else 0)


@click.command(name="resolve", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("blueprints", nargs=-1, required=True, metavar="BLUEPRINT...|-")
@click.option("--check", is_flag=True, help="Say what would be used; nothing is decrypted.")
@click.option("--offline", is_flag=True, help="With --check: look at the text only, no store is needed.")
@click.option(
    "--strict", is_flag=True, help="With --check: also check the blueprint against the schema of the DSL."
)
@click.option(
    "--deliver", metavar="PLUGIN", help="Hand the blueprints to an orchestrator's plugin, not to stdout."
)
@click.option(
    "--deliver-option",
    "deliver_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the plugin is told. Repeatable.",
)
@click.option("--show-values", is_flag=True, help="On a terminal, show the values that you may see.")
@click.option(
    "--allow-plaintext-file", is_flag=True, help="Write values even though stdout is a regular file."
)
@click.option("--allow-log", is_flag=True, help="Write values even though stdout is a log.")
@request_options
@click.version_option(package_name="blueprint-resolver", message="%(prog)s %(version)s")
@pass_app
def resolve_command(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    blueprints: tuple[str, ...],
    check: bool,
    offline: bool,
    strict: bool,
    deliver: str | None,
    deliver_options: tuple[str, ...],
    show_values: bool,
    allow_plaintext_file: bool,
    allow_log: bool,
    tenant: str | None,
    inputs: tuple[str, ...],
    context: str | None,
    output_format: str,
    partial: bool,
    evaluate: bool,
    merge_imports: bool,
    diagnostics: str,
    keep_going: bool,
) -> int:
    """Put secrets into blueprints and write them to a pipe.

    Every { get_secret: KEY } is decided for you and the tenant, all together; nothing is written unless
    everything resolved. A terminal shows the values masked, a regular file and a log are refused.

    \b
    Exit codes: 0 done; 1 internal error; 2 usage; 3 blueprint or input invalid;
    4 not authenticated or not permitted; 5 secret not found; 6 store or key
    unavailable; 7 stdout refused; 8 conflict.
    """  # noqa: D301 - click's mark for a block that is not wrapped
    request = Request(
        blueprints,
        tenant,
        inputs,
        context,
        output_format,
        partial,
        evaluate,
        merge_imports,
        diagnostics,
        keep_going,
    )
    report = Report(Form(diagnostics), on_stdout=check)
    with report.telling():
        if offline and not check:
            raise UsageError("--offline goes with --check")
        app.target = _target(deliver, deliver_options)
        if check:
            return _run_check(app, request, report, offline=offline, strict=strict)
        if strict:
            raise UsageError("--strict goes with --check")
        if keep_going:
            raise UsageError("--keep-going goes with --check, and with `resolver exec`")
        if app.target is not None:
            if show_values or allow_plaintext_file or allow_log:
                raise UsageError(
                    "--deliver writes nothing to stdout, so options about stdout don't go with it"
                )
            _deliver(app, request, report, app.target)
            return 0
        stdout = check_stdout(
            1,
            2,
            os.environ,
            allow_plaintext_file=allow_plaintext_file,
            allow_log=allow_log,
        )
        _write_resolved(app, request, report, stdout, show_values=show_values)
    return 0


def _target(plugin: str | None, options: Sequence[str]) -> DeliveryTarget | None:
    if plugin is None:
        if options:
            raise UsageError("--deliver-option goes with --deliver")
        return None
    from resolver.plugins.payloads import DeliveryTarget  # noqa: PLC0415 - few runs deliver

    pairs = [option.partition("=") for option in options]
    if not all(name and equals for name, equals, _ in pairs):
        raise UsageError("a delivery option looks like NAME=VALUE")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise UsageError("a delivery option is given twice")
    return DeliveryTarget(plugin, {name: value for name, _, value in pairs})


def _deliver(app: App, request: Request, report: Report, target: DeliveryTarget) -> None:
    """Hand the resolved blueprints to a plugin. The store is closed by then, and what opens it withheld."""
    from resolver.delivery.child import WITHHELD  # noqa: PLC0415
    from resolver.plugins.payloads import Delivery  # noqa: PLC0415

    plugins = app.plugins  # loaded first: one that is broken stops the run before anything is decrypted
    resolution = run_request(app, request, report)
    app.service.close()
    tenant = app.settings.tenant(request.tenant)
    for name in WITHHELD & os.environ.keys():
        del os.environ[name]  # what the plugin starts would inherit it
    delivery = Delivery(tenant, resolution.blueprints, resolution.uses, resolution.secrets, target.options)
    if plugins is not None:
        plugins.deliver(delivery, resolution.secrets.values())
    report.note(f"{count(len(resolution.blueprints), 'blueprint')} delivered to plugin {target.plugin!r}")


def _write_resolved(
    app: App, request: Request, report: Report, stdout: StdoutKind, *, show_values: bool
) -> None:
    output_format = request.output_format
    if stdout is StdoutKind.TERMINAL and output_format == "json" and not show_values:
        raise SinkRefusedError(
            "stdout is a terminal, and JSON has no way to mark a masked value",
            hint="pipe it into the command that needs it, or give --show-values",
        )
    resolution = run_request(app, request, report)
    if stdout is StdoutKind.TERMINAL:
        text = _terminal_text(resolution, output_format, show_values=show_values)
    else:
        text = resolved_text(resolution, output_format)
    write_bytes(text.encode())
