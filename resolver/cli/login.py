"""`resolver login`: makes the profile by which commands use a server."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.output import OutputFormat, put_done, say
from resolver.cli.prompts import ask, ask_password
from resolver.core.account_changes import NewToken
from resolver.errors import ConflictError, ResolverError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.core.model import Caller
    from resolver.core.ports.service import AnyService
    from resolver.core.results import Identity, MadeToken
    from resolver.protocol.identity import SignsCommandsIn


@click.command
@click.argument("url")
@click.option("-u", "--username", metavar="NAME", help="Who you are; asked for on a terminal.")
@click.option("--password-file", metavar="FILE|-", help="The password; - is stdin. Asked for on a terminal.")
@click.option(
    "--sso",
    metavar="browser|device[:NAME]",
    help="Sign in by the server's OpenID provider: in a browser here, or by a code typed in any.",
)
@click.option("-t", "--tenant", metavar="TENANT", help="The tenant that later commands work in.")
@click.option("--expires", metavar="TIME", help="Until when, like +8h or 2030-12-31; for good by default.")
@format_option
@common_options
def login(
    app: App,
    *,
    url: str,
    username: str | None,
    password_file: str | None,
    sso: str | None,
    tenant: str | None,
    expires: str | None,
    output_format: OutputFormat,
) -> None:
    """Use the server at URL from now on.

    Asks for user name and password, or takes a token from --token-file, and keeps a token in the profile,
    which only you can read. With a password that is a token of its own: `resolver tokens revoke` ends it.
    With --sso you sign in by a provider, in a browser, and the token lives for 12 hours.
    """
    from resolver.bootstrap.connect import open_server  # noqa: PLC0415 - not for a page of help
    from resolver.config.files import Trusted, demand_trusted, make_directory  # noqa: PLC0415
    from resolver.config.profile import Profile, read_profile, write_profile  # noqa: PLC0415

    settings = app.settings
    demand_trusted(settings.home, Trusted.HOME)
    there = read_profile(settings.profile_path)
    if there is not None and not there.url:
        raise ConflictError(
            f"the profile {str(settings.profile_path)!r} is of a store on this machine",
            hint="remove it if its token is of no use any more, or set RESOLVER_HOME to another folder",
        )
    client = open_server(url, settings.named_ca_file, "the URL")
    description = f"resolver login on {platform.node()}"[:256]
    token = ""
    if sso is not None or app.token_file is not None:
        if username is not None or password_file is not None or expires is not None:
            raise UsageError("--token-file goes without user name, password and expiry, and so does --sso")
        token = _given(app, client.sign_in, sso, description)
    caller = client.gate.authenticate_token(token) if token else _log_in(client, username, password_file)
    with _revoking(client, caller if sso is not None else None):
        identity = client.users.whoami(caller)
        chosen = choose_tenant(identity, tenant)
        make_directory(settings.home)
        made: MadeToken | None = None
        if not token:  # last, so that no token is made for a login that fails
            made = client.tokens.create(caller, NewToken(description=description, expires_at=expires))
            token = made.token
        profile = Profile(token, chosen, url, settings.named_ca_file or "")
        try:
            write_profile(settings.profile_path, profile, replace=True)
        except ResolverError:
            if made is not None:  # nobody knows it
                with contextlib.suppress(ResolverError):
                    client.tokens.revoke(caller, made.info.id)
            raise
    put_done(
        output_format,
        f"user {identity.username} on {client.place}\n"
        f"profile in {settings.profile_path}: the following commands use this server",
        {
            "user": identity.username,
            "server": client.place,
            "tenant": chosen or None,
            "profile": str(settings.profile_path),
        },
    )
    if not chosen:
        say("note: no tenant was chosen; give --tenant NAME, or set RESOLVER_TENANT")
    for name in ("RESOLVER_URL", "RESOLVER_DATABASE_URL", "RESOLVER_TOKEN"):
        if name in os.environ:
            say(f"note: {name} is set, and goes before the profile")


@contextlib.contextmanager
def _revoking(client: AnyService, caller: Caller | None) -> Iterator[None]:
    """Where a login fails, revoke the token that was made for it before: nobody knows it."""
    try:
        yield
    except ResolverError:
        if caller is not None:
            with contextlib.suppress(ResolverError):
                client.tokens.revoke(caller, caller.token_id)
        raise


def _given(app: App, remote: SignsCommandsIn, sso: str | None, description: str) -> str:
    """The token of the file, or the one that the server gives for a sign-in."""
    if sso is None:
        return app.settings.token(app.token_file)  # once: it may be a pipe
    if app.token_file is not None:
        raise UsageError("give either --sso or --token-file")
    from resolver.cli.sign_in import sign_in  # noqa: PLC0415 - few sign in by one

    return sign_in(remote, sso, description).token


def _log_in(client: AnyService, username: str | None, password_file: str | None) -> Caller:
    """Ask for what was not given, and identify the caller."""
    if username is None:
        if not sys.stdin.isatty():
            raise UsageError("no user name was given", hint="give -u NAME, or a token with --token-file")
        username = ask("User name")
    return client.gate.authenticate_password(username, ask_password("Password", password_file))


def choose_tenant(identity: Identity, tenant: str | None) -> str:
    """The tenant to work in: the one that is named, or the only one there is."""
    tenants = sorted(identity.permissions)
    if tenant is None:
        return tenants[0] if len(tenants) == 1 else ""
    if tenant not in tenants:
        from resolver.core.suggestions import Suggestions  # noqa: PLC0415 - for a mistake only

        named = f"there are: {', '.join(tenants[:_MAX_NAMED])}" if tenants else ""
        raise UsageError(
            f"user {identity.username!r} has no rights in a tenant {tenant!r}",
            hint=f"{Suggestions(lambda: tenants).question(tenant)} {named}".strip(),
        )
    return tenant


_MAX_NAMED = 50
"""Most tenants that are named."""
