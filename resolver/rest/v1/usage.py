"""Where secrets are used, out of the audit trail."""

from dataclasses import asdict

from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.rest.responses import Answer
from resolver.rest.routing import OWN, CallerDep, Group, ServiceDep, TenantDep

GROUP = Group("uses", OWN)


class UseFacts(TypedDict):
    """One blueprint that asked for a secret; see `resolver.service.usage_reports.BlueprintUse`."""

    blueprint: str
    digest: str
    tenant: str
    version: int | None
    caller: str
    decision: str
    claimed: bool
    count: int
    first: str
    last: str


class SecretUsesResult(TypedDict):
    """Where a secret was used, the latest first, and whether there was more."""

    since: str
    uses: list[UseFacts]
    more: bool


class DayFacts(TypedDict):
    """The uses of one day."""

    day: str
    allowed: int
    refused: int


class PairFacts(TypedDict):
    """How often a blueprint used a secret."""

    key: str
    blueprint: str
    count: int


class TenantUsesResult(TypedDict):
    """The uses of a tenant: by day, and by secret and blueprint for those that are used most."""

    since: str
    until: str
    days: list[DayFacts]
    pairs: list[PairFacts]
    keys: int
    blueprints: int


@GROUP.route("GET", "/secrets/{key}/uses", SecretUsesResult)
def get_secret_uses(key: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Which blueprints used which version of a secret in the last 90 days, when, and by whom."""
    found = service.where_used.secret(caller, tenant, key)
    return Answer({"since": found.since, "uses": [asdict(use) for use in found.uses], "more": found.more})


@GROUP.route("GET", "/uses", TenantUsesResult)
def get_tenant_uses(caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """How often secrets of a tenant were used in the last 90 days, and by which blueprints."""
    found = service.where_used.tenant(caller, tenant)
    return Answer(
        {
            "since": found.since,
            "until": found.until,
            "days": [
                DayFacts(day=day, allowed=allowed, refused=refused)
                for day, (allowed, refused) in sorted(found.days.items())
            ],
            "pairs": [
                PairFacts(key=key, blueprint=blueprint, count=count)
                for (key, blueprint), count in sorted(found.pairs.items())
            ],
            "keys": found.keys,
            "blueprints": found.blueprints,
        }
    )
