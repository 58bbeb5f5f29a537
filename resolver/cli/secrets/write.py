"""The commands that change secrets: `create`, `update`, `delete`, `rollback` and the setting of one thing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, common_options, confirm_deletion, format_option, tenant_option
from resolver.cli.files import read_text
from resolver.cli.output import OutputFormat, put_done
from resolver.cli.secrets.options import (
    as_json,
    if_version_option,
    key_argument,
    provider_options,
    read_days,
    read_mapping,
    read_new_times,
    read_time_ahead,
    read_value,
    rotated_option,
    time_options,
    value_options,
    visibility_option,
    wider_visibility_option,
)
from resolver.core.model import SecretValue, Visibility, check_key
from resolver.core.secret_changes import NO_VALUE, UNCHANGED, NewSecret, SecretChange, unless_none
from resolver.errors import UsageError

if TYPE_CHECKING:
    from resolver.core.results import WrittenSecret

_MAX_SCHEMA_FILE = 1024 * 1024

_description_option = click.option(
    "--description", metavar="TEXT", help="What it is for, in one line; an empty text takes it away."
)


_protected_option = click.option(
    "--protected", is_flag=True, help="Give the value to approved runs only; another person ends that."
)


@click.command
@key_argument
@value_options
@click.option("-u", "--update-if-exists", is_flag=True, help="Give an existing secret this value.")
@rotated_option
@visibility_option
@click.option("--hidden-value", is_flag=True, help="Others may use the value in blueprints, but not see it.")
@click.option(
    "--schema",
    metavar="JSON|@FILE",
    help="A JSON Schema that this value and later ones must keep to; the value is JSON then.",
)
@click.option("--dict", "is_dict", is_flag=True, help='The same as --schema \'{"type": "object"}\'.')
@click.option("--list", "is_list", is_flag=True, help='The same as --schema \'{"type": "array"}\'.')
@provider_options
@time_options
@_description_option
@_protected_option
@tenant_option
@format_option
@common_options
def create(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    key: str,
    value: str | None,
    value_file: str | None,
    update_if_exists: bool,
    rotated: bool,
    visibility: Visibility,
    hidden_value: bool,
    schema: str | None,
    is_dict: bool,
    is_list: bool,
    provider: str | None,
    provider_options: str | None,
    expires: str | None,
    rotate_after: str | None,
    description: str | None,
    protected: bool,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Create a secret. Without -s, -f or -p, asks for the value, or reads stdin."""
    check_key(key)
    schema = _read_schema(schema, is_dict=is_dict, is_list=is_list)
    expires_at, days = read_time_ahead(expires), read_days(rotate_after)
    wants_value = provider is None or value is not None or value_file is not None
    new = NewSecret(
        value=SecretValue(read_value(value, value_file)) if wants_value else NO_VALUE,
        visibility=Visibility(visibility),
        hidden=hidden_value,
        schema=schema,
        expires_at=expires_at,
        rotate_after=days,
        update_if_exists=update_if_exists,
        provider=provider,
        provider_options=read_mapping(provider_options, "provider options"),
        description=description or None,
        rotated=rotated,
        protected=protected,
    )
    secret = app.service.secrets.create(app.caller, app.settings.tenant(tenant), key, new)
    is_new = secret.version == 1 and not secret.unchanged
    _put_written(output_format, secret, f"Secret `{key}` created" if is_new else "")


def _read_schema(text: str | None, *, is_dict: bool, is_list: bool) -> str | None:
    if sum((text is not None, is_dict, is_list)) > 1:
        raise UsageError("more than one schema was given", hint="give one of --schema, --dict and --list")
    if is_dict:
        return '{"type": "object"}'
    if is_list:
        return '{"type": "array"}'
    if text is None or not text.startswith("@"):
        return text
    return read_text(str(Path(text[1:])), _MAX_SCHEMA_FILE)


@click.command
@key_argument
@value_options
@rotated_option
@wider_visibility_option
@click.option(
    "--hidden-value/--not-hidden-value", "hidden", default=None, help="Hide the value, or stop hiding."
)
@provider_options
@time_options
@_description_option
@_protected_option
@if_version_option
@tenant_option
@format_option
@common_options
def update(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    key: str,
    value: str | None,
    value_file: str | None,
    rotated: bool,
    visibility: Visibility | None,
    hidden: bool | None,
    provider: str | None,
    provider_options: str | None,
    expires: str | None,
    rotate_after: str | None,
    description: str | None,
    protected: bool,
    if_version: int | None,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Change a secret's value, description, times or provider.

    With none of these options, asks for a value or reads stdin. --expires never and --rotate-after never take
    a time away.
    """
    others = [visibility, hidden, expires, rotate_after, provider, provider_options, description]
    others += [True] if protected else []
    wants_value = value is not None or value_file is not None or all(one is None for one in others)
    expires_at, days = read_new_times(expires, rotate_after)
    change = SecretChange(
        value=SecretValue(read_value(value, value_file)) if wants_value else UNCHANGED,
        visibility=UNCHANGED if visibility is None else Visibility(visibility),
        hidden=unless_none(hidden),
        expires_at=expires_at,
        rotate_after=days,
        if_version=unless_none(if_version),
        provider=unless_none(provider),
        provider_options=unless_none(read_mapping(provider_options, "provider options")),
        description=UNCHANGED if description is None else description or None,
        rotated=rotated or UNCHANGED,
        protected=protected or UNCHANGED,
    )
    secret = app.service.secrets.update(app.caller, app.settings.tenant(tenant), key, change)
    _put_written(output_format, secret)


def _put_written(output_format: OutputFormat, secret: WrittenSecret, text: str = "") -> None:
    what = ": value unchanged" if secret.unchanged else " updated"
    text = text or f"Secret `{secret.key}`{what}, version {secret.version}"
    put_done(output_format, text, as_json(secret) | {"unchanged": secret.unchanged})


@click.command
@key_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@if_version_option
@tenant_option
@format_option
@common_options
def delete(
    app: App, *, key: str, yes: bool, if_version: int | None, tenant: str | None, output_format: OutputFormat
) -> None:
    """Delete a secret with all its versions.

    Asks on a terminal. Without one, --yes is needed.
    """
    confirm_deletion(f"Delete secret {key!r} with all its versions?", yes=yes)
    app.service.secrets.delete(app.caller, app.settings.tenant(tenant), key, if_version=if_version)
    put_done(output_format, f"Secret `{key}` deleted", {"key": key})


@click.command(name="set-visibility")
@key_argument
@click.option(
    "-l",
    "--visibility",
    type=click.Choice([Visibility.TENANT.value, Visibility.GLOBAL.value]),
    required=True,
    help="Who is to know of it; never fewer than now.",
)
@tenant_option
@format_option
@common_options
def set_visibility(
    app: App, *, key: str, visibility: str, tenant: str | None, output_format: OutputFormat
) -> None:
    """Widen who knows of a secret."""
    change = SecretChange(visibility=Visibility(visibility))
    secret = app.service.secrets.update(app.caller, app.settings.tenant(tenant), key, change)
    put_done(output_format, f"Secret `{key}` was set to {visibility}", as_json(secret))


@click.command(name="set-owner")
@key_argument
@click.option("-s", "--username", required=True, metavar="NAME", help="The user it is to belong to.")
@tenant_option
@format_option
@common_options
def set_owner(app: App, *, key: str, username: str, tenant: str | None, output_format: OutputFormat) -> None:
    """Give a secret to another user; for sys_admins.

    The owner sees it when it is private, and its value when that is hidden.
    """
    change = SecretChange(owner=username)
    secret = app.service.secrets.update(app.caller, app.settings.tenant(tenant), key, change)
    put_done(output_format, f"Secret `{key}` is now owned by user `{secret.owner.name}`", as_json(secret))


@click.command
@key_argument
@click.option(
    "--to",
    "version",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="The version to go back to, as `history` shows it.",
)
@if_version_option
@tenant_option
@format_option
@common_options
def rollback(
    app: App,
    *,
    key: str,
    version: int,
    if_version: int | None,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Give a secret an earlier value, as a new version."""
    secret = app.service.secrets.rollback(
        app.caller, app.settings.tenant(tenant), key, version, if_version=if_version
    )
    put_done(
        output_format,
        f"Secret `{key}` has the value of version {version} again, as version {secret.version}",
        as_json(secret),
    )
