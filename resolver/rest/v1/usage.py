"""Where secrets are used, out of the audit trail, and who could read them, by the rules of access."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct, field
from starlette.responses import Response

from resolver.core.access import AccessPart, WhoCan
from resolver.core.query import DEFAULT_SIZE, Listing
from resolver.rest.pagination import Count
from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Flag, Group, is_true
from resolver.service.usage_reports import SecretUses

GROUP = Group("uses", OWN)


class AccessQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose access is asked about, and for which part of the tenant's secrets.

    Args:
        user: the user's name; left out for the caller.
        token: the public part of a token that is meant instead of a user.
        search: a part of a secret's key or description, in any case.
        offset: how many secrets to leave out first.
        size: how many secrets to look at, at most.
        get_all_results: look at all, whatever the size.
    """

    user: str = ""
    token: str = ""
    search: str = field(name="_search", default="")
    offset: Count = field(name="_offset", default=0)
    size: Count = field(name="_size", default=DEFAULT_SIZE)
    get_all_results: Flag = field(name="_get_all_results", default=False)


class UsesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose uses of a secret are wanted.

    Args:
        run: the id of a workload's run; left out for all uses.
    """

    run: Annotated[str, Meta(max_length=1000)] = ""


class DayOfUses(Struct, frozen=True):
    """The uses of one day."""

    day: str
    allowed: int
    refused: int


class PairOfUses(Struct, frozen=True):
    """How often a blueprint used a secret."""

    key: str
    blueprint: str
    count: int


class TenantUsesResult(Struct, frozen=True):
    """The uses of a tenant: by day, and by secret and blueprint for those that are used most."""

    since: str
    until: str
    days: Sequence[DayOfUses]
    pairs: Sequence[PairOfUses]
    keys: int
    blueprints: int


@GROUP.route("GET", "/secrets/{key}/uses", SecretUses)
def get_secret_uses(call: ApiCall, tenant: str, key: str, query: UsesQuery) -> Response:
    """Which blueprints used which version of a secret in the last 90 days, when, and by whom."""
    return Answer(call.service.where_used.secret(call.caller, tenant, key, query.run))


@GROUP.route("GET", "/uses", TenantUsesResult)
def get_tenant_uses(call: ApiCall, tenant: str) -> Response:
    """How often secrets of a tenant were used in the last 90 days, and by which blueprints."""
    found = call.service.where_used.tenant(call.caller, tenant)
    return Answer(
        TenantUsesResult(
            found.since,
            found.until,
            [DayOfUses(day, allowed, refused) for day, (allowed, refused) in sorted(found.days.items())],
            [PairOfUses(key, name, count) for (key, name), count in sorted(found.pairs.items())],
            found.keys,
            found.blueprints,
        )
    )


@GROUP.route("GET", "/secrets/{key}/access", WhoCan)
def get_secret_access(call: ApiCall, tenant: str, key: str) -> Response:
    """Every user, token and trust that the rules give a secret's value, each with these rules."""
    return Answer(call.service.access.who_can(call.caller, tenant, key))


@GROUP.route("GET", "/access", AccessPart)
def get_access(call: ApiCall, tenant: str, query: AccessQuery) -> Response:
    """What the caller, another user or a token could use and be shown in a tenant."""
    listing = Listing(
        query.search, offset=query.offset, size=None if is_true(query.get_all_results) else query.size
    )
    return Answer(call.service.access.access(call.caller, tenant, query.user, query.token, listing))
