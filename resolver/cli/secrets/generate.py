"""`resolver secrets generate`: values that nobody has ever seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import App, choice_option, common_options, format_option, tenant_option
from resolver.cli.output import OutputFormat, put_done
from resolver.cli.secrets.options import as_json, key_argument, visibility_option
from resolver.core.generated import SYMBOLS, GeneratedKind, GeneratedValue, GenerationRules
from resolver.core.model import Visibility, check_key
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.times import show_time
from resolver.core.transfer import ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command
@key_argument
@choice_option(
    "--kind", choices=GeneratedKind, default=GeneratedKind.PASSWORD, help="What the value is to be."
)
@click.option(
    "--length",
    type=int,
    default=32,
    show_default=True,
    metavar="N",
    help="Characters of a password, or random bytes behind hex and base64.",
)
@click.option("--symbols", default=SYMBOLS, show_default=True, help="Symbols of a password; '' for none.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="A certificate's name. Repeatable.")
@click.option("--days", type=int, default=365, show_default=True, help="How long a certificate is valid.")
@click.option("--rotate", is_flag=True, help="Give a secret that is there a new value.")
@visibility_option
@click.option("--hidden-value", is_flag=True, help="Others may use the value in blueprints, but not see it.")
@tenant_option
@format_option
@common_options
def generate(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    key: str,
    kind: GeneratedKind,
    length: int,
    symbols: str,
    hosts: tuple[str, ...],
    days: int,
    rotate: bool,
    visibility: Visibility,
    hidden_value: bool,
    tenant: str | None,
    output_format: OutputFormat,
) -> None:
    """Make a value and store it, without showing it.

    Of a key pair the private half is KEY, and the public one KEY.pub, or KEY.crt for a certificate. Both are
    stored together, for which you need the right to import.
    """
    check_key(key)
    check_key(f"{key}{kind.public_suffix}")
    if rotate and hidden_value:
        raise UsageError(
            "--hidden-value is for a new secret", hint="`resolver secrets update KEY --hidden-value`"
        )
    rules = GenerationRules(length, symbols, hosts, days)
    rules.check(kind)
    from resolver.bootstrap import generation  # noqa: PLC0415 - cryptography is slow to load

    made = generation.generate(kind, rules, datetime.now(UTC))
    where = app.settings.tenant(tenant)
    if made.public is not None:
        answer = _store_pair(
            app, where, key, kind, made, rotate=rotate, visibility=visibility, hidden=hidden_value
        )
        put_done(output_format, "\n".join(f"Secret `{one}` generated" for one in answer["keys"]), answer)
        return
    if rotate:
        change = SecretChange(value=made.value, rotated=True)
        secret = app.service.secrets.update(app.caller, where, key, change)
    else:
        new = NewSecret(value=made.value, visibility=visibility, hidden=hidden_value)
        secret = app.service.secrets.create(app.caller, where, key, new)
    put_done(output_format, f"Secret `{key}` generated, version {secret.version}", as_json(secret))


def _store_pair(
    app: App,
    tenant: str,
    key: str,
    kind: GeneratedKind,
    made: GeneratedValue,
    *,
    rotate: bool,
    visibility: Visibility,
    hidden: bool,
) -> Mapping[str, Any]:
    """Store both halves of a pair, or neither."""
    ends = None if made.expires_at is None else show_time(made.expires_at)
    halves = {key: made.value, f"{key}{kind.public_suffix}": made.public or made.value}
    entries = [
        ImportEntry(
            name,
            tenant,
            (VersionWithValue(1, value),),
            visibility,
            hidden=hidden and name == key,
            expires_at=ends,
        )
        for name, value in halves.items()
    ]
    plan = ImportRequest(tenant, entries, override=rotate, values_only=True, dry_run=True)
    taken = app.service.transfer.import_(app.caller, plan).colliding.get(tenant, ())
    if rotate and len(taken) < len(halves):
        missing = next(name for name in halves if name not in taken)
        raise NotFoundError(
            f"there is no secret {missing!r} to rotate", hint="leave --rotate out to make both"
        )
    request = ImportRequest(tenant, entries, override=rotate, rotated=True, values_only=True, atomic=True)
    done = app.service.transfer.import_(app.caller, request)
    if done.errors:
        _, problems = min(done.errors.items())
        raise InvalidRequestError("; ".join(f"{field}: {text}" for field, text in problems.items()))
    if done.stored < len(halves):
        raise ConflictError(
            f"secret {next(iter(taken), key)!r} exists already: nothing is stored",
            hint="--rotate gives both halves new values",
        )
    if rotate and ends is not None:
        for name in halves:
            app.service.secrets.update(app.caller, tenant, name, SecretChange(expires_at=ends))
    return {"keys": list(halves), "kind": kind.value, "expires_at": ends}
