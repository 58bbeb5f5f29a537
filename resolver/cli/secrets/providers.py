"""`resolver secrets providers`: set up, show, change, test and delete secrets providers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import App, common_options, confirm_deletion, format_option, options, tenant_option
from resolver.cli.files import read_text
from resolver.cli.output import OutputFormat, put_answer, put_done, put_fields, put_records, say
from resolver.cli.secrets.options import read_mapping, visibility_option, wider_visibility_option
from resolver.core.model import Visibility
from resolver.core.providers import NewProvider, ProviderChange, ProviderCheck
from resolver.core.secret_changes import UNCHANGED, unless_none
from resolver.errors import ProviderError, UsageError

if TYPE_CHECKING:
    from resolver.core.providers import Provider

_MAX_FILE = 1024 * 1024
_WHAT = "connection parameters"

_name = click.argument("name")

_parameter_options = options(
    click.option(
        "-c",
        "--connection-parameters",
        "parameters",
        metavar="JSON",
        help="The connection parameters. Other users can see arguments in the process list: prefer -f.",
    ),
    click.option(
        "-f",
        "--connection-file",
        "parameter_file",
        metavar="FILE|-",
        help="Take the connection parameters, as JSON, from a file; - is stdin.",
    ),
)

_TYPE_NAMES = ("-y", "--type", "kind")
_TYPE_HELP = "local, vault, cloudify, or a plugin's."
_type_option = click.option(*_TYPE_NAMES, metavar="TYPE", help=_TYPE_HELP)


def _read_parameters(text: str | None, file: str | None) -> dict[str, str]:
    if text is not None and file is not None:
        raise UsageError(f"{_WHAT} and a file were given", hint="give -c or -f, not both")
    if file is not None:
        text = read_text(file, _MAX_FILE, holds_credential=True)
    return read_mapping(text, _WHAT)


def provider_fields(provider: Provider) -> dict[str, Any]:
    """A provider's metadata, for a table or JSON."""
    return {
        "name": provider.name,
        "type": provider.kind,
        "tenant": provider.tenant.name,
        "visibility": provider.visibility.value,
        "owner": provider.owner.name,
        "created_at": provider.created_at,
        "updated_at": provider.updated_at,
    }


@click.group
def providers() -> None:
    """Manage places where secrets are kept."""


@providers.command
@_name
@click.option(*_TYPE_NAMES, metavar="TYPE", required=True, help=_TYPE_HELP)
@_parameter_options
@click.option("-s", "--skip-check", is_flag=True, help="Do not test the provider first.")
@visibility_option
@tenant_option
@format_option
@common_options
def create(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    name: str,
    kind: str,
    parameters: str | None,
    parameter_file: str | None,
    skip_check: bool,
    visibility: Visibility,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Set up a provider, after testing that it answers."""
    given, where = _read_parameters(parameters, parameter_file), app.settings.tenant(tenant)
    service = app.service.providers
    wanted = ProviderCheck(kind=kind, parameters=given)
    if not skip_check and not service.test(app.caller, where, wanted):
        raise ProviderError(
            f"secrets provider {name!r} does not answer to these {_WHAT}, and was not created",
            hint="--skip-check creates it all the same",
        )
    service.create(app.caller, where, name, NewProvider(kind, given, Visibility(visibility)))
    put_done(output_format, f"Secrets provider `{name}` created", {"provider": name})


@providers.command
@_name
@click.option("--allow-plaintext-file", is_flag=True, help="Show credentials even when stdout is a file.")
@click.option("--allow-log", is_flag=True, help="Show credentials even when stdout is a log.")
@format_option
@tenant_option
@common_options
def get(
    app: App,
    *,
    name: str,
    allow_plaintext_file: bool,
    allow_log: bool,
    output_format: OutputFormat,
    tenant: str | None,
) -> None:
    """Show a provider; with its connection parameters for sys_admins."""
    from resolver.delivery.stdout_policy import check_stdout  # noqa: PLC0415

    check_stdout(1, 2, os.environ, allow_plaintext_file=allow_plaintext_file, allow_log=allow_log)
    info = app.service.providers.get(app.caller, app.settings.tenant(tenant), name)
    fields = provider_fields(info.provider)
    shown = {} if info.parameters is None else {"connection_parameters": dict(info.parameters)}
    put_answer(output_format, fields | shown, lambda: put_fields(fields | dict(info.parameters or {})))


@providers.command(name="list")
@format_option
@tenant_option
@common_options
def list_(app: App, *, output_format: OutputFormat, tenant: str | None) -> None:
    """List the providers that you may keep secrets with."""
    found = [
        provider_fields(each) for each in app.service.providers.list(app.caller, app.settings.tenant(tenant))
    ]
    put_answer(output_format, found, lambda: put_records(found) if found else say("no secrets providers"))


@providers.command
@_name
@_type_option
@_parameter_options
@wider_visibility_option
@tenant_option
@format_option
@common_options
def update(
    app: App,
    *,
    name: str,
    kind: str | None,
    parameters: str | None,
    parameter_file: str | None,
    visibility: Visibility | None,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Change a provider. Another destination needs the credentials again."""
    where = app.settings.tenant(tenant)
    wanted = ProviderChange(
        kind=unless_none(kind),
        parameters=_read_parameters(parameters, parameter_file),
        visibility=UNCHANGED if visibility is None else Visibility(visibility),
    )
    app.service.providers.update(app.caller, where, name, wanted)
    put_done(output_format, f"Secrets provider `{name}` updated", {"provider": name})


@providers.command
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
@tenant_option
@format_option
@common_options
def delete(app: App, *, name: str, yes: bool, tenant: str | None, output_format: OutputFormat) -> None:
    """Delete a provider that no secret is kept with.

    Asks on a terminal. Without one, --yes is needed.
    """
    confirm_deletion(f"Delete secrets provider {name!r}?", yes=yes)
    app.service.providers.delete(app.caller, app.settings.tenant(tenant), name)
    put_done(output_format, f"Secrets provider `{name}` deleted", {"provider": name})


@providers.command
@click.argument("name", required=False)
@_type_option
@_parameter_options
@tenant_option
@format_option
@common_options
def test(
    app: App,
    *,
    name: str | None,
    kind: str | None,
    parameters: str | None,
    parameter_file: str | None,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Test whether a provider answers.

    It is a stored one, or one given by type and parameters.
    """
    where = app.settings.tenant(tenant)
    given = _read_parameters(parameters, parameter_file)
    wanted = ProviderCheck(name=name or "", kind=kind or "", parameters=given)
    if not app.service.providers.test(app.caller, where, wanted):
        raise ProviderError("failed: the secrets provider does not answer, or refuses its credentials")
    put_done(output_format, "ok", {"ok": True})
