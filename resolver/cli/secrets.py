"""`resolver secrets`: create, get, list, update, delete."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.app import App, common_options, format_option, pass_app, tenant_option
from resolver.cli.output import put, put_fields, put_json, put_table, say
from resolver.cli.streams import read_stdin
from resolver.core.model import MAX_VALUE_BYTES, Visibility, check_key
from resolver.errors import InvalidRequestError, UsageError

if TYPE_CHECKING:
    from resolver.core.model import Secret

_KEY = click.argument("key")
_VALUE_OPTIONS = (
    click.option(
        "-f",
        "--secret-file",
        "value_file",
        metavar="FILE|-",
        help="Take the value from a file, exactly as it is; - is stdin.",
    ),
    click.option(
        "-s",
        "--secret-string",
        "value",
        metavar="VALUE",
        help="The value. Other users can see arguments in the process list: prefer -f or stdin.",
    ),
)
_VISIBILITY = click.Choice([visibility.value for visibility in Visibility])


def _value_options(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    for option in _VALUE_OPTIONS:
        command = option(command)
    return command


def _read_value(value: str | None, value_file: str | None) -> str:
    """The value from the option, a file, a hidden prompt, or stdin less one line break."""
    if value is not None and value_file is not None:
        raise UsageError("a value and a file were given", hint="give -s or -f, not both")
    if value is not None:
        return value
    if value_file is None and sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    try:
        if value_file in (None, "-"):
            data = read_stdin(MAX_VALUE_BYTES + 2)
        else:
            with Path(value_file or "").open("rb") as file:
                data = file.read(MAX_VALUE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the file {value_file!r} can't be read: {error.strerror}") from None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidRequestError("the value is not valid UTF-8 text") from None
    return text.removesuffix("\n") if value_file is None else text


def _fields(secret: Secret) -> dict[str, Any]:
    return {
        "key": secret.key,
        "tenant": secret.tenant.name,
        "visibility": secret.visibility.value,
        "hidden": secret.hidden,
        "owner": secret.owner,
        "version": secret.version,
        "created_at": secret.created_at,
        "updated_at": secret.updated_at,
    }


@click.group
def secrets() -> None:
    """Manage secrets."""


@secrets.command
@_KEY
@_value_options
@click.option("-u", "--update-if-exists", is_flag=True, help="Give an existing secret this value.")
@click.option(
    "-l",
    "--visibility",
    type=_VISIBILITY,
    default=Visibility.TENANT.value,
    show_default=True,
    help="Who knows of it.",
)
@click.option("--hidden-value", is_flag=True, help="Others may use the value in blueprints, but not see it.")
@tenant_option
@common_options
@pass_app
def create(
    app: App,
    *,
    key: str,
    value: str | None,
    value_file: str | None,
    update_if_exists: bool,
    visibility: str,
    hidden_value: bool,
    tenant: str | None,
) -> None:
    """Create a secret. Without -s or -f, asks for the value, or reads stdin."""
    check_key(key)
    app.service.secrets.create(
        app.caller,
        app.settings.tenant(tenant),
        key,
        _read_value(value, value_file),
        visibility=Visibility(visibility),
        hidden=hidden_value,
        update_if_exists=update_if_exists,
    )
    put(f"Secret `{key}` created")


@secrets.command
@_KEY
@click.option(
    "--allow-plaintext-file", is_flag=True, help="Show the value even though stdout is a regular file."
)
@click.option("--allow-log", is_flag=True, help="Show the value even though stdout is a log.")
@format_option
@tenant_option
@common_options
@pass_app
def get(
    app: App,
    *,
    key: str,
    allow_plaintext_file: bool,
    allow_log: bool,
    output_format: str,
    tenant: str | None,
) -> None:
    """Show a secret with its value. A hidden value is left out for those who may not see it."""
    from resolver.delivery.sink import judge  # noqa: PLC0415

    judge(1, 2, os.environ, allow_plaintext_file=allow_plaintext_file, allow_log=allow_log)
    secret, value = app.service.secrets.show(app.caller, app.settings.tenant(tenant), key)
    fields = _fields(secret) | {"value": "" if value is None else value.reveal()}
    if output_format == "json":
        put_json(fields)
    else:
        put_fields(fields)
    if value is None:
        say("note: the value is hidden; you may use it in blueprints, but not see it")


@secrets.command(name="list")
@format_option
@tenant_option
@common_options
@pass_app
def list_(app: App, *, output_format: str, tenant: str | None) -> None:
    """List the secrets that you may see, without values."""
    found = [_fields(secret) for secret in app.service.secrets.list(app.caller, app.settings.tenant(tenant))]
    if output_format == "json":
        put_json(found)
    elif found:
        put_table([name.upper() for name in found[0]], [list(fields.values()) for fields in found])
    else:
        say("no secrets")


@secrets.command
@_KEY
@_value_options
@click.option("-l", "--visibility", type=_VISIBILITY, help="Widen who knows of it.")
@click.option(
    "--hidden-value/--not-hidden-value", "hidden", default=None, help="Hide the value, or stop hiding."
)
@tenant_option
@common_options
@pass_app
def update(
    app: App,
    *,
    key: str,
    value: str | None,
    value_file: str | None,
    visibility: str | None,
    hidden: bool | None,
    tenant: str | None,
) -> None:
    """Change a secret's value, visibility or hiding. With no option, asks for a value or reads stdin."""
    wants_value = value is not None or value_file is not None or (visibility is None and hidden is None)
    secret = app.service.secrets.update(
        app.caller,
        app.settings.tenant(tenant),
        key,
        value=_read_value(value, value_file) if wants_value else None,
        visibility=None if visibility is None else Visibility(visibility),
        hidden=hidden,
    )
    put(f"Secret `{key}` updated, version {secret.version}")


@secrets.command
@_KEY
@click.option("--yes", is_flag=True, help="Do not ask.")
@tenant_option
@common_options
@pass_app
def delete(app: App, *, key: str, yes: bool, tenant: str | None) -> None:
    """Delete a secret with all its versions. Asks on a terminal."""
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete secret {key!r} with all its versions?", abort=True, err=True)
    app.service.secrets.delete(app.caller, app.settings.tenant(tenant), key)
    put(f"Secret `{key}` deleted")
