"""`resolver tokens`: access tokens."""

from __future__ import annotations

import click

from resolver.cli.app import App, common_options, format_option, pass_app
from resolver.cli.output import put, put_json, put_table, say
from resolver.core.model import Narrowing
from resolver.core.permissions import Permission


@click.group
def tokens() -> None:
    """Manage access tokens."""


def _show(narrowing: Narrowing) -> str:
    parts = {
        "permissions": narrowing.permissions,
        "tenants": narrowing.tenants,
        "keys": narrowing.keys,
    }
    return "; ".join(
        f"{name}: {', '.join(sorted(words))}" for name, words in parts.items() if words is not None
    )


@tokens.command
@click.option("--user", "username", default="", metavar="NAME", help="Whose token; your own by default.")
@click.option("--description", default="", metavar="TEXT", help="What it is for.")
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]),
    help="UTC time from which it is refused.",
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
@click.option("--quiet", is_flag=True, help="Print the token alone.")
@common_options
@pass_app
def create(
    app: App,
    *,
    username: str,
    description: str,
    expires: object,
    permissions: tuple[str, ...],
    tenants: tuple[str, ...],
    keys: tuple[str, ...],
    quiet: bool,
) -> None:
    """Make an access token, shown this once. It never gives more than its user's rights."""
    from datetime import datetime  # noqa: PLC0415

    made = app.service.tokens.create(
        app.caller,
        username,
        description=description,
        expires_at=expires.strftime("%Y-%m-%dT%H:%M:%S.000Z") if isinstance(expires, datetime) else None,
        narrowing=Narrowing(
            frozenset(map(Permission, permissions)) if permissions else None,
            frozenset(tenants) if tenants else None,
            keys or None,
        ),
    )
    put(made.token)
    if not quiet:
        say("note: keep it now, it is not shown again; `resolver tokens revoke` ends it")


@tokens.command(name="list")
@format_option
@common_options
@pass_app
def list_(app: App, *, output_format: str) -> None:
    """List your tokens; everyone's for a sys_admin. The tokens themselves are not kept."""
    rows = [
        {
            "id": token.id,
            "user": token.username,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "narrowed": _show(token.narrowing),
            "description": token.description,
        }
        for token in app.service.tokens.list(app.caller)
    ]
    if output_format == "json":
        put_json(rows)
    elif rows:
        put_table(
            ["ID", "USER", "CREATED", "EXPIRES", "NARROWED TO", "DESCRIPTION"],
            [[cell or "-" for cell in row.values()] for row in rows],
        )
    else:
        say("no tokens")


@tokens.command
@click.argument("token_id", metavar="ID")
@common_options
@pass_app
def revoke(app: App, *, token_id: str) -> None:
    """Revoke a token, at once. ID is its public part, as `tokens list` shows it."""
    app.service.tokens.revoke(app.caller, token_id)
    put(f"Token `{token_id}` revoked")
