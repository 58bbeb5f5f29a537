"""`resolver use`: the tenant that commands work in by default."""

from __future__ import annotations

import os

import click
from msgspec.structs import replace

from resolver.cli.context import App, common_options, format_option
from resolver.cli.login import choose_tenant
from resolver.cli.output import OutputFormat, put_done, say
from resolver.errors import UsageError


@click.command
@click.argument("tenant", default="")
@format_option
@common_options
def use(app: App, *, tenant: str, output_format: OutputFormat) -> None:
    """Make TENANT the one that commands work in when none is named. It is kept in the profile.

    Without TENANT, show which one that is now, and what says so.
    """
    from resolver.config.described import describe  # noqa: PLC0415 - not for a page of help
    from resolver.config.profile import write_profile  # noqa: PLC0415

    settings = app.settings
    if not tenant:
        now = settings.tenant(None)
        source = next(one.source for one in describe(settings, os.environ) if one.name == "tenant")
        put_done(output_format, f"commands work in tenant {now}: {source}", {"tenant": now, "source": source})
        return
    profile = settings.profile()
    if profile is None:
        raise UsageError(
            "there is no profile for this store, which could keep the tenant",
            hint="set RESOLVER_TENANT, or make a profile with `resolver login URL`",
        )
    chosen = choose_tenant(app.service.users.whoami(app.caller), tenant)
    write_profile(settings.profile_path, replace(profile, tenant=chosen), replace=True)
    put_done(output_format, f"the following commands work in tenant {chosen}", {"tenant": chosen})
    if "RESOLVER_TENANT" in os.environ:
        say("note: RESOLVER_TENANT is set, and goes before the profile")
