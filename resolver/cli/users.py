"""`resolver users`: create, show, change and delete users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver.cli.confirmation import confirmed, even_last, last_credential_option, old_password_option
from resolver.cli.context import (
    App,
    choice_option,
    common_options,
    confirm_deletion,
    format_option,
    part_options,
)
from resolver.cli.files import read_password
from resolver.cli.output import OutputFormat, count, put_answer, put_done, put_fields, put_part, say
from resolver.cli.prompts import ask_password
from resolver.core.account_changes import NewPassword, NewUser, UserChange
from resolver.core.model import SecretValue
from resolver.core.permissions import SystemRole
from resolver.core.query import Choice
from resolver.core.results import count_holdings
from resolver.errors import UsageError

if TYPE_CHECKING:
    from resolver.core.results import UserInfo

_NAME = click.argument("name")
_ROLE_NAMES = ("-r", "--security-role", "--role", "role")
_PASSWORD_FILE = click.option("--password-file", metavar="FILE|-", help="The password; - is stdin.")


@click.group
def users() -> None:
    """Manage users."""


@users.command
@_NAME
@_PASSWORD_FILE
@choice_option(
    *_ROLE_NAMES, choices=SystemRole, default=SystemRole.DEFAULT, help="The role in the whole system."
)
@format_option
@common_options
def create(
    app: App, *, name: str, password_file: str | None, role: SystemRole, output_format: OutputFormat
) -> None:
    """Make a user. One without a password can only use tokens."""
    password = None if password_file is None else SecretValue(read_password(password_file))
    app.service.users.create(app.caller, name, NewUser(password=password, system_role=role))
    put_done(
        output_format, f"User `{name}` created with `{role}` security role", {"user": name, "role": role}
    )


def user_fields(info: UserInfo) -> dict[str, object]:
    """A user's profile, for a table or JSON."""
    user = info.user
    return {
        "name": user.name,
        "role": user.system_role.value,
        "active": user.active,
        "locked": info.locked,
        "created_at": user.created_at,
        "first_login_at": user.first_login_at,
        "last_login_at": user.last_login_at,
        "issuer": user.issuer,
        "subject": user.subject,
        "roles_until": user.roles_until,
        "tenants": {name: role.value for name, role in sorted(info.roles.items())},
    }


def _tenants(info: UserInfo) -> str:
    return ", ".join(f"{tenant} ({role.value})" for tenant, role in sorted(info.roles.items())) or "-"


@users.command(name="list")
@part_options
@format_option
@common_options
def list_(app: App, *, size: int | None, offset: int, output_format: OutputFormat) -> None:
    """List all users."""
    part = app.service.users.list(app.caller, Choice(size, offset))
    rows = [user_fields(info) for info in part.items]
    shown = ("name", "role", "active", "created_at", "last_login_at")
    cells = [[*map(row.get, shown), _tenants(info)] for row, info in zip(rows, part.items, strict=True)]
    headers = ["NAME", "ROLE", "ACTIVE", "CREATED", "LAST LOGIN", "TENANTS"]
    spare = ["CREATED", "ACTIVE", "LAST LOGIN"]
    put_answer(output_format, rows, lambda: put_part(headers, cells, offset, part.total, spare=spare))


@users.command
@click.argument("name", required=False, default="")
@format_option
@common_options
def get(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Show one user; yourself without a name. Only a sys_admin sees others."""
    info = app.service.users.get(app.caller, name)
    row = user_fields(info)
    put_answer(output_format, row, lambda: put_fields(row | {"tenants": _tenants(info)}))


def _update(app: App, name: str, wanted: UserChange, *, yes: bool) -> None:
    users = app.service.users
    even_last(lambda even: users.update(app.caller, name, wanted, even_last=even), yes=yes)


@users.command(name="set-role")
@_NAME
@choice_option(*_ROLE_NAMES, choices=SystemRole, required=True, help="The role in the system.")
@last_credential_option
@format_option
@common_options
def set_role(app: App, *, name: str, role: SystemRole, yes: bool, output_format: OutputFormat) -> None:
    """Give a user another system role. The last active sys_admin keeps it."""
    _update(app, name, UserChange(system_role=role), yes=yes)
    put_done(output_format, f"User `{name}` has `{role}` security role", {"user": name, "role": role})


@users.command(name="set-password")
@_NAME
@_PASSWORD_FILE
@old_password_option
@click.option(
    "--revoke-tokens", is_flag=True, help="Revoke all access tokens of the user, and delete their own trusts."
)
@format_option
@common_options
def set_password(
    app: App,
    *,
    name: str,
    password_file: str | None,
    old_password_file: str | None,
    revoke_tokens: bool,
    output_format: OutputFormat,
) -> None:
    """Give yourself or another user a new password.

    Your own needs the old one, too; only a sys_admin changes that of others. Without files, asks on a
    terminal, or reads the new one from stdin. Logins with the old password end at once; access tokens stay,
    unless --revoke-tokens is given.
    """
    new = NewPassword(SecretValue(ask_password("New password", password_file, twice=True)), revoke_tokens)
    users = app.service.users
    number = confirmed(app, old_password_file, lambda caller: users.set_password(caller, name, new))
    revoked = f"\n{count(number, 'access token')} revoked" if revoke_tokens else ""
    tokens = {"tokens_revoked": number if revoke_tokens else 0, "tokens_kept": 0 if revoke_tokens else number}
    put_done(output_format, f"Password of user `{name}` changed{revoked}", {"user": name, **tokens})
    if not revoke_tokens and number:
        say(f"note: {count(number, 'access token')} of this user kept; --revoke-tokens ends all of them")


@users.command
@_NAME
@click.option("--issuer", metavar="URL", help="The issuer, as the server's settings have it.")
@click.option("--subject", metavar="TEXT", help="Who the user is there: the claim `sub`.")
@click.option("--remove", is_flag=True, help="End it: the user signs in by no provider.")
@last_credential_option
@format_option
@common_options
def link(
    app: App,
    *,
    name: str,
    issuer: str | None,
    subject: str | None,
    remove: bool,
    yes: bool,
    output_format: OutputFormat,
) -> None:
    """Say who a user is for an OpenID provider.

    From then on the user signs in by that provider alone: the password goes, and sessions end. With --remove
    the roles that came of groups go, too.
    """
    if remove == bool(issuer or subject) or bool(issuer) != bool(subject):
        raise UsageError("give --issuer and --subject, or --remove")
    _update(app, name, UserChange(issuer=issuer, subject=subject), yes=yes)
    done = "signs in by no provider" if remove else f"signs in as {subject!r} of {issuer}"
    put_done(output_format, f"User `{name}` {done}", {"user": name, "issuer": issuer, "subject": subject})


@users.command
@_NAME
@format_option
@common_options
def activate(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Let a user in again."""
    app.service.users.update(app.caller, name, UserChange(active=True))
    put_done(output_format, f"User `{name}` activated", {"user": name})


@users.command
@_NAME
@last_credential_option
@format_option
@common_options
def deactivate(app: App, *, name: str, yes: bool, output_format: OutputFormat) -> None:
    """Let a user in no more, neither by password nor by token. The last active sys_admin stays."""
    _update(app, name, UserChange(active=False), yes=yes)
    put_done(output_format, f"User `{name}` deactivated", {"user": name})


@users.command
@_NAME
@format_option
@common_options
def unlock(app: App, *, name: str, output_format: OutputFormat) -> None:
    """Let a user log in again after too many wrong passwords."""
    app.service.users.unlock(app.caller, name)
    put_done(output_format, f"User `{name}` unlocked", {"user": name})


@users.command
@_NAME
@click.option("--reassign-to", default="", metavar="NAME", help="Give what the user owns to another user.")
@click.option("--purge", is_flag=True, help="Delete what the user owns, in all tenants.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@common_options
def delete(
    app: App, *, name: str, reassign_to: str, purge: bool, yes: bool, output_format: OutputFormat
) -> None:
    """Delete a user with memberships and tokens. Asks on a terminal. Without one, --yes is needed.

    Refused while the user owns secrets or providers, unless told what becomes of them.
    """
    confirm_deletion(f"Delete user {name!r}" + (" and all that is theirs?" if purge else "?"), yes=yes)
    users = app.service.users
    owned = even_last(
        lambda even: (
            users.delete(app.caller, name, reassign_to=reassign_to, purge=purge, even_last=even).holdings
        ),
        yes=yes,
    )
    what = f"given to user `{reassign_to}`" if reassign_to else "deleted"
    more = f"\n{count_holdings(owned)} {what}" if owned else ""
    facts = {"user": name, "owned": len(owned), "given_to": reassign_to or None}
    put_done(output_format, f"User `{name}` deleted{more}", facts)
