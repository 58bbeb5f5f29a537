"""`resolver stale`: which blueprints were given a version of a secret that is not current any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.exit_codes import ExitCode
from resolver.cli.output import OutputFormat, count, put, put_answer, put_table
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from resolver.core.results import StaleBlueprints, StaleUse


@click.command
@click.option("-t", "--tenant", metavar="TENANT", help="The tenant.")
@click.option("--key", default="", metavar="KEY", help="Only those that were given this secret.")
@format_option
@common_options
def stale(app: App, *, tenant: str | None, key: str, output_format: OutputFormat) -> int:
    """Show which blueprints to deploy again, since secrets changed.

    Lists each blueprint whose last use of a secret was of a version that is not current, and who changed the
    secret since. Exits with 10 when there are any, with 0 when there are none. Blueprints are known by name.
    """
    found = app.service.usage.stale(app.caller, app.settings.tenant(tenant), key)
    put_answer(output_format, encode(found), lambda: _put_stale(found))
    return ExitCode.CHANGED if found.blueprints else ExitCode.DONE


def _put_stale(found: StaleBlueprints) -> None:
    if found.since:
        put(f"only uses since {found.since} were looked at, since there are so many")
    if not found.blueprints:
        put(f"tenant {found.tenant!r}: every blueprint was given the current versions")
        return
    put_table(
        ["BLUEPRINT", "LAST USED", "SECRET", "VERSION", "NOW", "SINCE", "BY"],
        (
            [
                blueprint.blueprint or f"(none, by {blueprint.caller})",
                use.used_at,
                use.key,
                use.version,
                _now(use),
                use.changed_at or "-",
                use.changed_by or "-",
            ]
            for blueprint in found.blueprints
            for use in blueprint.secrets
        ),
    )
    put(f"{count(len(found.blueprints), 'blueprint')} to deploy again")


def _now(use: StaleUse) -> str:
    if use.current is None:
        return "gone"
    return f"{use.current} of another secret" if use.replaced else str(use.current)
