"""`resolve`: blueprints in, resolved text out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from resolver.cli.exit_codes import ExitCode, problems_exit_code
from resolver.cli.output import count
from resolver.cli.report.report import Report
from resolver.cli.request import (
    make_options,
    read_blueprints,
    request_options,
    resolved_text,
    run_request,
)
from resolver.cli.streams import write_bytes
from resolver.core.formats import DocumentFormat
from resolver.errors import SinkRefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.cli.arguments import ResolveArguments
    from resolver.cli.context import App
    from resolver.delivery.stdout_policy import StdoutKind
    from resolver.plugins.payloads import DeliveryTarget
    from resolver.resolution import Resolution


def _terminal_text(resolution: Resolution, output_format: DocumentFormat, *, show_values: bool) -> str:
    """The text for a person's eyes: masked, but for what they asked for and may see."""
    from resolver.blueprint import join  # noqa: PLC0415

    blueprints = resolution.blueprints
    if output_format is DocumentFormat.JSON:
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


def _run_check(app: App, request: ResolveArguments, report: Report, *, offline: bool, strict: bool) -> int:
    from msgspec.structs import replace  # noqa: PLC0415 - not for a page of help

    from resolver.cli.report.check import NO_CALLS, put_check  # noqa: PLC0415
    from resolver.resolution import check  # noqa: PLC0415

    if request.output_format is DocumentFormat.JSON:
        raise UsageError("--check resolves nothing", hint="--diagnostics json reports as JSON")
    report.extra = NO_CALLS
    tenant = request.tenant or "" if offline else app.settings.tenant(request.tenant)
    found = check(
        None if offline else app.service,
        None if offline else app.caller,
        tenant,
        read_blueprints(request, report),
        replace(make_options(app, request, tenant, None if offline else app.plugins), strict=strict),
    )
    put_check(found, report, offline=offline)
    return problems_exit_code(found.problems) or (ExitCode.USAGE if report.failed else ExitCode.DONE)


@click.command(name="resolve", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("blueprints", nargs=-1, required=True, metavar="BLUEPRINT...|-")
@click.option("--check", is_flag=True, help="Say what would be used; nothing is decrypted.")
@click.option("--offline", is_flag=True, help="With --check: look at the text only, no store is needed.")
@click.option(
    "--strict",
    is_flag=True,
    help="With --check: also check the blueprint against the schema and the rules of the DSL.",
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
@click.option(
    "--wait-approval",
    metavar="TIME",
    help="For protected secrets: have the server resolve it once approved; wait so long, like 15m.",
)
@click.option("--reason", default="", metavar="TEXT", help="With --wait-approval: what it is for.")
@click.option("--show-values", is_flag=True, help="On a terminal, show the values that you may see.")
@click.option(
    "--allow-plaintext-file", is_flag=True, help="Write values even though stdout is a regular file."
)
@click.option("--allow-log", is_flag=True, help="Write values even though stdout is a log.")
@request_options
@click.version_option(package_name="blueprint-resolver", message="%(prog)s %(version)s")
def resolve_command(  # noqa: PLR0913 - one for each option
    app: App,
    request: ResolveArguments,
    *,
    check: bool,
    offline: bool,
    strict: bool,
    deliver: str | None,
    deliver_options: tuple[str, ...],
    wait_approval: str | None,
    reason: str,
    show_values: bool,
    allow_plaintext_file: bool,
    allow_log: bool,
) -> int:
    """Put secrets into blueprints and write them to a pipe.

    Every { get_secret: KEY } is decided for you and the tenant, all together; nothing is written unless
    everything resolved. A terminal shows the values masked, a regular file and a log are refused.

    \b
    Exit codes: 0 done; 1 internal error; 2 usage; 3 blueprint or input invalid;
    4 not authenticated or not permitted; 5 secret not found; 6 store or key
    unavailable; 7 stdout refused; 8 conflict.
    """  # noqa: D301 - click's mark for a block that is not wrapped
    report = Report(request.diagnostics, on_stdout=check)
    with report.reporting():
        if offline and not check:
            raise UsageError("--offline goes with --check")
        if wait_approval is not None and (check or deliver is not None):
            raise UsageError("--wait-approval goes with neither --check nor --deliver")
        if reason and wait_approval is None:
            raise UsageError("--reason goes with --wait-approval")
        app.target = _target(deliver, deliver_options)
        if check:
            return _run_check(app, request, report, offline=offline, strict=strict)
        if strict:
            raise UsageError("--strict goes with --check")
        if request.keep_going:
            raise UsageError("--keep-going goes with --check, and with `resolver exec`")
        if app.target is not None:
            if show_values or allow_plaintext_file or allow_log:
                raise UsageError(
                    "--deliver writes nothing to stdout, so options about stdout don't go with it"
                )
            _deliver(app, request, report, app.target)
            return 0
        from resolver.delivery.stdout_policy import check_stdout  # noqa: PLC0415 - not for a page of help

        stdout = check_stdout(
            1,
            2,
            os.environ,
            allow_plaintext_file=allow_plaintext_file,
            allow_log=allow_log,
        )
        if wait_approval is None or not _write_approved(
            app, request, report, stdout, wait_approval, reason, show_values=show_values
        ):
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


def _deliver(app: App, request: ResolveArguments, report: Report, target: DeliveryTarget) -> None:
    """Hand the resolved blueprints to a plugin. The store is closed by then, and what opens it withheld."""
    from resolver.delivery.child import WITHHELD  # noqa: PLC0415
    from resolver.plugins.payloads import Delivery  # noqa: PLC0415

    plugins = app.plugins  # loaded first: one that is broken stops the run before anything is decrypted
    resolution = run_request(app, request, report)
    app.service.close()
    tenant = app.settings.tenant(request.tenant)
    for name in app.withheld(WITHHELD) & os.environ.keys():
        del os.environ[name]  # what the plugin starts would inherit it
    delivery = Delivery(tenant, resolution.blueprints, resolution.uses, resolution.secrets, target.options)
    if plugins is not None:
        plugins.deliver(delivery, resolution.secrets.values())
    report.note(f"{count(len(resolution.blueprints), 'blueprint')} delivered to plugin {target.plugin!r}")


def _write_approved(
    app: App,
    request: ResolveArguments,
    report: Report,
    stdout: StdoutKind,
    wait: str,
    reason: str,
    *,
    show_values: bool,
) -> bool:
    """Write what the server resolved by an approval; whether one was needed."""
    from resolver.cli.approvals import resolve_approved, wait_seconds  # noqa: PLC0415 - few runs need one
    from resolver.delivery.stdout_policy import StdoutKind  # noqa: PLC0415 - not for a page of help

    seconds = wait_seconds(wait)
    if stdout is StdoutKind.TERMINAL and not show_values:
        raise SinkRefusedError(
            "stdout is a terminal, and what the server resolves comes without marks on its values",
            hint="pipe it into the command that needs it, or give --show-values",
        )
    resolved = resolve_approved(app, request, report, seconds, reason)
    if resolved is None:
        return False
    for note in resolved.notes:
        report.note(note)
    if resolved.deferred:
        report.note(f"{count(resolved.deferred, 'call')} kept for the orchestrator")
    write_bytes(resolved.text.encode())
    return True


def _write_resolved(
    app: App, request: ResolveArguments, report: Report, stdout: StdoutKind, *, show_values: bool
) -> None:
    from resolver.delivery.stdout_policy import StdoutKind  # noqa: PLC0415 - not for a page of help

    output_format = request.output_format
    if stdout is StdoutKind.TERMINAL and output_format is DocumentFormat.JSON and not show_values:
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
