"""What the commands about secrets share: options, how what they give is read, and how secrets are shown."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import choice_option, options
from resolver.cli.files import read_text
from resolver.cli.known_names import complete_keys
from resolver.cli.output import say
from resolver.core.model import MAX_VALUE_BYTES, Secret, Visibility
from resolver.core.times import parse_time_ahead, utc_now
from resolver.errors import InvalidRequestError, UsageError

if TYPE_CHECKING:
    from msgspec import UnsetType

NEVER = "never"

_UNSEEN = {"\ufeff": "a byte order mark", "\r": "a carriage return"}
"""What a text brings along from elsewhere without being seen."""

key_argument = click.argument("key", shell_complete=complete_keys)

visibility_option = choice_option(
    "-l", "--visibility", choices=Visibility, default=Visibility.TENANT, help="Who knows of it."
)

wider_visibility_option = choice_option(
    "-l", "--visibility", choices=Visibility, help="Widen who knows of it."
)

if_version_option = click.option(
    "--if-version",
    type=click.IntRange(min=1),
    metavar="N",
    help="Do nothing, and exit with 8, unless N is the current version.",
)

value_options = options(
    click.option(
        "-s",
        "--secret-string",
        "value",
        metavar="VALUE",
        help="The value. Other users can see arguments in the process list: prefer -f or stdin.",
    ),
    click.option(
        "-f",
        "--secret-file",
        "value_file",
        metavar="FILE|-",
        help="Take the value from a file, exactly as it is; - is stdin.",
    ),
)
"""The options that give a value."""

time_options = options(
    click.option(
        "--expires",
        metavar="TIME",
        help="When it expires, UTC: 2030-12-31, '2030-12-31 23:59', or 90d from now.",
    ),
    click.option(
        "--rotate-after",
        metavar="DAYS",
        help="How many days a value should last; lists and --check tell when they are over.",
    ),
)
"""The options that give times."""

rotated_option = click.option(
    "--rotated",
    is_flag=True,
    help="The value was renewed on purpose: it is a new version even if it is the same again.",
)

provider_options = options(
    click.option(
        "-p", "--provider", metavar="NAME", help="The secrets provider that it is kept with; see `providers`."
    ),
    click.option(
        "-o",
        "--provider-options",
        "provider_options",
        metavar="JSON",
        help='How it is found with its provider, like \'{"path": "team/shop"}\'.',
    ),
)
"""The options that name a secret's provider."""


def read_mapping(text: str | None, what: str) -> dict[str, str]:
    """A JSON object of texts and whole numbers, which become text; empty for None.

    Raises:
        InvalidRequestError: it is something else. The text is not repeated.
    """
    try:
        data = {} if text is None else json.loads(text)
    except (ValueError, RecursionError):
        data = None
    # Outside of the block: the decoder's error holds the text.
    if isinstance(data, dict):
        texts = {name: str(value) if type(value) is int else value for name, value in data.items()}
        if all(isinstance(value, str) for value in texts.values()):
            return texts
    raise InvalidRequestError(
        f"the {what} must be a JSON object of texts", hint='write them like {"path": "team/shop"}'
    )


def read_value(value: str | None, value_file: str | None) -> str:
    """The value from the option, a file, a hidden prompt or stdin.

    Of one line on stdin, the end of the line does not count. Several lines stay as they are: a private key
    without its last line break is none.
    """
    if value is not None and value_file is not None:
        raise UsageError("a value and a file were given", hint="give -s or -f, not both")
    if value is not None:
        return value
    if value_file is None and sys.stdin.isatty():
        from resolver.cli.prompts import ask_hidden  # noqa: PLC0415 - few commands ask

        return ask_hidden("Value", twice=True)
    text = read_text(value_file or "-", MAX_VALUE_BYTES + 1, holds_credential=True)
    if value_file is None:
        line = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        text = text if "\n" in line else line
    for character, name in _UNSEEN.items():
        if character in text:
            say(f"note: the value has {name} in it, which most programs do not expect")
    return text


def read_time_ahead(text: str | None, option: str = "--expires") -> str | None:
    """A time that lies ahead; None when none was given."""
    if text is None:
        return None
    try:
        return parse_time_ahead(text, utc_now(), option)
    except InvalidRequestError as error:
        raise UsageError(error.message, hint=error.hint) from None


def read_days(text: str | None) -> int | None:
    """A number of days, `90` or `90d`; None when none was given."""
    if text is None:
        return None
    digits = text.removesuffix("d")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:  # noqa: PLR2004 - what an int is for
        raise UsageError("--rotate-after is a number of days", hint="write 90 or 90d")
    return int(digits)


def read_new_times(
    expires: str | None, rotate_after: str | None
) -> tuple[str | UnsetType | None, int | UnsetType | None]:
    """New times for a secret that is there: `never` takes one away, and what was not given stays."""
    from resolver.core.secret_changes import UNCHANGED  # noqa: PLC0415 - not loaded for a page of help

    new_expiry = UNCHANGED if expires is None else None if expires == NEVER else read_time_ahead(expires)
    new_days = (
        UNCHANGED if rotate_after is None else None if rotate_after == NEVER else read_days(rotate_after)
    )
    return new_expiry, new_days


def fields(secret: Secret) -> dict[str, Any]:
    """The metadata that every secret has, for a table or JSON."""
    return {
        "key": secret.key,
        "tenant": secret.tenant.name,
        "visibility": secret.visibility.value,
        "hidden": secret.hidden,
        "owner": secret.owner.name,
        "version": secret.version,
        "created_at": secret.created_at,
        "updated_at": secret.updated_at,
    }


def as_json(secret: Secret) -> dict[str, Any]:
    """All metadata of a secret."""
    return fields(secret) | rare_fields(secret)


def rare_fields(secret: Secret) -> dict[str, Any]:
    """The metadata that only some secrets have, None where they don't."""
    common = {"id", "schema", *fields(secret)}
    found = {name: getattr(secret, name) for name in Secret.__struct_fields__ if name not in common}
    return found | {"schema": None if secret.schema is None else json.loads(secret.schema)}
