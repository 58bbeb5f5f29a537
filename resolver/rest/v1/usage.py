"""Where secrets are used, out of the audit trail."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from starlette.responses import Response

from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, ApiCall, Group
from resolver.service.usage_reports import SecretUses

GROUP = Group("uses", OWN)


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
def get_secret_uses(call: ApiCall, tenant: str, key: str) -> Response:
    """Which blueprints used which version of a secret in the last 90 days, when, and by whom."""
    return Answer(call.service.where_used.secret(call.caller, tenant, key))


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
