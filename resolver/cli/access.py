"""`resolver who-can` and `resolver access`: who could read which secret, by the rules of access."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from resolver.cli.context import App, common_options, format_option
from resolver.cli.output import OutputFormat, count, put, put_answer, put_fields, put_table
from resolver.cli.secrets.options import fields
from resolver.core.query import Listing
from resolver.core.tokens import public_part
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.access import SecretAccess, WhoCan

_PART = 1000
"""Most secrets that one question looks at."""

_tenant_option = click.option("-t", "--tenant", metavar="TENANT", help="The tenant.")


@click.command(name="who-can")
@click.argument("key")
@_tenant_option
@format_option
@common_options
def who_can(app: App, *, key: str, tenant: str | None, output_format: OutputFormat) -> None:
    """Show who could read a secret, and why.

    Lists each user, token and trust that would be given the value now, by the rules that decide then: in a
    blueprint, or by `resolver secrets get`.
    """
    found = app.service.access.who_can(app.caller, app.settings.tenant(tenant), key)
    facts = encode(found) | {"secret": fields(found.secret)}
    put_answer(output_format, facts, lambda: _put_readers(found))


def _put_readers(found: WhoCan) -> None:
    secret = found.secret
    put_fields(
        {
            "secret": f"{secret.tenant.name}/{secret.key}",
            "visibility": secret.visibility.value,
            "hidden": secret.hidden,
            "owner": secret.owner.name,
        }
    )
    if found.refused_to_all:
        put("it has expired: no blueprint is given it before its time is changed")
    put("")
    put_table(["ROLE", "USE", "SHOW"], ([role.role.value, role.use, role.show] for role in found.roles))
    put("")
    put_table(
        ["USER", "TOKEN OR TRUST", "USE", "SHOW", "BECAUSE OF"],
        (
            [
                reader.username,
                f"trust {reader.trust}" if reader.trust else reader.token_id or "-",
                _where(reader.use, everywhere=found.everywhere),
                _where(reader.show, everywhere=found.everywhere),
                ", ".join(reader.grounds),
            ]
            for reader in found.readers
        ),
    )


def _where(tenants: Sequence[str], *, everywhere: bool) -> object:
    """Whether somebody may; from which tenants, where several were asked about."""
    return ", ".join(tenants) if tenants and everywhere else bool(tenants)


@click.command
@click.argument("user", default="")
@click.option(
    "--token",
    "token_id",
    default="",
    metavar="ID",
    callback=lambda *given: public_part(given[-1]),
    help="A token instead of a user: its public part.",
)
@_tenant_option
@format_option
@common_options
def access(app: App, *, user: str, token_id: str, tenant: str | None, output_format: OutputFormat) -> None:
    """Show which secrets a user or a token could read.

    Without USER, it is about you and the token that is used now. About others it takes a manager of the
    tenant, or a sys_admin.
    """
    where = app.settings.tenant(tenant)
    part = app.service.access.access(app.caller, where, user, token_id, Listing(size=_PART))
    items, seen = list(part.items), _PART
    while seen < part.total:
        more = app.service.access.access(app.caller, where, user, token_id, Listing(offset=seen, size=_PART))
        items += more.items
        seen += _PART
    facts = {
        "user": part.username,
        "token": part.token_id or None,
        "tenant": part.tenant,
        "permissions": list(map(str, part.permissions)),
        "secrets": encode(items),
    }
    put_answer(output_format, facts, lambda: _put_access(facts, items))


def _put_access(facts: dict[str, object], items: Sequence[SecretAccess]) -> None:
    put_fields({name: facts[name] for name in ("user", "token", "tenant") if facts[name] is not None})
    put(f"could read {count(len(items), 'secret')}")
    if items:
        put("")
        put_table(
            ["SECRET", "OF TENANT", "USE", "SHOW", "BECAUSE OF"],
            ([one.key, one.tenant, one.use, one.show, ", ".join(one.grounds)] for one in items),
        )
