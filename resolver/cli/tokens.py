"""`resolver tokens`: access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver.cli.confirmation import confirmed, even_last, last_credential_option, old_password_option
from resolver.cli.context import App, common_options, format_option, overlap_option, part_options
from resolver.cli.output import OutputFormat, put_answer, put_done, put_fields, put_part, say
from resolver.core.account_changes import NewToken
from resolver.core.permissions import Permission, SystemRole
from resolver.core.query import Choice
from resolver.core.tokens import public_part
from resolver.errors import NotFoundError

if TYPE_CHECKING:
    from resolver.core.model import Caller, Scope
    from resolver.core.results import TokenInfo

_TOKEN_ID = click.argument("token_id", metavar="ID", callback=lambda *given: public_part(given[-1]))


@click.group
def tokens() -> None:
    """Manage access tokens."""


def _show(scope: Scope) -> str:
    parts = {
        "permissions": scope.permissions,
        "tenants": scope.tenants,
        "keys": scope.keys,
        "from": scope.networks,
    }
    return "; ".join(
        f"{name}: {', '.join(sorted(words))}" for name, words in parts.items() if words is not None
    )


@tokens.command
@click.option("--user", "username", default="", metavar="NAME", help="Whose token; your own by default.")
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@click.option(
    "--expires",
    metavar="TIME",
    help="UTC time from which it is refused: 2030-12-31, '2030-12-31 23:59', 90d or +10h.",
)
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=click.Choice([permission.value for permission in Permission]),
    help="Narrow it to this permission. Repeatable.",
)
@click.option(
    "--tenant", "tenants", multiple=True, metavar="TENANT", help="Narrow it to this tenant. Repeatable."
)
@click.option(
    "--key", "keys", multiple=True, metavar="GLOB", help="Narrow it to keys like `prod_*`. Repeatable."
)
@click.option(
    "--from",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Take it from this network only, like 10.0.0.0/8. Repeatable.",
)
@click.option("--quiet", is_flag=True, help="Print the token alone.")
@old_password_option
@format_option
@common_options
def create(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    username: str,
    description: str,
    expires: str | None,
    permissions: tuple[str, ...],
    tenants: tuple[str, ...],
    keys: tuple[str, ...],
    networks: tuple[str, ...],
    quiet: bool,
    old_password_file: str | None,
    output_format: OutputFormat,
) -> None:
    """Make an access token, shown this once. It never gives more than its user's rights.

    A token that expires or is narrowed makes no other one: your password does, from --old-password-file.
    """
    new = NewToken(
        username=username,
        description=description,
        expires_at=expires,
        permissions=frozenset(map(Permission, permissions)) if permissions else None,
        tenants=frozenset(tenants) if tenants else None,
        keys=keys or None,
        networks=networks or None,
    )
    made, warnings = confirmed(
        app,
        old_password_file,
        lambda caller: (app.service.tokens.create(caller, new), _void_tenants(app, caller, new)),
    )
    put_done(output_format, made.token, {"token": made.token} | token_fields(made.info))
    for warning in warnings:
        say(warning)
    if not quiet:
        say("note: keep it now, it is not shown again; `resolver tokens revoke` ends it")


def _void_tenants(app: App, caller: Caller, new: NewToken) -> list[str]:
    """A warning for each tenant of a new token in which its user has no role, so that it gives nothing there.

    To who may not know of a tenant it says the same whether or not there is one.
    """
    if not new.tenants:
        return []
    found = app.service.users.get(caller, new.username)
    if found.user.system_role is SystemRole.SYS_ADMIN:
        lacks = [tenant for tenant in sorted(new.tenants) if not _exists(app, caller, tenant)]
        reason = "does not exist"
    else:
        lacks = sorted(new.tenants - found.roles.keys())
        reason = f"has no role for user {found.user.name!r}"
    return [
        f"warning: tenant {tenant!r} {reason}: as it is, the token gives nothing there" for tenant in lacks
    ]


def _exists(app: App, caller: Caller, tenant: str) -> bool:
    try:
        app.service.tenants.get(caller, tenant)
    except NotFoundError:
        return False
    return True


def token_fields(token: TokenInfo) -> dict[str, str | None]:
    """A token's metadata, for a table or JSON."""
    return {
        "id": token.id,
        "user": token.username,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "narrowed": _show(token.scope),
        "description": token.description,
        "replaced_by": token.replaced_by,
    }


@tokens.command
@_TOKEN_ID
@overlap_option("How long the old one still lives, like 24h or 0m; never past its own end.")
@click.option("--quiet", is_flag=True, help="Print the token alone.")
@old_password_option
@format_option
@common_options
def rotate(
    app: App,
    *,
    token_id: str,
    overlap: str,
    quiet: bool,
    old_password_file: str | None,
    output_format: OutputFormat,
) -> None:
    """Make a token's successor, shown this once.

    It is narrowed like the old one, and as long-lived. Its owner is asked for the password, a sys_admin
    rotates everyone's, and no token rotates itself.
    """
    made = confirmed(
        app, old_password_file, lambda caller: app.service.tokens.rotate(caller, token_id, overlap)
    )
    put_done(output_format, made.token, {"token": made.token} | token_fields(made.info))
    if not quiet:
        say(f"note: keep it now, it is not shown again; `{token_id}` ends after the overlap")


@tokens.command(name="list")
@click.option(
    "--unused",
    default="",
    metavar="TIME",
    help="Those alone that were neither used nor made since then: 90d, or a time in UTC.",
)
@part_options
@format_option
@common_options
def list_(app: App, *, unused: str, size: int | None, offset: int, output_format: OutputFormat) -> None:
    """List your tokens; everyone's for a sys_admin. The tokens themselves are not kept."""
    part = app.service.tokens.list(app.caller, Choice(size, offset), unused)
    rows = [token_fields(token) for token in part.items]
    cells = [[row[name] or None for name in row if name != "replaced_by"] for row in rows]
    headers = ["ID", "USER", "CREATED", "EXPIRES", "LAST USED", "NARROWED TO", "DESCRIPTION"]
    spare = ["CREATED", "EXPIRES"] if all(row["expires_at"] is None for row in rows) else ["CREATED"]
    put_answer(
        output_format,
        rows,
        lambda: put_part(headers, cells, offset, part.total, "no tokens", [*spare, "LAST USED"]),
    )


@tokens.command
@_TOKEN_ID
@format_option
@common_options
def get(app: App, *, token_id: str, output_format: OutputFormat) -> None:
    """Show what is known of a token; the token itself is not kept. Its last use is told to the minute."""
    row = token_fields(app.service.tokens.get(app.caller, token_id))
    shown = {name: value or None for name, value in row.items() if value or name != "replaced_by"}
    put_answer(output_format, row, lambda: put_fields(shown))


@tokens.command
@_TOKEN_ID
@last_credential_option
@format_option
@common_options
def revoke(app: App, *, token_id: str, yes: bool, output_format: OutputFormat) -> None:
    """Revoke a token, at once. ID is its public part, as `tokens list` shows it, or all of it."""
    tokens = app.service.tokens
    even_last(lambda even: tokens.revoke(app.caller, token_id, even_last=even), yes=yes)
    put_done(output_format, f"Token `{token_id}` revoked", {"id": token_id})


tokens.add_command(
    click.Command(
        "delete", params=revoke.params, callback=revoke.callback, help="Revoke a token; the same as `revoke`."
    )
)
